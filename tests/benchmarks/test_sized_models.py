"""Models by their size: what a context is, and that all runs on a tiny one on the CPU."""

import sys
from pathlib import Path

import pytest
import torch

import sized_models
from bases import SIZES, Sized
from pairs import Shape
from setting import Setting
from sides import SUMMPO, SUMMPO_CHECKPOINTED
from sized_models import shape_of
from sized_step import measure
from summpo.errors import UserError


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


def test_a_step_is_the_same_with_activations_computed_again() -> None:
    """Same log-probs and the same FLOPs, for what is computed again is not counted."""
    setting = Setting(Sized("tiny"), "cpu", torch.bfloat16, torch.bfloat16)
    kept, again = (measure(name, setting, Shape(56, 8, 2), repeats=1) for name in (SUMMPO, SUMMPO_CHECKPOINTED))
    assert kept.log_probs == again.log_probs and len(kept.log_probs) == 4 and max(kept.log_probs) < 0
    assert kept.flops == again.flops > 0
    assert min(kept.seconds, kept.product_rate, kept.peak) > 0


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
        "--repeats",
        "1",
        "--no-trl",
        "--table",
    ]
    monkeypatch.setattr(sys, "argv", ["sized_models.py", *words, str(table)])
    sized_models.main()
    text = table.read_text("utf-8")
    assert "## random weights, tiny, cpu" in text and "1 thread(s), load " in text
    command = "`python benchmarks/sized_models.py --sizes tiny --device cpu --contexts 256 --batch-tokens 512 "
    assert command in text and "FOLDER" not in text
    rows = [line for line in text.splitlines() if "224/32 tokens, 1 pair, bfloat16, activations computed" in line]
    assert [row.split(",")[0] for row in rows] == [
        "| step",
        "| tokens of both sequences a second",
        "| model FLOP utilisation",
        "| peak memory",
    ]
    assert "CPU s" in rows[0] and "% of " in rows[2] and "GiB" in rows[3]
    assert "GPU" not in text.split("## ", 1)[1] and "TRL is left out" in capsys.readouterr().out


def test_a_context_that_does_not_fit_the_models_positions_is_told_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["sized_models.py", "--sizes", "tiny", "--contexts", "2048"])
    with pytest.raises(UserError, match="a model of size tiny has 1,024 positions"):
        sized_models.main()
