"""Training on pairs: summpo beside TRL's DPOTrainer, in one process and in turn, in CPU seconds or by CUDA's events.

Sections are measured one after another and written into the table as soon as each is done; `--only` picks some, so that
a run can be cut in pieces. It needs the extra `bench`. It measures and asserts equality; it judges no time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

import bound
import growth
import memory
import start_up
import steps
import sweep
import tokenisation
import writing
from pairs import Shape
from sides import DEFAULTS, Setting
from summpo.models import Model
from summpo.models.sources import resolve
from table import Row, as_markdown, conditions, write_sections

SHORT, LONG = Shape(350, 35, 2), Shape(1500, 200, 1)


def sections(options: argparse.Namespace, setting: Setting) -> dict[str, Callable[[], list[Row]]]:
    """What can be measured, by the name of its section."""
    heads = steps.head_variants(setting.device)

    def real(grouped: bool) -> list[Row]:
        return steps.real(options.data, setting, options.longest_prompt, options.batch_size, options.batches, grouped)

    def fixed(shape: Shape) -> list[Row]:
        goals = steps.GOALS_350 if shape == SHORT else steps.GOALS_1500
        return steps.fixed_shape(f"{shape}, float32", shape, setting, goals, heads, options.repeats)

    def bf16() -> list[Row]:
        what, half = f"{SHORT}, bfloat16 autocast", steps.bfloat16(setting)
        return steps.fixed_shape(what, SHORT, half, steps.GOALS_BF16, [DEFAULTS], options.repeats)

    return {
        "step": lambda: fixed(SHORT),
        "long": lambda: fixed(LONG),
        "bf16": bf16,
        "real": lambda: real(grouped=False),
        "grouped": lambda: real(grouped=True),
        "memory": lambda: memory.rows(SHORT, setting),
        "tokenisation": lambda: tokenisation.rows(options.data, setting),
        "sweep": lambda: sweep.rows(options.data, setting, options.longest_prompt, options.pairs, options.batch_size),
        "start-up": lambda: start_up.rows(options.repeats),
        "bound": lambda: bound.rows(SHORT, setting, options.repeats),
        "growth": lambda: growth.rows(options.batch_size),
        "generation": lambda: writing.rows(options.data, options.documents),
    }


NEED_DATA = ("real", "grouped", "tokenisation", "sweep", "generation")


def parse(names: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="sections to measure")
    parser.add_argument("--table", type=Path, help="Markdown file whose sections are replaced; none: print alone")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("../shared/data/tldr_comparisons"),
        help="folder with train.jsonl and validation.jsonl in the schema of summarize_from_feedback",
    )
    parser.add_argument("--model", default="embedded", help="model.path of summpo: a folder, a GGUF file, embedded")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "summpo")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of torch, on the CPU")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each side; their median counts")
    parser.add_argument("--batch-size", type=int, default=8, help="pairs of a batch of real comparisons")
    parser.add_argument("--batches", type=int, default=3, help="batches of real comparisons")
    parser.add_argument(
        "--longest-prompt",
        type=int,
        default=640,
        help="tokens of a real comparison's prompt, at most; longer ones want more memory for TRL's padded batches",
    )
    parser.add_argument("--pairs", type=int, default=32, help="pairs that the sweep's 1,000 are told from")
    parser.add_argument("--documents", type=int, default=32, help="documents to summarise")
    return parser.parse_args()


def main() -> None:
    """Measures the sections asked for."""
    names = list(sections(argparse.Namespace(), Setting(Path(), "cpu", None)))
    options = parse(names)
    torch.set_num_threads(options.threads)
    setting = Setting(resolve(Model(path=options.model), options.cache), options.device, None)
    where = conditions(options.device, options.threads)
    for name, measure in sections(options, setting).items():
        if name not in options.only:
            continue
        if name in NEED_DATA and not (options.data / "train.jsonl").is_file():
            print(f"{name}: skipped, there are no comparisons in {options.data} (--data)", flush=True)
            continue
        found = measure()
        if found:
            body = as_markdown(found, where)
            print(f"\n## {name}\n\n{body}", flush=True)
            if options.table is not None:
                write_sections(options.table, {name: body})


if __name__ == "__main__":
    main()
