"""The file of results: whose sections it replaces, what stays, and what it says of command and machine."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from table import TITLE, Row, as_markdown, command_line, conditions, write_sections

BY_HAND = """\
# Results

Measured on two machines, by hand.

## step

`old command`

old figures

## step, another processor

Kept: no script makes this.

### With a heading of its own

## growth

old growth
"""


def test_a_measured_section_takes_the_place_of_its_namesake_and_nothing_else_changes(tmp_path: Path) -> None:
    file = tmp_path / "results.md"
    file.write_text(BY_HAND, "utf-8")
    write_sections(file, {"step": "`new command`\n\nnew figures\n", "sweep": "first time\n"})
    old, new = "`old command`\n\nold figures", "`new command`\n\nnew figures"
    assert file.read_text("utf-8") == BY_HAND.replace(old, new) + "\n## sweep\n\nfirst time\n"


def test_a_new_file_begins_with_what_the_figures_mean(tmp_path: Path) -> None:
    write_sections(tmp_path / "results.md", {"step": "figures"})
    assert (tmp_path / "results.md").read_text("utf-8") == f"{TITLE}## step\n\nfigures\n"


@settings(max_examples=15)
@given(names=st.lists(st.sampled_from(["step", "long", "real, 4 a batch"]), min_size=1), again=st.integers(1, 3))
def test_a_section_written_again_is_there_once(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], again: int
) -> None:
    file = tmp_path_factory.mktemp("table") / "results.md"
    for name in names * again:
        write_sections(file, {name: f"figures of {name}"})
    in_order = list(dict.fromkeys(names))
    sections = "\n".join(f"## {name}\n\nfigures of {name}\n" for name in in_order)
    assert file.read_text("utf-8") == TITLE + sections


def test_a_section_names_its_command_and_its_conditions_before_its_table() -> None:
    row = Row("step", "TRL", "2 CPU s", "1 CPU s", "2.00x", "2x")
    assert as_markdown([row], "python a.py --b 1", "a machine; torch 2.") == (
        "`python a.py --b 1`\n\na machine; torch 2.\n\n"
        "| what | against | theirs | summpo | ratio | goal |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| step | TRL | 2 CPU s | 1 CPU s | 2.00x | 2x |\n"
    )


def test_a_command_can_be_typed_again_and_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    options = {
        "only": ["step", "long"],
        "batch_size": 8,
        "data": tmp_path,
        "trl": False,
        "checkpointing": True,
        "table": None,
        "side": "TRL defaults",
    }
    assert command_line("/elsewhere/benchmarks/a.py", options) == (
        "python benchmarks/a.py --only step long --batch-size 8 --data FOLDER --no-trl --checkpointing "
        "--side 'TRL defaults'"
    )


def test_no_gpu_is_named_for_what_a_cpu_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A GPU that stood idle")
    assert "2 thread(s)" in conditions("cpu", 2) and "GPU" not in conditions("cpu", 2)
    assert conditions("cuda", 2).startswith("A GPU that stood idle; torch ")
