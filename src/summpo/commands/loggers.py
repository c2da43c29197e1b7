"""Lightning's loggers beside metrics.csv: what is wrong with their settings is said at the door, before anything runs.

A logger's settings name the run's folder, which is known only once Hydra has made it: until then such a value is passed
over, and no logger is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from summpo.config.nodes import located, resolved, without
from summpo.config.signatures import check_arguments, parameters_of
from summpo.errors import UserError, require

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

SILENT = ("offline", "dryrun", "disabled")
"""W&B's modes that need no key."""


def check_loggers(loggers: Any) -> None:
    """Checks every chosen logger, and that W&B has a key where it is to send what it logs.

    Raises:
        UserError: naming the key and the value.
    """
    for name in loggers or ():
        key, node = f"logger.{name}", loggers._get_node(name)
        is_chosen = isinstance(node, DictConfig) and not node._is_none() and "_target_" in list(node)
        require(not is_chosen or "_target_" in node, f"{key}._target_ is required, got ???")
        require(is_chosen, f"{key} is set and nothing was chosen for it: there is no _target_; choose logger={name}")
        made = logger_class(str(node._target_), key)
        settings = settings_of(node, key)
        is_own = settings.keys() <= parameters_of(made).keys()
        check_arguments(made, settings, key, None if is_own else takes_rest(made))
        if made.__name__ == "WandbLogger":
            check_wandb(settings, key)


def logger_class(target: str, key: str) -> type[Logger]:
    """The class that a `_target_` names.

    Raises:
        UserError: there is none, or it is no logger of Lightning's.
    """
    from lightning.pytorch.loggers import Logger

    made = located(target, key)
    is_logger = isinstance(made, type) and issubclass(made, Logger)
    require(is_logger, f"{key}._target_: {target} is not a Logger of Lightning's, which logger asks for")
    return made


def settings_of(node: DictConfig, key: str) -> dict[str, Any]:
    """A logger's settings, without those that are known only once Hydra has made the run's folder.

    Raises:
        UserError: one is missing, or follows what is not there.
    """
    later = [str(name) for name, value in node.items_ex(resolve=False) if "${hydra:" in str(value)]
    for name in ("_target_", *later):
        node = without(node, name)
    return resolved(node, key)


def takes_rest(made: type[Logger]) -> Callable[..., Any] | None:
    """What a logger hands settings to that are not its own; None where that is not known."""
    if made.__name__ == "WandbLogger":
        import wandb

        return wandb.init
    if made.__name__ == "TensorBoardLogger":
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter
    return None


def make_loggers(config: DictConfig) -> list[Logger]:
    """The chosen loggers, in the run's folder.

    Raises:
        UserError: one cannot be made of its settings, or lacks a package.
    """
    made = []
    for name, node in (config.logger or {}).items():
        try:
            made.append(instantiate(node))
        except InstantiationException as error:
            why = shorten(" ".join(str(error.__cause__ or error).split()), 400)
            raise UserError(f"logger.{name} cannot be made of these settings: {why} (config keys logger.*)") from error
    return made


def check_wandb(settings: Mapping[str, Any], key: str) -> None:
    """Checks that W&B finds a key, wherever it looks for one, or sends nothing. No network is asked.

    Raises:
        UserError: it finds none, or what it finds is no key.
    """
    if settings.get("offline"):
        return  # before W&B reads its settings: Lightning sets WANDB_MODE for it only later
    import wandb
    from wandb.sdk import wandb_setup
    from wandb.sdk.lib import wbauth

    offline = f"or log offline: {key}.offline=true"
    try:
        found = wandb_setup.singleton().settings.model_copy()
        given = dict(settings.get("settings") or {})
        found.update_from_dict({**given, "mode": settings.get("mode") or given.get("mode")})
        if found.mode in SILENT or given.get("api_key"):
            return
        credentials = wbauth.authenticate_session(
            host=found.base_url, source="summpo", prompt=False, update_session=False
        )
    except (wandb.Error, ValueError) as error:
        why = " ".join(str(error).split())
        raise UserError(f"W&B cannot be used: {why}; put it right, {offline} (config key {key})") from None
    finally:
        wandb.teardown()
    require(
        credentials is not None,
        f"W&B has no key: give it one (wandb login, or the environment variable WANDB_API_KEY), {offline} "
        f"(config key {key})",
    )
