"""BERTScore: how well the tokens of a summary and a reference match, by their contextual embeddings.

Zhang et al., arXiv 1904.09675. Equal to the official package bert-score on texts that it can score (under transformers
5, which no longer puts the space in front of a text that the package asks for with RoBERTa; nor is it put here). Texts
in, numbers out: knows encoders, and not where a text comes from, what a run is, or who chose the encoder
(`bert_backbone`).

Both texts are read by two protocols, which agree where neither is over the encoder's limit of (mostly) 512 tokens:

    cut       as the official package reads them: what lies beyond the limit is not read
    windows   whole: every token is embedded in a window of at most that many (`token_windows`), and all tokens of one
              text are matched with all of the other, whatever windows they stand in
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from summpo.errors import require

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from summpo.models.judges.token_embeddings import TokenEncoder, TokenVectors

Triple = tuple[float, float, float]
"""Precision, recall and F1, or what each of them is rescaled by."""

PROTOCOLS = {"cut": "eval/bertscore", "windows": "eval/bertscore_windows"}
"""How the metrics of a protocol begin."""
PARTS = ("precision", "recall", "f1")
BERTSCORE_F1 = "eval/bertscore_f1"
NOTHING: Triple = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class BertScorer:
    """What there is to know for a BERTScore: whose embeddings, of which layer, how weighed and rescaled."""

    name: str
    """What a reader should know the encoder as."""
    folder: Path
    fingerprint: str
    """Hash of its config, weights and tokenizer, as hex."""
    layer: int
    """Hidden layer, from 1."""
    baseline: Triple | None
    """Mean scores of unrelated texts: what is rescaled to 0. None: not rescaled."""
    idf: bool
    """Whether a token counts by how few of the references have it."""
    batch_size: int
    published: bool
    """Whether published numbers are made this way, by the protocol cut."""

    @property
    def caveat(self) -> str:
        """The sentence that a reader of the numbers needs; empty where they are as published."""
        if self.published:
            return ""
        how = f"by {self.name}, layer {self.layer}, {'rescaled' if self.baseline else 'not rescaled'}"
        return f"BERTScore {how}{', with idf' * self.idf}: NOT comparable with published numbers"


@dataclass(frozen=True)
class BertScores:
    """What was found of each summary, in order."""

    columns: Mapping[str, Sequence[float]]
    """The values of each metric: eval/bertscore_f1 ..., eval/bertscore_windows_f1 ..."""
    limit: int
    """Tokens of a window, special tokens included."""
    empty_summaries: int
    """Summaries without a token, which have 0."""
    long_summaries: int
    """Summaries over the limit, of which the protocol cut reads a part."""
    long_references: int


def bert_scores(
    scorer: BertScorer, summaries: Sequence[str], references: Sequence[Sequence[str]], device: str
) -> BertScores:
    """BERTScore of each summary against the references of its document, the best of them for each of P, R and F1.

    Each distinct text is embedded once, and forgotten when no later summary needs it.

    Args:
        device: as torch calls it.

    Raises:
        UserError: a document has no reference, or the encoder cannot be loaded.
    """
    from summpo.models.judges.token_embeddings import load_token_encoder

    require(all(references), "BERTScore needs at least one reference summary of each document")
    encoder = load_token_encoder(scorer.folder, scorer.layer, "bertscore", device)
    rows = [[text.strip() for text in (summary, *own)] for summary, own in zip(summaries, references, strict=True)]
    distinct = list(dict.fromkeys(chain(*rows)))
    ids = dict(zip(distinct, encoder.token_ids(distinct), strict=True))
    against = [ids[text] for row in rows for text in row[1:]]
    weights = {
        "cut": InverseFrequencies.of([own[: encoder.room] for own in against]) if scorer.idf else None,
        "windows": InverseFrequencies.of(against) if scorer.idf else None,
    }
    found: list[dict[str, Triple]] = []
    embedded = _in_turn(encoder, rows, ids, scorer.batch_size)
    for row, vectors in tqdm(embedded, total=len(rows), desc="BERTScore", unit="summary", disable=None):
        found.append({protocol: _best(scorer, row, vectors, protocol, weights[protocol]) for protocol in PROTOCOLS})
    return BertScores(
        columns={
            f"{begin}_{part}": [scores[protocol][place] for scores in found]
            for protocol, begin in PROTOCOLS.items()
            for place, part in enumerate(PARTS)
        },
        limit=encoder.limit,
        empty_summaries=sum(not ids[row[0]] for row in rows),
        long_summaries=sum(len(ids[row[0]]) > encoder.room for row in rows),
        long_references=sum(len(own) > encoder.room for own in against),
    )


def measured_alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether the numbers of two records of `measured_by` compare."""
    return all(one.get(key) == other.get(key) for key in ("fingerprint", "layer", "baseline", "idf", "limit"))


