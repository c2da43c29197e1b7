"""What a column's key knows of code: every file of ours that has a part in it, the user's own, libraries by version."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

import summpo
from summpo.columns import code as column_code
from summpo.columns.code import _imports, code_of
from summpo.columns.freeze import SCORING
from summpo.errors import UserError
from summpo.margin_rewards.rouge import Rouge
from summpo.text.tokens import tokenize

EDITS = {
    "models/forward/log_probs.py": {"reference", "implicit"},
    "models/forward/layouts.py": {"reference", "implicit"},
    "models/forward/scoring.py": {"reference", "implicit"},
    "models/weights/frozen.py": {"reference", "implicit"},
    "training/policy.py": {"reference", "implicit"},
    "columns/stage.py": {"reference", "implicit"},
    "models/speed/activation_checkpointing.py": {"reference", "implicit"},
    "models/weights/adapters.py": {"reference", "implicit"},
    "models/speed/cached_autocast.py": {"reference", "implicit"},
    "models/forward/shared_prefix.py": {"reference", "implicit", "faithfulness", "reward_model"},
    "models/forward/families.py": {"reference", "implicit", "faithfulness", "reward_model"},
    "models/judges/encoders.py": {"faithfulness", "reward_model"},
    "models/judges/scorers.py": {"reward_model"},
    "text/sentences.py": {"faithfulness"},
    "margin_rewards/length.py": {"length"},
    "text/fragments.py": {"coverage"},
    "text/tokens.py": {"tokens"},
    "text/prompts.py": {"tokens", "length", "coverage", "implicit", "faithfulness", "reward_model"},
    "text/encoding.py": {"tokens", "length", "coverage", "implicit", "faithfulness", "reward_model"},
    "columns/freeze.py": {"tokens", "reference", "length", "coverage", "implicit", "faithfulness", "reward_model"},
    "columns/store.py": {"tokens", "reference", "length", "coverage", "implicit", "faithfulness", "reward_model"},
    "__init__.py": {"tokens", "reference", "length", "coverage", "implicit", "faithfulness", "reward_model"},
    "objectives/losses.py": set(),
    "objectives/modpo.py": set(),
    "commands/train.py": set(),
}
"""Which columns are others once a file of summpo was edited."""

SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
import summpo
from support.scored import ROWS, LIMITS
from summpo.columns.code import _READ
from summpo.columns.freeze import Context, Freezer
from summpo.margin_rewards.coverage import Coverage
from summpo.margin_rewards.faithfulness import Faithfulness
from summpo.margin_rewards.implicit import Implicit
from summpo.margin_rewards.length import Length
from summpo.margin_rewards.reward_model import RewardModel
from summpo.models.weights.loading import load_tokenizer
from summpo.text.prompts import Prompt
from summpo.text.tokens import tokenize

class Store:
    def get(self, kind, made_from, compute, called=None):
        self.key = made_from.key
        return ({"rewards": np.zeros((0, 2), np.float32)} if kind == "margins" else compute()), False

for reward in (Faithfulness, RewardModel, Implicit):
    reward.fingerprint = lambda self, cache_dir: "weights"
store, tokenizer = Store(), load_tokenizer(Path(sys.argv[1]))
freezer = Freezer(store, tokenizer, "tokenizer", "summpo.training.policy")
tokenized = tokenize(ROWS, tokenizer, Prompt(), LIMITS)
rewards = {"length": Length(), "coverage": Coverage(), "implicit": Implicit("a"), "faithfulness": Faithfulness("o/n"),
           "reward_model": RewardModel("o/n")}

def keys():
    _READ.clear()
    freezer.tokens(ROWS, Prompt(), LIMITS)
    found = {"tokens": store.key}
    freezer.reference(tokenized, {}, {}, lambda rows: rows.completions)
    found["reference"] = store.key
    for name, reward in rewards.items():
        freezer._margin(name, reward, ROWS, Context())
        found[name] = store.key
    return found

sys.stdout, out = sys.stderr, sys.stdout
package, changed = Path(summpo.__file__).parent, {}
before = keys()
for name in json.loads(sys.argv[2]):
    source = (package / name).read_bytes()
    (package / name).write_bytes(source + b"# edited")
    changed[name] = sorted(column for column, key in keys().items() if key != before[column])
    (package / name).write_bytes(source)
assert keys() == before
print(json.dumps(changed), file=out)
"""


def test_an_edited_file_of_summpo_makes_other_columns_and_no_more(tmp_path: Path, tiny_model_path: Path) -> None:
    """A copy of the package, each file edited in turn; the reference's function is wrapped by torch."""
    package = Path(summpo.__file__).parent
    shutil.copytree(package, tmp_path / "summpo", ignore=shutil.ignore_patterns("__pycache__"))
    places = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tiny_model_path), json.dumps(list(EDITS))],
        env={**os.environ, "PYTHONPATH": places},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {name: set(changed) for name, changed in json.loads(done.stdout).items()} == EDITS


@pytest.fixture
def fresh() -> Iterator[None]:
    """Code that is looked at anew."""
    column_code._READ.clear()
    yield
    column_code._READ.clear()


