"""The configuration tree: every option of every group composes, and what the tree says is what the code says."""

import importlib
import inspect
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from summpo.commands.compose import SCHEMAS, as_addition, compose_config, parsed, require_options, schema_of
from summpo.commands.help import groups_of, help_of
from summpo.commands.synthesis_settings import synthesis_parts
from summpo.config.tree import conf_dir, plain
from summpo.errors import UserError
from summpo.training.plain_settings import train_settings
from summpo.training.trainer_arguments import TrainerArguments
from support.command_lines import HEAVY, REPORT, check

REPOSITORY = Path(__file__).resolve().parents[2]
CONF = conf_dir()
GROUPS = ("model", "objective", "dataset", "margin_reward", "trainer", "logger")
OF_SYNTHESIS = [
    (group, path.stem)
    for group in ("teacher", "mode", "documents", "executor")
    for path in sorted((CONF / group).glob("*.yaml"))
]
OPTIONS = [(group, path.stem) for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]
EXPERIMENTS = sorted((CONF / "experiment").glob("*.yaml"))
PAIRS = ("dataset=jsonl", "dataset.path=somewhere")
REQUIRED = {
    ("margin_reward", "implicit"): "margin_reward.implicit.adapter=somewhere",
    ("margin_reward", "reward_model"): "margin_reward.reward_model.path=somewhere",
}
"""What an option asks for that has no default."""
COMMAND_LINE = re.compile(r"(?:python train\.py|summpo (?:train|inspect|merge|pairs|generate|evaluate)) .+$")


BESIDE = {"losses", "token_weights", "sft_term", "margins", "break_even", "checks"}
"""Modules that lie beside plug-ins and are none: what several of them are made of, or what is done with any."""


def the_like(names: list[str], folder: str) -> bool:
    """Whether the plug-ins of a package are those named: its modules but __init__ and those of `BESIDE`."""
    modules = {path.stem for path in (REPOSITORY / "src/summpo" / folder).glob("*.py")}
    return set(names) == modules - BESIDE - {"__init__"}


def options(group: str) -> list[str]:
    return [name for of, name in OPTIONS if of == group]


def takes(command: str, override: str) -> bool:
    """Whether a command's configuration can be composed with an option; if not, it has no such key."""
    try:
        compose_config(command, [override])
    except UserError as error:
        key = override.partition("=")[0]
        assert re.search(rf"unknown option {key}|{key} must be a dictionary", str(error)), error
        return False
    return True


class TestEveryOption:
    def test_is_found(self) -> None:
        assert {"sft", "dpo", "modpo"} <= set(options("objective"))
        assert {"cpu", "gpu", "ddp"} <= set(options("trainer"))
        assert {"none", "wandb", "tensorboard"} <= set(options("logger"))
        assert {"smollm2"} <= set(options("model"))

    @pytest.mark.parametrize(("folder", "group"), [("objectives", "objective"), ("margin_rewards", "margin_reward")])
    def test_has_a_plug_in_and_every_plug_in_an_option(self, folder: str, group: str) -> None:
        assert the_like([name for name in options(group) if name != "none"], folder)

    def test_data_sets_likewise(self) -> None:
        assert the_like(options("dataset"), "datasets")

    @pytest.mark.parametrize(
        ("group", "name"), [option for option in OPTIONS if option[0] not in ("objective", "dataset")]
    )
    def test_composes_and_builds(self, group: str, name: str) -> None:
        weighed = ("w=0.1",) if (group, name) != ("margin_reward", "none") else ()
        required = [REQUIRED[group, name]] if (group, name) in REQUIRED else []
        config = compose_config("train", [*PAIRS, "objective=modpo", f"{group}={name}", *weighed, *required])
        settings = train_settings(config)
        assert list(settings.weights.values()) == [0.1] * len(weighed)

    @pytest.mark.parametrize("name", [name for name in options("margin_reward") if name != "none"])
    def test_every_margin_reward_is_scaled_by_plain_keys(self, name: str) -> None:
        required = [REQUIRED["margin_reward", name]] if ("margin_reward", name) in REQUIRED else []
        chosen = [*PAIRS, "objective=modpo", f"margin_reward={name}", "w=0.1", *required]
        (margin,) = train_settings(compose_config("train", chosen)).margin_reward.values()
        assert (margin.normalize, margin.scale, margin.clip) == ("none", 1, None)
        scaling = [f"margin_reward.{name}.{setting}" for setting in ("normalize=z_score", "scale=-2", "clip=3")]
        (margin,) = train_settings(compose_config("train", [*chosen, *scaling])).margin_reward.values()
        assert (margin.normalize, margin.scale, margin.clip) == ("z_score", -2, 3)

    @pytest.mark.parametrize("objective", options("objective"))
    def test_every_objective_composes_and_builds(self, objective: str) -> None:
        parts = train_settings(compose_config("train", [f"objective={objective}", *PAIRS]))
        assert type(parts.objective).__module__ == f"summpo.objectives.{objective}"

    @pytest.mark.parametrize("dataset", options("dataset"))
    @pytest.mark.parametrize(("objective", "rows"), [("sft", "summaries"), ("dpo", "pairs"), ("kto", "pairs")])
    def test_every_data_set_builds_or_says_what_it_lacks(self, dataset: str, objective: str, rows: str) -> None:
        path = ["dataset.path=somewhere"] if dataset == "jsonl" else []
        config = compose_config("train", [f"objective={objective}", f"dataset={dataset}", *path])
        module, _, name = str(config.dataset._target_).rpartition(".")
        if hasattr(getattr(importlib.import_module(module), name), rows):
            train_settings(config)
        else:
            with pytest.raises(
                UserError, match=r"has no (summaries|pairs|labelled rows), which the objective learns from"
            ):
                train_settings(config)

    @pytest.mark.parametrize("logger", options("logger"))
    def test_loggers_are_real_and_take_their_keys(self, logger: str) -> None:
        for node in (compose_config("train", [f"logger={logger}"]).logger or {}).values():
            module, _, name = str(node._get_node("_target_")).rpartition(".")
            taken = inspect.signature(getattr(importlib.import_module(module), name)).parameters
            is_open = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())
            assert is_open or set(node) - {"_target_"} <= set(taken)


