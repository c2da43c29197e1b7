"""`summpo train`: checks every point of the run or sweep at the door, then hands over to Hydra."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import hydra
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from summpo.columns.reuse import forget
from summpo.commands import DISK_REFUSES, RUN_FOLDER, disk_sentence
from summpo.commands import main as command_line
from summpo.commands.compose import as_addition, compose_config, parsed, register_schema
from summpo.commands.help import wants_help
from summpo.commands.loggers import check_loggers, make_loggers
from summpo.config.complaints import sentence_of
from summpo.config.tree import conf_dir
from summpo.errors import UserError, require
from summpo.margin_rewards import AdapterReward
from summpo.margin_rewards.checks import check_adapters, check_margins
from summpo.models.weights.fingerprints import fingerprint_weights
from summpo.models.weights.folders import check_context
from summpo.models.weights.sources import at_hand, check_paths, check_task
from summpo.runs.run_folder import RunFolder
from summpo.training.plain_settings import train_settings
from summpo.training.settings import TrainSettings

log = logging.getLogger(__name__)


def main() -> None:
    """`python train.py`."""
    sys.exit(command_line(["train", *sys.argv[1:]]))


def run(arguments: list[str]) -> int:
    """Trains once, or at every point of a sweep (-m)."""
    if RUN_FOLDER in os.environ:
        return join(Path(os.environ[RUN_FOLDER]))
    if wants_help("train", list(arguments)):
        return 0
    # argparse takes no option between two overrides, where -m is often typed: train.py objective=modpo -m w=0,0.1
    sweeps = [argument for argument in arguments if argument in ("-m", "--multirun")]
    arguments = sweeps[:1] + [as_addition(argument, "train") for argument in arguments if argument not in sweeps]
    options, unread = get_args_parser().parse_known_args(arguments)
    require(not unread, f"options are given as key=value, got {' '.join(unread)}")
    is_plain_run = not (options.cfg or options.info or options.config_dir or options.config_path or options.hydra_help)
    if is_plain_run:
        arguments = [*arguments, *(sweep_folders(options.overrides) if options.multirun else [])]
        done = check_at_the_door(options.overrides, options.multirun)
        if done is not None:
            log.info(done.done_already)
            return 0
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach us whole; what the user sees of them is decided here
    register_schema("train")
    before = sys.argv
    sys.argv = [before[0], *arguments]
    try:
        hydra.main(config_path=str(conf_dir()), config_name="train", version_base="1.3")(job)()
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(sentence_of(error)) from error
    finally:
        sys.argv = before
        forget()
    return 0


def job(config: DictConfig) -> None:
    """One run, in the folder that Hydra made for it."""
    from summpo.training.module import BadLoss
    from summpo.training.run import train

    folder = RunFolder(Path(HydraConfig.get().runtime.output_dir))
    try:
        with joined_by_others(folder.path):
            train(train_settings(config), folder.path, make_loggers(config), settings_files(config))
    except UserError as error:
        stop(str(error), 2)
    except BadLoss as error:
        good = folder.last_checkpoint
        stop(f"{error}; {f'{good} is the last good checkpoint' if good.exists() else 'no checkpoint was due yet'}", 1)
    except OSError as error:
        if error.errno not in DISK_REFUSES:
            raise
        is_gone = isinstance(error, FileNotFoundError) and not folder.path.exists()
        stop(f"{folder.path} was taken away while the run wrote into it" if is_gone else disk_sentence(error), 2)


def settings_files(config: DictConfig) -> dict[str, str]:
    """The files of .hydra/, text by name: the composed config, Hydra's own and the overrides."""
    hydra_config = HydraConfig.instance().cfg
    assert hydra_config is not None, "called within a job"
    nodes = {"config": config, "hydra": hydra_config, "overrides": HydraConfig.get().overrides.task}
    return {f"{name}.yaml": OmegaConf.to_yaml(node) for name, node in nodes.items()}


