"""What tests share: shapes that are enforced, a tiny model, the embedded model, real data where there is some."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import jaxtyping
import pytest

from summpo.commands.logs import on_screen
from support.tiny import tiny_llama

# The shapes in these modules' annotations are checked at every call, under pytest alone. The hook sees imports, so it
# stands before the first of them.
SHAPED = [
    "summpo.objectives.losses",
    "summpo.models.forward.log_probs",
    "summpo.row_kinds.metrics",
    "summpo.training.plan",
    "summpo.models.forward.layouts",
    "summpo.records",
    "summpo.objectives.token_weights",
]
jaxtyping.install_import_hook(SHAPED, "beartype.beartype")

# No time limit an example (machines differ), and the same examples each time: one commit has one verdict.
hypothesis.settings.register_profile("suite", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.load_profile("suite")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def libraries_are_no_garbage() -> None:
    """A collection looks at what a module's tests made, and not each time at half a million objects of the libraries."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_kept_from_another_test() -> Iterator[None]:
    """What runs of one process use again stays within a test."""
    yield
    reuse = sys.modules.get("summpo.columns.reuse")
    if reuse is not None:
        reuse.KEPT = reuse.Kept()


@pytest.fixture(scope="session")
def tiny_model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Llama, the same each time. Read only."""
    return tiny_llama(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def real_model_path() -> Path:
    """The embedded SmolLM2 as a folder of safetensors, converted into the user's own cache. Read only."""
    from summpo.errors import UserError
    from summpo.models import Model
    from summpo.models.weights.sources import embedded_file, resolve

    try:
        embedded_file()
    except UserError as absent:
        pytest.skip(str(absent))
    cache_dir = Path(os.environ.get("SUMMPO_CACHE", Path.home() / ".cache" / "summpo"))
    return resolve(Model(path="embedded"), cache_dir)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data: $SUMMPO_TEST_DATA, or shared/data beside the repository."""
    folder = Path(os.environ.get("SUMMPO_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: set SUMMPO_TEST_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return REPOSITORY


@pytest.fixture
def capsys(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """pytest's, with what the library logs on the screen as in a command."""
    with on_screen():
        yield capsys


@pytest.fixture
def capfd(capfd: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """The same of what other processes write, too."""
    with on_screen():
        yield capfd
