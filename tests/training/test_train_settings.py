"""What is built of a configuration, and the one sentence for each thing that is wrong with it."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from omegaconf import DictConfig, OmegaConf

from summpo.commands.compose import compose_config
from summpo.commands.writing_settings import writing_settings
from summpo.config.nodes import fits, from_fields, from_target, named
from summpo.datasets import PairDataset
from summpo.datasets.aclsum import ACLSum
from summpo.datasets.jsonl import Jsonl
from summpo.errors import UserError
from summpo.margin_rewards import MarginReward
from summpo.margin_rewards.length import Length
from summpo.models import Lora, Model
from summpo.objectives import PairwiseObjective
from summpo.objectives.modpo import MODPO
from summpo.objectives.sft import SFT
from summpo.text.prompts import Prompt
from summpo.text.tokens import Limits
from summpo.training.optimizers import AdamW
from summpo.training.plain_settings import margins_of, train_settings
from summpo.writing.decoding import Decoding

P = ["dataset=summarize_from_feedback"]
M = [*P, "objective=modpo"]


def test_every_setting_of_the_command_line_comes_to_the_run() -> None:
    """Each field that is a value, set to another one than its default."""
    others = {
        "w": 0.25, "sft_weight": 0.5, "batch_size": 3, "batch_tokens": 77, "order": "by_length", "seed": 7,
        "activation_checkpointing": True, "compile": True, "matmul_precision": "high", "batching": "padded",
        "eval_batch_size": 5, "checkpoint_every": 9, "cache_dir": "elsewhere",
    }  # fmt: skip
    settings = train_settings(compose_config("train", [*M, *(f"{name}={value}" for name, value in others.items())]))
    assert {name: getattr(settings, name) for name in others} == others
    plain = train_settings(compose_config("train", M))
    values = {one.name for one in fields(plain) if isinstance(getattr(plain, one.name), str | int | float | None)}
    assert values - {"reference", "lora"} == set(others)


def refusal_of(command: str, overrides: list[str]) -> str:
    """What the command line says to these overrides: one sentence."""
    with pytest.raises(UserError) as refusal:
        config = compose_config(command, overrides)
        (train_settings if command == "train" else writing_settings)(config)
    sentence = str(refusal.value)
    assert "\n" not in sentence
    return sentence


# What is wrong, and words that the sentence must have: the key and the value.
WRONG: list[tuple[list[str], list[str]]] = [
    # values out of range
    (["w=-0.1"], ["w must be >= 0, got -0.1 (config key w)"]),
    (["w=nan"], ["w must be >= 0, got nan (config key w)"]),
    (["w=inf"], ["w must be >= 0, got inf (config key w)"]),
    (["batch_size=0"], ["batch_size must be >= 1, got 0"]),
    (["seed=-1"], ["seed must be >= 0", "got -1"]),
    (["seed=99999999999999999999"], ["seed must be", "got 99999999999999999999"]),
    (["checkpoint_every=0"], ["(config key checkpoint_every)"]),
    (["optimizer.lr=0"], ["lr must be > 0, got 0.0 (config key optimizer.lr)"]),
    (["optimizer.warmup_ratio=2"], ["warmup_ratio must be >= 0 and <= 1, got 2.0"]),
    (["optimizer.betas=[0.9]"], ["betas must be two numbers in [0, 1), got [0.9]"]),
    ([*M, "w=1e300"], ["w must be >= -1e+06 and <= 1e+06, got 1e+300 (config key w)"]),
    (["objective=sft", "margin_reward=coverage"], ["margin_reward=coverage weighs the two completions of a pair"]),
    (
        ["margin_reward=length", "margin_reward=coverage"],
        ["margin_reward is given 2 times; several together are [length,coverage]"],
    ),
    (["lora.r=0"], ["r must be >= 1, got 0 (config key lora.r)"]),
    (["tokens.max_length=3"], ["max_length must be >= 8, got 3 (config key tokens.max_length)"]),
    (["validation.times=-1"], ["(config key validation.times)"]),
    (["trainer.max_epochs=0"], ["max_epochs must be >= 1, got 0"]),
    (["trainer.max_epochs=null"], ["trainer.max_epochs or trainer.max_steps"]),
    (["trainer.max_steps=0"], ["max_steps must be > 0, or -1 for no limit, got 0"]),
    (["trainer.devices=0"], ["devices must be > 0, or -1 for all, got 0"]),
    (["trainer.devices=two"], ["devices must be a number, a list or auto, got 'two'"]),
    (["trainer.devices=[]"], ["devices must be", "got []"]),
    (["trainer.accumulate_grad_batches=0"], ["(config key trainer.accumulate_grad_batches)"]),
    (["trainer.gradient_clip_val=0"], ["gradient_clip_val must be > 0, got 0"]),
    (["dataset.limit=0"], ["limit must be null or a whole number >= 1, got 0"]),
    ([*M, "objective.beta=0"], ["beta must be > 0, got 0 (config key objective.beta)"]),
    ([*M, "objective.w0=0"], ["w0 must be > 0, got 0 (config key objective.w0)"]),
    ([*P, "objective=dpo", "objective.label_smoothing=0.5"], ["label_smoothing must be < 0.5, got 0.5"]),
    # values of the wrong kind
    (["w=abc"], ["w must be a number, got abc (config key w)"]),
    (["w=null"], ["w must not be null (config key w)"]),
    (["w=true"], ["w must be a number, got True"]),
    (["batch_size=2.5"], ["batch_size must be a whole number, got 2.5"]),
    (["seed=true"], ["seed must be a whole number, got True"]),
    (["optimizer.lr=fast"], ["lr must be a number, got fast (config key optimizer.lr)"]),
    (["optimizer.betas=[a,b]"], ["must be a number, got a", "optimizer.betas"]),
    (["lora=5"], ["lora", "5"]),
    (["lora.target_modules=3"], ["target_modules must be all-linear or a list of names of linear layers, got 3"]),
    (["prompt.chat=perhaps"], ["chat must be true or false, got perhaps (config key prompt.chat)"]),
    (["optimizer=null"], ["optimizer must not be null"]),
    (["model.path=null"], ["path must not be None", "model.path"]),
    (["model.path=3"], ["path must be text, got 3 (config key model.path)"]),
    (["model.trust_remote_code=1"], ["trust_remote_code must be true or false, got 1"]),
    (["dataset.limit=1.5"], ["limit must be a whole number or null, got 1.5 (config key dataset.limit)"]),
    (["dataset.sections=abstract"], ["sections must be a list of text, got 'abstract'"]),
    ([*M, "objective.beta=x"], ["beta must be a number, got 'x' (config key objective.beta)"]),
    ([*M, "margin_reward.length.weight=abc"], ["weight must be a number, got abc"]),
    # values that are none of the choices
    (["optimizer.schedule=step"], ["schedule must be one of cosine, linear, constant, got step"]),
    (["model.dtype=float8"], ["dtype must be float32 or bfloat16 or float16, got 'float8'"]),
    (["model.quantization=int8"], ["quantization must be nf4 or null, got 'int8'"]),
    (["tokens.too_long=cut"], ["too_long must be one of drop, truncate_document, error, got cut"]),
    (["trainer.precision=64"], ["precision must be text, got 64"]),
    (["trainer.accelerator=tpu"], ["accelerator must be one of", "got tpu"]),
    ([*M, "margin_reward.length.unit=lines"], ["unit must be one of tokens, words, characters, got lines"]),
    # options and keys that are not there
    (
        ["objective=ppo"],
        ["objective has no option ppo; there are alphapo, apo_down, apo_zero, apo_zero_unpaired, bco,"],
    ),
    (["model=gpt"], ["model has no option gpt; there are", "smollm2"]),
    (["margin_reward=[length,nope]"], ["margin_reward has no option nope; there are", "length"]),
    (["trainer=tpu"], ["trainer has no option tpu; there are cpu, ddp, gpu"]),
    (["experiment=nope"], ["experiment has no option nope"]),
    (["nope=1"], ["unknown option nope"]),
    (["+nope=1"], ["unknown option nope"]),
    (["optimizer.lrr=1"], ["unknown option optimizer.lrr"]),
    (["model.pth=x"], ["unknown option model.pth"]),
    (["+model.pth=x"], ["unknown option model.pth; model has path, adapter"]),
    (
        [*P, "objective=dpo", "objective.w0=2"],
        ["unknown option objective.w0: what is chosen for objective has no option of this name"],
    ),
    (["++objective.beta=0.1"], ["unknown option objective.beta; objective has no options"]),
    # what is missing
    (["dataset=jsonl"], ["dataset.path is required"]),
    (["~model.path"], ["model.path"]),
    (["~w"], ["w"]),
    (["model.path=???"], ["path is required"]),
    ([*P, "objective=dpo", "sft_weight=-1"], ["sft_weight must be >= 0, got -1.0 (config key sft_weight)"]),
    (["objective=sft", "sft_weight=1"], ["sft_weight=1 adds SFT", "summpo.objectives.sft.SFT has no such loss"]),
    ([*P, "objective=reward_model", "sft_weight=0.5"], ["sft_weight=0.5 adds SFT", "RewardModel has no such loss"]),
    ([*P, "objective=kto", "sft_weight=0.5"], ["sft_weight=0.5 adds SFT", "KTO has no such loss"]),
    (
        ["dataset=scitldr", "objective=kto"],
        ["SciTLDR has no labelled rows", "learns from: give summaries a column label"],
    ),
    (["objective=null"], ["objective=null names no option of the group objective; there are alphapo, apo_down,"]),
    (["margin_reward=null"], ["margin_reward=null names no option", "there are compression, constant"]),
    (["dataset="], ["dataset= names no option of the group dataset; there are aclsum"]),
    (["~objective"], ["objective is set and nothing was chosen for it: there is no _target_"]),
    # a target that is not what its group asks for
    (["objective._target_=os.system"], ["objective._target_: os.system is not a dataclass"]),
    (["objective._target_=nope.Nope"], ["objective._target_: cannot find nope.Nope"]),
    (
        ["objective._target_=summpo.text.prompts.Prompt"],
        ["Prompt is not a CompletionObjective or PairwiseObjective or ScoreObjective or LabelledObjective"],
    ),
    (["objective._target_=summpo.models.Model"], ["objective.path is required"]),
    # what does not go together
    (["w=0.1"], ["this objective has no pairs to weigh, got w=0.1"]),
    (["margin_reward.length.weight=0.5"], ["margin_reward.length.weight weighs the two completions of a pair"]),
    ([*M, "margin_reward=[length,coverage,length]"], ["margin_reward names length twice", "[length,coverage,length]"]),
    (
        [*M, "margin_reward=[coverage]", "margin_reward.length.weight=0.5"],
        ["margin_reward.length is set and this margin reward is not chosen: name it, as in margin_reward=[length]"],
    ),
    ([*M, "margin_reward.coverage.clip=5"], ["margin_reward.coverage is set and nothing was chosen for it"]),
    ([*M, "margin_reward=coverage", "margin_reward.coverage.normalise=z_score"], ["unknown option"]),
    ([*M, "margin_reward=coverage", "margin_reward.coverage.clip=0"], ["clip must be > 0, got 0"]),
    ([*M, "margin_reward.lenght.weight=0.5"], ["unknown option margin_reward.lenght"]),
    ([*M, "objective.w0=0"], ["w0 must be > 0, got 0 (config key objective.w0)"]),
    ([*M, "margin_reward=implicit"], ["margin_reward.implicit.adapter is required"]),
    ([*M, "margin_reward=implicit", "margin_reward.implicit.adapter=''"], ["adapter must name a folder, got ''"]),
    (
        [*M, "margin_reward=implicit", "margin_reward.implicit.adapter=''"],
        ["(config key margin_reward.implicit.adapter)"],
    ),
    *[
        ([*M, f"+margin_reward.mine={{_target_: summpo.margin_rewards.{target}, weight: 1}}"], [words])
        for target, words in [
            ("implicit.Implicit, adapter: x, beta: 0", "beta must be > 0, got 0 (config key margin_reward.mine.beta)"),
            (
                "implicit.Implicit, adapter: ' '",
                "adapter must name a folder, got '' (config key margin_reward.mine.adapter)",
            ),
            ("length.Length, unit: lines", "got lines (config key margin_reward.mine.unit)"),
            ("length_budget.LengthBudget, target: 0", "got 0 (config key margin_reward.mine.target)"),
            ("rouge.Rouge, type: rouge3", "got rouge3 (config key margin_reward.mine.type)"),
            ("score.Score, form: ratio", "got ratio (config key margin_reward.mine.form)"),
            ("constant.Constant, value: nan", "got nan (config key margin_reward.mine.value)"),
            ("faithfulness.Faithfulness, path: ' '", "got ' ' (config key margin_reward.mine.path)"),
            (
                "faithfulness.Faithfulness, window: 2",
                "window must be >= 8, got 2 (config key margin_reward.mine.window)",
            ),
            ("reward_model.RewardModel, path: x, form: list", "got list (config key margin_reward.mine.form)"),
            (
                "reward_model.RewardModel, path: x, template: hello",
                "got 'hello' (config key margin_reward.mine.template)",
            ),
            ("reward_model.RewardModel, path: x, system: hello", "form=turns (config key margin_reward.mine.system)"),
            ("reward_model.RewardModel, path: x, max_length: 1", "got 1 (config key margin_reward.mine.max_length)"),
        ]
    ],
    ([*M, "margin_reward=reward_model"], ["margin_reward.reward_model.path is required"]),
    (
        [*M, "margin_reward=reward_model", "margin_reward.reward_model.path=x", "margin_reward.reward_model.form=list"],
        ["form must be one of continuation, turns, pair, got list"],
    ),
    (["objective=reward_model", "dataset=scitldr"], ["SciTLDR has no pairs"]),
    (
        [*M, "margin_reward=score"],
        [
            "margin_reward.score reads score_chosen and score_rejected, which dataset=SummarizeFromFeedback does not have"
        ],
    ),
    (
        ["objective=dpo", "dataset=ultrafeedback", "margin_reward=[length,rouge]"],
        ["margin_reward.rouge reads reference"],
    ),
    ([*M, "w=0.1", "margin_reward=none"], ["w=0.1 weighs nothing: choose a margin reward"]),
    (
        [*M, "margin_reward=coverage", "margin_reward.coverage.weight=0.5", "w=0.9"],
        ["w=0.9 weighs nothing: margin_reward.coverage.weight is 0.5 (config key w)"],
    ),
    (
        [
            *M,
            "margin_reward=[length,coverage]",
            "margin_reward.length.scale=0",
            "margin_reward.coverage.weight=2",
            "w=1",
        ],
        ["w=1 weighs nothing: margin_reward.coverage.weight is 2 and margin_reward.length.scale is 0 (config key w)"],
    ),
    (["objective=dpo", "dataset=scitldr"], ["SciTLDR has no pairs", "summpo pairs"]),
    (["prompt.system=x"], ["set prompt.chat=true (config key prompt.system)"]),
    (["prompt.template=hello"], ["{document} once, got 'hello'"]),
    # interpolations and command lines that cannot be read
    (["batch_size=${nope}"], ["batch_size", "'nope' not found"]),
    ([*M, "margin_reward.length.weight=${nope}"], ["margin_reward.length.weight", "'nope' not found"]),
    (["-x"], ["options are given as key=value, got -x"]),
    (["w=0,0.1"], ["w takes one value, got 0,0.1; a list is w=[0,0.1], a sweep is summpo train -m"]),
    (["dataset=jsonl,aclsum"], ["dataset takes one value, got jsonl,aclsum; a list is"]),
    (["w"], ["cannot read w: an option is typed key=value"]),
    (
        ["margin_reward=[length,", "coverage]"],
        ["cannot read margin_reward=[length,: its brackets do not match; a list is"],
    ),
    # a near name, where there is one
    (["optimiser.lr=1"], ["unknown option optimiser; did you mean optimizer?"]),
    (["batchsize=1"], ["unknown option batchsize; did you mean batch_size?"]),
    (["dataset.limt=1"], ["unknown option dataset.limt; did you mean dataset.limit?"]),
    (
        [*M, "margin_reward.lenght.weight=1"],
        ["unknown option margin_reward.lenght; did you mean margin_reward.length?"],
    ),
    (["+trainer.max_step=1"], ["unknown option trainer.max_step; did you mean trainer.max_steps?"]),
    (["zzz=1"], ["unknown option zzz; summpo train --help lists the options"]),
    (["w=0.1=2"], ["cannot read w=0.1=2:"]),
    (["w=[1"], ["cannot read w=[1:"]),
]


@pytest.mark.parametrize(
    ("overrides", "words"), WRONG, ids=lambda value: " ".join(value) if len(str(value)) < 90 else ""
)
def test_what_is_wrong_gets_one_sentence(overrides: list[str], words: list[str]) -> None:
    sentence = refusal_of("train", overrides)
    assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["generation.top_p=0"], "top_p must be > 0 and <= 1, got 0.0 (config key generation.top_p)"),
        (["generation.max_new_tokens=many"], "max_new_tokens must be a whole number, got many"),
        (["split=holdout"], "split must be train or validation or test, got 'holdout' (config key split)"),
        (["accelerator=tpu"], "accelerator must be one of cpu, gpu, auto, cuda:0, cuda:1 ..., got tpu"),
        (["trainer=gpu"], "trainer"),
    ],
)
def test_what_is_wrong_with_writing(overrides: list[str], words: str) -> None:
    assert words in refusal_of("generate", overrides)


class TestOrphans:
    """A setting of a reward that was not chosen has no _target_; Hydra's instantiate would make a dict of it."""

    def test_a_setting_without_its_reward(self) -> None:
        sentence = refusal_of("train", [*M, "w=0.1", "+margin_reward.coverage.weight=0.5"])
        assert sentence == (
            "margin_reward.coverage is set and nothing was chosen for it: there is no _target_; choose an option of the "
            "group margin_reward that makes margin_reward.coverage, or take the setting away"
        )

    def test_an_experiments_setting_when_the_command_line_picks_another(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The known trap, walked through: the experiment weighs `length`, the command line says margin_reward=none."""
        for name in ("experiment", *("model", "objective", "dataset", "margin_reward", "trainer", "logger")):
            (tmp_path / name).mkdir()
        from summpo.config.tree import conf_dir

        for file in conf_dir().rglob("*.yaml"):
            if (tmp_path / file.relative_to(conf_dir())).parent.is_dir():
                (tmp_path / file.relative_to(conf_dir())).write_bytes(file.read_bytes())
        (tmp_path / "experiment" / "trap.yaml").write_text(
            "# @package _global_\ndefaults:\n  - override /objective: modpo\n"
            "  - override /dataset: summarize_from_feedback\nmargin_reward:\n  length:\n    weight: 0.5\n"
        )
        monkeypatch.setattr("summpo.config.tree.conf_dir", lambda: tmp_path)
        parts = train_settings(compose_config("train", ["experiment=trap"]))
        assert parts.weights == {"length": 0.5}
        sentence = refusal_of("train", ["experiment=trap", "margin_reward=none"])
        assert sentence.startswith("margin_reward.length is set and nothing was chosen for it: there is no _target_")

    @pytest.mark.parametrize("node", [None, 5, "text", {}, {"weight": 0.5}, {"unit": "words", "weight": 1}])
    def test_any_node_without_a_target(self, node: Any) -> None:
        with pytest.raises(UserError, match="there is no _target_"):
            margins_of(OmegaConf.create({"length": node}))

    def test_a_node_without_a_target_in_any_group(self) -> None:
        for key, kind in [("model", Model), ("dataset", PairDataset), ("objective", PairwiseObjective)]:
            with pytest.raises(UserError, match=f"^{key} is set and nothing was chosen for it"):
                from_target(OmegaConf.create({"path": "x"}), key, (kind,))


class TestParts:
    def test_a_preference_run(self) -> None:
        parts = train_settings(
            compose_config(
                "train",
                [
                    "objective=modpo",
                    "objective.beta=0.2",
                    "w=0.3",
                    "dataset=jsonl",
                    "dataset.path=here.jsonl",
                    "dataset.limit=7",
                    "model.path=there",
                    "lora.r=4",
                    "lora.target_modules=all-linear",
                    "tokens.max_length=99",
                    "prompt.chat=true",
                    "optimizer.lr=1e-3",
                    "+margin_reward.words={_target_: summpo.margin_rewards.length.Length, unit: words, weight: 0.5}",
                ],
            )
        )
        assert parts.objective == MODPO(beta=0.2)
        assert parts.dataset == Jsonl(path="here.jsonl", limit=7)
        assert parts.start == parts.frozen == Model("there")
        assert parts.lora == Lora(r=4, alpha=64.0)
        assert parts.tokens == Limits(max_length=99)
        assert parts.prompt == Prompt(chat=True)
        assert (parts.optimizer.lr, tuple(parts.optimizer.betas)) == (1e-3, AdamW().betas)
        assert {name: (m.reward, parts.weights[name]) for name, m in parts.margin_reward.items()} == {
            "length": (Length(), 0.3),
            "words": (Length("words"), 0.5),
        }

    def test_sft_weighs_nothing(self) -> None:
        parts = train_settings(compose_config("train", []))
        assert parts.objective == SFT()
        assert parts.margins == {}
        assert train_settings(compose_config("train", ["lora=null"])).lora is None

    def test_a_negative_weight_is_a_choice(self) -> None:
        """w is guarded; the weight of a reward of one's own may be a penalty."""
        parts = train_settings(compose_config("train", [*M, "margin_reward.length.weight=-0.5"]))
        assert parts.weights == {"length": -0.5}

    def test_writing(self) -> None:
        parts = writing_settings(compose_config("generate", ["generation.max_new_tokens=9"]))
        assert parts.generation == Decoding(max_new_tokens=9)
        assert parts.dataset == ACLSum()


@dataclass(frozen=True)
class Made:
    """Fields of every kind that a config target may have."""

    needed: str
    number: float = 1.0
    names: tuple[str, ...] = ()
    choice: Literal["a", "b"] | None = None
    made: list[int] = field(default_factory=list)
    fixed: ClassVar[str] = "not an option"


def test_from_fields_takes_the_fields_and_no_others() -> None:
    node = DictConfig({"needed": "text", "number": "${twice:1}", "choice": None})
    OmegaConf.register_new_resolver("twice", lambda number: 2 * number, replace=True)
    assert from_fields(Made, node, "made") == Made("text", 2)
    for content, words in [
        ({}, "made.needed is required"),
        ({"needed": "a", "fixed": "b"}, "unknown option made.fixed; made has needed, number, names, choice, made"),
        ({"needed": 3}, "needed must be text, got 3 (config key made.needed)"),
        ({"needed": "a", "number": True}, "number must be a number, got True (config key made.number)"),
        ({"needed": "a", "names": "bc"}, "names must be a list of text, got 'bc' (config key made.names)"),
        ({"needed": "a", "choice": "c"}, "choice must be a or b or null, got 'c' (config key made.choice)"),
        ({"needed": "???"}, "made.needed is required, got ???"),
        ({"needed": "${nope}"}, "made.needed: Interpolation key 'nope' not found"),
    ]:
        with pytest.raises(UserError) as refusal:
            from_fields(Made, DictConfig(content), "made")
        assert str(refusal.value) == words


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (int, [0, -3], [1.0, True, "1", None]),
        (float, [0, 1.5], [True, "1", None]),
        (bool, [True], [1, "true"]),
        (str, ["", "a"], [1, None]),
        (int | None, [1, None], ["1"]),
        (Literal["a", "b"], ["a"], ["c", None]),
        (tuple[str, ...], [[], ["a"]], ["a", [1]]),
        (list[int] | str, [[1], "a"], [["a"], 1]),
        (Any, [1, None, "a"], []),
    ],
)
def test_fits(hint: Any, good: list[Any], bad: list[Any]) -> None:
    assert all(fits(value, hint) for value in good)
    assert not any(fits(value, hint) for value in bad)
    assert named(hint)


def test_what_is_built_is_of_the_kind_asked_for() -> None:
    node = OmegaConf.create({"_target_": "summpo.margin_rewards.length.Length", "unit": "words"})
    assert from_target(node, "margin_reward.length", (MarginReward,)) == Length("words")
    with pytest.raises(UserError, match="Length is not a Model, which model asks for"):
        from_target(node, "model", (Model,))
