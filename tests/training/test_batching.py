"""How batches are made changes when a run is done, not what it learns: whole runs of the tiny model, side by side."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, MambaConfig, MambaForCausalLM

from summpo.commands import main
from summpo.commands.compose import compose_config
from summpo.errors import UserError
from summpo.training.plain_settings import train_settings
from summpo.training.run import train
from support.random_models import random_model
from support.train_runs import metrics_of, small, summary_of, write_rows

DOCUMENTS = 3


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pairs of three documents, some with the same chosen summary."""
    file = write_rows(tmp_path_factory.mktemp("pairs") / "train.jsonl", 12)
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    for number, row in enumerate(rows):
        row["document"] = rows[number % DOCUMENTS]["document"]
        row["chosen"] = rows[number % (2 * DOCUMENTS)]["chosen"]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def run_of(model: Path, pairs: Path, folder: Path, **changes: object) -> Path:
    """A run of two epochs, its columns its own."""
    fixed = {"dataset__validation_fraction": 0, "dataset__test_fraction": 0, "trainer__max_epochs": 2}
    overrides = small(model, pairs, folder.with_suffix(".cache"), **(fixed | changes))
    train(train_settings(compose_config("train", [*overrides, f"output_dir={folder}"])), folder)
    return folder


def assert_same_run(mine: Path, plain: Path) -> None:
    """The same losses on the way, and the same adapter at its end, to float tolerance."""
    for ours, theirs in zip(metrics_of(mine), metrics_of(plain), strict=True):
        assert ours["step"] == theirs["step"]
        assert ours["train/loss"] == pytest.approx(theirs["train/loss"], abs=1e-4)
    weights, expected = (load_file(run / "adapter" / "adapter_model.safetensors") for run in (mine, plain))
    for name, weight in expected.items():
        assert torch.allclose(weights[name], weight, atol=2e-3), name


@pytest.mark.parametrize("objective", ["dpo", "sft", "simpo", "reward_model"])
def test_shared_prompts_learn_what_padded_ones_do(
    tiny_model_path: Path, pairs: Path, tmp_path: Path, objective: str
) -> None:
    found = [
        run_of(tiny_model_path, pairs, tmp_path / batching, batching=batching, objective=objective, optimizer__lr=1e-3)
        for batching in ("shared_prefix", "padded")
    ]
    assert_same_run(*found)
    assert summary_of(found[0])["tokens_seen"] == summary_of(found[1])["tokens_seen"]


