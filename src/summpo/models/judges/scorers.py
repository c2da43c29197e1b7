"""Reward models that are used, not trained: sequence classifiers with one output, by plain transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from summpo.errors import UserError, require
from summpo.models.judges.encoders import load_classifier, longest_first
from summpo.models.weights.folders import ADAPTER_CONFIG, model_config
from summpo.text.encoding import TooLong, cut_to_fit, rendered_tokens, text_tokens, token_ends
from summpo.text.prompts import Prompt, Ready
from summpo.text.rows import Message
from summpo.text.turns import completion_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Encoded = dict[str, list[int]]
"""What a tokenizer makes of a text: input_ids, and token_type_ids where it has them."""


@dataclass(frozen=True)
class Text:
    """What is scored: a summary, and the document or the ready prompt that it belongs to."""

    id: str
    document: str
    prompt: str | None
    summary: str


@dataclass(frozen=True)
class Scorer:
    """A loaded reward model, its tokenizer, and how many tokens it reads."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_length: int

    def continuation(self, text: Text, prompt: Prompt) -> Encoded:
        """Prompt, summary and its end: what objective=reward_model trains on.

        Raises:
            UserError: the summary leaves no room for its document, or the tokenizer has no EOS.
        """
        require(
            self.tokenizer.eos_token_id is not None,
            f"the tokenizer of {self.model.name_or_path} has no end of sequence: such a model reads pairs of texts "
            "(config key margin_reward.reward_model.form)",
        )
        (summary,) = completion_tokens([text.summary], self.tokenizer, prompt, ready=[text.prompt])

        def ids(document: str) -> list[int]:
            source = document if text.prompt is None else Ready(text.prompt)
            (start,) = rendered_tokens([prompt.render(source, self.tokenizer)], self.tokenizer)
            return [*start, *summary]

        return {"input_ids": self._fitted(text, ids)}

    def turns(self, text: Text, prompt: Prompt) -> Encoded:
        """The chat template's turns: the prompt is the user's, the summary the assistant's.

        Raises:
            UserError: the summary leaves no room for its document, or the tokenizer has no chat template.
        """
        require(
            self.tokenizer.chat_template is not None,
            f"the tokenizer of {self.model.name_or_path} has no chat template "
            "(config key margin_reward.reward_model.form)",
        )

        def ids(document: str) -> list[int]:
            user = prompt.around(document) if text.prompt is None else text.prompt
            turns = prompt.with_system((Message("user", user), Message("assistant", text.summary)))
            whole = prompt.chat_text(turns, self.tokenizer, before_answer=False)
            return list(self.tokenizer(whole, add_special_tokens=False)["input_ids"])  # type: ignore[arg-type]

        return {"input_ids": self._fitted(text, ids)}

    def pair(self, text: Text) -> Encoded:
        """Document and summary as the tokenizer joins two texts.

        Raises:
            UserError: the summary leaves no room for its document.
        """

        document = text.document if text.prompt is None else text.prompt
        around = len(text_tokens([text.summary], self.tokenizer)[0]) + self.tokenizer.num_special_tokens_to_add(
            pair=True
        )
        if around >= self.max_length:
            raise self._no_room(text, around)
        encoded = self.tokenizer(
            document, text.summary, truncation="only_first", max_length=self.max_length, split_special_tokens=True
        )
        return {name: list(encoded[name]) for name in ("input_ids", "token_type_ids") if name in encoded}  # type: ignore[arg-type]

    def scores(self, sequences: Sequence[Encoded], batch_size: int) -> list[float]:
        """The model's number for each sequence, float32. Those of like length share a batch."""
        import torch

        padding = {"input_ids": int(self.model.config.pad_token_id), "token_type_ids": 0}  # type: ignore[arg-type]
        lengths = [len(sequence["input_ids"]) for sequence in sequences]
        found = [0.0] * len(sequences)
        with torch.inference_mode():
            for chunk in longest_first(lengths, batch_size):
                width = lengths[chunk[0]]
                inputs = {
                    name: torch.tensor([[*sequences[i][name], *[fill] * (width - lengths[i])] for i in chunk])
                    for name, fill in padding.items()
                    if name in sequences[chunk[0]]
                }
                own = torch.tensor([lengths[i] for i in chunk]).unsqueeze(1)
                inputs["attention_mask"] = (torch.arange(width) < own).long()
                on_device = {name: value.to(self.model.device) for name, value in inputs.items()}
                logits = self.model(**on_device).logits
                for index, value in zip(chunk, logits.squeeze(1).float().tolist(), strict=True):
                    found[index] = value
        return found

    def _fitted(self, text: Text, ids: Callable[[str], list[int]]) -> list[int]:
        """The ids of a text whose document's end is cut until all fit; a ready prompt is never cut."""
        whole = ids(text.document)
        if len(whole) <= self.max_length:
            return whole
        cut = None
        if text.prompt is None:
            (ends,) = token_ends([text.document], self.tokenizer)
            too_long = TooLong(text.document, ends, len(whole), self.max_length)
            (cut,) = cut_to_fit([too_long], lambda documents: [ids(document) for document in documents])
        if cut is None:
            raise self._no_room(text, len(whole))
        return cut

    def _no_room(self, text: Text, length: int) -> UserError:
        return UserError(
            f"row {text.id}: the reward model would read {length} tokens, and there is no document to cut to "
            f"{self.max_length} (config key margin_reward.reward_model.max_length)"
        )


def check_reward_model(folder: Path, max_length: int, key: str) -> None:
    """Checks that a model folder is a sequence classifier with one output and so many positions, by its config alone.

    Raises:
        UserError: naming the folder and the config key under `key`.
    """
    require(
        not (folder / ADAPTER_CONFIG).is_file(),
        f"{folder} is an adapter: `summpo merge` makes a reward model's folder of it (config key {key}.path)",
    )
    config = model_config(folder, f"{key}.path")
    found = config.get("architectures")
    names = [str(name) for name in found] if isinstance(found, list) else []
    require(
        any(name.endswith("ForSequenceClassification") for name in names),
        f"{folder} is no sequence classifier, but {', '.join(names) or 'of no named kind'} (config key {key}.path)",
    )
    labels = config.get("id2label")
    outputs = len(labels) if isinstance(labels, dict) else 2  # transformers' own default, which it does not write down
    require(outputs == 1, f"a reward model has one output, and {folder} has {outputs} (config key {key}.path)")
    positions = config.get("max_position_embeddings")
    if isinstance(positions, int):
        unused = 2 if "roberta" in str(config.get("model_type")) else 0
        require(
            max_length <= positions - unused,
            f"max_length must be at most {positions - unused}, the positions of {folder}, got {max_length} "
            f"(config key {key}.max_length)",
        )


def load_reward_model(folder: Path, device: str, max_length: int) -> Scorer:
    """The model in float32 and eval mode on a device, and its tokenizer.

    Raises:
        UserError: its files cannot be loaded, or some weights are missing.
    """
    return Scorer(*load_classifier(folder, device), max_length)