REWARDS = {
    "bywords/__init__.py": "",
    "bywords/reward.py": "from . import lists as of\nfrom .deep.rules import RULES\nimport otherwords.more\n"
    "import importlib\nclass Byword:\n    def rules(self):\n        importlib.import_module('bywords.by_name')",
    "bywords/by_name.py": "from importlib import import_module as load\nAT = 'bywords.by_constant'\n"
    "load(AT)\nload('.by_relative', __package__)\n__import__('otherwords')\nload(f'{__package__}.by_format')",
    "bywords/by_constant.py": "NAMES = ['no.such.module', 'torch.nn', 'A text. And more.', '..', '...over', 'bywords.no_part']",
    "bywords/by_relative.py": "",
    "bywords/by_format.py": "",
    "bywords/lists.py": "LIST = ['a']",
    "bywords/deep/__init__.py": "",
    "bywords/deep/rules.py": "def later():\n    from bywords.late import AT\nRULES = 1",
    "bywords/late.py": "AT = 1",
    "bywords/no_part.py": "import torch",
    "bywords/typed.py": "",
    "otherwords/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from bywords import typed",
    "otherwords/more.py": "try:\n    import no.such.thing\nexcept ImportError:\n    pass",
}


@pytest.mark.usefixtures("fresh")
class TestOutOfTree:
    @pytest.fixture(params=["src", "site-packages"])
    def folder(self, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A user's package on the path, edited or installed, and a second one beside it."""
        folder = tmp_path / request.param
        for name, source in REWARDS.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(source)
        monkeypatch.syspath_prepend(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] in ("bywords", "otherwords")]:
            monkeypatch.delitem(sys.modules, name)
        return folder

    def test_all_files_of_the_users_own_that_have_a_part(self, folder: Path) -> None:
        reward = importlib.import_module("bywords.reward").Byword
        before = code_of(reward)
        assert set(before["files"]) == {
            "bywords", "bywords.by_constant", "bywords.by_format", "bywords.by_name", "bywords.by_relative", "bywords.deep", "bywords.deep.rules", "bywords.late", "bywords.lists", "bywords.reward",
            "otherwords", "otherwords.more",
        }  # fmt: skip
        for name in REWARDS:
            module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            source = (folder / name).read_text()
            (folder / name).write_text(source + "\n# edited")
            column_code._READ.clear()
            now = code_of(reward)["files"]
            assert {file for file in now if now[file] != before["files"][file]} == {module} & set(before["files"])
            (folder / name).write_text(source)

    def test_what_runs_is_what_was_there_at_first(self, folder: Path) -> None:
        """A file that is edited while a sweep goes on is not the code of its later points."""
        reward = importlib.import_module("bywords.reward").Byword
        before = code_of(reward)
        (folder / "bywords" / "lists.py").write_text("LIST = ['b', 'c']")
        assert code_of(reward) == before
        importlib.reload(sys.modules["bywords.lists"])
        now = code_of(reward)["files"]
        assert [file for file in now if now[file] != before["files"][file]] == ["bywords.lists"]


@pytest.mark.usefixtures("fresh")
def test_versions_of_all_that_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that compute on behalf of another too, and those of what is given; what shows progress is left out."""
    scoring = code_of(*SCORING)["versions"]
    assert {name: scoring[name] for name in ("summpo", "torch", "transformers", "peft", "tokenizers")} == {
        "summpo": summpo.__version__, **{name: version(name) for name in ("torch", "transformers", "peft", "tokenizers")}
    }  # fmt: skip
    assert scoring["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert "tqdm" not in scoring
    tokens = code_of(tokenize, given=[PreTrainedTokenizerFast])
    assert {"transformers", "tokenizers", "jinja2"} <= set(tokens["versions"])
    assert not any(name.startswith("transformers") for name in tokens["files"])
    assert code_of(Rouge)["versions"]["nltk"] == version("nltk")
    monkeypatch.setattr("summpo.columns.code.version", lambda name: "9" if name == "summpo" else version(name))
    assert code_of(*SCORING)["versions"] == {**scoring, "summpo": "9"}


def test_a_library_that_is_imported_by_another_name() -> None:
    """PyYAML is imported as yaml."""
    assert column_code._installed("yaml") == f"PyYAML {version('PyYAML')}"
    assert column_code._installed("no_such_library") is None


@pytest.mark.usefixtures("fresh")
def test_what_is_no_file_is_refused() -> None:
    with pytest.raises(UserError, match="builtins is no file, so that a change of what it defines would go unseen"):
        code_of(int)


@pytest.mark.usefixtures("fresh")
def test_a_script(tmp_path: Path) -> None:
    """A margin reward that a script defines which uses summpo as a library."""
    (tmp_path / "beside.py").write_text("A = 1")
    script = tmp_path / "script.py"
    script.write_text(
        "import json\nimport beside\nfrom summpo.columns.code import code_of\nclass R: pass\n"
        "print(json.dumps(sorted(code_of(R)['files'])))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(summpo.__file__).parents[1])}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment, check=False)
    assert json.loads(done.stdout or "[]")[:2] == ["__main__", "beside"], done.stderr


def test_names_that_are_texts_are_of_the_package_where_there_is_one() -> None:
    source = b"from importlib import import_module\nimport_module('.a', 'p')\nimport_module(name='b')\nX = '...c'"
    assert {"p.a", "b"} <= set(_imports(source, "p")) and "p.a" not in _imports(source, "")
    assert _imports(b"X = 'p.a'", "p") == []


def test_what_runs_is_imported_whatever_stands_around_it() -> None:
    source = b"from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    import ours\nelse:\n    import theirs\n"
    assert {"ours", "theirs"} <= set(_imports(source, "p"))
    assert "typed" not in _imports(b"import typing\nif typing.TYPE_CHECKING:\n    import typed\n", "p")
