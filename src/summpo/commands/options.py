"""The typed root of every command's configuration. A field's docstring is what `--help` prints of it.

Groups (model, objective, dataset, margin_reward, logger) are yaml files with a `_target_`, made objects by
`summpo.commands.train_settings`. No torch here: a configuration error answers at once.
"""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import II

from summpo.documents.rules import DocumentRules
from summpo.evaluation.bert_backbone import BertScore
from summpo.files.cache import cache_folder
from summpo.synthesis.filters import Filters
from summpo.synthesis.output import SplitShares
from summpo.text.prompts import Prompt
from summpo.text.tokens import Limits
from summpo.training.settings import TrainSettings
from summpo.writing.decoding import Decoding


@dataclass
class MapReduceConfig:
    part_template: str = "${prompt.template}"
    """The text around a part of a document that does not fit; {document} stands for the part."""
    join_template: str = "${prompt.template}"
    """The text around the summaries of the parts, a paragraph each; {document} stands for them."""
    part_max_new_tokens: int = II("generation.max_new_tokens")
    """Tokens of a part's summary, at most."""


@dataclass
class SharedConfig:
    """What every command with a model and data reads."""

    model: Any = None
    """The model: group `model`."""
    dataset: Any = None
    """The data: group `dataset`."""
    prompt: Prompt = field(default_factory=Prompt)
    tokens: Limits = field(default_factory=Limits)
    seed: int = 42
    """Seed of the order of rows, dropout, sampling and new weights."""
    cache_dir: str = field(default_factory=cache_folder)
    """Where converted models and frozen columns are kept and shared between runs."""


@dataclass
class ReferenceConfig:
    path: str = "${model.path}"
    """The frozen model that preference runs compare with; by default the one that the policy starts from."""
    adapter: str | None = "${model.adapter}"
    """The adapter of the reference; null for the model without one."""


@dataclass(frozen=True)
class TrainConfig(TrainSettings):
    """The settings of a run as a command line has them: open where an option of a group says what it is."""

    model: Any = None
    dataset: Any = None
    objective: Any = None
    margin_reward: dict[str, Any] = field(default_factory=dict)
    trainer: Any = None
    reference: ReferenceConfig = field(default_factory=ReferenceConfig)  # type: ignore[assignment]
    logger: Any = None
    """Where metrics go beside metrics.csv: group `logger` (none, wandb, tensorboard)."""
    output_dir: str = "???"
    """Where the run's files go; by default outputs/<date>/<time>, or multirun/<date>/<time>/<overrides> in a sweep."""


@dataclass(frozen=True)
class InspectConfig(TrainConfig):
    objective: Any = None
    """What is to be minimised, on pairs: group `objective`. All options of a training command are taken."""
    split: str = "train"
    """The split whose pairs are looked at: train, validation or test."""
    typical_reward_margin: float = 1.0
    """Nats to set w x margin against; > 0. 1 is a guess for dpo and the like: better an earlier val/reward_margin."""
    output_dir: str = "outputs/inspect"
    """Where inspect.json and inspect.png go."""


@dataclass
class MergeConfig:
    run: str | None = None
    """A run folder: its adapter and the model under it."""
    model: Any = None
    """Instead of `run`: the model under the adapter, group `model`, with model.adapter."""
    output_dir: str | None = None
    """The folder of the merged model; by default <run>/merged."""
    dtype: str = "float32"
    """Weights as stored: float32, bfloat16 or float16."""
    base: str | None = None
    """Weights that the adapter of a 4-bit base is added to: dequantized, those that it was trained on, which gives the
    model that was validated; original, those before the quantisation; null for the former. Of any other base:
    original or null."""
    validation_rows: int | None = None
    """After a run on a 4-bit base: of its validation rows, how many tell what either way costs in loss; null for those
    that it validated on, 0 for none."""
    accelerator: str = "auto"
    """Where that loss is computed: cpu, gpu, or auto: a GPU where there is one; cuda:1 is the second one."""
    cache_dir: str = field(default_factory=cache_folder)
    """Where converted models and frozen columns are kept and shared between runs."""


@dataclass
class GenerateConfig(SharedConfig):
    run: str | None = None
    """A run folder: its model, adapter and prompt; model.* and prompt.* override them."""
    split: str = "test"
    """The split whose documents are summarised: train, validation or test."""
    input: str | None = None
    """Instead of `dataset`: a text (.txt, .md), rows (.jsonl, .csv, .parquet), a folder of texts, or - for stdin."""
    long_documents: str = "truncate"
    """What becomes of a document over tokens.max_length: truncate leaves its end out, map_reduce summarises parts."""
    map_reduce: MapReduceConfig = field(default_factory=MapReduceConfig)
    generation: Decoding = field(default_factory=Decoding)
    accelerator: str = "cpu"
    """cpu, gpu, or auto: a GPU where there is one; cuda:1 is the second one."""
    output_dir: str | None = None
    """Where samples.jsonl (and evaluation.json) go; by default the run folder, and for one text the screen."""