@contextmanager
def joined_by_others(folder: Path) -> Iterator[None]:
    """Tells the other processes of a distributed run which run it is, and takes back what Lightning leaves of them.

    Left alone, its process group and its variables would have the next run of a sweep wait for processes long gone.
    """
    import torch.distributed

    before = dict(os.environ)
    os.environ[RUN_FOLDER] = str(folder)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def join(folder: Path) -> int:
    """Takes part in a distributed run, whose first process has checked its settings and written them into its folder.

    What stops all processes alike is told by the first.
    """
    from summpo.training.module import BadLoss
    from summpo.training.run import train

    setup_globals()
    HydraConfig.instance().cfg = OmegaConf.load(folder / ".hydra" / "hydra.yaml")  # type: ignore[assignment]
    config = DictConfig(OmegaConf.load(folder / ".hydra" / "config.yaml"))
    with suppress(UserError, BadLoss):
        train(train_settings(config), folder, make_loggers(config))
    return 0


def stop(sentence: str, code: int) -> None:
    """Ends the process, and with it a sweep, without Hydra's own lines about the job."""
    print(f"summpo train: {sentence}", file=sys.stderr)
    raise SystemExit(code)


def check_at_the_door(overrides: list[str], is_sweep: bool) -> RunFolder | None:
    """Composes and guards every point before anything heavy is imported.

    Returns:
        The run's folder where the run is done already.

    Raises:
        UserError: the first thing that is wrong with the first point that has one.
    """
    for point in points_of(overrides) if is_sweep else [overrides]:
        config = compose_config("train", point)
        settings = train_settings(config)
        check_models_at_the_door(settings)
        check_loggers(config.logger)
        if OmegaConf.is_missing(config, "output_dir"):  # it is left to the clock
            continue
        require(bool(str(config.output_dir).strip()), "output_dir must name a folder, got '' (config key output_dir)")
        folder = RunFolder(Path(config.output_dir))
        if is_sweep:
            folder = RunFolder(folder.path / point_name(overrides, point))
        if folder.check(settings.record) is not None and not is_sweep:
            return folder
    return None


def check_models_at_the_door(settings: TrainSettings) -> None:
    """What can be known of the models without loading them.

    Raises:
        UserError: a path leads nowhere or to something else; a local model's context is too short; a margin reward's
            model does not fit; an adapter was trained on another base than the one that is at hand.
    """
    start, margins, cache = settings.start, settings.margins, Path(settings.cache_dir)
    for model, key in ((start, "model"), (settings.frozen, "reference")):
        folder = check_paths(model, key)
        check_task(model, settings.trains_scorer, key)
        if folder is not None:
            check_context(folder, settings.tokens.max_length, model.rope_scaling)
    check_margins(margins)
    names_adapter = start.adapter or any(isinstance(m.reward, AdapterReward) for m in margins.values())
    folder = at_hand(start, cache) if names_adapter else None
    if folder is not None:
        from summpo.models.weights.adapters import require_base

        fingerprint = fingerprint_weights(folder, cache)
        check_adapters(margins, fingerprint, start.path)
        if start.adapter is not None:
            require_base(Path(start.adapter).expanduser(), fingerprint, start.path)


def point_name(overrides: list[str], point: list[str]) -> str:
    """The folder of a sweep's point, as Hydra names it by what `sweep_folders` tells it: w=0.05."""
    swept = {override.key_or_group for override in parsed(overrides) if override.is_sweep_override()}
    own = [override for override in parsed(point) if override.key_or_group in swept]
    return ",".join(sorted(override.input_line or "" for override in own))


def points_of(overrides: list[str]) -> list[list[str]]:
    """The overrides of each point of a sweep."""
    batches = BasicSweeper.split_arguments(parsed(overrides), max_batch_size=None)
    return [list(point) for batch in batches for point in batch]


def sweep_folders(overrides: list[str]) -> list[str]:
    """Hydra's settings by which a point's folder is named after what the sweep varies: w=0.05 and not all overrides."""
    given = parsed(overrides)
    swept = [override.key_or_group for override in given if override.is_sweep_override()]
    if not swept:
        return ["hydra.sweep.subdir=${hydra.job.num}"]
    fixed = [override.key_or_group for override in given if not override.is_sweep_override()]
    return [f"hydra.job.config.override_dirname.exclude_keys=[{','.join(fixed)}]"]
