"""`summpo train`: checks every point of the run or sweep at the door, then hands over to Hydra."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import hydra
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig

from summpo.build import train_parts
from summpo.commands.help import help_of
from summpo.compose import compose_config, conf_dir, plain, register_schemas, sentence_of
from summpo.errors import UserError
from summpo.models.sources import check_paths
from summpo.run_folder import RunFolder


def main() -> None:
    """`python train.py`."""
    from summpo.commands import guarded

    sys.exit(guarded("train", sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Trains once, or at every point of a sweep (-m)."""
    if "--help" in arguments or "-h" in arguments:
        print(help_of("train"))
        return 0
    options, _ = get_args_parser().parse_known_args(arguments)
    is_plain_run = not (options.cfg or options.info or options.config_dir or options.config_path or options.hydra_help)
    if is_plain_run:
        arguments = [*arguments, *(sweep_folders(options.overrides) if options.multirun else [])]
        check_at_the_door(options.overrides, options.multirun)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach us whole; what the user sees of them is decided here
    register_schemas()
    before = sys.argv
    sys.argv = [before[0], *arguments]
    try:
        hydra.main(config_path=str(conf_dir()), config_name="train", version_base="1.3")(job)()
    finally:
        sys.argv = before
    return 0


def job(config: DictConfig) -> None:
    """One run, in the folder that Hydra made for it."""
    from summpo.commands import sentence_of as os_sentence
    from summpo.module import BadLoss
    from summpo.run import train

    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        train(config, folder)
    except UserError as error:
        if not RunFolder(folder).checkpoints.exists():
            shutil.rmtree(folder, ignore_errors=True)
        stop(str(error), 2)
    except BadLoss as error:
        stop(f"{error}; {RunFolder(folder).checkpoints} keeps the last good checkpoint", 1)
    except OSError as error:
        if error.errno is None or (error.filename is None and error.errno != 28):
            raise
        stop(os_sentence(error), 2)


def stop(sentence: str, code: int) -> None:
    """Ends the process, and with it a sweep, without Hydra's own lines about the job."""
    print(f"summpo train: {sentence}", file=sys.stderr)
    raise SystemExit(code)


def check_at_the_door(overrides: list[str], is_sweep: bool) -> None:
    """Composes and guards every point before anything heavy is imported.

    Raises:
        UserError: the first thing that is wrong with the first point that has one.
    """
    for point in points_of(overrides) if is_sweep else [overrides]:
        config = compose_config("train", point)
        parts = train_parts(config)
        check_paths(parts.model)
        check_paths(parts.reference)
        if not is_sweep and not config_is_missing(config):
            RunFolder(Path(config.output_dir)).check(plain(config))


def config_is_missing(config: DictConfig) -> bool:
    """Whether the run's folder is left to the clock."""
    from omegaconf import OmegaConf

    return OmegaConf.is_missing(config, "output_dir")


def points_of(overrides: list[str]) -> list[list[str]]:
    """The overrides of each point of a sweep."""
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
        return [list(point) for batch in BasicSweeper.split_arguments(parsed, max_batch_size=None) for point in batch]
    except HydraException as error:
        raise UserError(sentence_of(error)) from None


def sweep_folders(overrides: list[str]) -> list[str]:
    """Hydra's settings by which a point's folder is named after what the sweep varies: w=0.05 and not all overrides."""
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        raise UserError(sentence_of(error)) from None
    swept = [override.key_or_group for override in parsed if override.is_sweep_override()]
    if not swept:
        return ["hydra.sweep.subdir=${hydra.job.num}"]
    fixed = [override.key_or_group for override in parsed if not override.is_sweep_override()]
    return [f"hydra.job.config.override_dirname.exclude_keys=[{','.join(fixed)}]"]
