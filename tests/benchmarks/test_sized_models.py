"""Models by their size: what a context is, and that all runs on a tiny one on the CPU."""

import math
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import sized_fit
import sized_models
from bases import SIZES, Sized
from door import has_trl
from pairs import Shape, drawn_pairs
from sides import BEST, SUMMPO
from sized_fit import LIGER, Figures, Job, measure
from sized_models import FAILED, in_child, other_sides, shape_of, shapes_of, table_rows
from summpo.errors import UserError
from support.pretended_cuda import pretended

JOB = Job(SUMMPO, "tiny", "cpu", Shape(40, 8, 3), checkpointing=False, warm_up=1, steps=2, threads=1)
FIGURES = Figures(seconds=0.5, tokens=1000, flops=2e12, product_rate=8e12, peak=3 * 2**30, loss=0.69)


@pytest.mark.parametrize(
    ("context", "shape"),
    [
        ("8192", Shape(7936, 256, 1)),  # 16384 // (7936 + 2 * 256) = 1
        ("16384", Shape(16128, 256, 1)),  # more than the batch has, and still one pair
        ("350/35", Shape(350, 35, 39)),  # 16384 // 420
        ("256", Shape(224, 32, 56)),  # an eighth of it is the completion; 16384 // 288
    ],
)
def test_a_context_is_a_shape(context: str, shape: Shape) -> None:
    assert shape_of(context, batch_tokens=16_384) == shape


@pytest.mark.parametrize("context", ["", "8k", "350/", "-5", "0", "1/2/3", "7", "²"])
def test_what_is_no_context_is_refused(context: str) -> None:
    with pytest.raises(UserError, match=f"a context .*, got {context}"):
        shape_of(context, batch_tokens=16_384)


@pytest.mark.parametrize("size", ["1.5b", "7b"])
def test_the_sizes_have_the_parameters_of_their_names(size: str) -> None:
    """Of the matrices alone: 1.54e9 for Qwen2-1.5B, of which 0.23e9 are embeddings, and 6.74e9 for Llama-2-7B."""
    s = SIZES[size]
    heads, kv, hidden = s["num_attention_heads"], s["num_key_value_heads"], s["hidden_size"]
    attention = 2 * hidden * hidden + 2 * hidden * hidden * kv // heads
    layers = s["num_hidden_layers"] * (attention + 3 * hidden * s["intermediate_size"])
    embeddings = s["vocab_size"] * hidden * (1 if s["tie_word_embeddings"] else 2)
    assert layers + embeddings == pytest.approx({"1.5b": 1.543e9, "7b": 6.738e9}[size], rel=1e-3)


