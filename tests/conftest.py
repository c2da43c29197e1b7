"""What tests share: a tiny model, the embedded model, real data where there is some."""

import os
from pathlib import Path

import pytest

from tiny import tiny_llama

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def two_threads() -> None:
    import torch

    torch.set_num_threads(2)


@pytest.fixture(scope="session")
def tiny_model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Llama, the same each time. Read only."""
    return tiny_llama(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def real_model_path() -> Path:
    """The embedded SmolLM2 as a folder of safetensors, converted into the user's own cache. Read only."""
    from summpo.errors import UserError
    from summpo.models import Model
    from summpo.models.sources import embedded_file, resolve

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
