"""Chains: stages in order, done ones skipped, a failed one stops the chain, a changed one runs again."""

from pathlib import Path

import pytest

from summpo.commands import main
from summpo.commands.run import read_chain
from summpo.config.tree import conf_dir
from summpo.errors import UserError

CHAIN = """
output_dir: {out}
word: one
stages:
  - name: first
    command: echo ${{word}} to {out}/first
    makes: ["{out}/first"]
  - name: second
    command: echo two to {out}/second
    makes: ["{out}/second"]
"""


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[list[str]]]:
    """A chain whose one command writes a file; the list of what was run."""
    ran: list[list[str]] = []

    def echo(argv: list[str]) -> int:
        ran.append(argv)
        Path(argv[3]).write_text(argv[1], "utf-8")
        return 0 if argv[1] != "fail" else 2

    file = tmp_path / "chain.yaml"
    file.write_text(CHAIN.format(out=tmp_path / "out"), "utf-8")
    (tmp_path / "out").mkdir()
    monkeypatch.setattr("summpo.commands.run.command", echo)
    return file, ran


def test_stages_run_once_and_in_order(chain: tuple[Path, list[list[str]]], capsys: pytest.CaptureFixture[str]) -> None:
    file, ran = chain
    assert main(["run", str(file)]) == 0
    assert [argv[1] for argv in ran] == ["one", "two"]
    assert main(["run", str(file)]) == 0
    assert len(ran) == 2 and capsys.readouterr().out.count("done already, skipped") == 2


def test_a_stage_whose_command_changed_or_whose_file_is_gone_runs_again(chain: tuple[Path, list[list[str]]]) -> None:
    file, ran = chain
    assert main(["run", str(file)]) == 0
    assert main(["run", str(file), "word=other"]) == 0
    assert [argv[1] for argv in ran] == ["one", "two", "other"]
    Path(ran[1][3]).unlink()
    assert main(["run", str(file), "word=other"]) == 0
    assert [argv[1] for argv in ran] == ["one", "two", "other", "two"]


def test_a_failed_stage_stops_the_chain_with_its_code(chain: tuple[Path, list[list[str]]]) -> None:
    file, ran = chain
    assert main(["run", str(file), "word=fail"]) == 2
    assert len(ran) == 1
    assert main(["run", str(file)]) == 0
    assert [argv[1] for argv in ran] == ["fail", "one", "two"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing"], "there is no chain nothing"),
        (["nothing.yaml"], "there is no chain file nothing.yaml"),
        (["demo", "colour=red"], "demo has no key colour"),
        (["demo", "stages=1"], "demo has no key stages"),
        (["tldr_length_penalty"], "data is required"),
        (["list.yaml"], "list.yaml is no chain: it needs output_dir and stages"),
        (["torn.yaml"], "torn.yaml is not YAML"),
        (["bare.yaml"], "bare.yaml: stage 1 needs a name, a command and a list makes"),
        (["quote.yaml"], "quote.yaml: stage 1: merge 'x is no command line (no closing quotation)"),
    ],
)
def test_what_a_chain_refuses(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stage = "output_dir: out\nstages:\n  - {name: one, makes: [a], command: "
    broken = {"list": "- a\n", "torn": "a: [\n", "bare": stage + "null}\n", "quote": stage + '"merge \'x"}\n'}
    for name, text in broken.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    assert main(["run", *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_a_folder_is_one_word_and_the_other_keys_hold_options(tmp_path: Path) -> None:
    file = tmp_path / "chain.yaml"
    stage = 'stages: [{name: s, command: "train ${more} dataset.path=${data}", makes: ["${data}/x"]}]'
    file.write_text(f"output_dir: out\ndata: ???\nmore: a=1\n{stage}\n", "utf-8")
    _, (made,) = read_chain(file, ["data=my rows", "more=b=2 c=3"])
    assert made.command == "train b=2 c=3 dataset.path='my rows'"
    assert made.makes == (Path("my rows/x"),)


def test_a_key_that_holds_an_option_takes_its_value_alone() -> None:
    """As the head of the file says it; and what is no option of a command is refused before a stage runs."""
    file = conf_dir() / "chain" / "modpo_safety.yaml"

    def first(*keys: str) -> str:
        return read_chain(file, list(keys))[1][0].command

    whole = first("model=model=smollm2", "trainer=trainer=cpu")
    assert "experiment=modpo_safety model=smollm2 trainer=cpu dataset.path=" in whole
    assert first("model=smollm2", "trainer=cpu") == whole
    assert "modpo_safety model.path=here model.dtype=float32 " in first("model=model.path=here model.dtype=float32")
    with pytest.raises(UserError, match=r"data holds options of a command, such as dataset.path=PKU.*, got folder"):
        first("data=folder")