def measured_by(scorer: BertScorer, found: BertScores) -> dict[str, Any]:
    """How the numbers came about, for who reads or compares them: what evaluation.json says under bertscore."""
    return {
        "encoder": scorer.name,
        "fingerprint": scorer.fingerprint,
        "layer": scorer.layer,
        "rescaled": scorer.baseline is not None,
        "baseline": None if scorer.baseline is None else dict(zip(PARTS, scorer.baseline, strict=True)),
        "idf": scorer.idf,
        "limit": found.limit,
        "as_published": scorer.published,
        "caveat": scorer.caveat,
        "protocols": {f"{begin}_f1": protocol for protocol, begin in PROTOCOLS.items()},
        "empty_summaries": found.empty_summaries,
        "long_summaries": found.long_summaries,
        "long_references": found.long_references,
    }


def greedy_match(
    similarity: Float[Tensor, "summary reference"],
    summary_weights: Float[Tensor, " summary"],
    reference_weights: Float[Tensor, " reference"],
) -> Triple:
    """Precision, recall and F1 of two texts from the cosines of their tokens (1904.09675, section 3).

    Precision is the weighed mean, over the summary's tokens, of each one's greatest cosine with a token of the
    reference; recall the same the other way round; F1 their harmonic mean. A text that weighs nothing has 0, and so has
    F1 where precision and recall cancel.
    """
    precision = _mean(similarity.max(dim=1).values, summary_weights)
    recall = _mean(similarity.max(dim=0).values, reference_weights)
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total != 0 else 0.0


def rescaled(scores: Triple, baseline: Triple | None) -> Triple:
    """(score - baseline) / (1 - baseline): 0 for texts no more alike than unrelated ones, 1 for the same text."""
    if baseline is None:
        return scores
    precision, recall, f1 = ((score - low) / (1 - low) for score, low in zip(scores, baseline, strict=True))
    return precision, recall, f1


@dataclass(frozen=True)
class InverseFrequencies:
    """How much a token says of a text: little where many references have it (1904.09675, section 3)."""

    known: Mapping[int, float]
    """log((N + 1) / (n + 1)) of each token that n of the N references have."""
    unknown: float
    """log(N + 1), of a token that none has."""

    @classmethod
    def of(cls, references: Sequence[Iterable[int]]) -> InverseFrequencies:
        """The frequencies in references given as token ids; a reference that stands there twice counts twice."""
        found = Counter(chain.from_iterable(map(set, references)))
        number = len(references) + 1
        return cls({token: math.log(number / (n + 1)) for token, n in found.items()}, math.log(number))

    def weights(self, tokens: Iterable[int]) -> list[float]:
        """The weight of each token."""
        return [self.known.get(token, self.unknown) for token in tokens]


def _in_turn(
    encoder: TokenEncoder, rows: Sequence[Sequence[str]], ids: Mapping[str, Sequence[int]], batch_size: int
) -> Iterable[tuple[Sequence[str], Mapping[str, TokenVectors]]]:
    """Each row with its texts' embeddings, those without a token left out; several rows' are made together."""
    last_use = {text: place for place, row in enumerate(rows) for text in row}
    held: dict[str, TokenVectors] = {}
    together = 4 * batch_size  # rows, so that texts of like length find each other
    for first in range(0, len(rows), together):
        part = rows[first : first + together]
        new = [text for text in dict.fromkeys(chain(*part)) if ids[text] and text not in held]
        held |= zip(new, encoder.embed([ids[text] for text in new], batch_size), strict=True)
        yield from ((row, held) for row in part)
        held = {text: vectors for text, vectors in held.items() if last_use[text] >= first + together}


def _best(
    scorer: BertScorer,
    row: Sequence[str],
    held: Mapping[str, TokenVectors],
    protocol: str,
    frequencies: InverseFrequencies | None,
) -> Triple:
    """The best of a summary's scores against its references, those without a token left out; 0 where none is left.

    That 0 stays 0 where others are rescaled, though an unrelated text may then have less.
    """
    read = [held[text].cut() if protocol == "cut" else held[text] for text in row if text in held]
    if row[0] not in held or len(read) == 1:
        return NOTHING
    weights = [_weights(text, frequencies) for text in read]
    summary, *references = zip(read, weights, strict=True)
    scores = [greedy_match(summary[0].vectors @ text.vectors.T, summary[1], own) for text, own in references]
    precision, recall, f1 = (max(part) for part in zip(*scores, strict=True))
    return rescaled((precision, recall, f1), scorer.baseline)


def _weights(text: TokenVectors, frequencies: InverseFrequencies | None) -> Float[Tensor, " token"]:
    """What each token counts; special tokens can be matched, and count nothing."""
    import torch

    own: Any = text.is_text.float()
    return own if frequencies is None else own * torch.tensor(frequencies.weights(text.ids), device=own.device)


def _mean(values: Float[Tensor, " token"], weights: Float[Tensor, " token"]) -> float:
    total = weights.sum()
    return float((values * weights).sum() / total) if total > 0 else 0.0
