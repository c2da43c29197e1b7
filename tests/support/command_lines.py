"""Checks a command line as its command would at the door, without the files that an earlier command makes."""

import shlex

from omegaconf import OmegaConf

from summpo.commands import COMMANDS, FREE_FORM, quoted
from summpo.commands.compose import compose_config
from summpo.commands.train import points_of
from summpo.config.nodes import from_target
from summpo.synthesis.parts import synthesis_parts
from summpo.teacher.teacher import Teacher
from summpo.training.parts import margins_of, train_parts, writing_parts

HEAVY = ("torch", "transformers", "peft", "lightning", "datasets", "pandas", "matplotlib")
REPORT = (
    "import sys\n"
    "from summpo.commands import main\n"
    "code = main(sys.argv[1:])\n"
    f"print('loaded', sorted(set({HEAVY}) & set(sys.modules)), 'code', code)"
)
"""A program that runs a command and says which of these it has imported."""


def check(line: str) -> None:
    """Composes every point of the line and builds its objects.

    Raises:
        UserError: what the command line would say.
        AssertionError: the line is no command of summpo's.
    """
    words = shlex.split(line)
    if words[:2] == ["python", "train.py"]:
        words = ["summpo", "train", *words[2:]]
    assert words[0] == "summpo" and words[1] in COMMANDS, line
    command, arguments = words[1], words[2:]
    if "--help" in arguments or command in FREE_FORM:
        return
    overrides = [quoted(argument) for argument in arguments if not argument.startswith("-")]
    for point in points_of(overrides) if "-m" in arguments else [overrides]:
        config = compose_config(command, point)
        if command in ("train", "inspect"):
            train_parts(config)
        elif command in ("generate", "evaluate", "pairs"):
            writing_parts(config)
        elif command == "synthesize":
            synthesis_parts(config)
        elif command == "judge":
            from_target(config.teacher, "teacher", (Teacher,))
        if command == "evaluate":
            margins_of(config.margin_reward)
        assert command != "merge" or not OmegaConf.is_missing(config, "model")
