"""A real model behind a real server: `transformers serve` with the embedded SmolLM2, asked by `summpo synthesize`."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from summpo.commands import main


@pytest.fixture
def served(real_model_path: Path, tmp_path: Path) -> Iterator[str]:
    """The server's url; it ends with the test."""
    if importlib.util.find_spec("fastapi") is None:
        pytest.skip("transformers' extra `serving` is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(real_model_path)]
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with (tmp_path / "serve.log").open("w") as log:
        server = subprocess.Popen([*command, *options], stdout=log, stderr=log, env=environment)
    url = f"http://127.0.0.1:{port}"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        for _ in range(120):
            try:
                direct.open(f"{url}/health", timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, (tmp_path / "serve.log").read_text()
                time.sleep(1)
        yield f"{url}/v1"
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.storm
def test_a_model_that_is_too_weak_leaves_an_honest_funnel(
    served: str, real_model_path: Path, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model of 135 million parameters answers, and not in the form that is asked for: each answer has its reason."""
    out = tmp_path / "pairs"
    command = ["synthesize", f"documents.path={shared_data / 'documents'}", "documents.limit=6", f"output_dir={out}"]
    teacher = ["teacher=local", f"teacher.url={served}", f"teacher.model={real_model_path}", "teacher.max_in_flight=1"]
    words = [
        "mode.long_words=[40,80]",
        "mode.short_words=[10,30]",
        "mode.max_tokens=160",
        "rules.train.max_tokens=1200",
    ]
    code = main([*command, *teacher, *words])
    found = json.loads((out / "synthesize.json").read_text("utf-8"))
    stages = {stage["stage"]: stage for stage in found["stages"]}
    assert stages["answered"]["passed"] == stages["answered"]["came"] > 0
    assert found["spent"]["requests"] == stages["answered"]["came"] and found["spent"]["completion_tokens"] > 0
    rejected = [json.loads(line) for line in (out / "rejected.jsonl").read_text("utf-8").splitlines()]
    assert all(row["answers"]["write_and_judge"]["text"] for row in rejected if row["stage"] == "parsed")
    assert len(rejected) + stages["kept"]["passed"] == stages["answered"]["came"]
    assert code == (0 if stages["kept"]["passed"] else 1)
    print(capsys.readouterr().out)
