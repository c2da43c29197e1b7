"""Training on pairs: summpo beside TRL's DPOTrainer, in one process and in turn, in CPU seconds or by CUDA's events.

    python benchmarks/pair_training.py --only step bf16 --table benchmarks/results.md

Each section has a process of its own and is written into the table as soon as it is done, with its command; `--only`
picks some, so that a run can be cut in pieces. It needs the extra `bench`, for all but growth, start-up and generation.
It measures and asserts equality; it judges no time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from bases import Folder
from door import ended, require_comparisons, require_device, require_trl
from pairs import COMPARISONS, Shape
from setting import Setting
from sides import DEFAULTS
from summpo.models import Model
from summpo.models.weights.sources import resolve
from table import Row, as_markdown, command_line, conditions, write_sections

SHORT, LONG = Shape(350, 35, 2), Shape(1500, 200, 1)


@dataclass(frozen=True)
class Section:
    """What can be measured."""

    measure: Callable[[argparse.Namespace, Setting], list[Row]]
    reads: tuple[str, ...]
    """The options that its figures depend on, beside those of every section."""
    needs_trl: bool = True


def fixed(options: argparse.Namespace, setting: Setting, shape: Shape, goals: Mapping[str, str]) -> list[Row]:
    return steps.fixed_shape(shape, setting, goals, steps.head_variants(setting.device), options.repeats)


def bf16(options: argparse.Namespace, setting: Setting) -> list[Row]:
    return steps.fixed_shape(SHORT, steps.bfloat16(setting), steps.GOALS_BF16, [DEFAULTS], options.repeats)


def real(options: argparse.Namespace, setting: Setting, grouped: bool) -> list[Row]:
    o = options
    return steps.real(o.data, setting, o.longest_prompt, o.batch_size, o.batches, o.turns, grouped)


def swept(options: argparse.Namespace, setting: Setting) -> list[Row]:
    o = options
    return sweep.rows(o.data, setting, o.longest_prompt, o.pairs, o.batch_size, o.turns)


def generated(options: argparse.Namespace, setting: Setting) -> list[Row]:
    o = options
    return writing.rows(o.data, o.documents, o.model, o.cache, o.device, o.threads)


REAL = ("data", "longest_prompt", "batch_size", "batches", "turns")
SWEEP = ("data", "longest_prompt", "batch_size", "pairs", "turns")
SECTIONS: Mapping[str, Section] = {
    "step": Section(lambda o, setting: fixed(o, setting, SHORT, steps.GOALS_350), ("repeats",)),
    "long": Section(lambda o, setting: fixed(o, setting, LONG, steps.GOALS_1500), ("repeats",)),
    "bf16": Section(bf16, ("repeats",)),
    "real": Section(lambda o, setting: real(o, setting, grouped=False), REAL),
    "grouped": Section(lambda o, setting: real(o, setting, grouped=True), REAL),
    "memory": Section(lambda o, setting: memory.rows(SHORT, model_folder(o), o.device), ()),
    "tokenisation": Section(lambda o, setting: tokenisation.rows(o.data, setting), ("data",)),
    "sweep": Section(swept, SWEEP),
    "sweep-bf16": Section(lambda o, setting: swept(o, steps.bfloat16(setting)), SWEEP),
    "start-up": Section(lambda o, setting: start_up.rows(o.repeats), ("repeats",), needs_trl=False),
    "bound": Section(lambda o, setting: bound.rows(SHORT, setting, o.repeats), ("repeats",)),
    "growth": Section(lambda o, setting: growth.rows(o.batch_size), ("batch_size",), needs_trl=False),
    "generation": Section(generated, ("data", "documents"), needs_trl=False),
}
EVERY = ("model", "device", "threads")
"""Options that each section's command names."""


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="sections to measure")
    parser.add_argument("--table", type=Path, help="Markdown file whose sections are replaced; none: print alone")
    parser.add_argument(
        "--data",
        type=Path,
        default=COMPARISONS,
        help="folder with train.jsonl and validation.jsonl in the schema of summarize_from_feedback",
    )
    parser.add_argument("--model", default="embedded", help="model.path of summpo: a folder, a GGUF file, embedded")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "summpo")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of torch, on the CPU")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each side on a fixed shape; the median counts")
    parser.add_argument("--turns", type=int, default=3, help="the same on each batch of real comparisons")
    parser.add_argument("--batch-size", type=int, default=8, help="pairs of a batch of real comparisons")
    parser.add_argument("--batches", type=int, default=3, help="batches of real comparisons")
    parser.add_argument(
        "--longest-prompt",
        type=int,
        default=512,
        help="tokens of a real comparison's prompt, at most; longer ones want more memory for TRL's padded batches",
    )
    parser.add_argument("--pairs", type=int, default=16, help="pairs that the steps of a sweep's 1,000 are told from")
    parser.add_argument("--documents", type=int, default=64, help="documents to summarise")
    return parser.parse_args()


def model_folder(options: argparse.Namespace) -> Path:
    """The folder of weights that --model names."""
    return resolve(Model(path=options.model), options.cache)


def command(name: str, options: argparse.Namespace) -> str:
    """The command of one section, with every option that its figures depend on; the data where they lie by default."""
    shown = {key: getattr(options, key) for key in (*EVERY, *SECTIONS[name].reads)}
    if shown.get("data") == COMPARISONS:
        del shown["data"]
    return command_line(__file__, {"only": [name], **shown})


def measure(name: str, options: argparse.Namespace) -> None:
    """Measures one section in this process, prints it and writes it into the table.

    Raises:
        UserError: what it needs is not here.
    """
    section = SECTIONS[name]
    require_device(options.device)
    if section.needs_trl:
        require_trl()
    if "data" in section.reads:
        require_comparisons(options.data)
    torch.set_num_threads(options.threads)
    found = section.measure(options, Setting(Folder(model_folder(options)), options.device))
    body = as_markdown(found, command(name, options), conditions(options.device, options.threads))
    print(f"\n## {name}\n\n{body}", flush=True)
    if options.table is not None:
        write_sections(options.table, {name: body})


def main() -> None:
    """Measures the sections asked for; what one lacks is said, and the others go on."""
    options = parse()
    if len(options.only) == 1:
        return measure(options.only[0], options)
    given = [f"--{name.replace('_', '-')}={value}" for name, value in vars(options).items() if value and name != "only"]
    codes = {name: subprocess.call([sys.executable, __file__, "--only", name, *given]) for name in options.only}
    missing = [name for name, code in codes.items() if code != 0]
    if missing:
        print(f"not measured: {', '.join(missing)}; why is said above", file=sys.stderr)
        sys.exit(1 if set(codes.values()) - {0, 2} else 2)


if __name__ == "__main__":
    sys.exit(ended(main))
