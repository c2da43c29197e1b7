"""The typed root of every command's configuration. A field's docstring is what `--help` prints of it.

Groups (model, objective, dataset, margin_reward, logger) are yaml files with a `_target_`; `summpo.build` makes them
objects. No torch here: a configuration error answers at once.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import II, MISSING


def cache_folder() -> str:
    """$SUMMPO_CACHE, or a folder in the user's home; missing for who has none."""
    try:
        return str(Path(os.environ.get("SUMMPO_CACHE") or "~/.cache/summpo").expanduser())
    except RuntimeError:
        return MISSING


@dataclass
class PromptConfig:
    template: str = "\n\nParagraph:\n{document}\n\nTL;DR:\n"
    """The text around a document; {document} stands for it, newlines are real ones."""
    chat: bool = False
    """Put the tokenizer's chat template around it."""
    system: str | None = None
    """The system line of the chat template."""
    merge_system: bool = False
    """Put a system line before the user's first words, for a chat template that has none."""
    day: str = "2024-07-26"
    """The day that a chat template is told (Llama 3's asks for it): by the clock its prompts would change each day."""
    chat_template_kwargs: dict[str, bool | int | float | str | None] = field(default_factory=dict)
    """Variables of the chat template by its own names, e.g. enable_thinking=false; what it does not read is refused."""


@dataclass
class TokensConfig:
    max_length: int = 1024
    """Tokens of prompt and completion together, at most."""
    too_long: str = "truncate_document"
    """What to do with a row over max_length: drop, truncate_document or error."""
    empty: str = "error"
    """What to do with an empty document, prompt or completion: drop or error."""
    identical: str = "drop"
    """What to do with a pair of equal completions: drop or error."""


@dataclass
class ReferenceConfig:
    path: str = "${model.path}"
    """The frozen model that preference runs compare with; by default the one that the policy starts from."""
    adapter: str | None = "${model.adapter}"
    """Its adapter; null for the model without one."""


@dataclass
class LoraConfig:
    r: int = 64
    """Rank of the adapter."""
    alpha: float = 64.0
    """Scale of the adapter: alpha / r times its product."""
    dropout: float = 0.0
    """Dropout before the adapter while training, also where model.adapter goes on."""
    target_modules: Any = field(default_factory=lambda: ["q_proj", "k_proj", "v_proj", "o_proj"])
    """Names of linear layers, or all-linear."""


@dataclass
class OptimizerConfig:
    lr: float = 2e-4
    """Peak learning rate of AdamW."""
    weight_decay: float = 0.0
    """Decoupled weight decay of matrices."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the first and second moment."""
    schedule: str = "cosine"
    """After the warm-up: cosine (to 0), linear (to 0) or constant."""
    warmup_ratio: float = 0.1
    """Share of the optimizer steps over which the learning rate rises from 0."""
    warmup_steps: int | None = None
    """The same as a number of steps, in place of the ratio, which then stays at its default; null for the ratio."""


@dataclass
class TrainerConfig:
    max_epochs: int | None = 1
    """Passes over the training rows."""
    max_steps: int = -1
    """Optimizer steps at most; -1 for no limit."""
    accelerator: str = "cpu"
    """cpu, gpu or auto."""
    devices: Any = 1
    """How many, or which."""
    num_nodes: int = 1
    """Machines."""
    strategy: str = "auto"
    """auto, ddp, ddp_spawn, fsdp ..."""
    precision: str = "32-true"
    """32-true, bf16-mixed or 16-mixed."""
    accumulate_grad_batches: int = 1
    """Batches in one optimizer step."""
    gradient_clip_val: float | None = 1.0
    """Largest norm of the gradient; null for none."""
    log_every_n_steps: int = 1
    """Optimizer steps from one row of metrics.csv to the next."""
    enable_progress_bar: bool = True
    """Show a progress bar."""


@dataclass
class ValidationConfig:
    times: int = 4
    """Validations in a run, evenly spaced, the last at its end; the best by val/loss is kept. 0 for none."""
    rows: int | None = None
    """Rows of the validation split that are validated on, at most; null for all."""
    samples: int = 2
    """Summaries generated at each validation, for the eye."""
    max_new_tokens: int = 128
    """Length of these summaries, at most."""


