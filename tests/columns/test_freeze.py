"""The data stage's columns: each right, computed once, and independent of what it must not depend on."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from summpo.columns.freeze import Context, Freezer, margin_values
from summpo.columns.store import ColumnStore, fingerprint
from summpo.errors import UserError
from summpo.margin_rewards import Completions, MarginReward
from summpo.margin_rewards.length import Length
from summpo.margin_rewards.rouge import Rouge
from summpo.margin_rewards.score import Score
from summpo.models import Model
from summpo.models.forward import log_probs
from summpo.models.weights.loading import load_base, load_tokenizer
from summpo.records import Ragged, TokenRows
from summpo.text.prompts import Prompt
from summpo.text.rows import PairRow, SummaryRow
from summpo.text.tokens import Tokenized, tokenize
from support.scored import LIMITS, ROWS, scored


@dataclass(frozen=True)
class Coverage:
    """The share of the document's words that the text has; remembers nothing."""

    def rewards(self, completions: Completions) -> list[float]:
        pairs = zip(completions.documents, completions.texts, strict=True)
        return [len(set(d.split()) & set(t.split())) / max(1, len(set(d.split()))) for d, t in pairs]


@dataclass(frozen=True)
class Wrong:
    """Gives what it is told to, right or wrong."""

    values: tuple[float, ...]

    def rewards(self, completions: Completions) -> list[float]:
        return list(self.values)


