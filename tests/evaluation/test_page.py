import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from summpo.evaluation.page import SHOWN_DOCUMENTS, render
from summpo.evaluation.results import read_run
from summpo.evaluation.tradeoffs import compare

HOSTILE = "</script><img src=x onerror=alert(1)> {{still}} & \u2028"


class Reader(HTMLParser):
    """Collects every tag with its attributes, and the page's data."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data = ""
        self._in_data = False
        self.feed(page)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_data = tag == "script" and dict(attrs).get("id") == "data"

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data

    def handle_endtag(self, tag: str) -> None:
        self._in_data = False


@pytest.fixture
def runs(tmp_path: Path, write_run) -> list:
    return [
        read_run(write_run(tmp_path / "sft", objective="sft", kept=12)),
        *[read_run(write_run(tmp_path / f"w={w}", w=w, kept=kept)) for w, kept in ((0.0, 10), (0.1, 6))],
    ]


def test_needs_nothing_from_outside(runs: list) -> None:
    page = render(compare(runs), b"png")
    addresses = [value for _, attrs in Reader(page).tags for key, value in attrs.items() if key in ("src", "href")]
    assert addresses == ["data:image/png;base64,cG5n"]
    assert set(re.findall(r"https?://[^\s\"')]+", page)) <= {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest", page)


def test_carries_every_run_view_and_sentence(runs: list) -> None:
    comparisons = compare(runs, "eval/rougeL")
    data = json.loads(Reader(render(comparisons, b"png")).data)
    assert [run["label"] for run in data["runs"]] == ["sft", "w=0", "w=0.1"]
    assert [len(run["cells"]) for run in data["runs"]] == [len(data["columns"])] * 3
    assert [view["name"] for view in data["views"]] == ["ROUGE-L", "ROUGE-1", "ROUGE-2", "ROUGE-Lsum"]
    assert data["views"][0]["sentences"] == [choice.sentence for choice in comparisons[0].choices]
    assert data["views"][0]["front"] == [False, True, True]
    first = data["samples"]["documents"][0]
    assert first["references"] == ["word0x0 word0x1 word0x2 word0x3 word0x4 word0x5 word0x6 word0x7 word0x8 word0x9"]
    assert [summary["words"] for summary in first["summaries"]] == [12, 10, 6]
    assert (first["words"], first["reference_words"]) == (40, [10])


def test_reads_without_scripts(runs: list) -> None:
    page = render(compare(runs), b"png")
    still = page[page.index("<noscript>") : page.index("</noscript>")]
    assert "w=0.1: 40% shorter than w=0" in still and "ROUGE-1   lead  ROUGE-2" in still


def test_texts_never_become_markup(tmp_path: Path, write_run, runs: list) -> None:
    folder = write_run(tmp_path / "hostile", w=0.2, objective=HOSTILE, evaluation={"dataset": "synthetic"})
    lines = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    rewritten = [line | {"summary": HOSTILE, "document": HOSTILE} for line in lines]
    (folder / "samples.jsonl").write_text("\n".join(map(json.dumps, rewritten)))
    clean, hostile = render(compare(runs), b""), render(compare([*runs, read_run(folder)]), b"")
    tags = [tag for tag, _ in Reader(hostile).tags]
    assert tags == [tag for tag, _ in Reader(clean).tags]
    data = json.loads(Reader(hostile).data)
    assert data["samples"]["documents"][0]["summaries"][3]["text"] == HOSTILE
    assert data["runs"][3]["cells"][1]["text"] == HOSTILE


def test_many_documents_are_spread_evenly(tmp_path: Path, write_run) -> None:
    run = read_run(write_run(tmp_path / "run", documents=3 * SHOWN_DOCUMENTS))
    samples = json.loads(Reader(render(compare([run]), b"")).data)["samples"]
    assert samples["of"] == 3 * SHOWN_DOCUMENTS
    assert [item["id"] for item in samples["documents"]] == [f"d{3 * n}" for n in range(SHOWN_DOCUMENTS)]


def test_a_run_without_samples_leaves_a_gap(tmp_path: Path, write_run, runs: list) -> None:
    silent = read_run(write_run(tmp_path / "silent", w=0.2, samples=False))
    samples = json.loads(Reader(render(compare([*runs, silent]), b"")).data)["samples"]
    assert len(samples["documents"]) == 8
    assert all(item["summaries"][3] is None for item in samples["documents"])
    assert json.loads(Reader(render(compare([silent]), b"")).data)["samples"] == {"of": 0, "documents": []}
