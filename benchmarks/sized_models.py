"""Models by their size, with random weights made on the device: whole fits of summpo beside TRL's, in bfloat16.

    python benchmarks/sized_models.py --device cuda --table benchmarks/results.md

Nothing is fetched. For each size and context pairs are drawn, each prompt and each completion between half and all of
the context's; every side trains on the same ones in the same order: summpo by Lightning's `Trainer.fit`, TRL by
`DPOTrainer.train` at its best, with and without Liger's kernels (`pip install liger-kernel`, for CUDA alone). Of the
steps after a warm-up: seconds, tokens a second, and the share of what a bfloat16 matrix product measured on the same
device does; of the whole fit its peak memory. Each side has a process of its own; weights are bfloat16 and
adapters float32, under autocast.

Unsloth is no side: it reads its models from a folder or the Hub alone, and is pinned to versions of transformers, TRL
and datasets before those that the others are measured with, so that no one environment holds them all.

With --sizes tiny it runs on a CPU within a minute: that shows that it works, and no figure of it says anything.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from bases import SIZES
from clock import Clock
from door import ended, has_trl, require_device
from fresh_process import last_line_of
from pairs import Shape
from sides import BEST, SUMMPO
from sized_fit import LIGER, Figures, Job
from summpo.errors import UserError, require
from table import Row, as_markdown, command_line, conditions, times, write_sections

CONTEXTS = ("350/35", "1500/200", "8192", "16384")
BATCH_TOKENS, BATCH_TOKENS_OF_TINY = 16_384, 2048
TINY, FAILED = "tiny", "failed"
NO_FIGURES = "The model is tiny, so this shows that all sides run, and no figure says anything."
LONGEST_COMPLETION = 256
"""Of a context that is given by its whole length."""


def shape_of(context: str, batch_tokens: int) -> Shape:
    """350/35 is a prompt's and a completion's tokens; 8192 is both together. As many pairs as the batch has room for.

    Raises:
        UserError: it is neither.
    """
    parts = context.split("/")
    if not (len(parts) <= 2 and all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts)):
        raise UserError(f"a context is tokens, such as 8192, or prompt/completion, such as 350/35, got {context}")
    numbers = [int(part) for part in parts]
    if len(numbers) == 1:
        require(numbers[0] >= 8, f"a context has at least 8 tokens, got {context}")
        completion = min(LONGEST_COMPLETION, numbers[0] // 8)
        numbers = [numbers[0] - completion, completion]
    prompt, completion = numbers
    return Shape(prompt, completion, max(1, batch_tokens // (prompt + 2 * completion)))


def shapes_of(size: str, contexts: list[str] | None, batch_tokens: int | None) -> list[Shape]:
    """The contexts of a size: those that are asked for, or those of `CONTEXTS` that it has positions for.

    Raises:
        UserError: it has too few for one that is asked for.
    """
    most = SIZES[size]["max_position_embeddings"]
    if batch_tokens is None:
        batch_tokens = BATCH_TOKENS_OF_TINY if size == TINY else BATCH_TOKENS
    shapes = [shape_of(context, batch_tokens) for context in contexts or CONTEXTS]
    for shape in shapes if contexts else ():
        length = shape.prompt + shape.completion
        require(
            length <= most, f"a model of size {size} has {most:,} positions, and {shape} need {length:,} (--contexts)"
        )
    return [shape for shape in shapes if shape.prompt + shape.completion <= most]


def other_sides(device: str, trl_wanted: bool) -> tuple[list[str], list[str]]:
    """Who is measured beside summpo, and a sentence on each that is left out."""
    if not trl_wanted:
        return [], ["TRL is left out: it is not installed, or not wanted"]
    if device != "cuda":
        return [BEST], [f"{LIGER} is left out: its kernels need a GPU"]
    if find_spec("liger_kernel") is None:
        return [BEST], [f"{LIGER} is left out: liger_kernel is not installed"]
    return [BEST, LIGER], []


def one_gpu() -> dict[str, str]:
    """The first of those that this process may see: TRL refuses to choose."""
    return {"CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0]}


def in_child(job: Job) -> Figures | str:
    """The figures, from `python sized_fit.py`, or why there are none; what went wrong is printed."""
    try:
        found = json.loads(last_line_of("sized_fit.py", [json.dumps(asdict(job))], one_gpu()))
    except RuntimeError as error:
        print(f"{job.side}, {job.size}, {job.longest}: {error}", file=sys.stderr, flush=True)
        return FAILED
    return "does not fit" if found is None else Figures(**found)


def rows(size: str, shape: Shape, others: list[str], options: argparse.Namespace) -> list[Row]:
    """Four rows of one size and context for each other side; without one, summpo's alone."""
    o = options
    found = {
        side: in_child(Job(side, size, o.device, shape, o.checkpointing, o.warm_up, o.steps, o.threads))
        for side in (SUMMPO, *others)
    }
    losses = [f"{side} {figures.loss:.5f}" for side, figures in found.items() if isinstance(figures, Figures)]
    print(f"{size}, {shape}: mean loss of all steps: {', '.join(losses)}", flush=True)
    checkpointed = ", activations computed again" if o.checkpointing else ""
    what = f"{size}, half to all of {shape}, bfloat16{checkpointed}"
    ours, unit = found[SUMMPO], Clock(o.device).unit
    return [row for side in others or [""] for row in table_rows(what, side, unit, ours, found.get(side))]


