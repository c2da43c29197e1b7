"""Lightning's loggers beside metrics.csv: what is wrong with their settings is said at the door, before anything runs.

A logger's settings name the run's folder, which is known only once Hydra has made it: until then such a value is passed
over, and no logger is made.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from summpo.config.complaints import sentence_of
from summpo.config.nodes import fits, located, named, without
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
        check_settings(made, settings, key)
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
    try:
        return OmegaConf.to_container(node, resolve=True, throw_on_missing=True)  # pyright: ignore[reportReturnType]
    except OmegaConfBaseException as error:
        raise UserError(sentence_of(error, key)) from None


def check_settings(made: type[Logger], settings: Mapping[str, Any], key: str) -> None:
    """Checks settings by the signature of the logger, and of what it hands the rest to.

    Raises:
        UserError: one is unknown or of another type.
    """
    own = parameters_of(made)
    more = [name for name in settings if name not in own]
    takes_more = any(parameter.kind is parameter.VAR_KEYWORD for parameter in own.values())
    taker = takes_rest(made) if more and takes_more else None
    rest = parameters_of(taker) if taker else {}
    for name, value in settings.items():
        parameter = own.get(name) or rest.get(name)
        is_known = parameter is not None or (takes_more and taker is None)
        require(is_known, f"unknown option {key}.{name}; {key} has {', '.join(known_of(own))}")
        hint = Any if parameter is None or parameter.annotation is inspect.Parameter.empty else parameter.annotation
        if not isinstance(hint, str) and not fits(value, hint):
            raise UserError(f"{name} must be {named(hint)}, got {value!r} (config key {key}.{name})")


def parameters_of(taker: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """What a callable takes, with its types where they can be read."""
    try:
        return inspect.signature(taker, eval_str=True).parameters
    except NameError:  # a type that is imported for type checkers alone
        return inspect.signature(taker).parameters


def known_of(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    """The names of a signature's parameters, but for those that take any."""
    return [name for name, parameter in parameters.items() if parameter.kind is not parameter.VAR_KEYWORD]


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
            raise _refusal(f"logger.{name}", "cannot be made of these settings", error.__cause__ or error) from error
    return made


def begin_logging(loggers: Sequence[Logger], config: dict[str, Any]) -> None:
    """Tells every logger the run's settings: the first word to its server or folder.

    Raises:
        UserError: what it cannot be told for, whatever a logger raises then.
    """
    for logger in loggers:
        try:
            logger.log_hyperparams(config)
        except Exception as error:
            raise _refusal(type(logger).__name__, "cannot begin", error) from error


def _refusal(logger: str, what: str, error: BaseException) -> UserError:
    why = shorten(" ".join(str(error).split()), 400) or type(error).__name__
    return UserError(f"{logger} {what}: {why} (config keys logger.*)")


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