@dataclass
class GenerationConfig:
    max_new_tokens: int = 256
    """Tokens of a summary, at most."""
    temperature: float = 0.0
    """0 takes the likeliest token each time (greedy); above 0 samples."""
    top_p: float = 1.0
    """Sample from the likeliest tokens with this much probability together."""
    batch_size: int = 32
    """Documents generated side by side, at most."""
    batch_tokens: int = 32768
    """Tokens side by side, at most, of prompts and summaries: bounds the memory. One document may have more."""
    prefill_tokens: int = 2048
    """Tokens of prompts read at a time: fewer take less memory, and change no summary."""
    backend: str = "transformers"
    """What writes: transformers, or vllm where that is installed."""
    thoughts: str = "remove"
    """What a model thinks aloud before its summary (<think>...</think> and the like): remove, or keep as text."""


@dataclass
class MapReduceConfig:
    part_template: str = "${prompt.template}"
    """The text around a part of a document that does not fit; {document} stands for the part."""
    join_template: str = "${prompt.template}"
    """The text around the summaries of the parts, a paragraph each; {document} stands for them."""
    part_max_new_tokens: int = II("generation.max_new_tokens")
    """Tokens of a part's summary, at most."""


@dataclass
class BertScoreConfig:
    path: str | None = "auto"
    """The encoder: microsoft/deberta-xlarge-mnli as in published numbers; another Hub id or folder; embedded (MiniLM,
    not comparable with published numbers); auto for embedded where its package is installed; null for no BERTScore."""
    layer: int | None = None
    """Hidden layer whose tokens are compared, from 1; null for 40 of microsoft/deberta-xlarge-mnli, 6 of embedded."""
    rescale: bool | None = None
    """Whether unrelated texts have 0; null for yes where a baseline is known (microsoft/deberta-xlarge-mnli's)."""
    baseline: str | None = None
    """A file of baselines for it, in the form of the package bert-score: LAYER,P,R,F."""
    idf: bool = False
    """Count a token by how few of the references have it."""
    batch_size: int = 16
    """Windows of up to 512 tokens embedded side by side."""


@dataclass
class SharedConfig:
    """What every command with a model and data reads."""

    model: Any = None
    """The model: group `model`."""
    dataset: Any = None
    """The data: group `dataset`."""
    prompt: PromptConfig = field(default_factory=PromptConfig)
    tokens: TokensConfig = field(default_factory=TokensConfig)
    seed: int = 42
    """Seed of the order of rows, dropout, sampling and new weights."""
    cache_dir: str = field(default_factory=cache_folder)
    """Where converted models and frozen columns are kept and shared between runs."""


