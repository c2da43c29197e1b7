"""BERTScore: side by side with the official package, by hand, by its laws, and on texts that break others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from summpo.errors import UserError
from summpo.evaluation.bert_score import (
    PARTS,
    BertScorer,
    BertScores,
    InverseFrequencies,
    bert_scores,
    greedy_match,
    measured_alike,
    measured_by,
    rescaled,
)
from summpo.models.judges.encoders import embedded_encoder
from summpo.models.judges.token_embeddings import TokenEncoder
from support.tiny_encoders import KINDS, tiny_encoder

SUMMARIES = [
    "the cat sat on the mat.",
    "A dog barked, and ran away!",
    " it was happy ",
    "the dog slept on the mat, then it barked loudly and ran away. " * 5,
    "cat",
]
REFERENCES = [
    ["a cat sat on a mat.", "The cat slept."],
    ["the dog ran away."],
    ["then it slept and was happy", "it barked", "the mat"],
    ["the cat barked, then the dog slept on the mat and ran away happy. " * 4],
    ["the dog sat on the cat and the cat ran away loudly then the dog was happy and slept. " * 2],
]
BASELINE = (0.31, 0.32, 0.3)


def scorer(folder: Path, **settings: Any) -> BertScorer:
    plain = BertScorer("tiny", folder, "ab", layer=2, baseline=None, idf=False, batch_size=4, published=False)
    return replace(plain, **settings)


def triples(found: BertScores, begin: str = "eval/bertscore") -> list[tuple[float, ...]]:
    return list(zip(*(found.columns[f"{begin}_{part}"] for part in PARTS), strict=True))


def flat(rows: Sequence[Sequence[float]]) -> list[float]:
    return [value for row in rows for value in row]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of each kind; their files say no length, which transformers takes for 10^30."""
    return {kind: tiny_encoder(tmp_path_factory.mktemp("encoder") / kind, kind) for kind in KINDS}


@pytest.fixture(scope="module")
def minilm() -> Path:
    try:
        return embedded_encoder("key")
    except UserError as absent:
        pytest.skip(str(absent))


class TestOfficialPackage:
    """Texts within and over the limit of 42 tokens, with several references; not empty ones, which it fails on.

    One pair at a time where the encoder is random: a token whose best cosine is negative has 0 in the official package
    if its text is padded in the batch, and so a score that depends on its neighbours. No trained encoder has such.
    """

    @pytest.fixture(scope="class")
    def official(self) -> Any:
        return pytest.importorskip("bert_score", reason="the official package bert-score is not installed")

    @pytest.mark.parametrize("idf", [False, True])
    @pytest.mark.parametrize("layer", [1, 3])
    @pytest.mark.parametrize("kind", KINDS)
    def test_is_equal(self, official: Any, tmp_path: Path, kind: str, layer: int, idf: bool) -> None:
        folder = tiny_encoder(tmp_path / "encoder", kind, model_max_length=42)
        baselines = tmp_path / "baselines.tsv"
        baselines.write_text("LAYER,P,R,F\n" + "".join(f"{n},{','.join(map(str, BASELINE))}\n" for n in range(4)))
        settings = {"model_type": str(folder), "num_layers": layer, "idf": idf, "nthreads": 0, "batch_size": 1}
        for baseline, more in (
            (None, {}),
            (BASELINE, {"rescale_with_baseline": True, "lang": "en", "baseline_path": str(baselines)}),
        ):
            theirs = official.score(SUMMARIES, REFERENCES, **settings, **more)
            found = bert_scores(scorer(folder, layer=layer, idf=idf, baseline=baseline), SUMMARIES, REFERENCES, "cpu")
            assert found.limit == 42 and found.long_summaries == 1 and found.long_references >= 1
            assert flat(triples(found)) == pytest.approx(torch.stack(theirs, dim=1).flatten().tolist(), abs=1e-5)

    @pytest.mark.parametrize("idf", [False, True])
    def test_is_equal_on_a_real_encoder(self, official: Any, minilm: Path, idf: bool) -> None:
        summaries = ["Floods in York made 200 families leave their homes.", "Stocks fell on Monday."]
        references = [
            ["Heavy rain flooded York; nobody was hurt.", "The Ouse rose."],
            ["Shares lost 3% as banks failed."],
        ]
        theirs = official.score(summaries, references, model_type=str(minilm), num_layers=5, idf=idf, nthreads=0)
        found = bert_scores(scorer(minilm, layer=5, idf=idf), summaries, references, "cpu")
        assert flat(triples(found)) == pytest.approx(torch.stack(theirs, dim=1).flatten().tolist(), abs=1e-5)


