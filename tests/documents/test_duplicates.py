"""Of several documents the first one stays, in whichever shard and whatever clustering left on top."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from summpo.documents.duplicates import KeepFirst, word_tokenizer
from summpo.documents.executors.local import Local
from summpo.documents.jsonl import Jsonl
from summpo.documents.prepare import prepare, read
from summpo.documents.rules import DocumentRules, SplitRules
from summpo.documents.shards import Work
from support.made_documents import RULES, text, words, write


def kept(folder: Path, tokenizer: Path, files: list[list[tuple[str, str]]], rules: DocumentRules) -> list[str]:
    """The ids of what is kept of files of (id, text), a task a file."""
    for number, rows in enumerate(files):
        write(folder / "data" / f"{number}.jsonl", [{"id": name, "text": body} for name, body in rows])
    source = Jsonl(str(folder / "data"), source="no such column")
    prepare({"train": source}, rules, tokenizer, folder / "out", Local(tasks=len(files)))
    return [one.id for one in read(folder / "out", "train")]


ALL = DocumentRules(train=SplitRules())


def test_a_copy_that_stands_earlier_in_a_later_file_is_the_one_that_goes(tmp_path: Path, word_tokenizer: Path) -> None:
    files = [[("u", text(1, 9)), ("v", text(2, 9)), ("original", text(3, 9))], [("copy", text(3, 9))]]
    assert kept(tmp_path, word_tokenizer, files, replace(ALL, near_duplicates=None)) == ["u", "v", "original"]


def test_white_space_makes_no_difference_and_all_else_does(tmp_path: Path, word_tokenizer: Path) -> None:
    files = [[("a", "one two"), ("b", " one\n\ntwo "), ("c", "One two"), ("d", "one two.")]]
    assert kept(tmp_path, word_tokenizer, files, replace(ALL, near_duplicates=None)) == ["a", "c", "d"]


def test_of_a_chain_of_near_duplicates_the_first_stays(tmp_path: Path, word_tokenizer: Path) -> None:
    """Each has 2 of 60 words other than the one before: 50 of 62 5-grams are common at the least, then fewer and fewer.
    That near is what is found: with bands of one hash, 20 of them, at 0.8 with probability 1 - 0.2^20."""
    base = words(1, 60)
    chain = [" ".join(words(2 + n, 2 * n) + base[2 * n :]) for n in range(4)]
    files = [[(f"{n}", body), (f"other {n}", text(20 + n, 60))] for n, body in enumerate(chain)]
    rules = replace(ALL, near_duplicates=replace(RULES.near_duplicates, bands=20, rows=1))  # type: ignore[type-var]
    assert kept(tmp_path, word_tokenizer, files, rules) == ["0", "other 0", "other 1", "other 2", "other 3"]


def test_texts_shorter_than_an_n_gram_are_no_near_duplicates(tmp_path: Path, word_tokenizer: Path) -> None:
    assert kept(tmp_path, word_tokenizer, [[("a", "one two"), ("b", "one, two")]], ALL) == ["a", "b"]


def test_the_first_of_each_cluster_stays_whatever_was_to_go(tmp_path: Path) -> None:
    """Clusters 0 = {shard 0: 2; shard 1: 0, 4} and 1 = {shard 1: 3; shard 2: 1}; clustering had kept shard 1's 4."""
    folder = tmp_path / "near_clusters"
    folder.mkdir()
    for shard, pairs in enumerate(([(2, 0)], [(0, 0), (3, 1), (4, 0)], [(1, 1)])):
        np.array(pairs, "<u4").tofile(folder / f"{shard:06d}.clusters")
    np.array([2], "<u4").tofile(folder / "000000.remove")
    KeepFirst(Work(tmp_path, {"train": 3}))(None, 0, 1)
    going = [np.fromfile(folder / f"{shard:06d}.remove", "<u4").tolist() for shard in range(3)]
    assert going == [[], [0, 4], [1]]


def test_datatroves_block_takes_our_words() -> None:
    from datatrove.utils.word_tokenizers import load_word_tokenizer

    assert load_word_tokenizer(word_tokenizer()).word_tokenize("two words") == ["two", "words"]  # type: ignore[arg-type]
