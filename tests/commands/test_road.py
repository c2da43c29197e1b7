"""The whole road by its commands, on a tiny random model: SFT, merge, pairs, a MODPO sweep, evaluation, report."""

import csv
import json
from pathlib import Path

import pytest

from summpo.commands import COMMANDS, main, quoted
from summpo.commands.compose import compose_config
from summpo.commands.run_config import compose_with_run
from summpo.config.tree import plain
from summpo.models.weights.loading import load_tokenizer
from summpo.text.encoding import text_tokens

DOCUMENTS = [f"The {animal} sat on the {place}, and the {animal} was {mood}." for animal in ("cat", "dog", "bird", "cow")
             for place in ("mat", "roof") for mood in ("happy", "sad", "tired")]  # fmt: skip
SMALL = ["tokens.max_length=200", "lora.r=4", "validation.times=1", "validation.max_new_tokens=8",
         "trainer.enable_progress_bar=false", "batch_size=6", "optimizer.lr=1e-2"]  # fmt: skip


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory, tiny_model_path: Path) -> Path:
    """The folder in which the stages up to the sweep have run."""
    folder = tmp_path_factory.mktemp("road")
    data = folder / "data"
    data.mkdir()
    for split, rows in {"train": DOCUMENTS[:16], "validation": DOCUMENTS[16:20], "test": DOCUMENTS[20:]}.items():
        texts = [{"id": f"{split}{n}", "document": d, "summary": d[4:9] + " sat."} for n, d in enumerate(rows)]
        (data / f"{split}.jsonl").write_text("\n".join(map(json.dumps, texts)) + "\n", "utf-8")
    cache = f"cache_dir={folder / 'cache'}"
    model = f"model.path={tiny_model_path}"
    source = ["dataset=jsonl", f"dataset.path={data}"]
    stages = [
        ["train", "objective=sft", *source, model, cache, *SMALL, f"output_dir={folder / 'sft'}"],
        ["merge", f"run={folder / 'sft'}", cache],
        ["pairs", f"run={folder / 'sft'}", cache, "samples=4", "generation.max_new_tokens=12", "min_difference=0",
         "cut_samples=keep", f"output_dir={folder / 'pairs'}"],
        ["train", "-m", "objective=modpo", "w=0,0.1", "dataset=jsonl", f"dataset.path={folder / 'pairs'}", cache,
         f"model.path={folder / 'sft' / 'merged'}", *SMALL, f"output_dir={folder / 'modpo'}"],
    ]  # fmt: skip
    for stage in stages:
        assert main(stage) == 0, stage
    return folder


