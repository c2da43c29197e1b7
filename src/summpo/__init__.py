"""Train language models to summarise with preferences, and choose how much brevity is worth.

The command line is `summpo`; the same from Python:

    length = WeightedMargin(Length())
    settings = summpo.TrainSettings(model, dataset, objective, margin_reward={"length": length}, w=0.1)
    summpo.train(settings, Path("runs/w=0.1"))
    summpo.evaluate(summpo.EvaluateSettings.of_run("runs/w=0.1"))

`summpo.losses` are the losses as pure functions of tensors. A name is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from summpo.evaluation.run import EvaluateSettings, evaluate
    from summpo.objectives import losses
    from summpo.training.run import train
    from summpo.training.settings import TrainSettings

__all__ = ["EvaluateSettings", "TrainSettings", "evaluate", "losses", "train"]
__version__ = "0.1.0"

_PLACES = {
    "EvaluateSettings": "summpo.evaluation.run",
    "TrainSettings": "summpo.training.settings",
    "evaluate": "summpo.evaluation.run",
    "losses": "summpo.objectives",
    "train": "summpo.training.run",
}


def __getattr__(name: str) -> Any:
    """What stands in `__all__`, from where it is written."""
    if name not in _PLACES:
        raise AttributeError(f"module summpo has no attribute {name}")
    place = import_module(_PLACES[name])
    return import_module(f"{_PLACES[name]}.losses") if name == "losses" else getattr(place, name)
