"""The card: a head that the Hub's own libraries read, and numbers a reader needs."""

from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard

import datasets
from summpo.datasets import Split
from summpo.synthesis.balance import balance
from summpo.synthesis.card import Spent, Synthesis, card
from summpo.synthesis.output import FORMATS, Format, SplitShares, split_pairs, write_splits
from summpo.synthesis.records import JudgedPair
from summpo.synthesis.stages import Stage
from support.judged import pair_of, pairs_of

STAGES = [Stage("selected", 100, (("too_short", 40), ("duplicate", 2))), Stage("kept", 58, (("scores_tied", 18),))]


def made_of(parts: dict[Split, list[JudgedPair]], dollars: float | None = 1.5, teacher: str = "Qwen2-72B") -> Synthesis:
    return Synthesis(
        name="Pairs: of | towns",
        teacher=teacher,
        mode="two_step",
        settings={"mode.temperature": 0.7, "filters.max_similarity": None},
        prompts={"write": "a" * 64, "judge": "b" * 64},
        stages=STAGES,
        splits={split: balance(pairs) for split, pairs in parts.items()},
        spent=Spent(174, 210_000, 60_500, dollars, 0.25),
    )


@pytest.mark.parametrize("form", FORMATS)
def test_the_folder_loads_by_its_head_as_the_hub_would_load_it(tmp_path: Path, form: Format) -> None:
    parts = split_pairs(pairs_of(40), SplitShares(0.2, 0.2))
    files = write_splits(tmp_path, parts, form)
    (tmp_path / "README.md").write_text(card(made_of(parts), files, "me/pairs"), "utf-8")
    (tmp_path / "rejected.jsonl").write_text('{"id": "x"}\n')
    (tmp_path / "test_answers.jsonl").write_text('{"other": "columns"}\n')
    loaded = datasets.load_dataset(str(tmp_path), cache_dir=str(tmp_path / "cache"))
    assert isinstance(loaded, datasets.DatasetDict)
    assert {split: len(part) for split, part in loaded.items()} == {split: len(pairs) for split, pairs in parts.items()}
    assert "chosen" in loaded["test"].column_names


def test_the_head_is_valid_and_says_what_it_is() -> None:
    text = card(made_of({"train": pairs_of(3)}), {"train": Path("out/train.jsonl")}, "me/pairs")
    head = DatasetCard(text).data.to_dict()
    assert head["pretty_name"] == "Pairs - of / towns"
    assert head["task_categories"] == ["summarization"]
    assert head["size_categories"] == ["n<1K"]
    assert head["configs"] == [{"config_name": "default", "data_files": [{"split": "train", "path": "train.jsonl"}]}]


def test_the_numbers_are_there() -> None:
    pairs = [pair_of("a", 6, 3), pair_of("b", 3, 6), pair_of("c", 8, 4), pair_of("d", 6, 3, first=False)]
    text = card(made_of({"train": pairs}), {"train": Path("train.jsonl")}, "me/pairs")
    assert "| selected | 100 | 58 | too_short 40, duplicate 2 |" in text
    assert "| kept | 58 | 40 | scores_tied 18 |" in text
    assert "| train | 4 | 4 | 75.0% | 75.0% | 50.0% | 6, 4 | 16.00, 12.50 |" in text
    assert (
        "174 requests, 210,000 tokens read, 60,500 written, 1.50 dollars, and at most 0.25 that may have been paid"
        in text
    )
    assert f"| prompt `judge` | SHA-256 `{'b' * 64}` |" in text
    assert "| `filters.max_similarity` | `null` |" in text
    assert "written first or second by draw" in text
    assert 'load_dataset("me/pairs")' in text and "dataset=jsonl dataset.path=me/pairs" in text
    assert "{" not in text


def test_an_unknown_price_and_a_fixed_order_are_said() -> None:
    text = card(made_of({"train": pairs_of(2)}, dollars=None), {"train": Path("train.jsonl")}, "x")
    assert "price not known" in text
    self_judged = [pair_of("a", 6, 3, first=True), pair_of("b", 3, 6, first=False)]
    assert "nearly always written first" in card(made_of({"train": self_judged}), {"train": Path("train.jsonl")}, "x")
    turned = [pair_of("a", 6, 3, first=False), pair_of("b", 3, 6, first=True)]
    assert "nearly always written second" in card(made_of({"train": turned}), {"train": Path("train.jsonl")}, "x")


def test_no_pair_at_all_is_told_too() -> None:
    text = card(made_of({}), {}, "x")
    assert "0 pairs of summaries" in text and "There is no pair." in text
    assert "configs" not in DatasetCard(text).data.to_dict()


def test_odd_names_break_neither_head_nor_table() -> None:
    odd = "evil`|\n---\nname: x"
    text = card(made_of({"train": pairs_of(2)}, teacher=odd), {"train": Path("train.jsonl")}, "x")
    assert "evil'/ --- name - x" in text
    assert DatasetCard(text).data.to_dict()["pretty_name"] == "Pairs - of / towns"


def test_the_record_is_plain_data() -> None:
    record = made_of({"train": pairs_of(2)}).as_record()
    assert record["stages"][0] == {
        "stage": "selected",
        "came": 100,
        "passed": 58,
        "rejected": {"too_short": 40, "duplicate": 2},
    }
    assert record["splits"]["train"]["pairs"] == 2
    assert record["spent"] == {
        "requests": 174,
        "prompt_tokens": 210_000,
        "completion_tokens": 60_500,
        "dollars": 1.5,
        "dollars_maybe": 0.25,
        "prompt_tokens_uncounted": 0,
        "completion_tokens_uncounted": 0,
    }


def test_an_upper_bound_is_called_one() -> None:
    made = made_of({"train": pairs_of(2)})
    made = replace(made, spent=replace(made.spent, prompt_tokens_uncounted=900, completion_tokens_uncounted=100))
    text = card(made, {"train": Path("train.jsonl")}, "x")
    assert "60,500 written (of which the endpoint did not count 1,000, an upper bound), 1.50 dollars" in text


@pytest.mark.parametrize(("count", "size"), [(999, "n<1K"), (1000, "1K<n<10K"), (12_000, "10K<n<100K")])
def test_size_categories(count: int, size: str) -> None:
    text = card(made_of({"train": pairs_of(count)}), {"train": Path("train.jsonl")}, "x")
    assert f"\n- {size}\n" in text
