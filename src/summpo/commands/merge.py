"""`summpo merge run=DIR`: the run's adapter added to the weights under it, a folder for plain transformers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from summpo.commands.help import wants_help
from summpo.commands.run_config import compose_with_run
from summpo.config.nodes import from_target
from summpo.errors import UserError, require, require_choice, require_number
from summpo.models import Model
from summpo.models.devices import check_name, device_named
from summpo.models.weights.folders import SCORES, adapter_task
from summpo.models.weights.merge import BASE_WEIGHTS, Merged, base_weights, merge
from summpo.models.weights.sources import check_paths
from summpo.runs.run_folder import RunFolder
from summpo.training.plain_settings import settings_of_run

if TYPE_CHECKING:
    from summpo.evaluation.held_out_rows import HeldOutRows

HOW = {"quantized": "in 4 bits with its adapter", "original": "merged into the original weights",
       "dequantized": "merged into the dequantized weights"}  # fmt: skip
"""Where a validation loss was computed, in words."""


def run(arguments: list[str]) -> int:
    """Merges, and says where; of a 4-bit base also what it costs in validation loss, either way."""
    if wants_help("merge", arguments):
        return 0
    config = compose_with_run("merge", arguments, ("model",))
    require_choice("dtype", config.dtype, ("float32", "bfloat16", "float16"))
    check_name(config.accelerator)
    if config.validation_rows is not None:
        require_number("validation_rows", config.validation_rows, low=0)
    model: Model = from_target(config.model, "model", (Model,))
    if model.adapter is None:
        raise UserError("there is no adapter to merge: set run=DIR, or model.path and model.adapter")
    if config.output_dir is None and config.run is None:
        raise UserError("output_dir is required where no run is given: the folder of the merged model")
    folder = None if config.run is None else RunFolder(Path(config.run))
    if folder is not None:
        check_held(model, folder)
    base = base_weights(model, config.base)
    check_paths(model)
    out = folder.merged if folder is not None and config.output_dir is None else Path(str(config.output_dir))
    print(f"merge: reads {model.path} and {model.adapter}, writes {out}")
    adapter, cache = Path(model.adapter), Path(config.cache_dir)
    if folder is None or config.validation_rows == 0:
        merged = merge(model, adapter, out, config.dtype, cache, base)
    else:
        merged = merge(model, adapter, out, config.dtype, cache, base, lambda: validation_loss(folder, config))
    if merged.losses:
        print(f"merge: {losses_text(merged)}")
    is_scorer = adapter_task(adapter.expanduser()) == SCORES
    use = f"margin_reward=reward_model margin_reward.reward_model.path={out}" if is_scorer else f"model.path={out}"
    print(f"merge: done{'' if merged.is_new else ' already'}; use it with {use}")
    return 0


def check_held(model: Model, run: RunFolder) -> None:
    """Checks that the base is held as the run held it: a quantised one has other weights by other settings.

    Raises:
        UserError: naming the setting.
    """
    trained = settings_of_run(run).model
    for key, was, now in (
        ("quantization", trained.quantization, model.quantization),
        *([("dtype", trained.dtype, model.dtype)] if trained.quantization is not None else []),
    ):
        said = f"{run.path} was trained with model.{key}={was or 'null'}, not {now or 'null'} (config key model.{key})"
        require(was == now, said)


def validation_loss(run: RunFolder, config: DictConfig) -> HeldOutRows | None:
    """What tells the loss of the run's own validation rows; None, and a word of it, where there are none.

    Raises:
        UserError: the rows cannot be had any more.
    """
    from summpo.evaluation.held_out_rows import held_out_loss

    trained = settings_of_run(run)
    validation, rows = trained.validation, config.validation_rows
    if rows is not None:
        validation = replace(validation, rows=min(rows, validation.rows or rows))
    trained = replace(trained, cache_dir=config.cache_dir, validation=validation)
    try:
        found = held_out_loss(run.path, trained, device_named(config.accelerator))
    except UserError as error:
        raise UserError(f"{error}; validation_rows=0 merges without a word of the validation loss") from None
    if found is None:
        print("merge: the run has no validation rows, so nothing tells what a merge costs in loss")
    return found


def losses_text(merged: Merged) -> str:
    """The validation loss before the merge, and after it either way with the change."""
    before = merged.losses["quantized"]
    after = (f"{merged.losses[way]:.4f} ({merged.losses[way] - before:+.4f}) {HOW[way]}" for way in BASE_WEIGHTS)
    return f"validation loss of {merged.losses['rows']} rows: {before:.4f} {HOW['quantized']}; {', '.join(after)}"