def own_command_lines(file: Path) -> list[str]:
    """The commands in a yaml's comments."""
    found = [COMMAND_LINE.search(line) for line in file.read_text("utf-8").splitlines() if line.startswith("#")]
    return [match[0] for match in found if match]


class TestCommandLines:
    def test_there_are_experiments(self) -> None:
        assert EXPERIMENTS, f"no experiment in {CONF / 'experiment'}"

    @pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
    def test_an_experiment_begins_with_its_own(self, file: Path) -> None:
        lines = [line for line in file.read_text("utf-8").splitlines() if line != "# @package _global_"]
        (command, *_) = own_command_lines(file)
        assert lines[0] == f"# {command}"
        assert f"experiment={file.stem}" in shlex.split(command)
        check(command)


def plug_ins() -> Iterator[tuple[str, DictConfig]]:
    """Every node with a `_target_` of ours in the tree, by file and key."""
    for group in ("model", "objective", "dataset", "margin_reward", "mode"):
        for file in sorted((CONF / group).glob("*.yaml")):
            node = OmegaConf.load(file)
            assert isinstance(node, DictConfig)
            for key, plug_in in [("", node)] if "_target_" in node else node.items():
                yield f"{group}/{file.name} {key}".strip(), plug_in


class TestYamlAndCode:
    @pytest.mark.parametrize(("where", "node"), plug_ins(), ids=lambda value: value if isinstance(value, str) else "")
    def test_a_plug_in_names_every_field_with_its_default(self, where: str, node: DictConfig) -> None:
        module, _, name = node["_target_"].rpartition(".")
        made = getattr(importlib.import_module(module), name)
        defaults = {field.name: field.default for field in fields(made) if field.init}
        scaling = ("weight", "normalize", "scale", "clip") if where.startswith("margin") else ()
        keys = [key for key in node if key not in ("_target_", *scaling)]
        assert keys == list(defaults)
        if where.startswith("model/"):
            return  # each file is another model: its values are its own
        for key in keys:
            value = OmegaConf.to_container(node)[key]  # type: ignore[index, call-overload]
            value = tuple(value) if isinstance(value, list) else value
            is_required = defaults[str(key)] is MISSING
            assert value in (None, "???") if is_required else value == defaults[str(key)], key

    def test_a_margin_reward_has_a_weight(self) -> None:
        weighed = [node for where, node in plug_ins() if where.startswith("margin_reward/")]
        assert weighed
        assert all(OmegaConf.to_container(node)["weight"] is None for node in weighed)  # type: ignore[index, call-overload]

    def test_the_trainers_keys_are_lightnings_own(self) -> None:
        from lightning.pytorch import Trainer

        assert set(TrainerArguments().given) <= set(inspect.signature(Trainer).parameters)

    @pytest.mark.parametrize("command", SCHEMAS)
    def test_every_key_has_a_meaning(self, command: str) -> None:
        """In the help of what is chosen by default, and of each option of each group whose class is ours.

        An option's lines are the same in every command: each is asked of the first that takes it.
        """
        earlier = set[str]().union(*(groups_of(name) for name in list(SCHEMAS)[: list(SCHEMAS).index(command)]))
        own = [file for group in sorted(groups_of(command) - earlier) for file in sorted(CONF.glob(f"{group}/*.yaml"))]
        ours = [file for file in own if file.parent.name not in ("logger", "experiment")]
        helps = [help_of(command), *(help_of(command, [f"{file.parent.name}={file.stem}"]) for file in ours)]
        lines = [line for text in helps for line in text.splitlines()]
        keys = [(line, after) for line, after in pairwise(lines) if re.match(r"  \w", line)]
        assert len(keys) > 5
        without = {line.split(" =")[0].strip() for line, after in keys if not after.startswith("      ")}
        assert not without

    def test_help_is_of_what_is_chosen(self) -> None:
        text = help_of("train", ["objective=modpo", "margin_reward=[length,coverage]", "logger=wandb"])
        for line in (
            "objective.beta = 0.1",
            "margin_reward.coverage.weight",
            "logger.wandb.project = 'summpo'",
        ):
            assert f"\n  {line}\n" in text
        assert "objective.beta" not in help_of("train", ["objective=sft"])
        assert help_of("train", ["no such key"]) == help_of("train")


