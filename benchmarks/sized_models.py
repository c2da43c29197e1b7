"""Models by their size, with random weights made on the device: summpo beside TRL in bfloat16, at long contexts too.

    python benchmarks/sized_models.py --device cuda --sizes 1.5b 7b --contexts 350/35 1500/200 8192 16384

Nothing is fetched. For each size and context: seconds of a step, tokens a second, the share of what a bfloat16 matrix
product measured on the same device does (model FLOP utilisation), and peak memory. Each side has a process of its own,
so that one's memory is not another's; weights are bfloat16 and adapters float32, under autocast. With --sizes tiny it
runs on a CPU within a minute: that shows that it works, and no figure of it says anything.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bases import SIZES
from clock import Clock
from door import ended, has_trl, require_device
from fresh_process import last_line_of
from pairs import Shape
from sides import BEST, DEFAULTS, SUMMPO, SUMMPO_CHECKPOINTED
from sized_step import Figures
from summpo.errors import UserError, require
from table import Row, as_markdown, command_line, conditions, times, write_sections

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


def require_positions(size: str, shape: Shape) -> None:
    """Raises UserError where a model of this size has fewer positions than the sequences."""
    most, length = SIZES[size]["max_position_embeddings"], shape.prompt + shape.completion
    require(length <= most, f"a model of size {size} has {most:,} positions, and {shape} need {length:,} (--contexts)")


def in_child(side: str, size: str, shape: Shape, options: argparse.Namespace) -> Figures | None:
    """The figures, from `python sized_step.py`; None where memory is not enough."""
    arguments = {
        "side": side,
        "size": size,
        "device": options.device,
        "prompt": shape.prompt,
        "completion": shape.completion,
        "pairs": shape.pairs,
        "repeats": options.repeats,
        "threads": options.threads,
    }
    words = [word for name, value in arguments.items() for word in (f"--{name}", value)]
    found = json.loads(last_line_of("sized_step.py", words))
    return None if found is None else Figures(**found)


def rows(size: str, shape: Shape, options: argparse.Namespace) -> list[Row]:
    """Four rows of one size and context; without TRL, summpo's alone."""
    ours_is, theirs_is = (SUMMPO_CHECKPOINTED, DEFAULTS) if options.checkpointing else (SUMMPO, BEST)
    ours = in_child(ours_is, size, shape, options)
    theirs = in_child(theirs_is, size, shape, options) if options.trl else None
    if ours and theirs:
        gap = max(abs(a - b) for a, b in zip(ours.log_probs, theirs.log_probs, strict=True))
        print(f"{size}, {shape}: log-probs of completions are the same to {gap:.1g} nats of {-ours.log_probs[0]:.0f}")
    checkpointed = ", activations computed again" if options.checkpointing else ""
    return table_rows(f"{size}, {shape}, bfloat16{checkpointed}", theirs_is, options, shape, ours, theirs)


def table_rows(
    what: str, against: str, options: argparse.Namespace, shape: Shape, ours: Figures | None, theirs: Figures | None
) -> list[Row]:
    """The figures in words."""
    unit, trained = Clock(options.device).unit, 2 * shape.pairs * (shape.prompt + shape.completion)

    def cells(figures: Figures | None) -> list[str]:
        if figures is None:
            return ["does not fit"] * 4
        share = figures.flops / figures.seconds / figures.product_rate
        return [
            f"{figures.seconds:.4g} {unit}",
            f"{trained / figures.seconds:,.0f}",
            f"{share:.1%} of {figures.product_rate / 1e12:.3g} TFLOP/s",
            f"{figures.peak / 2**30:.2f} GiB",
        ]

    named = ("step", "tokens of both sequences a second", "model FLOP utilisation", "peak memory, weights included")
    ratios = [""] * 4
    if ours and theirs:
        ratios = [times(theirs.seconds / ours.seconds), "", "", times(ours.peak / theirs.peak)]
    others = cells(theirs) if options.trl else [""] * 4
    return [
        Row(f"{name}, {what}", against if options.trl else "", other, own, ratio, "")
        for name, other, own, ratio in zip(named, others, cells(ours), ratios, strict=True)
    ]


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=["1.5b", "7b"])
    parser.add_argument("--contexts", nargs="+", default=["350/35", "1500/200", "8192", "16384"])
    parser.add_argument("--batch-tokens", type=int, default=16_384, help="of a batch, each prompt once; or one pair")
    parser.add_argument(
        "--checkpointing",
        action=argparse.BooleanOptionalAction,
        default=True,
        help=f"activations computed again, beside {DEFAULTS}; without it beside {BEST}",
    )
    parser.add_argument("--repeats", type=int, default=5, help="steps; their median counts")
    parser.add_argument("--threads", type=int, default=1, help="of torch, on the CPU")
    parser.add_argument("--trl", action=argparse.BooleanOptionalAction, default=has_trl(), help="TRL beside summpo")
    parser.add_argument("--table", type=Path, help="Markdown file whose sections are replaced; none: print alone")
    return parser.parse_args()


def main() -> None:
    """A section for each size."""
    options = parse()
    require_device(options.device)
    shapes = [shape_of(context, options.batch_tokens) for context in options.contexts]
    for size in options.sizes:
        for shape in shapes:
            require_positions(size, shape)
    if not options.trl:
        print("TRL is left out: it is not installed, or not wanted", flush=True)
    where = conditions(options.device, options.threads)
    for size in options.sizes:
        made_by = {name: value for name, value in vars(options).items() if name not in ("table", "sizes", "trl")}
        found = [row for shape in shapes for row in rows(size, shape, options)]
        body = as_markdown(found, command_line(__file__, {"sizes": [size], **made_by}), where)
        name = f"random weights, {size}, {options.device}"
        print(f"\n## {name}\n\n{body}", flush=True)
        if options.table is not None:
            write_sections(options.table, {name: body})


if __name__ == "__main__":
    sys.exit(ended(main))
