"""A longer context by scaled rotary positions (RoPE): which settings there are, and what they make of a model's config.

Pure functions of config.json's own keys, so that a run is stopped at its door; transformers computes the angles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from summpo.errors import UserError, require, require_choice, require_number

KEY = "model.rope_scaling"
ROTARY = ("llama", "qwen2", "qwen3", "mistral", "gemma", "gpt_neox")
"""Families with rotary positions also where config.json does not speak of them, as older ones do not."""


@dataclass(frozen=True)
class RopeType:
    """The settings of one way to scale, beside rope_type."""

    needs: tuple[str, ...] = ("factor",)
    may_have: tuple[str, ...] = ()


TYPES: Mapping[str, RopeType] = {
    "linear": RopeType(),  # 2306.15595
    "dynamic": RopeType(),
    "yarn": RopeType(  # 2309.00071
        may_have=("original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "mscale",
                  "mscale_all_dim", "truncate"),
    ),
    "llama3": RopeType(
        needs=("factor", "low_freq_factor", "high_freq_factor"), may_have=("original_max_position_embeddings",)
    ),
}  # fmt: skip
"""What can be asked for. longrope has a factor for each frequency, found in training: a model that has it says so."""


def require_rope_scaling(scaling: Any) -> None:
    """Guards the config key model.rope_scaling: null, or a type and its settings as transformers names them.

    Raises:
        UserError: an unknown type or setting, one that is missing, or a number out of range.
    """
    if scaling is None:
        return
    require(
        isinstance(scaling, Mapping) and "rope_type" in scaling,
        f"rope_scaling must be null or have a rope_type, as in {{rope_type: yarn, factor: 4.0}}, got {scaling!r} "
        f"(config key {KEY})",
    )
    require_choice(f"{KEY}.rope_type", scaling["rope_type"], tuple(TYPES))
    kind = TYPES[scaling["rope_type"]]
    for name in kind.needs:
        require(name in scaling, f"rope_scaling {scaling['rope_type']} needs {name} (config key {KEY}.{name})")
    for name, value in scaling.items():
        if name == "rope_type":
            continue
        known = (*kind.needs, *kind.may_have)
        require(
            name in known,
            f"rope_scaling {scaling['rope_type']} has no {name}; it has {', '.join(known)} (config key {KEY}.{name})",
        )
        if name == "truncate":
            require(isinstance(value, bool), f"truncate must be true or false, got {value!r} (config key {KEY}.{name})")
        elif name == "factor":
            require_number(f"{KEY}.factor", value, low=1)
        else:
            require_number(f"{KEY}.{name}", value, above=0)


def scaled(config: Mapping[str, Any], scaling: Mapping[str, Any] | None) -> dict[str, Any]:
    """The keys of a model's config that scaling changes, with their new values; none where there is nothing to change.

    The window grows by the factor. For yarn and llama3 max_position_embeddings says so; for linear and dynamic it stays
    what the model was trained with, as transformers and vLLM read it.

    Args:
        config: what config.json says, in the words of transformers 5 or earlier.

    Raises:
        UserError: the model has no rotary positions, has several kinds, or is scaled already in another way.
    """
    if scaling is None:
        return {}
    own = rope_of(config)
    kind = config.get("model_type")
    if own is None:
        raise UserError(f"the model family {kind} has no rotary positions to scale (config key {KEY})")
    nested = any(isinstance(value, Mapping) for value in own.values())
    require(not nested, f"the model family {kind} has rotary positions of several kinds (config key {KEY})")
    asked = dict(scaling)
    if own.get("rope_type", "default") != "default":
        if all(own.get(name) == value for name, value in asked.items()):
            return {}
        require(
            "original_max_position_embeddings" in asked,
            f"the model's positions are scaled already ({_words(own)}): to scale them otherwise give "
            f"original_max_position_embeddings too (config key {KEY})",
        )
    made = {name: own[name] for name in ("rope_theta", "partial_rotary_factor") if name in own} | asked
    if asked["rope_type"] not in ("yarn", "llama3"):
        return {"rope_parameters": made}
    original = int(asked.get("original_max_position_embeddings") or config["max_position_embeddings"])
    made["original_max_position_embeddings"] = original
    return {"rope_parameters": made, "max_position_embeddings": int(original * asked["factor"])}


def window_of(config: Mapping[str, Any]) -> int | None:
    """Tokens that a model was made or scaled to read, by its config; None where the config does not say."""
    positions = config.get("max_position_embeddings")
    if not isinstance(positions, int):
        return None
    rope = rope_of(config) or {}
    factor = rope.get("factor") or 1
    if rope.get("rope_type") in ("linear", "dynamic"):
        return int(positions * factor)
    if rope.get("rope_type") == "yarn":
        return max(positions, int((rope.get("original_max_position_embeddings") or positions) * factor))
    return positions


def rope_of(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a config says of rotary positions, in the words of transformers 5; None where it has none."""
    new, old = config.get("rope_parameters"), config.get("rope_scaling")
    if new is None and old is None and "rope_theta" not in config and config.get("model_type") not in ROTARY:
        return None
    rope = {**(old or {}), **(new or {})}
    if "type" in rope:
        rope.setdefault("rope_type", rope.pop("type"))
    for name in ("rope_theta", "partial_rotary_factor"):
        if config.get(name) is not None:
            rope.setdefault(name, config[name])
    return rope


def _words(rope: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {rope[name]}" for name in ("rope_type", "factor") if name in rope)
