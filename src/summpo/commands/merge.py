"""`summpo merge run=DIR`: the run's adapter added to the weights under it, a folder for plain transformers."""

from __future__ import annotations

from pathlib import Path

from summpo.build import from_target
from summpo.commands.help import wants_help
from summpo.errors import UserError, require_choice
from summpo.inherit import compose_with_run
from summpo.models import Model
from summpo.models.folders import SCORES, adapter_task
from summpo.models.sources import check_paths
from summpo.run_folder import RunFolder


def run(arguments: list[str]) -> int:
    """Merges, and says where."""
    if wants_help("merge", arguments):
        return 0
    config = compose_with_run("merge", arguments, ("model",))
    require_choice("dtype", config.dtype, ("float32", "bfloat16", "float16"))
    model: Model = from_target(config.model, "model", (Model,))
    if model.adapter is None:
        raise UserError("there is no adapter to merge: set run=DIR, or model.path and model.adapter")
    if config.output_dir is None and config.run is None:
        raise UserError("output_dir is required where no run is given: the folder of the merged model")
    check_paths(model)
    out = RunFolder(Path(str(config.run))).merged if config.output_dir is None else Path(config.output_dir)

    from summpo.models.merge import merge

    print(f"merge: reads {model.path} and {model.adapter}, writes {out}")
    is_new = merge(model, Path(model.adapter), out, config.dtype, Path(config.cache_dir))
    is_scorer = adapter_task(Path(model.adapter).expanduser()) == SCORES
    use = f"margin_reward=reward_model margin_reward.reward_model.path={out}" if is_scorer else f"model.path={out}"
    print(f"merge: done{'' if is_new else ' already'}; use it with {use}")
    return 0
