"""What decides a frozen model's numbers."""

import shutil
from dataclasses import replace
from pathlib import Path

from summpo.models import Model
from summpo.models.weights.frozen import fingerprint_model


def test_code_in_a_models_folder_counts_where_it_may_run(tiny_model_path: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model_path, tmp_path / "model")
    plain = Model(path=str(folder))
    runs_code = replace(plain, trust_remote_code=True)
    before = fingerprint_model(plain, tmp_path)
    assert fingerprint_model(runs_code, tmp_path) == before
    seen = []
    for source in ("a = 1", "a = 2"):
        (folder / "modeling_own.py").write_text(source)
        assert fingerprint_model(plain, tmp_path) == before
        seen.append(fingerprint_model(runs_code, tmp_path))
    assert seen[0] != seen[1] and before not in seen