class TestByHand:
    def test_match(self) -> None:
        """Two tokens against three. Precision: rows' maxima 0.8 and 0.6, weighed 1 and 3: (0.8 + 1.8) / 4 = 0.65.

        Recall: columns' maxima 0.8, 0.6, 0.4, the last weighing nothing: (0.8 + 0.6) / 2 = 0.7.
        F1 = 2 * 0.65 * 0.7 / 1.35.
        """
        similarity = torch.tensor([[0.8, 0.1, 0.4], [0.5, 0.6, -0.2]])
        found = greedy_match(similarity, torch.tensor([1.0, 3.0]), torch.tensor([1.0, 1.0, 0.0]))
        assert found == pytest.approx((0.65, 0.7, 2 * 0.65 * 0.7 / 1.35))

    def test_what_weighs_nothing_has_nothing(self) -> None:
        found = greedy_match(torch.ones(2, 2), torch.zeros(2), torch.ones(2))
        assert found == (0, 1, 0)

    def test_rescaling(self) -> None:
        """A baseline of 0.5 takes 0.5 to 0, 0.75 to half way, 1 to 1."""
        assert rescaled((0.5, 0.75, 1.0), (0.5, 0.5, 0.5)) == (0.0, 0.5, 1.0)
        assert rescaled((0.5, 0.75, 1.0), None) == (0.5, 0.75, 1.0)

    def test_inverse_frequencies(self) -> None:
        """Of 3 references all have 7, two have 8, one has 9 (twice) and none 10."""
        found = InverseFrequencies.of([[7, 8], [8, 7], [9, 7, 9]]).weights([7, 8, 9, 10])
        assert found == pytest.approx([0, math.log(4 / 3), math.log(2), math.log(4)])

    @pytest.mark.parametrize("kind", KINDS)
    def test_windows_by_a_plain_loop(self, folders: dict[str, Path], kind: str) -> None:
        """A text of n tokens in windows of 40: one after another, the last the final 40 tokens, of which those count
        that the one before lacks. All tokens of a text are matched with all of the other, its special tokens too.
        """
        from transformers import AutoModel, AutoTokenizer

        model = AutoModel.from_pretrained(folders[kind], dtype=torch.float32).eval()
        tokenizer = AutoTokenizer.from_pretrained(folders[kind])
        room = bert_scores(scorer(folders[kind]), ["a"], [["a"]], "cpu").limit - 2

        def embed(text: str) -> tuple[torch.Tensor, list[bool]]:
            first, *ids, last = tokenizer(text.strip())["input_ids"]
            vectors, is_text = [], []
            for start in range(0, len(ids), room):
                moved = start - max(0, min(start, len(ids) - room))
                window = [first, *ids[start - moved : start - moved + room], last]
                with torch.no_grad():
                    hidden = model(torch.tensor([window]), output_hidden_states=True).hidden_states[2][0]
                vectors += [hidden[0], *hidden[1 + moved :]]
                is_text += [False, *[True] * (len(window) - 2 - moved), False]
            stacked = torch.stack(vectors)
            return stacked / stacked.norm(dim=1, keepdim=True), is_text

        found = bert_scores(scorer(folders[kind]), SUMMARIES, [own[:1] for own in REFERENCES], "cpu")
        for summary, (reference, *_), got in zip(
            SUMMARIES, REFERENCES, triples(found, "eval/bertscore_windows"), strict=True
        ):
            (one, one_counts), (other, other_counts) = embed(summary), embed(reference)
            cosines = one @ other.T
            precision = float(cosines.max(dim=1).values[one_counts].mean())
            recall = float(cosines.max(dim=0).values[other_counts].mean())
            assert got == pytest.approx((precision, recall, 2 * precision * recall / (precision + recall)), abs=1e-5)