class TestCommands:
    @pytest.mark.parametrize("command", SCHEMAS)
    def test_defaults_compose(self, command: str) -> None:
        assert set(plain(compose_config(command, []))) <= {field.name for field in fields(SCHEMAS[command])}

    @pytest.mark.parametrize("command", SCHEMAS)
    def test_help_names_every_key(self, command: str) -> None:
        text = help_of(command)
        for key in leaves(schema_of(command), ""):
            assert re.search(rf"^(  {re.escape(key)}( = .*)?|{key}: .*)$", text, re.MULTILINE), key

    @pytest.mark.parametrize("command", SCHEMAS)
    def test_help_lists_the_groups_that_the_command_takes(self, command: str) -> None:
        listed = sorted(re.findall(r"^(\w+): .* \(choose one: ", help_of(command), re.MULTILINE))
        folders = {path.parent.name: path.stem for path in sorted(CONF.glob("*/*.yaml"), reverse=True)}
        assert listed == sorted(group for group, option in folders.items() if takes(command, f"{group}={option}")) != []

    @pytest.mark.parametrize(("group", "option"), OF_SYNTHESIS)
    def test_what_synthesize_is_composed_of(self, group: str, option: str) -> None:
        assert len(OF_SYNTHESIS) == 13
        given = {group: option, "documents.path": "here", "teacher.model": "m"}
        given |= {"executor.partition": "p"} if option == "slurm" else {}
        node = compose_config("synthesize", [f"{key}={value}" for key, value in given.items()])
        parts = synthesis_parts(node)
        built = parts.sources["train"] if group == "documents" else getattr(parts, group)
        assert f"{type(built).__module__}.{type(built).__qualname__}" == node[group]._target_

    def test_w_is_the_default_margins_weight_and_its_own_weight_wins(self) -> None:
        pairs = [*PAIRS, "objective=modpo", "w=0.3"]
        assert train_settings(compose_config("train", pairs)).weights == {"length": 0.3}
        own = compose_config("train", [*pairs[:-1], "margin_reward.length.weight=0.7"])
        assert train_settings(own).weights == {"length": 0.7}

    def test_only_what_no_yaml_declares_is_added(self) -> None:
        """A sweep's folders are named after the overrides: they stay as they are typed wherever they can."""
        typed = [
            "margin_reward.length.clip=2",
            "margin_reward.coverage.weight=1",
            "+margin_reward.coverage.clip=2",
            "w=1",
        ]
        assert [as_addition(override, "train") for override in typed] == typed
        assert as_addition("margin_reward.coverage.clip=2", "train") == "++margin_reward.coverage.clip=2"
        assert as_addition("rules.test.quotas.arxiv=2", "synthesize") == "++rules.test.quotas.arxiv=2"
        assert as_addition("documents.test=2", "pairs") == "++documents.test=2"

    def test_a_list_of_margin_rewards(self) -> None:
        config = compose_config("train", [*PAIRS, "objective=modpo", "w=0.3", "margin_reward=[none,length]"])
        assert list(train_settings(config).margin_reward) == ["length"]

    def test_the_reference_follows_the_model(self) -> None:
        base = [*PAIRS, "objective=dpo", "model.path=here", "model.adapter=there"]
        settings = train_settings(compose_config("train", base))
        assert settings.frozen == settings.start
        settings = train_settings(compose_config("train", [*base, "reference.adapter=null"]))
        assert (settings.frozen.path, settings.frozen.adapter) == ("here", None)
        settings = train_settings(compose_config("train", [*base, "reference.path=elsewhere", "reference.adapter=sft"]))
        assert (settings.start.path, settings.start.adapter) == ("here", "there")
        assert (settings.frozen.path, settings.frozen.adapter) == ("elsewhere", "sft")

    def test_plain_leaves_out_what_only_hydra_knows(self) -> None:
        config = plain(compose_config("train", ["logger=wandb", "w=0.0"]))
        assert "logger" not in config
        assert "output_dir" not in config
        assert config["w"] == 0.0