def test_a_run_leaves_the_files_of_the_contract(road: Path) -> None:
    for run in (road / "sft", road / "modpo" / "w=0", road / "modpo" / "w=0.1"):
        for name in (".hydra/config.yaml", "metrics.csv", "summary.json", "checkpoints/last.ckpt", "checkpoints/best.ckpt",
                     "adapter/adapter_config.json", "adapter/adapter_model.safetensors", "adapter/README.md",
                     "adapter/tokenizer.json"):  # fmt: skip
            assert (run / name).exists(), f"{run.name} lacks {name}"
        with (run / "metrics.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [int(row["step"]) for row in rows] == list(range(1, len(rows) + 1))
        assert rows[-1]["val/loss"]


def test_the_sweep_names_its_folders_after_what_it_varies(road: Path) -> None:
    assert {path.name for path in (road / "modpo").iterdir() if path.is_dir()} == {"w=0", "w=0.1"}


def test_the_sweep_computes_tokens_margins_and_reference_once(road: Path) -> None:
    kinds = {
        kind.name: len([f for f in kind.iterdir() if f.is_dir()]) for kind in (road / "cache" / "columns").iterdir()
    }
    # SFT and pairs: two splits each; margins and reference: two splits, whatever the number of points
    assert kinds == {"tokens": 4, "margins": 2, "reference": 2}


def test_merged_is_a_plain_transformers_folder(road: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(road / "sft" / "merged")
    tokenizer = AutoTokenizer.from_pretrained(road / "sft" / "merged")
    assert model(**tokenizer("The cat", return_tensors="pt")).logits.shape[-1] == model.config.vocab_size


def test_plain_peft_loads_the_adapter_on_the_base_that_it_names(road: Path) -> None:
    from peft import AutoPeftModelForCausalLM

    policy = AutoPeftModelForCausalLM.from_pretrained(road / "modpo" / "w=0.1" / "adapter")
    assert Path(policy.peft_config["default"].base_model_name_or_path) == road / "sft" / "merged"


def test_pairs_prefer_what_covers_more_of_the_reference(road: Path) -> None:
    rows = [json.loads(line) for line in (road / "pairs" / "train.jsonl").read_text("utf-8").splitlines()]
    assert rows and all(row["score_chosen"] >= row["score_rejected"] for row in rows)
    assert all(row["chosen"] != row["rejected"] for row in rows)
    counts = json.loads((road / "pairs" / "pairs.json").read_text("utf-8"))["counts"]
    assert counts["train"]["paired"] == len(rows)


def test_done_stages_say_so_and_change_nothing(road: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def touched() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (road / "pairs").iterdir()}

    before = touched()
    again = ["pairs", f"run={road / 'sft'}", f"cache_dir={road / 'cache'}", "samples=4", "generation.max_new_tokens=12",
             "min_difference=0", "cut_samples=keep", f"output_dir={road / 'pairs'}"]  # fmt: skip
    assert main(again) == 0
    assert "done already" in capsys.readouterr().out and touched() == before
    assert main([*again, "samples=3"]) == 2
    assert (
        "holds pairs of samples=4, not 3: choose another output_dir" in capsys.readouterr().err and touched() == before
    )


def test_generate_evaluate_and_report(road: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = f"cache_dir={road / 'cache'}"
    source = ["dataset=jsonl", f"dataset.path={road / 'data'}", "generation.max_new_tokens=12"]
    run = road / "modpo" / "w=0.1"
    assert main(["generate", f"run={run}", cache, *source, f"output_dir={road / 'generated'}"]) == 0
    generated = [json.loads(line) for line in (road / "generated" / "samples.jsonl").read_text("utf-8").splitlines()]
    assert [row["id"] for row in generated] == [f"test{n}" for n in range(4)]
    for point in ("sft", "modpo/w=0", "modpo/w=0.1"):
        assert main(["evaluate", f"run={road / point}", cache, *source]) == 0
    evaluation = json.loads((run / "evaluation.json").read_text("utf-8"))
    assert evaluation["documents"] == 4 and evaluation["split"] == "test"
    metrics = evaluation["metrics"]
    # the margin reward of the run is reported of the generated text: minus its length
    assert metrics["eval/margin/length"] == pytest.approx(-metrics["eval/length_tokens"])
    samples = [json.loads(line) for line in (run / "samples.jsonl").read_text("utf-8").splitlines()]
    assert [s["summary"] for s in samples] == [g["summary"] for g in generated]  # greedy
    capsys.readouterr()
    assert main(["report", str(road / "sft"), str(road / "modpo"), f"output_dir={road / 'report'}"]) == 0
    out = capsys.readouterr().out
    assert "ROUGE-1" in out and "0.1" in out
    assert (road / "report" / "front.png").read_bytes().startswith(b"\x89PNG")
    assert "data:image/png;base64" in (road / "report" / "front.html").read_text("utf-8")


def test_w_of_an_evaluation_weighs_the_runs_own_margin(road: Path, tmp_path: Path) -> None:
    """The run's weight follows w: at 0 the margin says nothing, at 50 the longer summary is all that counts."""
    source = ["dataset=jsonl", f"dataset.path={road / 'pairs'}", "split=validation", "generation.max_new_tokens=4"]
    accuracies = {}
    for w in ("0", "50"):
        out = tmp_path / w
        where = [f"run={road / 'modpo' / 'w=0.1'}", f"cache_dir={road / 'cache'}", f"output_dir={out}"]
        assert main(["evaluate", *where, *source, f"w={w}"]) == 0
        evaluation = json.loads((out / "evaluation.json").read_text("utf-8"))
        assert evaluation["config"]["w"] == float(w)
        accuracies[w] = (evaluation["preference_accuracy"], evaluation["preference_accuracy_with_margin"])
    assert accuracies["0"][0] == accuracies["0"][1] == accuracies["50"][0]
    tokenizer = load_tokenizer(road / "modpo" / "w=0.1" / "adapter")
    pairs = [json.loads(line) for line in (road / "pairs" / "validation.jsonl").read_text("utf-8").splitlines()]
    lengths = [[len(ids) for ids in text_tokens([pair["chosen"], pair["rejected"]], tokenizer)] for pair in pairs]
    assert all(chosen != rejected for chosen, rejected in lengths), "the policy would decide"
    longer = [chosen > rejected for chosen, rejected in lengths]
    assert accuracies["50"][1] == pytest.approx(sum(longer) / len(longer))


def test_an_evaluation_is_done_only_while_its_inputs_are_the_same(
    road: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other documents, or samples that are gone, are evaluated; generate does not overwrite an evaluation's samples."""
    rows = tmp_path / "rows.jsonl"
    command = ["evaluate", f"run={road / 'sft'}", f"cache_dir={road / 'cache'}", "dataset=jsonl", f"dataset.path={rows}",
               "generation.max_new_tokens=4", "dataset.validation_fraction=0", "dataset.test_fraction=0.5",
               f"output_dir={tmp_path / 'out'}"]  # fmt: skip
    for texts, done in ((("one text", "two texts"), 0), (("one text", "two texts"), 1), (("three", "four texts"), 0)):
        rows.write_text("".join(json.dumps({"document": text, "summary": "s"}) + "\n" for text in texts), "utf-8")
        capsys.readouterr()
        assert main(command) == 0
        assert capsys.readouterr().out.count("done already") == done
    (tmp_path / "out" / "samples.jsonl").unlink()
    assert main(command) == 0
    before = (tmp_path / "out" / "samples.jsonl").read_bytes()
    assert main(["generate", *command[1:]]) == 2
    assert "belongs to the evaluation beside it" in capsys.readouterr().err
    assert (tmp_path / "out" / "samples.jsonl").read_bytes() == before


@pytest.mark.parametrize("odd", ["ünï", "with space", "a=b", "it's", "(1)", "{x}"])
def test_paths_with_odd_characters(odd: str, road: Path, tmp_path: Path) -> None:
    """Quoted where Hydra's grammar needs it, so that a user types the path alone."""
    run = tmp_path / odd
    run.symlink_to(road / "sft")
    config = compose_with_run("merge", [quoted(f"run={run}")], ("model",))
    assert config.run == str(run)
    assert plain(compose_config("train", [quoted(f"output_dir={run}")]))["output_dir"] == str(run)


def test_another_model_has_no_preference_accuracy_of_the_run(road: Path, tmp_path: Path) -> None:
    """Who measures the base on a run's documents is not told how well the run's own adapter orders pairs."""
    run = road / "modpo" / "w=0.1"
    path = json.loads((run / "summary.json").read_text("utf-8"))["config"]["model"]["path"]
    command = ["evaluate", f"run={run}", f"cache_dir={road / 'cache'}", "split=validation", "dataset.limit=2"]
    model = ["model=smollm2", f"model.path={path}", "generation.max_new_tokens=4", f"output_dir={tmp_path}"]
    assert main([*command, *model]) == 0
    result = json.loads((tmp_path / "evaluation.json").read_text("utf-8"))
    assert result["config"]["model"]["adapter"] is None
    assert (result["preference_accuracy"], result["preference_accuracy_with_margin"]) == (None, None)


@pytest.mark.parametrize(
    "argument", ["w=0,0.1", "trainer=gpu", "margin_reward=[length,rouge]", "+x=1", "~logger", "-m", "w"]
)
def test_what_hydra_reads_stays_as_it_is(argument: str) -> None:
    assert quoted(argument) == argument


def test_preference_accuracy_of_held_out_pairs(road: Path) -> None:
    """On the validation pairs it is what training logged of the same weights at its end."""
    run = road / "modpo" / "w=0.1"
    out = road / "accuracy"
    assert main(["evaluate", f"run={run}", f"cache_dir={road / 'cache'}", "split=validation", "generation.max_new_tokens=4",
                 f"output_dir={out}"]) == 0  # fmt: skip
    result = json.loads((out / "evaluation.json").read_text("utf-8"))
    logged = json.loads((run / "summary.json").read_text("utf-8"))["metrics"]
    assert result["preference_accuracy"] == pytest.approx(logged["val/reward_accuracy"])
    assert result["preference_accuracy_with_margin"] == pytest.approx(logged["val/reward_accuracy_with_margin"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["merge"], "no adapter to merge"),
        (["merge", "run=/nowhere"], "no run has been trained here"),
        (["generate", "dataset.limit=0"], "limit"),
        (["evaluate", "split=dev"], "split must be train or validation or test, got"),
        (["evaluate", "generation.temperature=-1"], "temperature must be >= 0"),
        (["pairs", "generation.temperature=0", "output_dir=x"], "temperature above 0"),
        (["pairs"], "output_dir is required"),
        (["report", "output_dir=x"], "at least one run folder"),
        (["report", "/nowhere", "output_dir=x"], "/nowhere"),
        (["report", "x", "colour=red"], "unknown option colour"),
        (["dance"], "there is no command dance"),
        (["evaluate", "+x=1"], "unknown option x"),
        (["evaluate", "+generation.y=1"], "unknown option generation.y"),
        (["evaluate", "output_dir=/dev/null/x"], "cannot be written to"),
        (["merge", "run=a,b"], "run takes one value, got a,b"),
        (["inspect", "w=0", "-x"], "summpo inspect: options are given as key=value, got -x"),
        *[
            ([name, *options], f"summpo {name}: -m is for summpo train alone: give this command once for each value")
            for name in COMMANDS
            if name != "train"
            for options in (["-m", "w=0,0.1"], ["w=0,0.1", "--multirun"])
        ],
    ],
)
def test_one_sentence_and_exit_code_2(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