@pytest.fixture(scope="module")
def tokenizer(tiny_model_path: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(tiny_model_path)


@pytest.fixture(scope="module")
def model(tiny_model_path: Path) -> PreTrainedModel:
    return load_base(tiny_model_path, Model(path=str(tiny_model_path))).eval()  # type: ignore[return-value]


@pytest.fixture
def freezer(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> Freezer:
    return Freezer(ColumnStore(tmp_path), tokenizer, "tokenizer-1")


def same_rows(one: TokenRows, other: TokenRows) -> bool:
    columns = zip((one.prompts, *one.completions), (other.prompts, *other.completions), strict=True)
    return list(one.ids) == list(other.ids) and all(
        np.array_equal(a.values, b.values) and np.array_equal(a.offsets, b.offsets) for a, b in columns
    )


class TestTokens:
    @pytest.mark.parametrize(
        "rows", [ROWS, [SummaryRow("a", "A text.", "A summary.")], []], ids=["pairs", "summaries", "none"]
    )
    def test_stored_ones_are_those_computed(
        self, freezer: Freezer, capsys: pytest.CaptureFixture[str], rows: list
    ) -> None:
        computed = tokenize(rows, freezer.tokenizer, Prompt(), LIMITS)
        for said in ("computed and stored", "read from the cache"):
            tokenized, _ = freezer.tokens(rows, Prompt(), LIMITS)
            assert same_rows(tokenized.rows, computed.rows)
            assert tokenized.kept.tolist() == computed.kept.tolist()
            assert tokenized.counts == computed.counts
            assert f"tokens of {len(rows)} rows {said}" in capsys.readouterr().out

    def test_ids_lie_on_disk_and_a_long_one_costs_no_more_than_itself(self, freezer: Freezer) -> None:
        ids = ["a", "😀" * 5000, "é\0"]
        rows = [replace(ROWS[0], id=row_id) for row_id in ids]
        found = freezer.tokens(rows, Prompt(), LIMITS)[0].rows.ids
        assert list(found) == ids
        assert isinstance(found.utf8.values, np.memmap)
        (file,) = freezer.store.root.glob("tokens/*/ids.npy")
        assert file.stat().st_size < 1 + 4 * 5000 + 3 + 200

    def test_their_key_changes_with_all_that_they_depend_on(self, freezer: Freezer) -> None:
        other = Freezer(freezer.store, freezer.tokenizer, "tokenizer-2")
        keys = [
            freezer.tokens(ROWS, Prompt(), LIMITS)[1],
            other.tokens(ROWS, Prompt(), LIMITS)[1],
            freezer.tokens(ROWS, Prompt(chat=True), LIMITS)[1],
            freezer.tokens(ROWS, Prompt(), replace(LIMITS, max_length=500))[1],
            freezer.tokens(ROWS[:-1], Prompt(), LIMITS)[1],
            freezer.tokens(ROWS[::-1], Prompt(), LIMITS)[1],
            freezer.tokens([replace(ROWS[0], chosen="A cat sat."), *ROWS[1:]], Prompt(), LIMITS)[1],
            freezer.tokens([replace(ROWS[0], document="A text."), *ROWS[1:]], Prompt(), LIMITS)[1],
            freezer.tokens([replace(ROWS[0], prompt="ready"), *ROWS[1:]], Prompt(), LIMITS)[1],
        ]
        assert len(set(keys)) == len(keys)
        assert freezer.tokens(list(ROWS), Prompt(), replace(LIMITS))[1] == keys[0]

    def test_a_refused_row_stores_nothing(self, freezer: Freezer) -> None:
        for _ in range(2):
            with pytest.raises(UserError, match="row e: column chosen is empty"):
                freezer.tokens([*ROWS, PairRow("e", "d", "", "r")], Prompt(), LIMITS)
        assert not list(freezer.store.root.rglob("*.npy"))


class TestMargins:
    def test_are_those_of_the_kept_rows(self, freezer: Freezer) -> None:
        """Recomputed one text at a time: chosen and rejected, by reward."""
        tokenized, _ = freezer.tokens(ROWS, Prompt(), LIMITS)
        assert list(tokenized.rows.ids) == ["a", "b", "c", "d"]
        rewards: dict[str, MarginReward] = {"coverage": Coverage(), "length": Length(), "words": Length("words")}
        margins = freezer.margins([ROWS[i] for i in tokenized.kept], rewards)
        assert {values.dtype for values in margins.values()} == {np.dtype(np.float32)}
        for place, row in enumerate(ROWS[i] for i in tokenized.kept):
            words, texts = set(row.document.split()), (row.chosen, row.rejected)
            covered = [len(words & set(text.split())) / max(1, len(words)) for text in texts]
            assert margins["coverage"][place].tolist() == pytest.approx(covered)
            assert margins["length"][place].tolist() == [-len(freezer.tokenizer.tokenize(text)) for text in texts]
            assert margins["words"][place].tolist() == [-len(text.split()) for text in texts]

    def test_long_lengths_are_exact(self, freezer: Freezer) -> None:
        """bfloat16 would round 257 to 256, float16 4097 to 4096; the margin must tell these lengths apart."""
        rows = [PairRow(str(n), "d", "x" * (n + 1), "x" * n) for n in (256, 257, 511, 2049, 4096, 70_001)]
        margins = freezer.margins(rows, {"length": Length("characters")})
        assert (margins["length"][:, 0] - margins["length"][:, 1]).tolist() == [-1.0] * len(rows)
        values = margin_values(Length("characters"), freezer.completions(rows, Context()), len(rows))
        assert values.tolist() == [[-float(len(row.chosen)), -float(len(row.rejected))] for row in rows]

    def test_no_reward_is_no_column(self, freezer: Freezer) -> None:
        assert freezer.margins(ROWS, {}) == {}
        assert freezer.margins([], {"length": Length()})["length"].shape == (0, 2)

    def test_are_computed_once_for_each_reward(self, freezer: Freezer, capsys: pytest.CaptureFixture[str]) -> None:
        first = freezer.margins(ROWS[:4], {"length": Length()})
        capsys.readouterr()
        both = freezer.margins(ROWS[:4], {"words": Length("words"), "brevity": Length()})
        said = capsys.readouterr().out
        assert "margin words of 4 rows computed and stored" in said
        assert "margin brevity of 4 rows read from the cache" in said
        assert np.array_equal(both["brevity"], first["length"])

    def test_references_and_scores_reach_the_reward_and_its_key(self, freezer: Freezer) -> None:
        """Chosen and rejected in turn; another score is another column."""
        rows = [PairRow("a", "d", "x", "y", 3.0, 1.0, ("x",)), PairRow("b", "d", "x y", "z", 2.5, 2.0, ("z",))]
        rewards: dict[str, MarginReward] = {"score": Score(), "rouge": Rouge()}
        margins = freezer.margins(rows, rewards)
        assert margins["score"].tolist() == [[3.0, 1.0], [2.5, 2.0]]
        assert margins["rouge"].tolist() == [[1.0, 0.0], [0.0, 1.0]]
        other = [replace(rows[0], score_chosen=4.0), rows[1]]
        assert freezer.margins(other, rewards)["score"][0].tolist() == [4.0, 1.0]
        with pytest.raises(UserError, match="row a lacks score_chosen and score_rejected, which margin_reward=score"):
            freezer.margins([replace(rows[0], score_rejected=None)], {"score": Score()})

    @pytest.mark.parametrize(
        ("values", "sentence"),
        [
            ((0.0,) * 9, "margin reward Wrong gave 9 numbers for 10 completions"),
            ((0.0,) * 5, "margin reward Wrong gave 5 numbers for 10 completions"),
            ((0.0,) * 7 + (float("nan"),) * 3, "row c: margin reward Wrong gave nan"),
            ((0.0, 0.0, float("-inf")) + (0.0,) * 7, "row b: margin reward Wrong gave -inf"),
        ],
    )
    def test_a_reward_that_is_no_number_a_completion(self, freezer: Freezer, values: tuple, sentence: str) -> None:
        with pytest.raises(UserError) as refusal:
            freezer.margins(ROWS, {"wrong": Wrong(values)})
        assert str(refusal.value) == sentence

    def test_tokens_are_those_of_the_text_alone(self, freezer: Freezer, tiny_model_path: Path) -> None:
        texts = ["", "x", "The cat sat.", "😀"]
        counts = freezer.count_tokens(texts)
        assert counts == [len(freezer.tokenizer.tokenize(text)) for text in texts]
        assert counts[:2] == [0, 1]
        assert freezer.count_tokens([]) == []
        with_bos: Any = load_tokenizer(tiny_model_path)
        with_bos.backend_tokenizer.post_processor = TemplateProcessing(
            single="<|im_start|> $A <|im_end|>", special_tokens=[("<|im_start|>", 0), ("<|im_end|>", 1)]
        )
        assert replace(freezer, tokenizer=with_bos).count_tokens(texts) == counts


class TestReference:
    @pytest.fixture
    def tokens(self, freezer: Freezer) -> tuple[Tokenized, str]:
        return freezer.tokens(ROWS, Prompt(), LIMITS)

    @pytest.fixture
    def calls(self) -> list[TokenRows]:
        return []

    @pytest.fixture
    def score(self, model: PreTrainedModel, calls: list[TokenRows]) -> Callable[[TokenRows], tuple[Ragged, ...]]:
        def score(rows: TokenRows) -> tuple[Ragged, ...]:
            calls.append(rows)
            return scored(model, rows)

        return score

    def test_is_stored_and_reused(
        self, freezer: Freezer, model: PreTrainedModel, tokens: tuple[Tokenized, str], score: Callable, calls: list
    ) -> None:
        first, again = (freezer.reference(tokens[0], {"model": "m"}, {"precision": "32-true"}, score) for _ in range(2))
        assert len(calls) == 1
        for one, other, side in zip(first, again, scored(model, tokens[0].rows), strict=True):
            assert np.array_equal(one.values, other.values)
            assert np.array_equal(one.values, side.values)
            assert one.offsets.tolist() == other.offsets.tolist() == side.offsets.tolist()

    def test_depends_on_tokens_weights_and_precision(
        self, freezer: Freezer, tokens: tuple[Tokenized, str], score: Callable, calls: list
    ) -> None:
        others = freezer.tokens(ROWS[:2], Prompt(), LIMITS)
        for (tokenized, _), weights, precision in [
            (tokens, {"model": "m", "adapter": None}, "32-true"),
            (others, {"model": "m", "adapter": None}, "32-true"),
            (tokens, {"model": "n", "adapter": None}, "32-true"),
            (tokens, {"model": "m", "adapter": "sft"}, "32-true"),
            (tokens, {"model": "m", "adapter": None}, "bf16-mixed"),
        ]:
            before = len(calls)
            for _ in range(2):
                freezer.reference(tokenized, weights, {"precision": precision}, score)
            assert len(calls) == before + 1

    def test_columns_json_tells_in_words_what_a_column_was_made_from(
        self, freezer: Freezer, tokens: tuple[Tokenized, str], score: Callable
    ) -> None:
        """Settings, versions and every file of code by name; a digest only where there is no shorter word."""
        freezer.reference(
            tokens[0], {"weights": "w", "dtype": "float32"}, {"layout": "padded"}, score, {"model": "a/b"}
        )
        freezer.margins(ROWS[:2], {"brevity": Length("words")})
        (of_tokens,), (of_margin,), (of_reference,) = (
            [json.loads(file.read_text("utf-8")) for file in freezer.store.root.glob(f"{kind}/*/columns.json")]
            for kind in ("tokens", "margins", "reference")
        )
        assert of_tokens["made_from"]["prompt"]["template"] == Prompt().template
        assert of_tokens["made_from"]["limits"]["max_length"] == LIMITS.max_length
        assert of_tokens["made_from"]["rows"]["count"] == len(ROWS)
        assert {"first row": "a", "last row": "d"}.items() <= of_tokens["called"].items()
        assert of_margin["made_from"]["reward"] == {"class": "summpo.margin_rewards.length.Length", "unit": "words"}
        assert of_margin["called"]["margin reward"] == "brevity"
        assert of_reference["made_from"]["model"] == {"weights": "w", "dtype": "float32"}
        assert of_reference["called"] == {"model": "a/b"}
        file = Path(log_probs.__file__)
        code = of_reference["made_from"]["code"]
        assert code["files"]["summpo.models.forward.log_probs"] == sha256(file.read_bytes()).hexdigest()
        assert code["versions"]["torch"] == version("torch")
        for record in (of_tokens, of_margin, of_reference):
            assert record["fingerprint"] == fingerprint(record["made_from"])
