"""What the data sets share: dealing keys to splits, pairs as summaries, the guards, and a yaml for each."""

from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import get_class, instantiate
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from summpo.datasets import (
    HALVES,
    PairDataset,
    Split,
    SummaryDataset,
    assign_splits,
    require_limit,
    require_path,
    require_seed,
    summary_rows,
    text_id,
    unique_ids,
)
from summpo.errors import UserError
from summpo.text.rows import PairRow

YAMLS = sorted((Path(__file__).parents[2] / "conf" / "dataset").glob("*.yaml"))
THIRDS: dict[Split, float] = {"validation": 0.1, "test": 0.2, "train": 0.7}


@given(st.lists(st.text()), st.integers())
def test_deal_is_a_function_of_the_set_of_keys(keys: list[str], seed: int) -> None:
    split_of = assign_splits(keys, THIRDS, seed)
    assert set(split_of) == set(keys)
    assert assign_splits(reversed(keys + keys), THIRDS, seed) == split_of


@given(st.sets(st.text().filter(str.strip), min_size=3), st.integers())
def test_deal_sizes(keys: set[str], seed: int) -> None:
    dealt = list(assign_splits(keys, THIRDS, seed).values())
    assert dealt.count("validation") == max(1, round(0.1 * len(keys)))
    assert dealt.count("test") == max(1, round(0.2 * len(keys)))
    halves = list(assign_splits(keys, HALVES, seed).values())
    assert abs(halves.count("validation") - halves.count("test")) <= 2


def test_deal_with_a_share_of_nothing_and_another_seed() -> None:
    keys = [str(number) for number in range(100)]
    assert set(assign_splits(keys, {"validation": 0.0, "test": 0.5, "train": 0.5}, 0).values()) == {"test", "train"}
    assert assign_splits(keys, HALVES, 0) != assign_splits(keys, HALVES, 1)


def test_deal_of_more_keys_moves_few() -> None:
    before = assign_splits([str(number) for number in range(1000)], THIRDS, 0)
    after = assign_splits([str(number) for number in range(1100)], THIRDS, 0)
    assert sum(before[key] != after[key] for key in before) < 40


PAIRS = [
    PairRow("1", "d", chosen="bad", rejected="good"),
    PairRow("2", "d", chosen="good", rejected="bad"),
    PairRow("3", "d", chosen="good", rejected="bad"),
    PairRow("4", "d", chosen=" ", rejected="bad"),
    PairRow("5", "e", chosen="other", rejected="", prompt="p"),
]


def test_summary_rows_of_the_chosen() -> None:
    rows = summary_rows(PAIRS, "chosen")
    assert [(row.id, row.summary) for row in rows] == [("1", "bad"), ("2", "good"), ("4", " "), ("5", "other")]
    assert [row.references for row in rows] == [("good", "bad")] * 3 + [("other",)]
    assert [row.prompt for row in rows] == [None] * 3 + ["p"]


def test_summary_rows_of_both() -> None:
    rows = summary_rows(PAIRS, "both", references={"d": ("given",)})
    assert [(row.id, row.summary) for row in rows] == [
        ("1", "bad"),
        ("1/rejected", "good"),
        ("4", " "),
        ("5", "other"),
        ("5/rejected", ""),
    ]
    assert [row.references for row in rows] == [("given",)] * 3 + [("other",)] * 2


@given(st.lists(st.sampled_from(["a", "b", "a#1", "a#2", "a#1#2"])))
def test_unique_ids(names: list[str]) -> None:
    ids = unique_ids(names)
    assert len(set(ids)) == len(ids) == len(names)
    assert all(given.startswith(name) for given, name in zip(ids, names, strict=True))


def test_text_id_is_stable() -> None:
    assert text_id("a text") == text_id("a text") != text_id("another")
    assert len(text_id("")) == 17


@pytest.mark.parametrize(
    ("guard", "value", "sentence"),
    [
        (require_limit, 0, "limit must be null or a whole number >= 1, got 0 (config key dataset.limit)"),
        (require_limit, True, "limit must be null or a whole number >= 1, got True (config key dataset.limit)"),
        (require_limit, 1.5, "limit must be null or a whole number >= 1, got 1.5 (config key dataset.limit)"),
        (require_limit, "9", "limit must be null or a whole number >= 1, got '9' (config key dataset.limit)"),
        (require_seed, 0.5, "seed must be a whole number, got 0.5 (config key dataset.seed)"),
        (require_seed, None, "seed must be a whole number, got None (config key dataset.seed)"),
        (lambda path: require_path(path, "a file"), None, "path must be a file, got None (config key dataset.path)"),
        (lambda path: require_path(path, "a file"), " ", "path must be a file, got ' ' (config key dataset.path)"),
    ],
)
def test_guards(guard: Any, value: Any, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        guard(value)
    assert str(caught.value) == sentence


def test_there_are_yamls() -> None:
    assert {"aclsum", "jsonl", "scitldr", "summarize_from_feedback"} <= {path.stem for path in YAMLS}


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.stem)
def test_every_data_set_has_the_options_of_its_kind(path: Path) -> None:
    config = OmegaConf.load(path)
    kind = get_class(config["_target_"])
    assert {"path", "limit", "bad_rows"} <= set(config)
    assert ("sft_on" in config) == hasattr(kind, "pairs")


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.stem)
def test_a_yaml_says_what_it_is_and_names_every_field_with_its_default(path: Path) -> None:
    config = OmegaConf.load(path)
    assert isinstance(config, DictConfig)
    known = {field.name: field.default for field in fields(get_class(config["_target_"]))}
    assert list(config) == ["_target_", *known]
    for name, default in known.items():
        value = "" if OmegaConf.is_missing(config, name) else config[name]
        assert (tuple(value) if OmegaConf.is_list(value) else value) == ("" if default is MISSING else default)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    if OmegaConf.is_missing(config, "path"):
        config["path"] = "owner/name"
    built = instantiate(config)
    assert isinstance(built, SummaryDataset | PairDataset)
    hash(built)  # frozen all the way down, lists of the yaml too
