"""What a thing was made from: laws of its key and of what is told to differ, and records that are torn or foreign."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from summpo.errors import UserError
from summpo.files.provenance import Difference, Provenance, differences, read_record, read_record_if_whole
from summpo.margin_rewards.length import Length
from summpo.text.prompts import Prompt
from summpo.text.tokens import Limits

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
NAMES = st.sampled_from(["a", "b", "a.b", ""]) | st.text(max_size=5)
INPUTS = st.dictionaries(
    NAMES,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
        max_leaves=12,
    ),
    max_size=4,
)


def turned(value: Any) -> Any:
    """The same data with the names of every mapping in the opposite order, and tuples for lists."""
    if isinstance(value, dict):
        return {key: turned(inner) for key, inner in reversed(value.items())}
    return tuple(turned(inner) for inner in value) if isinstance(value, list) else value


class TestLaws:
    @given(INPUTS)
    def test_the_order_of_names_plays_no_part(self, inputs: dict[str, Any]) -> None:
        one, other = Provenance(inputs), Provenance(turned(inputs))
        assert one == other and one.key == other.key and not differences(one, other)
        assert len(one.key) == 64

    @given(INPUTS, INPUTS)
    def test_equal_is_one_key_is_no_difference(self, one: dict[str, Any], other: dict[str, Any]) -> None:
        was, now = Provenance(one), Provenance(other)
        assert (was == now) == (was.key == now.key) == (not differences(was, now))
        assert was == now or one != other

    @given(INPUTS)
    def test_is_what_it_says_as_json(self, inputs: dict[str, Any]) -> None:
        one = Provenance(inputs)
        assert Provenance(json.loads(json.dumps(one.inputs, indent=1))) == one

    @given(INPUTS, st.lists(st.sampled_from("xyz"), min_size=1, max_size=3), st.integers(), st.integers())
    def test_the_one_value_that_changed_is_named(
        self, inputs: dict[str, Any], path: list[str], before: int, after: int
    ) -> None:
        assume(before != after and path[0] not in inputs)

        def with_leaf(value: int) -> Provenance:
            leaf: Any = value
            for name in reversed(path):
                leaf = {name: leaf}
            return Provenance(inputs | leaf)

        assert differences(with_leaf(before), with_leaf(after)) == [Difference(".".join(path), before, after)]

    @given(INPUTS, INPUTS)
    def test_the_other_way_round_the_same_differ(self, one: dict[str, Any], other: dict[str, Any]) -> None:
        there = differences(Provenance(one), Provenance(other))
        back = differences(Provenance(other), Provenance(one))
        assert repr(there) == repr([Difference(found.key, found.now, found.was) for found in back])

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({}, {"lora": None, "margin_reward": {}, "optimizer": {"clip": None, "more": {}}}),
            ({"w": 1}, {"w": 1.0}),
            ({"w": 0}, {"w": -0.0}),
            ({"limit": float("nan")}, {"limit": float("nan")}),
            ({"limits": Limits()}, {"limits": replace(Limits())}),
            ({1: "a"}, {"1": "a"}),
        ],
        ids=str,
    )
    def test_says_the_same(self, one: Any, other: Any) -> None:
        assert Provenance(one) == Provenance(other) and not differences(Provenance(one), Provenance(other))

    @pytest.mark.parametrize(
        ("one", "other", "told"),
        [
            ({"seed": 1}, {"seed": 2}, "seed=1, not 2"),
            ({"seed": True}, {"seed": 1}, "seed=True, not 1"),
            ({"seed": "1"}, {"seed": 1}, "seed=1, not 1"),
            ({"a": 0}, {}, "a=0, not None"),
            ({}, {"a": False}, "a=None, not False"),
            ({"a": []}, {"a": {}}, "a=[], not None"),
            ({"a": ""}, {}, "a=, not None"),
            ({"lora": {"r": 8}}, {"lora": None}, "lora.r=8, not None"),
            ({"lora": {"r": 8}}, {"lora": 5}, "lora={'r': 8}, not 5"),
            ({"betas": [0.9, 0.99]}, {"betas": [0.9, 0.999]}, "betas=[0.9, 0.99], not [0.9, 0.999]"),
            ({"config": {"seed": 1}}, {"config": {"seed": 2}}, "seed=1, not 2"),
            ({"made_from": {"adapter": "a" * 64}}, {"made_from": {"adapter": "b" * 64}}, "adapter other than now"),
            ({"prompts": {"write": "a" * 64}}, {"prompts": {}}, "prompts.write other than now"),
            ({"reward": Length()}, {"reward": Length("words")}, "reward.unit=tokens, not words"),
        ],
        ids=str,
    )
    def test_what_differs_in_words(self, one: Any, other: Any, told: str) -> None:
        assert [str(found) for found in differences(Provenance(one), Provenance(other))] == [told]
        assert Provenance(one) != Provenance(other)

    def test_a_changed_value_is_told_before_what_comes_with_it(self) -> None:
        """Samples drawn at a temperature depend on their batches, greedy ones do not."""
        greedy = Provenance({"documents": "a" * 64, "generation": {"temperature": 0}})
        drawn = Provenance({"documents": "b" * 64, "generation": {"batch_size": 2, "temperature": 0.7}})
        told = [str(found) for found in differences(greedy, drawn)]
        assert told == [
            "generation.temperature=0, not 0.7", "generation.batch_size=None, not 2", "documents other than now",
        ]  # fmt: skip


@dataclass(frozen=True)
class Twin:
    """Has the fields of Length, and is not Length."""

    unit: str = "tokens"


class TestOfColumns:
    @pytest.mark.parametrize(
        "change",
        [
            {"tokenizer": "b"},
            {"prompt": Prompt(template="{document}\n")},
            {"prompt": Prompt(chat=True)},
            {"prompt": Prompt(chat=True, system="Be brief.")},
            {"limits": Limits(max_length=512)},
            {"limits": Limits(too_long="drop")},
            {"limits": Limits(empty="drop")},
            {"limits": Limits(identical="error")},
            {"rows": [["1", "a text", "summary"]]},
            {"rows": [["0", "another text", "summary"]]},
            {"rows": [["0", "a text", "summary "]]},
            {"rows": [["0", "a text", "summary"], ["0", "a text", "summary"]]},
            {"rows": []},
            {"rows": None},
            {"more": 0},
        ],
        ids=str,
    )
    def test_changes_with_each_dependency(self, change: dict[str, Any]) -> None:
        inputs = {"tokenizer": "a", "prompt": Prompt(), "limits": Limits(), "rows": [["0", "a text", "summary"]]}
        assert Provenance(inputs) == Provenance({**inputs, "limits": replace(Limits())})
        assert Provenance(inputs).key != Provenance({**inputs, **change}).key

    def test_equal_fields_of_another_class_are_another_thing(self) -> None:
        keys = [Provenance({"reward": reward}).key for reward in (Length(), Length("tokens"), Length("words"), Twin())]
        assert keys[0] == keys[1] and len(set(keys)) == 3

    @pytest.mark.parametrize(
        "value", [object(), Path("a"), {1, 2}, np.float32(1), Length], ids=lambda value: type(value).__name__
    )
    def test_takes_plain_data_alone(self, value: Any) -> None:
        """What has no stable text would make a key that no later run finds."""
        with pytest.raises(TypeError, match="a provenance takes plain data"):
            Provenance({"key": value})

    def test_is_the_same_in_another_process(self) -> None:
        script = (
            "from summpo.files.provenance import Provenance; print(Provenance({'b': [1, 0.1, None], 'a': 'é😀'}).key)"
        )
        environment = {**os.environ, "PYTHONHASHSEED": "123"}
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
        )
        assert done.stdout.strip() == Provenance({"a": "é😀", "b": [1, 0.1, None]}).key

    def test_by_hand(self) -> None:
        """sha256 of {"a": 1, "b": {"c": [null, "x"]}}, as any other program makes it."""
        made_from = Provenance({"b": {"c": [None, "x"], "d": None}, "a": 1.0})
        assert made_from.key == "489b7f95bb9e2844f2f9623927d79492bce71e4e3aea44d1994d6714758b9167"


class TestRecords:
    def test_of_no_file(self, tmp_path: Path) -> None:
        assert read_record(tmp_path / "record.json") is None
        assert read_record_if_whole(tmp_path / "record.json") == {}

    def test_of_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "record.json").write_text('{"a": "ü"}', "utf-8")
        assert read_record(tmp_path / "record.json") == read_record_if_whole(tmp_path / "record.json") == {"a": "ü"}

    @pytest.mark.parametrize("content", [b"", b'{"a": 1', b"[]", b"null", b'"text"', b"\xff\xfe", None])
    def test_that_are_torn_or_foreign(self, tmp_path: Path, content: bytes | None) -> None:
        """None: a folder stands in its place."""
        file = tmp_path / "record.json"
        file.mkdir() if content is None else file.write_bytes(content)
        assert read_record_if_whole(file) == {}
        with pytest.raises(UserError, match=r"record\.json (is not valid JSON|must be a JSON object|cannot be read)"):
            read_record(file)