def test_weights_are_random_and_the_same_each_time() -> None:
    first, second = (Sized("tiny").shared_prefix(torch.bfloat16, "cpu").state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert first["model.embed_tokens.weight"].dtype == torch.bfloat16 and first["lm_head.weight"].std() > 0


def test_pairs_are_drawn_between_half_and_all_of_the_longest() -> None:
    """And end as real ones do; the same each time."""
    rows, again = (drawn_pairs(Shape(41, 8, 50), 4, vocabulary=300) for _ in range(2))
    assert (rows.prompts.lengths.min(), rows.prompts.lengths.max(), len(rows)) == (21, 41, 200)
    for side in rows.completions:
        assert (side.lengths.min(), side.lengths.max()) == (4, 8)
        assert all(side[i][-1] == 0 and side[i][:-1].min() >= 3 for i in range(200))
    chosen, rejected = rows.completions
    assert (chosen.lengths != rejected.lengths).any() and (rows.prompts.values == again.prompts.values).all()


def test_a_size_is_measured_at_the_contexts_that_it_has_positions_for() -> None:
    assert shapes_of("tiny", None, None) == [Shape(350, 35, 4)]  # 2048 // 420
    assert shapes_of("7b", None, None)[:2] == [Shape(350, 35, 39), Shape(1500, 200, 8)]
    assert len(shapes_of("7b", None, None)) == 4
    with pytest.raises(UserError, match="a model of size tiny has 1,024 positions"):
        shapes_of("tiny", ["2048"], None)


def test_a_fit_is_the_same_with_activations_computed_again() -> None:
    """Same loss and the same FLOPs, for what is computed again is not counted."""
    kept, again = (measure(replace(JOB, checkpointing=wanted)) for wanted in (False, True))
    assert kept.loss == again.loss and kept.flops == again.flops > 0
    lengths = 2 * (3 * 40 + 3 * 8)  # of a batch of three pairs
    assert lengths / 2 <= kept.tokens == again.tokens <= lengths
    assert min(kept.seconds, kept.product_rate, kept.peak) > 0


class PretendedEvent:
    """torch.cuda.Event on no GPU."""

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None: ...

    def elapsed_time(self, end: "PretendedEvent") -> float:
        return (end.at - self.at) * 1000


def test_a_fit_lies_on_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """And comes to the loss of the CPU, but for how bfloat16 rounds."""
    monkeypatch.setattr(torch.cuda, "Event", PretendedEvent)
    monkeypatch.setitem(sized_fit.WIDTH, "cuda", 16)
    with pretended() as seen:
        found = measure(replace(JOB, device="cuda"))
    assert seen.faults.total() == 0 and set(seen.used) == {"cuda:0"}, seen.told()
    assert found.loss == pytest.approx(measure(JOB).loss, abs=2e-4)
    assert seen.waits_in("training_step") == seen.waits_in("backward") == 0


@pytest.mark.skipif(not has_trl(), reason="needs the extra bench (TRL)")
@pytest.mark.parametrize("checkpointing", [False, True])
def test_trl_trains_on_the_same_and_comes_to_the_same_loss(checkpointing: bool) -> None:
    """Steps, and each step's tokens, are asserted by `measure`; padded rows cost more FLOPs than shared prompts."""
    job = replace(JOB, longest=Shape(350, 35, 4), checkpointing=checkpointing, warm_up=2, steps=4)
    ours, theirs = (measure(replace(job, side=side)) for side in (SUMMPO, BEST))
    assert ours.tokens == theirs.tokens and ours.flops < theirs.flops
    assert theirs.loss == pytest.approx(ours.loss, abs=5e-5) and abs(ours.loss - math.log(2)) > 1e-4


@pytest.mark.parametrize(
    ("device", "has_liger", "wanted", "sides", "says"),
    [
        ("cpu", True, True, [BEST], "its kernels need a GPU"),
        ("cuda", False, True, [BEST], "liger_kernel is not installed"),
        ("cuda", True, True, [BEST, LIGER], None),
        ("cuda", True, False, [], "TRL is left out"),
    ],
)
def test_who_is_left_out_is_said(
    device: str, has_liger: bool, wanted: bool, sides: list, says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sized_models, "find_spec", lambda name: object() if has_liger else None)
    found, left_out = other_sides(device, wanted)
    assert found == sides
    assert left_out == [] if says is None else says in left_out[0]


def test_figures_in_words() -> None:
    """0.5 s for 1,000 tokens are 2,000 a second; 2e12 FLOP in it are half of 8e12 a second; 3 GiB beside 6 are half."""
    theirs = replace(FIGURES, seconds=1.0, peak=6 * 2**30)
    step, tokens, share, peak = table_rows("tiny", BEST, "GPU s", FIGURES, theirs)
    assert (step.theirs, step.ours, step.ratio) == ("1 GPU s", "0.5 GPU s", "2.00x")
    assert (tokens.theirs, tokens.ours) == ("1,000", "2,000")
    assert share.ours == "50.0% of 8 TFLOP/s" and (peak.ours, peak.ratio) == ("3.00 GiB", "0.50x")
    for rows in (
        table_rows("tiny", BEST, "GPU s", FIGURES, "does not fit"),
        table_rows("tiny", "", "GPU s", FIGURES, None),
    ):
        assert [row.ours for row in rows] == [step.ours, tokens.ours, share.ours, peak.ours]
        assert {row.ratio for row in rows} == {""} and len({row.theirs for row in rows}) == 1


def test_a_side_that_fails_is_told_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ends_badly(*_: object) -> str:
        raise RuntimeError("sized_fit.py ended with 1: no kernels")

    monkeypatch.setattr(sized_models, "last_line_of", ends_badly)
    assert in_child(JOB) == FAILED
    assert "summpo, tiny, 40/8 tokens, 3 pairs: sized_fit.py ended with 1: no kernels" in capsys.readouterr().err
    monkeypatch.setattr(sized_models, "in_child", lambda job: FAILED if job.side == BEST else FIGURES)
    monkeypatch.setattr(sys, "argv", ["sized_models.py", "--sizes", "tiny", "--trl"])
    with pytest.raises(SystemExit, match="1"):
        sized_models.main()
    assert "| TRL best real | failed | 0.5 CPU s |" in capsys.readouterr().out


def test_the_script_runs_on_the_cpu_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = tmp_path / "results.md"
    words = [
        "--device",
        "cpu",
        "--sizes",
        "tiny",
        "--contexts",
        "256",
        "--batch-tokens",
        "512",
        "--warm-up",
        "1",
        "--steps",
        "2",
        "--no-trl",
        "--table",
    ]
    monkeypatch.setattr(sys, "argv", ["sized_models.py", *words, str(table)])
    sized_models.main()
    text = table.read_text("utf-8")
    assert "## random weights, tiny, cpu" in text and "1 thread(s), load " in text
    command = "`python benchmarks/sized_models.py --sizes tiny --device cpu --contexts 256 --batch-tokens 512 "
    assert command in text and "FOLDER" not in text
    rows = [
        line
        for line in text.splitlines()
        if "half to all of 224/32 tokens, 1 pair, bfloat16, activations computed" in line
    ]
    assert [row.split(",")[0] for row in rows] == [
        "| step",
        "| tokens of both sequences a second",
        "| share of a matrix product's rate",
        "| peak memory of the fit",
    ]
    assert "CPU s" in rows[0] and "% of " in rows[2] and "GiB" in rows[3]
    assert "no figure says anything" in text and "GPU" not in text.split("## ", 1)[1]
    assert "TRL is left out" in capsys.readouterr().out


def test_a_context_that_does_not_fit_the_models_positions_is_told_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["sized_models.py", "--sizes", "tiny", "--contexts", "2048"])
    with pytest.raises(UserError, match="a model of size tiny has 1,024 positions"):
        sized_models.main()
