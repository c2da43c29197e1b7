"""`summpo inspect dataset=aclsum margin_reward=[length,coverage]`: what the rows will teach, before a training run.

It takes the options of `summpo train` and a few of its own, goes through the same data stage, and loads no weights but
those of a margin reward that has some. Its sweep lies around the break-even weight (docs/break_even.md).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from summpo.commands.compose import compose_config, parsed
from summpo.commands.help import wants_help
from summpo.commands.train import check_models_at_the_door
from summpo.config.tree import plain
from summpo.datasets import SPLITS, name_of
from summpo.errors import UserError, require, require_choice, require_number
from summpo.margin_rewards.checks import check_columns
from summpo.objectives import LabelledObjective
from summpo.runs.run_folder import require_writable, write_whole
from summpo.training.plain_settings import train_settings
from summpo.training.settings import TrainSettings

if TYPE_CHECKING:
    import numpy as np
    import torch

    from summpo.columns.base import Base
    from summpo.columns.stage import DataStage, TextColumns
    from summpo.inspection import Inspection
    from summpo.inspection.labels import LabelInspection
    from summpo.text.rows import PairRow, Rows
    from summpo.text.tokens import Tokenized
    from summpo.training.trainer_arguments import TrainerArguments

OWN = ("w", "split", "typical_reward_margin", "output_dir")
"""Options that the suggested training command does not take over."""


def run(arguments: list[str]) -> int:
    """Prints the tables and writes inspect.json and inspect.png."""
    if wants_help("inspect", arguments):
        return 0
    config = compose_config("inspect", arguments)
    settings = train_settings(config)
    sentence = "inspect looks at pairs or labels, and the objective learns from completions (config key objective)"
    require(settings.kind.weighs_margins, sentence)
    require_choice("split", config.split, SPLITS)
    require_number("typical_reward_margin", config.typical_reward_margin, above=0)
    require(bool(config.output_dir.strip()), "output_dir must name a folder, got '' (config key output_dir)")
    folder = Path(config.output_dir)
    require_writable(folder)
    check_models_at_the_door(settings)

    from summpo.inspection import labels, table
    from summpo.inspection.figure import draw

    if isinstance(settings.objective, LabelledObjective):  # a picture of them would be two bars
        of_labels = label_inspection(config, settings)
        tables, record, pictures = labels.lines(of_labels), asdict(of_labels), {}
    else:
        found = inspection(config, settings, arguments)
        shares = {"tokens": found.longer.tokens.share, "words": found.longer.words.share}
        tables, pictures = table.lines(found), {"inspect.png": draw(found)}
        record = asdict(found) | {"longer_share": shares, "rules": found.fit.rules}
    text = json.dumps(record | {"config": plain(config)}, indent=1, ensure_ascii=False) + "\n"
    contents = {"inspect.json": text, **pictures}
    print("\n" + "\n".join(tables) + "\n")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_whole(folder / name, content)
    print("inspect: " + ", ".join(str(folder / name) for name in contents))
    return 0


@dataclass(frozen=True)
class Looked:
    """The rows of a split, and what the data stage makes of them."""

    rows: Rows
    kept: list[Any]
    """The rows that training would see, without the ends of turns."""
    base: Base
    stage: DataStage
    text: TextColumns
    stops: str | None
    """Why training would stop at a row; None where it would not."""


def looked_at(config: DictConfig, settings: TrainSettings, what: str) -> Looked:
    """Reads the rows and takes their columns from the data stage.

    Args:
        what: what a row is called.

    Raises:
        UserError: the split cannot be read, is empty or loses all its rows; a margin reward lacks what it needs.
    """
    from summpo.columns.base import find_base
    from summpo.columns.stage import DataStage
    from summpo.text.turns import without_ends
    from summpo.training.checks import check_models, require_rows
    from summpo.training.policy import text_rows

    rows = text_rows(settings, config.split)
    require(len(rows) > 0, f"there is no {what} to look at: the split {config.split} is empty (config key split)")
    check_columns(settings.margins, rows)
    base = find_base(settings.columns)
    check_models(settings, base)
    stage = DataStage(settings.columns, base, device_of(settings.trainer))
    text, stops = columns(stage, rows)
    require_rows(text, settings.tokens.max_length)
    kept = without_ends([rows[index] for index in text.tokenized.kept], base.tokenizer, settings.prompt)
    return Looked(rows, kept, base, stage, text, stops)


def device_of(trainer: TrainerArguments) -> torch.device:
    """Where the run would score its rows; the CPU where this machine has no such GPU."""
    import torch

    from summpo.models.devices import device_named

    if trainer.accelerator in ("cpu", "mps") or not torch.cuda.is_available():
        return torch.device("cpu")
    name = "gpu" if isinstance(trainer.devices, int | str) else f"cuda:{trainer.devices[0]}"
    return torch.device(device_named(name, "trainer.devices"))


def label_inspection(config: DictConfig, settings: TrainSettings) -> LabelInspection:
    """What labelled rows will teach.

    Raises:
        UserError: as `looked_at`.
    """
    import numpy as np

    from summpo.inspection.labels import LabelInspection, documents_of, lengths_by_label, means_by_label
    from summpo.margin_rewards.break_even import break_even, w0_of
    from summpo.margin_rewards.margins import reward_differences
    from summpo.text.encoding import count_tokens
    from summpo.training.checks import signed
    from summpo.training.policy import text_rows

    looked = looked_at(config, settings, "row")
    text = looked.text
    train = text if config.split == "train" else columns(looked.stage, text_rows(settings, "train"))[0]
    settings = settings.settled_with(settings.kind.settled(train.labels))
    spreads = train.against(train.means()).spreads()
    table = reward_differences(text.against(train.means()).rewards, settings.margins, spreads)
    speaks_for, counts = signed(settings.minimised, table, text.labels)
    w0, labels, counted = w0_of(settings.minimised), text.labels, text.tokenized.counts
    documents, both, contradicted = documents_of(looked.kept)
    lengths = np.array(count_tokens([row.summary for row in looked.kept], looked.base.tokenizer))
    return LabelInspection(
        dataset=name_of(settings.dataset),
        split=config.split,
        rows={"desirable": int(labels.sum()), "undesirable": int((~labels).sum())},
        dropped={name.removeprefix("dropped_"): n for name, n in counted.items() if name.startswith("dropped_")},
        stops=looked.stops,
        weights={name: getattr(settings.objective, f"{name}_weight") for name in ("desirable", "undesirable")},
        documents=documents,
        both_labels=both,
        contradicted=contradicted,
        lengths=lengths_by_label(lengths, labels),
        margins={name: means_by_label(table[:, i], labels) for i, name in enumerate(settings.margins)},
        break_even={
            name: break_even(speaks_for[:, i], w0=w0 or 1.0, counts=counts) for i, name in enumerate(settings.margins)
        },
        break_even_is_of_objective=w0 is not None,
    )


def inspection(config: DictConfig, settings: TrainSettings, arguments: Sequence[str]) -> Inspection:
    """What pairs will teach.

    Raises:
        UserError: as `looked_at`.
    """
    from summpo.inspection import Inspection
    from summpo.inspection.fit import fit_at
    from summpo.inspection.lengths import (
        histogram,
        length_tendencies,
        lengths_of,
        longer_by,
        longer_by_difference,
        longer_by_source,
    )
    from summpo.inspection.repeats import repeats, shared_documents
    from summpo.inspection.statistics import quantiles
    from summpo.inspection.weights import break_even_of_w, points, rewards_of, sweep_of
    from summpo.margin_rewards.break_even import w0_of

    looked = looked_at(config, settings, "pair")
    rows: list[PairRow] = list(looked.rows)  # type: ignore[arg-type]
    pairs, tokenizer, tokenized = looked.kept, looked.base.tokenizer, looked.text.tokenized
    lengths = lengths_of(pairs, tokenizer)
    chosen, rejected = lengths.chosen_tokens, lengths.rejected_tokens
    margins = scaled_margins(looked.stage, settings, looked.text, config.split)
    typical, weights = config.typical_reward_margin, fixed_weights(settings)
    own_w0 = w0_of(settings.minimised)
    w0 = 1.0 if own_w0 is None else own_w0
    at = break_even_of_w(margins, list(weights.values()), w0)
    sweep = sweep_of(margins, list(weights.values()), typical, at)
    rows_of, unread = other_splits(settings, config.split, rows)
    return Inspection(
        dataset=name_of(settings.dataset),
        split=config.split,
        pairs=len(pairs),
        stops=looked.stops,
        fit=fit_at(rows, full_tokens(looked.stage, rows, tokenized), settings.tokens, settings.prompt, tokenizer),
        longer=longer_by(lengths),
        by_source=longer_by_source(pairs, lengths),
        by_difference=longer_by_difference(chosen, rejected),
        lengths={"chosen": quantiles(chosen), "rejected": quantiles(rejected)},
        histogram=histogram(chosen, rejected),
        tendencies=length_tendencies(lengths),
        repeats=repeats(pairs),
        shared=shared_documents(rows_of),
        unread=unread,
        typical_reward_margin=typical,
        rewards=rewards_of(margins, weights, typical, w0),
        break_even=at,
        break_even_is_of_objective=own_w0 is not None,
        weighed=points(margins, list(weights.values()), config.w, typical, sweep),
        sweep=sweep,
        command=sweep_command(arguments, sweep) if sweep else None,
    )


def columns(stage: DataStage, rows: Rows) -> tuple[TextColumns, str | None]:
    """The columns that training would see; and why training would stop at a row: the stage then drops such rows."""
    try:
        return stage.from_text(rows), None
    except UserError as stop:
        limits = stage.settings.limits
        rules = {"too_long": limits.too_long, "empty": limits.empty, "identical": limits.identical}
        lenient = replace(limits, **{rule: "drop" for rule, policy in rules.items() if policy == "error"})
        if lenient == limits:
            raise
        stage.settings = replace(stage.settings, limits=lenient)
        return stage.from_text(rows), str(stop)


def scaled_margins(stage: DataStage, settings: TrainSettings, text: TextColumns, split: str) -> np.ndarray:
    """The scaled margins of a split, [pair, reward]: a z-score is over the training pairs, whatever the split."""
    from summpo.margin_rewards.margins import reward_differences
    from summpo.training.policy import text_rows

    margins, spreads = settings.margins, text.spreads()
    if split != "train" and any(margin.normalize != "none" for margin in margins.values()):
        spreads = columns(stage, list(text_rows(settings, "train")))[0].spreads()  # type: ignore[arg-type]
    return reward_differences(text.rewards, margins, spreads)


def full_tokens(stage: DataStage, rows: list[PairRow], tokenized: Tokenized) -> Tokenized:
    """The tokens of every usable row in its full length; tokenised once more only where some are over max_length."""
    from summpo.inspection.fit import BY_LENGTH, UNLIMITED

    if not any(tokenized.counts.get(name) for name in BY_LENGTH):
        return tokenized
    return stage.freezer.tokens(rows, stage.settings.prompt, UNLIMITED)[0]


def fixed_weights(settings: TrainSettings) -> dict[str, float | None]:
    """The weight of each margin reward, None where it follows w."""
    return {name: None if name in settings.follow_w else weight for name, weight in settings.weights.items()}


def other_splits(
    settings: TrainSettings, split: str, rows: list[PairRow]
) -> tuple[dict[str, list[PairRow]], dict[str, str]]:
    """The rows of all splits, and why one could not be read: a data set may have no file for it."""
    from summpo.training.policy import text_rows

    rows_of, unread = {}, {}
    for name in SPLITS:
        try:
            rows_of[name] = rows if name == split else list(text_rows(settings, name))
        except UserError as error:
            unread[name] = str(error)
    return {name: found for name, found in rows_of.items() if found}, unread


def sweep_command(arguments: Sequence[str], sweep: Sequence[float]) -> str:
    """The training command of these options at every suggested w."""
    given = [override.key_or_group for override in parsed(list(arguments))]
    kept = [argument for argument, key in zip(arguments, given, strict=True) if key not in OWN]
    chosen = [] if {"objective", "experiment"} & set(given) else ["objective=modpo"]
    values = ",".join(f"{w:g}" for w in sweep)
    return shlex.join(["summpo", "train", "-m", *chosen, *kept, f"w={values}"])