@pytest.mark.parametrize(
    "changes",
    [{"activation_checkpointing": "true"}, {"batch_size": 2, "trainer__accumulate_grad_batches": 2}],
    ids=["recomputed", "accumulated"],
)
def test_memory_is_saved_at_no_change(
    tiny_model_path: Path, pairs: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    plain = run_of(tiny_model_path, pairs, tmp_path / "plain", optimizer__lr=1e-3)
    assert_same_run(run_of(tiny_model_path, pairs, tmp_path / "saving", optimizer__lr=1e-3, **changes), plain)


def test_in_four_bits_too(tiny_model_path: Path, pairs: Path, tmp_path: Path) -> None:
    """The second seed's way: QLoRA on all linear layers with dropout, activations computed twice, one pair at a time."""
    fixed = {"model__quantization": "nf4", "lora__target_modules": "all-linear"}
    fixed |= {"optimizer__lr": 1e-3, "batch_size": 1, "trainer__accumulate_grad_batches": 4, "trainer__max_epochs": 1}
    dropped = run_of(tiny_model_path, pairs, tmp_path / "dropped", **fixed, lora__dropout=0.1)
    recomputed = {"lora__dropout": 0.1, "activation_checkpointing": "true"}
    assert_same_run(run_of(tiny_model_path, pairs, tmp_path / "recomputed", **fixed, **recomputed), dropped)
    shared = run_of(tiny_model_path, pairs, tmp_path / "shared", **fixed)
    assert_same_run(shared, run_of(tiny_model_path, pairs, tmp_path / "padded", **fixed, batching="padded"))
    assert metrics_of(shared)[-1]["train/loss"] != metrics_of(dropped)[-1]["train/loss"]


@pytest.mark.storm
def test_compiled_layers(tiny_model_path: Path, pairs: Path, tmp_path: Path) -> None:
    """A minute or two of the compiler's, hence not among the quick ones."""
    plain = run_of(tiny_model_path, pairs, tmp_path / "plain", optimizer__lr=1e-3)
    assert_same_run(run_of(tiny_model_path, pairs, tmp_path / "compiled", optimizer__lr=1e-3, compile="true"), plain)


def test_by_prompt_keeps_a_documents_pairs_together(tiny_model_path: Path, pairs: Path, tmp_path: Path) -> None:
    """All twelve in one batch: the same loss in any order; four a batch: four of one document in each."""
    one = [
        run_of(tiny_model_path, pairs, tmp_path / f"{order}-12", order=order, batch_size=12, optimizer__lr=1e-3)
        for order in ("by_prompt", "shuffled")
    ]
    assert_same_run(*one)
    run = run_of(tiny_model_path, pairs, tmp_path / "by_prompt-4", order="by_prompt", batch_size=4)
    assert len(metrics_of(run)) == 6


@pytest.mark.parametrize("order", ["shuffled", "by_length"])
def test_a_limit_on_tokens(tiny_model_path: Path, pairs: Path, tmp_path: Path, order: str) -> None:
    run = run_of(tiny_model_path, pairs, tmp_path / "run", batch_tokens=1, batch_size=12, order=order)
    assert len(metrics_of(run)) == 24, "no two rows fit one token: a row is a batch"
    assert summary_of(run)["rows_seen"] == 24
    assert metrics_of(run)[-1]["epoch"] == 2


@pytest.mark.parametrize(("batching", "steps"), [("shared_prefix", 2), ("padded", 4)])
def test_a_limit_counts_a_prompt_as_often_as_it_is_read(
    tiny_model_path: Path, tmp_path: Path, batching: str, steps: int
) -> None:
    """Four pairs of a prompt of P tokens and completions of 2, at most 2 (P + 4) tokens at a time: two rows where each
    reads its prompt once, one where it reads it twice. What is seen counts no padding and is the same.
    """
    row = {"document": "The cat sat on the mat.", "chosen": "a", "rejected": "b"}
    file = tmp_path / "train.jsonl"
    file.write_text("".join(json.dumps(row | {"id": str(number)}) + "\n" for number in range(4)), "utf-8")
    prompt = f"\n\nParagraph:\n{row['document']}\n\nTL;DR:\n"
    tokens = len(AutoTokenizer.from_pretrained(tiny_model_path)(prompt)["input_ids"])
    fixed = {"batching": batching, "trainer__max_epochs": 1}
    run = run_of(tiny_model_path, file, tmp_path / "run", batch_tokens=2 * (tokens + 4), **fixed)
    assert tokens > 4
    assert len(metrics_of(run)) == steps
    assert summary_of(run)["tokens_seen"] == 4 * 2 * (tokens + 2)


def test_a_limit_counts_the_padding_of_a_short_row_beside_a_long_one(tiny_model_path: Path, tmp_path: Path) -> None:
    """Pairs of prompts of P and of more, Q, with completions of 2, padded: together 4 (Q + 2), more than they read apart."""
    tokenizer, counts, rows = AutoTokenizer.from_pretrained(tiny_model_path), [], []
    for number, document in enumerate(("The cat sat.", "The cat sat on the mat, and the dog sat on the cat.")):
        rows.append({"id": str(number), "document": document, "chosen": "a", "rejected": "b"})
        counts.append(len(tokenizer(f"\n\nParagraph:\n{document}\n\nTL;DR:\n")["input_ids"]))
    file = tmp_path / "train.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    assert counts[0] < counts[1]
    apart, together = sum(2 * (count + 2) for count in counts), 4 * (max(counts) + 2)
    for limit, steps in ((apart, 2), (together - 1, 2), (together, 1)):
        fixed = {"batching": "padded", "trainer__max_epochs": 1, "batch_tokens": limit}
        assert len(metrics_of(run_of(tiny_model_path, file, tmp_path / str(limit), **fixed))) == steps


def test_what_is_not_proven_is_padded_and_says_so(
    tiny_model_path: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tiny_model_path, pairs, tmp_path / "eager", model__attention="eager", optimizer__lr=1e-3)
    assert "batching: padded, for model.attention=eager" in capsys.readouterr().out
    assert_same_run(run, run_of(tiny_model_path, pairs, tmp_path / "sdpa", optimizer__lr=1e-3))
    assert "batching" not in capsys.readouterr().out


def test_a_state_space_model_falls_back_by_itself(
    tiny_model_path: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mamba has neither attention nor sdpa: by the defaults it trains, padded, all its logits at once, and all is said."""
    folder = Path(shutil.copytree(tiny_model_path, tmp_path / "mamba"))
    (folder / "model.safetensors").unlink()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    eos = tokenizer.eos_token_id
    sizes: dict[str, Any] = {"vocab_size": len(tokenizer), "hidden_size": 16, "num_hidden_layers": 1, "state_size": 4}
    MambaForCausalLM(MambaConfig(**sizes, eos_token_id=eos, pad_token_id=eos)).save_pretrained(folder)
    run_of(folder, pairs, tmp_path / "run", lora__target_modules="[in_proj]", trainer__max_steps=1)
    said = capsys.readouterr().out
    assert "batching: padded, for the model family mamba is not proven" in said
    assert "attention: eager, for transformers has no sdpa for MambaForCausalLM" in said
    assert "logits: those of all completions of a batch are held at once" in said


def test_a_head_that_trains_is_said(
    tiny_model_path: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for lora, says in (("null", True), ("{r: 2, alpha: 4}", False)):
        run_of(tiny_model_path, pairs, tmp_path / f"run{says}", lora=lora, trainer__max_steps=1)
        assert ("logits: those of all completions" in capsys.readouterr().out) is says


def test_a_window_shorter_than_the_rows_is_padded_says_so_and_is_kept(
    tiny_model_path: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mistral's, of 8 tokens: the first step by `summpo train` has the log-probs of plain transformers."""
    model, out = tmp_path / "mistral", tmp_path / "run"
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_path)
    random_model("mistral", sliding_window=8).save_pretrained(model)
    tokenizer.save_pretrained(model)
    splits = {"dataset__validation_fraction": 0, "dataset__test_fraction": 0, "batch_size": 12}
    settings = small(model, pairs, tmp_path / "cache", **splits, trainer__max_steps=1)
    assert main(["train", *settings, f"output_dir={out}"]) == 0
    assert (
        "batching: padded, for its attention slides over 8 tokens, less than tokens.max_length=512\n"
        in capsys.readouterr().out
    )
    (step,) = metrics_of(out)
    assert step["train/loss"] == pytest.approx(math.log(2), abs=1e-6)
    rows = [json.loads(line) for line in pairs.read_text("utf-8").splitlines()]
    for attention, is_it in (("eager", True), ("without a window", False)):
        plain = AutoModelForCausalLM.from_pretrained(model, attn_implementation="eager").eval()
        plain.config.sliding_window = 8 if is_it else None
        found = []
        for row in rows:
            prompt = tokenizer(f"\n\nParagraph:\n{row['document']}\n\nTL;DR:\n")["input_ids"]
            chosen = [*tokenizer(row["chosen"])["input_ids"], tokenizer.eos_token_id]
            with torch.no_grad():
                log_probs = plain(torch.tensor([prompt + chosen])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
            found.append(log_probs[range(len(chosen)), chosen].sum().item())
        is_near = step["train/log_prob_chosen"] == pytest.approx(sum(found) / len(found), abs=1e-3)
        assert is_near is is_it, attention


def test_a_kernel_that_is_not_here_stops_the_run_in_a_sentence(
    tiny_model_path: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """flash_attention_2, asked for with shared prompts: padded, it says, and then that it cannot load the model so."""
    if torch.cuda.is_available():
        pytest.skip("this machine may have it")
    out = tmp_path / "run"
    settings = small(tiny_model_path, pairs, tmp_path / "cache", model__attention="flash_attention_2")
    assert main(["train", *settings, f"output_dir={out}"]) == 2
    said = capsys.readouterr()
    assert "batching: padded, for model.attention=flash_attention_2 is not proven to read shared prompts" in said.out
    assert said.err.startswith("summpo train: cannot load the weights in") and said.err.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("matmul_precision=low", "matmul_precision must be one of null, highest, high, medium, got low"),
        ("batching=packed", "batching must be one of shared_prefix, padded, got packed"),
        ("order=sorted", "order must be one of shuffled, by_prompt, by_length, got sorted"),
        ("batch_tokens=0", "batch_tokens must be >= 1, got 0"),
        ("batch_tokens=many", "batch_tokens must be a whole number, got many"),
        ("activation_checkpointing=1.5", "activation_checkpointing must be true or false, got 1.5"),
    ],
)
def test_values_out_of_range(tiny_model_path: Path, pairs: Path, tmp_path: Path, option: str, sentence: str) -> None:
    overrides = small(tiny_model_path, pairs, tmp_path / "cache")
    with pytest.raises(UserError, match=sentence):
        train(train_settings(compose_config("train", [*overrides, option, f"output_dir={tmp_path}"])), tmp_path)
