"""The teacher's settings: every option of the group, what is refused, and a key that is never said."""

from dataclasses import MISSING, fields

import pytest
from omegaconf import DictConfig, OmegaConf

from summpo.config.nodes import from_target
from summpo.config.tree import conf_dir
from summpo.errors import UserError
from summpo.teacher.teacher import Teacher

OPTIONS = sorted((conf_dir() / "teacher").glob("*.yaml"))
KEY = "sk-very-secret-0123456789"


def teacher(**settings: object) -> Teacher:
    return Teacher(**{"url": "http://localhost:1/v1", "model": "m"} | settings)  # pyright: ignore[reportArgumentType]


class TestOptions:
    def test_are_found(self) -> None:
        assert {"together", "openai", "vllm", "local"} <= {file.stem for file in OPTIONS}

    @pytest.mark.parametrize("file", OPTIONS, ids=lambda file: file.stem)
    def test_builds_and_says_every_setting(self, file) -> None:
        node = OmegaConf.load(file)
        assert isinstance(node, DictConfig)
        assert set(node) - {"_target_"} == {field.name for field in fields(Teacher)}
        if OmegaConf.is_missing(node, "model"):
            node.model = "some/model"
        built = from_target(node, "teacher", (Teacher,))
        assert (built.key_env is None) == (file.stem in ("vllm", "local"))
        assert built.prices.are_known == (file.stem in ("vllm", "local"))

    def test_together_has_the_defaults(self) -> None:
        node = OmegaConf.load(conf_dir() / "teacher" / "together.yaml")
        assert isinstance(node, DictConfig)
        own = {"url", "model", "key_env"}
        defaults = {field.name: field.default for field in fields(Teacher) if field.name not in own}
        assert MISSING not in defaults.values()
        assert {name: node[name] for name in defaults} == defaults


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"url": "api.openai.com"}, "url must be an endpoint's base such as https://api.openai.com/v1, got 'api.openai.com'"),
        ({"url": "ftp://host/v1"}, "url must be an endpoint's base"),
        ({"url": "http://"}, "url must be an endpoint's base"),
        ({"url": "http://host:port/v1"}, "url must be an endpoint's base"),
        ({"url": "http://[::1/v1"}, "url must be an endpoint's base"),
        ({"url": "http://a b/v1"}, "url must be an endpoint's base"),
        ({"url": "https://host/v1/chat/completions"}, "without /chat/completions"),
        ({"url": "https://host/v1?api-version"}, "url has a parameter without a value: write it as in ?api-version=2024-10-21"),
        ({"url": "https://host/v1?deployment=a&api-version="}, "url has a parameter without a value"),
        ({"url": "https://host/v1?api-key="}, "url must hold no user, password or key"),
        ({"model": " "}, "model must be a name"),
        ({"max_in_flight": 0}, "max_in_flight must be >= 1 and <= 1000, got 0 (config key teacher.max_in_flight)"),
        ({"requests_per_minute": 0}, "requests_per_minute must be > 0"),
        ({"tokens_per_minute": -1.0}, "tokens_per_minute must be > 0"),
        ({"timeout": 0}, "timeout must be > 0"),
        ({"max_retries": -1}, "max_retries must be >= 0"),
        ({"max_paid_retries": -1}, "max_paid_retries must be >= 0"),
        ({"backoff": -1}, "backoff must be >= 0"),
        ({"max_retry_after": float("inf")}, "max_retry_after must be >= 0, got inf"),
        ({"max_tokens_name": "tokens"}, "max_tokens_name must be one of max_tokens, max_completion_tokens"),
        ({"price_per_million_prompt": -0.1}, "price_per_million_prompt must be >= 0"),
    ],
)  # fmt: skip
def test_what_it_refuses(settings: dict, sentence: str) -> None:
    with pytest.raises(UserError) as refusal:
        teacher(**settings)
    assert sentence in str(refusal.value)
    assert f"(config key teacher.{next(iter(settings))})" in str(refusal.value)


@pytest.mark.parametrize(
    "settings",
    [{"url": f"https://user:{KEY}@host/v1"}, {"url": f"https://host/v1?api_key={KEY}"}, {"url": f"https://host/#{KEY}"},
     {"key_env": KEY}, {"key_env": KEY.replace("-", "_")}],
)  # fmt: skip
def test_a_key_in_the_wrong_place_is_refused_and_not_repeated(settings: dict) -> None:
    with pytest.raises(UserError, match="key") as refusal:
        teacher(**settings)
    assert KEY not in str(refusal.value) and "very_secret" not in str(refusal.value)


class TestKey:
    def test_is_read_from_the_environment_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        one = teacher(key_env="SOME_KEY")
        with pytest.raises(UserError, match="key is missing: set the environment variable SOME_KEY"):
            one.key()
        monkeypatch.setenv("SOME_KEY", f" {KEY}\n")
        assert one.key() == KEY
        assert KEY not in repr(one)
        assert teacher().key() is None

    @pytest.mark.parametrize("wrong", ["", " ", "two words", "a\nb", "schlüssel", "a\x7fb"])
    def test_of_other_characters_is_refused_and_not_repeated(self, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Such a key would come back in an exception of the HTTP client, with the header that it cannot be put into."""
        monkeypatch.setenv("SOME_KEY", wrong)
        with pytest.raises(UserError, match="SOME_KEY") as refusal:
            teacher(key_env="SOME_KEY").key()
        assert not wrong.strip() or wrong not in str(refusal.value)


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("localhost", True), ("a.localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("[::1]", True), ("0.0.0.0", True),
     ("localhost.example", False), ("10.0.0.1", False), ("api.openai.com", False), ("[2001:db8::1]", False)],
)  # fmt: skip
def test_what_runs_on_this_machine(host: str, is_local: bool) -> None:
    assert teacher(url=f"http://{host}:8000/v1").is_local == is_local
