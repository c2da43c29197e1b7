"""`summpo merge run=DIR`: the run's adapter added to the weights under it, as a folder that plain transformers loads."""

from __future__ import annotations

from pathlib import Path

from summpo.build import from_target
from summpo.commands.help import wants_help
from summpo.errors import UserError, require, require_choice
from summpo.inherit import compose_with_run
from summpo.models import Model
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
    require(
        config.run is not None or config.output_dir is not None,
        "output_dir is required where no run is given: the folder of the merged model",
    )
    check_paths(model)
    out = Path(config.output_dir) if config.output_dir is not None else RunFolder(Path(config.run)).merged

    from summpo.models.merge import merge

    print(f"merge: reads {model.path} and {model.adapter}, writes {out}")
    merge(model, Path(model.adapter), out, config.dtype, Path(config.cache_dir))
    print(f"merge: done; use it with model.path={out}")
    return 0