def leaves(config: Any, prefix: str) -> Iterator[str]:
    """The keys of a typed configuration, nested ones with dots; a node that may be null by its own key or its children's."""
    for name in config:
        child = config._get_node(name)
        if isinstance(child, DictConfig) and is_dataclass(child._metadata.object_type) and not child._is_none():
            yield from leaves(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


class TestAnswersAtOnce:
    """Heavy imports stay out of the path of --help and of what is wrong with the configuration."""

    @pytest.mark.parametrize(
        ("arguments", "code", "words"),
        [
            (["--help"], 0, "usage: summpo COMMAND"),
            (["train", "--help"], 0, "optimizer.lr = 0.0002"),
            (["evaluate", "--help"], 0, "generation.max_new_tokens"),
            (["train", "w=-0.1"], 2, "summpo train: w must be >= 0, got -0.1 (config key w)"),
            (["train", "objective=ppo"], 2, "objective has no option ppo"),
            (["train", "model.path=./nowhere"], 2, "nowhere"),
            (["train", "-m", "objective=dpo,modpo", "w=0", "dataset=scitldr"], 2, "has no pairs"),
            (["evaluate", "split=holdout"], 2, "holdout"),
            (["inspect", "--help"], 0, "typical_reward_margin = 1.0"),
            (["inspect", "dataset=scitldr"], 2, "has no pairs"),
            (["inspect", "objective=dpo", "dataset=summarize_from_feedback", "split=dev"], 2, "split must be one of"),
        ],
    )
    def test_without_a_heavy_import(self, tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
        done = subprocess.run([sys.executable, "-c", REPORT, *arguments], capture_output=True, text=True, cwd=tmp_path)
        assert f"loaded [] code {code}" in done.stdout, done.stderr
        assert words in (done.stdout if code == 0 else done.stderr)
        assert code == 0 or done.stderr.count("\n") == 1, "one sentence"
        assert not list(tmp_path.iterdir()), "nothing is left behind"

    @pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["optimizer.lr=fast"], 2)])
    def test_the_script_likewise(self, tmp_path: Path, arguments: list[str], code: int) -> None:
        command = [sys.executable, "-X", "importtime", str(REPOSITORY / "train.py"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == code
        imported = {
            line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time")
        }
        assert "summpo.training.settings" in imported
        assert not imported & set(HEAVY)
        said = [line for line in done.stderr.splitlines() if not line.startswith("import time")]
        assert said == ([] if code == 0 else ["summpo train: lr must be a number, got fast (config key optimizer.lr)"])
        assert not list(tmp_path.iterdir())


def test_two_files_that_name_one_reward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hydra would merge them, and one reward would vanish."""
    for name in ("length", "words"):
        file = tmp_path / "margin_reward" / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text("length: {weight: 1}\n", "utf-8")
    monkeypatch.setattr("summpo.config.tree.conf_dir", lambda: tmp_path)
    with pytest.raises(UserError, match="length and words are both named length in their files"):
        require_options(parsed(["margin_reward=[length,words]"]))
    require_options(parsed(["margin_reward=[length]"]))
