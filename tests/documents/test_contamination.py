"""A train document's share of n-grams that stand in test documents, worked by hand."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from summpo.documents.contamination import index_of, opened
from summpo.documents.rules import Contamination
from summpo.text.documents import Document

TEST = [Document("t1", "s", "a b c d e f"), Document("t2", "s", "c d e x y z"), Document("t3", "s", "")]
RULE = Contamination(words=3, max_share=0.25)


def test_the_share_is_of_the_train_documents_n_grams() -> None:
    """ "q c d e r s" has 4 3-grams, of which "c d e" is in the test: 1/4, not above 0.25. "q c d e x s" has "c d e" and
    "d e x": 2/4. The first is t1's, who has it first, the second t2's; of a tie the first is named."""
    index = index_of(TEST, 3)
    assert len(index.hashes) == 4 + 3, "of t2 c d e is t1's already"
    assert index.verdict(Document("a", "s", "q c d e r s"), RULE) is None
    found = index.verdict(Document("b", "s", "Q, c d e X s!"), RULE)
    assert found is not None and found.reason == "contaminated"
    assert found.detail == "50.0% of its 3-grams are in test documents, most in t1: c d e ..."


def test_texts_shorter_than_an_n_gram_and_no_test_at_all() -> None:
    assert index_of(TEST, 3).verdict(Document("a", "s", "a b"), RULE) is None
    assert index_of([], 3).verdict(Document("a", "s", "a b c d"), RULE) is None


def test_it_reads_back_as_it_was_written(tmp_path: Path) -> None:
    index = index_of(TEST, 3)
    index.write(tmp_path / "index")
    again = opened(tmp_path / "index")
    assert again.hashes.tolist() == index.hashes.tolist() == sorted(index.hashes.tolist())
    assert (again.owners.tolist(), again.ids) == (index.owners.tolist(), ["t1", "t2", "t3"])


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=8).map(" ".join), min_size=1, max_size=5), st.integers(0, 4))
def test_a_copy_of_a_test_document_is_all_of_it(texts: list[str], which: int) -> None:
    """And the owner of an n-gram is the first document that has it."""
    index = index_of((Document(str(n), "s", text) for n, text in enumerate(texts)), 2)
    text = texts[which % len(texts)]
    found = index.verdict(Document("copy", "train", text), Contamination(words=2, max_share=0.99))
    assert (found is None) == (len(text.split()) < 2)
    for hash_, owner in zip(index.hashes.tolist(), index.owners.tolist(), strict=True):
        having = [n for n, one in enumerate(texts) if hash_ in index_of([Document("", "", one)], 2).hashes.tolist()]
        assert owner == having[0]