def table_rows(what: str, against: str, unit: str, ours: Figures | str, theirs: Figures | str | None) -> list[Row]:
    """The figures in words."""

    def cells(figures: Figures | str | None) -> list[str]:
        if not isinstance(figures, Figures):
            return [figures or ""] * 4
        share = figures.flops / figures.seconds / figures.product_rate
        return [
            f"{figures.seconds:.4g} {unit}",
            f"{figures.tokens / figures.seconds:,.0f}",
            f"{share:.1%} of {figures.product_rate / 1e12:.3g} TFLOP/s",
            f"{figures.peak / 2**30:.2f} GiB",
        ]

    named = ("step", "tokens of both sequences a second", "share of a matrix product's rate", "peak memory of the fit")
    ratios = [""] * 4
    if isinstance(ours, Figures) and isinstance(theirs, Figures):
        ratios = [times(theirs.seconds / ours.seconds), "", "", times(ours.peak / theirs.peak)]
    return [
        Row(f"{name}, {what}", against, other, own, ratio, "")
        for name, other, own, ratio in zip(named, cells(theirs), cells(ours), ratios, strict=True)
    ]


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=["1.5b", "7b"])
    parser.add_argument("--contexts", nargs="+", help=f"default: those of {' '.join(CONTEXTS)} that a size can read")
    room = f"of a batch at most, each prompt once; default: {BATCH_TOKENS:,}, and {BATCH_TOKENS_OF_TINY:,} for {TINY}"
    parser.add_argument("--batch-tokens", type=int, help=room)
    parser.add_argument(
        "--checkpointing",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compute activations again in the backward pass, on every side",
    )
    parser.add_argument("--warm-up", type=int, default=5, help="steps that are not counted")
    parser.add_argument("--steps", type=int, default=20, help="steps that are, each with lengths of its own")
    parser.add_argument("--threads", type=int, default=1, help="of torch, on the CPU")
    parser.add_argument("--trl", action=argparse.BooleanOptionalAction, default=has_trl(), help="TRL beside summpo")
    parser.add_argument("--table", type=Path, help="Markdown file whose sections are replaced; none: print alone")
    return parser.parse_args()


def main() -> None:
    """A section for each size, written as soon as it is measured.

    Raises:
        SystemExit: a side has failed; why is printed.
    """
    options = parse()
    require_device(options.device)
    require(min(options.warm_up, options.steps) >= 1, "--warm-up and --steps must be at least 1")
    shapes = {size: shapes_of(size, options.contexts, options.batch_tokens) for size in options.sizes}
    others, left_out = other_sides(options.device, options.trl)
    for sentence in left_out:
        print(sentence, flush=True)
    where, has_failed = conditions(options.device, options.threads), False
    for size in options.sizes:
        made_by = {name: value for name, value in vars(options).items() if name not in ("table", "sizes", "trl")}
        found = [row for shape in shapes[size] for row in rows(size, shape, others, options)]
        has_failed |= any(FAILED in (row.ours, row.theirs) for row in found)
        where_and_what = f"{where} {NO_FIGURES}" if size == TINY else where
        body = as_markdown(found, command_line(__file__, {"sizes": [size], **made_by}), where_and_what)
        name = f"random weights, {size}, {options.device}"
        print(f"\n## {name}\n\n{body}", flush=True)
        if options.table is not None:
            write_sections(options.table, {name: body})
    if has_failed:
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(ended(main))
