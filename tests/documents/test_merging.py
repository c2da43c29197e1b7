"""Quotas and ids: laws that hold whatever the documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.documents.merging import Quotas, RepeatedIds
from summpo.documents.rules import DocumentRules, SplitRules
from summpo.text.documents import Document

TEXTS = st.lists(st.text("abcdef", min_size=1, max_size=6), max_size=30)


def taken(texts: list[str], quota: int | None, seed: int = 0) -> list[str]:
    """The texts that a quota takes of them, in order."""
    quotas = Quotas(DocumentRules(train=SplitRules(quotas={"s": quota}), seed=seed))
    documents = [Document("", "s", text) for text in texts]
    for document in documents:
        quotas.meet("train", document)
    quotas.close()
    return [document.text for document in documents if quotas.exceeded("train", document) is None]


@given(TEXTS, st.integers(1, 10), st.randoms(use_true_random=False))
def test_a_quota_takes_as_many_and_the_same_in_any_order(texts: list[str], quota: int, random: object) -> None:
    distinct = list(dict.fromkeys(texts))
    found = taken(distinct, quota)
    assert len(found) == min(quota, len(distinct))
    assert found == [text for text in distinct if text in found]
    shuffled = list(distinct)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert set(taken(shuffled, quota)) == set(found)
    assert set(found) <= set(taken(distinct, quota + 1))


@given(TEXTS, st.integers(1, 10))
def test_also_where_duplicates_are_kept(texts: list[str], quota: int) -> None:
    assert len(taken(texts, quota)) == min(quota, len(texts))


def test_no_quota_takes_all_and_another_seed_others() -> None:
    texts = [f"text {n}" for n in range(20)]
    assert taken(texts, None) == texts
    assert len({tuple(taken(texts, 3, seed)) for seed in range(5)}) > 1


def unique(names: list[str]) -> list[str]:
    ids = RepeatedIds()
    for name in names:
        ids.meet(name)
    ids.close()
    return [ids.unique(name) for name in names]


@pytest.mark.parametrize(
    ("names", "given_names"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "a", "a"], ["a", "a~2", "a~3"]),
        (["a", "a~2", "a"], ["a", "a~2", "a~3"]),
        (["a~2", "a~2", "a", "a"], ["a~2", "a~2~2", "a", "a~3"]),
        ([], []),
    ],
)
def test_a_repeated_id_gets_a_free_one(names: list[str], given_names: list[str]) -> None:
    assert unique(names) == given_names


@given(st.lists(st.sampled_from(["a", "a~2", "a~3", "a~2~2", "b"]), max_size=12))
def test_ids_are_unique_and_the_first_keeps_its_own(names: list[str]) -> None:
    found = unique(names)
    assert len(set(found)) == len(found)
    assert all(found[names.index(name)] == name for name in names)