@dataclass
class TrainConfig(SharedConfig):
    objective: Any = None
    """What is minimised: group `objective`."""
    margin_reward: dict[str, Any] = field(default_factory=dict)
    """Outside rewards weighed against preference: group `margin_reward`, one or a list."""
    w: float = 0.0
    """Weight of the margin reward: how many nats of preference a unit of it is worth; >= 0."""
    sft_weight: float = 0.0
    """What SFT on the chosen completion, in nats a token, weighs beside any objective of pairs; >= 0."""
    batch_size: int = 8
    """Rows that a process takes at a time."""
    batch_tokens: int | None = None
    """Tokens, padding too, that a process trains on at a time, at most, beside batch_size; null for no limit. A prompt
    counts for each row that shares it."""
    order: str = "shuffled"
    """Of an epoch's rows: shuffled; by_prompt (those of one prompt together); by_length (like with like)."""
    activation_checkpointing: bool = False
    """Compute each layer once more in the backward pass, which saves most of a step's memory and costs a third more."""
    compile: bool = False
    """torch.compile the layers: a minute or two at the start, for runs of hours; needs a C++ compiler."""
    batching: str = "shared_prefix"
    """shared_prefix: one row without padding, each prompt once, where the model allows; padded: a row a sequence."""
    eval_batch_size: int = 16
    """Rows at a time where no gradient is taken."""
    lora: LoraConfig | None = field(default_factory=LoraConfig)
    """Where model.adapter goes on training, all but dropout is the adapter's. null trains all weights, in float32."""
    reference: ReferenceConfig = field(default_factory=ReferenceConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    checkpoint_every: int = 50
    """Optimizer steps from one resumable checkpoint to the next, beside those at validations."""
    logger: Any = None
    """Beside metrics.csv: group `logger` (none, wandb, tensorboard)."""
    output_dir: str = "???"
    """Where the run's files go; by default outputs/<date>/<time>, or multirun/<date>/<time>/<overrides> in a sweep."""


@dataclass
class InspectConfig(TrainConfig):
    objective: Any = None
    """What is to be minimised, on pairs: group `objective`. All options of a training command are taken."""
    split: str = "train"
    """Whose pairs: train, validation or test."""
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
    """Of a 4-bit base: dequantized adds to the weights that the adapter was trained on, which gives the model that was
    validated; original to those before the quantisation; null for the former. Of any other base: original or null."""
    validation_rows: int | None = None
    """After a run on a 4-bit base: of its validation rows, how many tell what either way costs in loss; null for those
    that it validated on, 0 for none."""
    accelerator: str = "auto"
    """Where that loss is computed: cpu, gpu, or auto: a GPU where there is one."""
    cache_dir: str = field(default_factory=cache_folder)


@dataclass
class GenerateConfig(SharedConfig):
    run: str | None = None
    """A run folder: its model, adapter and prompt; model.* and prompt.* override them."""
    split: str = "test"
    """Whose documents: train, validation or test."""
    input: str | None = None
    """Instead of `dataset`: a text (.txt, .md), rows (.jsonl, .csv, .parquet), a folder of texts, or - for stdin."""
    long_documents: str = "truncate"
    """Of a document over tokens.max_length: truncate leaves its end out, map_reduce summarises its parts."""
    map_reduce: MapReduceConfig = field(default_factory=MapReduceConfig)
    generation: GenerationConfig = field(default_factory=GenerationConfig)
    accelerator: str = "cpu"
    """cpu, gpu, or auto: a GPU where there is one."""
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
    bertscore: BertScoreConfig = field(default_factory=BertScoreConfig)


@dataclass
class SplitRulesConfig:
    min_tokens: int | None = None
    """Of the student's tokenizer."""
    max_tokens: int | None = None
    """Of the student's tokenizer."""
    min_characters: int | None = None
    """Unicode characters, at least."""
    max_characters: int | None = None
    """Unicode characters, at most."""
    max_teacher_tokens: int | None = None
    """What the teacher can read; counted with the student's tokenizer."""
    quotas: dict[str, int | None] = field(default_factory=dict)
    """Documents of each source, at most, null for all of it; others are left out. Empty: all of all sources."""


@dataclass
class NearDuplicatesConfig:
    words: int = 5
    """Of an n-gram."""
    bands: int = 14
    """Groups of hashes, of which one must agree."""
    rows: int = 8
    """Hashes in a group."""


@dataclass
class ContaminationConfig:
    words: int = 13
    """Of an n-gram."""
    max_share: float = 0.1
    """Of a train document's n-grams, at most, that stand in test documents."""


@dataclass
class DocumentRulesConfig:
    train: SplitRulesConfig = field(default_factory=lambda: SplitRulesConfig(min_tokens=900, max_tokens=1800))
    test: SplitRulesConfig = field(
        default_factory=lambda: SplitRulesConfig(
            min_characters=16_000, max_characters=100_000, max_teacher_tokens=32_000
        )
    )
    exact_duplicates: bool = True
    """Leave out a document whose text, white space apart, an earlier one has."""
    near_duplicates: NearDuplicatesConfig | None = field(default_factory=NearDuplicatesConfig)
    """Leave out a document that an earlier one nearly repeats; null: do not look."""
    contamination: ContaminationConfig | None = field(default_factory=ContaminationConfig)
    """Leave out train documents that overlap with test documents; null: do not look."""
    faulty_rows: str = "error"
    """What to do with a row that is no document: error or drop."""
    write_rejected: bool = True
    """Write id, source, reason and detail of every rejected document; counted they are always."""
    seed: int = 0
    """Decides which documents of a source its quota takes."""


@dataclass
class FiltersConfig:
    max_similarity: float | None = 0.75
    """How similar the two summaries may be: 1 - Levenshtein distance / the longer's length, in characters."""
    tied_score_difference: float | None = 1.0
    """Where the chosen summary scores higher by this or less, the two are tied and the pair is dropped."""
    min_characters: int | None = 40
    """A summary has at least so many characters; one of Chinese, Japanese or Korean, as wide as two, counts as two."""
    max_length_ratio: float | None = 1.0
    """A summary may be this many times as long as its document, in characters."""
    max_verbatim: float | None = 0.5
    """The longest run of words that a summary takes over from its document, as a share of the summary, at most."""
    max_density: float | None = 10.0
    """The mean length of the run that a word of the summary is taken over in (1804.11283, eq. 2), at most. A character
    of Chinese or Japanese counts as two thirds of a word here, one of Thai, Lao, Khmer or Burmese as a quarter."""
    min_common_words: float | None = 0.12
    """The share of a summary's words among its document's 30 commonest, at least. With less it is in another language
    where its letters say so too: many languages have no common words, for their endings."""
    drop_duplicates: bool = True
    """Drop a document that was there before, and a summary that another document has too."""


@dataclass
class SplitsConfig:
    validation: float = 0.05
    """The share of the train documents that is validation."""
    test: float = 0.05
    """The share of the train documents that is test, where there are no test_documents."""
    seed: int = 0
    """Decides which documents go where."""


@dataclass
class SynthesizeConfig:
    documents: Any = None
    """Where the documents are: group `documents` (jsonl, parquet, hub, folder)."""
    test_documents: Any = None
    """Where the test's are, long ones, by rules.test: a path, or what differs from documents, {path: LONG, text: body}.
    Null: part of the others is the test."""
    rules: DocumentRulesConfig = field(default_factory=DocumentRulesConfig)
    executor: Any = None
    """Who prepares the documents: group `executor` (local, slurm, ray)."""
    model: Any = None
    """The student, for its tokenizer alone: group `model`."""
    teacher: Any = None
    """Who writes and judges: group `teacher` (together, openai, vllm, local)."""
    mode: Any = None
    """What is asked: group `mode` (self_judged, two_step)."""
    filters: FiltersConfig = field(default_factory=FiltersConfig)
    splits: SplitsConfig = field(default_factory=SplitsConfig)
    format: str = "jsonl"
    """Of the splits: jsonl or parquet."""
    max_cost: float | None = None
    """Dollars that the teacher may cost in all, maybe-paid requests counted; null for no limit."""
    dry_run: bool = False
    """Prepare the documents and say what the teacher would cost; --dry-run is the same. Nothing is sent."""
    push_to_hub: str | None = None
    """owner/name: upload the finished data set, private; the token is read from HF_TOKEN."""
    seed: int = 0
    """Of the retries' jitter."""
    cache_dir: str = field(default_factory=cache_folder)
    output_dir: str = "???"
    """Where train, validation and test go, with documents/, journal.sqlite, rejected.jsonl, README.md, funnel.png."""


@dataclass
class JudgeConfig:
    run: str = "???"
    """A folder with samples.jsonl, as `summpo evaluate` leaves it: model A."""
    against: str = "reference"
    """The same of model B; or reference: the first reference summary of each document."""
    teacher: Any = None
    """Who judges: group `teacher`."""
    prompt: str = "judge"
    """The prompt: judge, judge_json, or a file of your own with the placeholders {document}, {first}, {second}."""
    json_schema: bool = False
    """Have the endpoint hold its answer to a JSON schema, where it can; prompt=judge_json asks for that JSON."""
    both_orders: bool = True
    """Ask in both orders, and count a verdict that changes with the order as a tie; false: one order, drawn by id."""
    temperature: float | None = 0.0
    """Of the judge; null leaves it out: some models take none, or 1 alone."""
    max_tokens: int = 200
    """Of a verdict, at most."""
    thought_tokens: int = 0
    """Of the thoughts before it, at most, beside max_tokens; 0 where the judge is not expected to think."""
    limit: int | None = None
    """Documents, at most; null for all that both have. Those that were judged before stay, whatever it says."""
    max_cost: float | None = None
    """Dollars that the judge may cost in all; null for no limit."""
    dry_run: bool = False
    """Say what the judge would cost; --dry-run is the same. Nothing is sent."""
    seed: int = 0
    """Of the drawn order, the bootstrap and the retries' jitter."""
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
    generation: GenerationConfig = field(
        default_factory=lambda: GenerationConfig(temperature=0.8, top_p=0.95, max_new_tokens=160)
    )
    accelerator: str = "cpu"
    """cpu, gpu, or auto: a GPU where there is one."""
    output_dir: str = "???"
    """Where <split>.jsonl go."""