class TestLaws:
    @given(
        arrays(np.float32, (3, 4), elements=st.floats(-1, 1, width=32)),
        arrays(np.float32, 3, elements=st.floats(0.125, 4, width=32)),
        arrays(np.float32, 4, elements=st.floats(0.125, 4, width=32)),
    )
    def test_sides_swap(self, cosines: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
        """The precision of one side is the recall of the other."""
        similarity, one, other = map(torch.from_numpy, (cosines, first, second))
        precision, recall, f1 = greedy_match(similarity, one, other)
        assert greedy_match(similarity.T, other, one) == (recall, precision, f1)
        assert -1.00001 <= precision <= 1.00001

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_text_matches_itself(self, folders: dict[str, Path], kind: str) -> None:
        found = bert_scores(scorer(folders[kind], baseline=BASELINE), SUMMARIES, [[s] for s in SUMMARIES], "cpu")
        assert flat(list(found.columns.values())) == pytest.approx([1] * 6 * len(SUMMARIES), abs=1e-5)

    @pytest.mark.parametrize("kind", KINDS)
    def test_neighbours_and_batches_change_nothing(self, folders: dict[str, Path], kind: str) -> None:
        """Weighed by idf a summary's score depends on all references, and still on no batch."""
        alone = [
            triples(bert_scores(scorer(folders[kind]), [summary], [own], "cpu"))[0]
            for summary, own in zip(SUMMARIES, REFERENCES, strict=True)
        ]
        for batch_size in (1, 3, 64):
            found = bert_scores(scorer(folders[kind], batch_size=batch_size), SUMMARIES, REFERENCES, "cpu")
            assert flat(triples(found)) == pytest.approx(flat(alone), abs=1e-5)

    def test_protocols_agree_on_texts_within_the_limit_and_differ_beyond(self, folders: dict[str, Path]) -> None:
        """The last summary is as long as the limit lets it be; the two long texts begin alike and end apart."""
        start = "the cat sat on the mat . " * 6  # 42 words, each a token
        summaries = ["the cat sat", "the " * 42, f"{start}a dog barked loudly and ran away"]
        references = [["a dog ran away"], ["a dog ran"], [f"{start}it was happy then , it slept !"]]
        found = bert_scores(scorer(folders["Bert"]), summaries, references, "cpu")
        cut, windows = triples(found), triples(found, "eval/bertscore_windows")
        assert (found.limit, found.long_summaries, found.long_references) == (44, 1, 1)
        assert cut[:2] == windows[:2]
        assert cut[2] == pytest.approx((1, 1, 1), abs=1e-5) and windows[2][2] < 0.999

    def test_the_best_reference_counts_for_each_part(self, folders: dict[str, Path]) -> None:
        both = bert_scores(scorer(folders["Bert"]), SUMMARIES[:1], REFERENCES[:1], "cpu")
        each = [bert_scores(scorer(folders["Bert"]), SUMMARIES[:1], [[one]], "cpu") for one in REFERENCES[0]]
        assert triples(both)[0] == tuple(max(part) for part in zip(*(triples(one)[0] for one in each), strict=True))

    def test_each_text_is_embedded_once(self, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
        """Five rows at a time of twelve, in which one reference comes back in all and summaries in some."""
        asked: list[tuple[int, ...]] = []
        embed = TokenEncoder.embed

        def counted(self: TokenEncoder, texts: Sequence[Sequence[int]], batch_size: int) -> Any:
            asked.extend(map(tuple, texts))
            return embed(self, texts, batch_size)

        monkeypatch.setattr(TokenEncoder, "embed", counted)
        summaries = [("the cat", "a dog", "it slept")[n % 3] for n in range(12)]
        found = bert_scores(scorer(folders["Bert"], batch_size=1), summaries, [["a cat sat"]] * 12, "cpu")
        assert len(asked) == len(set(asked)) == 4
        assert len(set(triples(found))) == 3


class TestOddTexts:
    @pytest.mark.parametrize("idf", [False, True])
    @pytest.mark.parametrize("baseline", [None, BASELINE])
    def test_an_empty_summary_has_0(self, folders: dict[str, Path], baseline: Any, idf: bool) -> None:
        """Also one of characters that the tokenizer drops, and also where others are rescaled; the rest is as without."""
        summaries = ["", "the cat sat", " \n\t", "\u200b\ufeff"]
        references = [["a dog ran"], ["the cat slept", "a dog"], ["a dog ran"], ["a dog ran"]]
        with_empty = bert_scores(scorer(folders["Bert"], baseline=baseline, idf=idf), summaries, references, "cpu")
        assert with_empty.empty_summaries == 3
        for begin in ("eval/bertscore", "eval/bertscore_windows"):
            found = triples(with_empty, begin)
            assert [found[n] for n in (0, 2, 3)] == [(0, 0, 0)] * 3
            assert all(math.isfinite(value) for value in found[1])
            assert found[1][2] not in (0, 1)

    def test_an_empty_reference_is_no_reference(self, folders: dict[str, Path]) -> None:
        found = bert_scores(scorer(folders["Bert"]), ["the cat"] * 3, [["a dog"], ["", "a dog"], [" "]], "cpu")
        assert triples(found)[0] == triples(found)[1] != (0, 0, 0) == triples(found)[2]

    def test_no_reference_is_refused(self, folders: dict[str, Path]) -> None:
        with pytest.raises(UserError, match="at least one reference"):
            bert_scores(scorer(folders["Bert"]), ["a", "b"], [["a"], []], "cpu")

    def test_idf_of_one_reference_says_nothing_and_is_finite(self, folders: dict[str, Path]) -> None:
        """Each of its tokens is in every reference, so recall weighs nothing."""
        (found,) = triples(bert_scores(scorer(folders["Bert"], idf=True), ["the cat"], [["a dog"]], "cpu"))
        assert all(math.isfinite(value) for value in found) and found[1] == found[2] == 0

    @pytest.mark.parametrize("kind", KINDS)
    def test_anything_is_scored(self, folders: dict[str, Path], kind: str) -> None:
        odd = [
            "\U0001f600" * 300,
            "e\u0301" * 200,
            "\u202eabc",
            "a\x00b",
            "x" * 5000,
            "[CLS] [SEP] <s> </s> <pad>",
            "猫" * 99,
        ]
        found = bert_scores(
            scorer(folders[kind]), odd + SUMMARIES[:1] * 7, [[SUMMARIES[3]]] * 7 + [[o] for o in odd], "cpu"
        )
        assert all(-1.001 <= value <= 1.001 for values in found.columns.values() for value in values)

    def test_a_special_token_in_a_text_is_text(self, folders: dict[str, Path]) -> None:
        """Spelt out it weighs like any word: it does not end the text, and is no free match."""
        found = bert_scores(scorer(folders["Bert"]), ["[SEP]", "[SEP]"], [["[SEP]"], ["the cat"]], "cpu")
        assert found.empty_summaries == 0
        assert triples(found)[0] == pytest.approx((1, 1, 1), abs=1e-5) and triples(found)[1][0] < 0.99


def test_the_record_says_how(folders: dict[str, Path]) -> None:
    plain = scorer(folders["Bert"])
    found = bert_scores(plain, ["", "cat " * 60], [["a dog"], ["a " * 70]], "cpu")
    record = measured_by(plain, found)
    assert record["caveat"] == "BERTScore by tiny, layer 2, not rescaled: NOT comparable with published numbers"
    assert (record["encoder"], record["layer"], record["rescaled"], record["limit"]) == ("tiny", 2, False, 44)
    assert record["protocols"] == {"eval/bertscore_f1": "cut", "eval/bertscore_windows_f1": "windows"}
    assert [record[what] for what in ("empty_summaries", "long_summaries", "long_references")] == [1, 1, 1]
    as_published = replace(plain, baseline=BASELINE, published=True)
    assert measured_by(as_published, found)["caveat"] == ""
    assert measured_by(as_published, found)["baseline"] == {"precision": 0.31, "recall": 0.32, "f1": 0.3}
    assert not measured_alike(record, measured_by(as_published, found))
    assert measured_alike(record, measured_by(replace(plain, batch_size=1, name="other"), found))