@dataclass
class EvaluateConfig(GenerateConfig):
    margin_reward: dict[str, Any] = field(default_factory=dict)
    """Margin rewards to report of the generated summaries, and to weigh in the preference accuracy."""
    w: float = 0.0
    """Weight of the margin reward in the preference accuracy; by default the run's."""
    eval_batch_size: int = 16
    """Completions scored side by side for the preference accuracy."""
    bertscore: BertScore = field(default_factory=BertScore)


@dataclass
class SynthesizeConfig:
    documents: Any = None
    """Where the documents are: group `documents` (jsonl, parquet, hub, folder)."""
    test_documents: Any = None
    """Where the test's are, long ones, by rules.test: a path, or what differs from documents, {path: LONG, text: body}.
    Null: part of the others is the test."""
    rules: DocumentRules = field(default_factory=DocumentRules)
    executor: Any = None
    """Who prepares the documents: group `executor` (local, slurm, ray)."""
    model: Any = None
    """The student, for its tokenizer alone: group `model`."""
    teacher: Any = None
    """Who writes and judges: group `teacher` (together, openai, vllm, local)."""
    mode: Any = None
    """What is asked: group `mode` (self_judged, two_step)."""
    filters: Filters = field(default_factory=Filters)
    splits: SplitShares = field(default_factory=SplitShares)
    format: str = "jsonl"
    """Format of the splits' files: jsonl or parquet."""
    max_cost: float | None = None
    """Dollars that the teacher may cost in all, maybe-paid requests counted; null for no limit."""
    dry_run: bool = False
    """Prepare the documents and say what the teacher would cost; --dry-run is the same. Nothing is sent."""
    push_to_hub: str | None = None
    """owner/name: upload the finished data set, private; the token is read from HF_TOKEN."""
    seed: int = 0
    """Seed of the jitter between retries."""
    cache_dir: str = field(default_factory=cache_folder)
    """Where converted models are kept."""
    output_dir: str = "???"
    """Where train, validation and test go, with documents/, journal.sqlite, rejected.jsonl, README.md, funnel.png."""


@dataclass
class JudgeConfig:
    run: str = "???"
    """A folder with samples.jsonl, as `summpo evaluate` leaves it: model A."""
    against: str = "reference"
    """The same folder of model B; or reference: the first reference summary of each document."""
    teacher: Any = None
    """Who judges: group `teacher`."""
    prompt: str = "judge"
    """The prompt: judge, judge_json, or a file of your own with the placeholders {document}, {first}, {second}."""
    json_schema: bool = False
    """Have the endpoint hold its answer to a JSON schema, where it can; a prompt of your own must ask for that of
    judge_json."""
    both_orders: bool = True
    """Ask in both orders, and count a verdict that changes with the order as a tie; false: one order, drawn by id."""
    temperature: float | None = 0.0
    """The judge's temperature; null leaves it out: some models take none, or 1 alone."""
    max_tokens: int = 200
    """Tokens of a verdict, at most."""
    thought_tokens: int = 0
    """Tokens of the thoughts before it, at most, beside max_tokens; 0 where the judge is not expected to think."""
    limit: int | None = None
    """Documents, at most; null for all that both have. Those that were judged before stay, whatever it says."""
    max_cost: float | None = None
    """Dollars that the judge may cost in all; null for no limit."""
    dry_run: bool = False
    """Say what the judge would cost; --dry-run is the same. Nothing is sent."""
    seed: int = 0
    """Seed of the drawn order, the bootstrap and the jitter between retries."""
    output_dir: str | None = None
    """Where judgement.json, verdicts.jsonl and journal.sqlite go; by default <run>/judged/<name of against>. A folder
    is of one judge, its settings, prompt, both_orders and seed; another needs a folder of its own."""


@dataclass
class PairsConfig(SharedConfig):
    run: str | None = None
    """A run folder: the model that writes the summaries, with its adapter and prompt."""
    documents: dict[str, int | None] = field(default_factory=lambda: {"train": None, "validation": None})
    """Which splits get pairs, and of how many documents at most; null for all."""
    samples: int = 4
    """Summaries sampled for each document."""
    quality: str = "rouge1_recall"
    """The rule by which the better is told from the worse: rouge1_recall, rouge1, rougeL, rougeLsum."""
    min_difference: float = 0.02
    """Pairs whose quality differs by less are not made."""
    cut_samples: str = "drop"
    """What to do with a sample that the limit on new tokens cut (it teaches to stop in mid-sentence): drop or keep."""
    generation: Decoding = field(default_factory=lambda: Decoding(temperature=0.8, top_p=0.95, max_new_tokens=160))
    accelerator: str = "cpu"
    """cpu, gpu, or auto: a GPU where there is one; cuda:1 is the second one."""
    output_dir: str = "???"
    """Where <split>.jsonl go."""
