"""The upload: against a server on this machine that speaks as much of the Hub's protocol as one commit takes."""

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from summpo.errors import UserError
from summpo.synthesis.hub import TOKENS, hub_token, push_to_hub

TOKEN = "hf_a_secret_of_this_test"
PROGRAM = (
    "import sys; from pathlib import Path; from summpo.synthesis.hub import push_to_hub\n"
    "try: print(push_to_hub(Path(sys.argv[1]), 'me/pairs', sys.argv[2:]))\n"
    "except Exception as error: print(type(error).__name__, error)"
)


class _Hub(BaseHTTPRequestHandler):
    """Makes a data set and takes a commit; refuses both where `refuses` is set."""

    seen: ClassVar[list[tuple[str, str, bytes]]] = []
    refuses = False

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        type(self).seen.append((self.path, self.headers.get("Authorization", ""), body))
        if self.refuses:
            return self._say(403, {"error": f"no: {TOKEN}"})
        if self.path.endswith("/repos/create"):
            return self._say(200, {"url": "http://127.0.0.1/datasets/me/pairs", "id": "1", "name": "me/pairs"})
        if "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            return self._say(200, {"files": modes})
        return self._say(
            200, {"commitUrl": "http://127.0.0.1/datasets/me/pairs/commit/1", "commitOid": "1" * 40, "success": True}
        )

    def do_GET(self) -> None:
        self._say(200, {"id": "me/pairs", "sha": "1" * 40, "siblings": [], "private": True})

    def _say(self, status: int, answer: dict[str, object]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    _Hub.seen, _Hub.refuses = [], False
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def pushed(folder: Path, endpoint: str, files: list[str]) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the library takes the Hub's address when it is imported."""
    environment = {"HF_ENDPOINT": endpoint, "HF_TOKEN": TOKEN, "HF_HOME": str(folder / "home"), "PATH": "/usr/bin:/bin",
                   "PYTHONPATH": str(Path(__file__).parents[2] / "src"), "HF_HUB_DISABLE_XET": "1"}  # fmt: skip
    command = [sys.executable, "-c", PROGRAM, str(folder), *files]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def folder_of(tmp_path: Path) -> Path:
    for name in ("README.md", "train.jsonl", "rejected.jsonl", "synthesize.json"):
        (tmp_path / name).write_text(f"{name}\n")
    return tmp_path


def test_uploads_the_named_files_and_no_others(tmp_path: Path, hub: str) -> None:
    done = pushed(folder_of(tmp_path), hub, ["README.md", "train.jsonl"])
    assert done.stdout.strip() == "https://huggingface.co/datasets/me/pairs", done
    made = json.loads(_Hub.seen[0][2])
    assert (made["name"], made["organization"], made["type"], made.get("visibility", made.get("private"))) in (
        ("pairs", "me", "dataset", "private"),
        ("pairs", "me", "dataset", True),
    )
    (commit,) = (body for path, _, body in _Hub.seen if "/commit/" in path)
    sent = [json.loads(line) for line in commit.splitlines()]
    files = {each["value"]["path"]: each["value"]["content"] for each in sent if each["key"] == "file"}
    assert {name: base64.b64decode(content) for name, content in files.items()} == {
        "README.md": b"README.md\n",
        "train.jsonl": b"train.jsonl\n",
    }
    assert {header for _, header, _ in _Hub.seen} == {f"Bearer {TOKEN}"}
    assert TOKEN not in done.stdout + done.stderr


def test_a_hub_that_refuses_is_one_sentence_without_the_token(tmp_path: Path, hub: str) -> None:
    _Hub.refuses = True
    done = pushed(folder_of(tmp_path), hub, ["README.md"])
    assert done.stdout.startswith(f"UserError {tmp_path} cannot be uploaded to me/pairs: "), done
    assert done.stdout.count("\n") == 1
    assert TOKEN not in done.stdout + done.stderr


def test_a_hub_that_cannot_be_reached_is_one_sentence(tmp_path: Path) -> None:
    done = pushed(folder_of(tmp_path), "http://127.0.0.1:9", ["README.md"])
    assert done.stdout.startswith("UserError ") and "it lies there whole" in done.stdout, done


@pytest.mark.parametrize("name", ["pairs", "a/b/c", "", "https://huggingface.co/datasets/me/pairs", "me/pa irs"])
def test_a_name_that_is_no_hub_id(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(UserError, match=r"must be a Hub id \(owner/name\), got .* \(config key push_to_hub\)"):
        hub_token(name)


def test_a_token_is_asked_for_before_anything_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in TOKENS:
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(UserError, match="push_to_hub=me/pairs needs a token in the variable HF_TOKEN"):
        push_to_hub(tmp_path, "me/pairs", [])
    monkeypatch.setenv(TOKENS[1], TOKEN)
    assert hub_token("me/pairs") == TOKEN
