"""LoRA adapters on a base: fresh, loaded, saved. An adapter never meets a base that it was not trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from summpo.errors import UserError, require
from summpo.models import ALL_LINEAR, Lora
from summpo.models.forward.families import HEAD
from summpo.models.weights.fingerprints import fingerprint_weights
from summpo.models.weights.folders import ADAPTER_CONFIG, ADAPTER_WEIGHTS, SCORES, check_adapter
from summpo.models.weights.loading import is_scorer, loading, quiet
from summpo.models.weights.saving import card_words, whole_folder

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BASE_FINGERPRINT = "summpo_base_fingerprint"
"""Key in the metadata of adapter_model.safetensors: what the base was, by `fingerprint_weights`."""

ADAPTER_CARD = """\
---
library_name: peft
pipeline_tag: {tag}
tags: [lora, summpo]
---

# A LoRA adapter that {does}

It belongs to the base model `{base}` and to no other. Made by summpo.

```python
from peft import PeftModel
from transformers import {kind}, AutoTokenizer

model = PeftModel.from_pretrained({kind}.from_pretrained("{base}"{more}), "{name}")  # this folder
tokenizer = AutoTokenizer.from_pretrained("{name}")
```
"""


def add_lora(base: PreTrainedModel, lora: Lora) -> PeftModel:
    """The base, frozen, with a fresh float32 adapter that changes nothing yet (B = 0). `base` is changed in place.

    Its weights are drawn from torch's global generator. A quantised base needs nothing more: PEFT's
    `prepare_model_for_kbit_training` would cast norms and embeddings to float32, and the policy would no longer equal
    the reference at step 0.

    Raises:
        UserError: where `lora.target_modules` names what is no linear layer inside the base.
    """
    with quiet():
        from peft import LoraConfig, get_peft_model

    _check_targets(base, lora)
    targets = lora.target_modules
    config = LoraConfig(
        r=int(lora.r),
        lora_alpha=lora.alpha,  # pyright: ignore[reportArgumentType]  (a float is fine)
        lora_dropout=lora.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type=SCORES if is_scorer(base) else "CAUSAL_LM",
    )
    with quiet():
        return get_peft_model(base, config)  # pyright: ignore[reportReturnType]  (not mixed)


def require_base(adapter: Path, base_fingerprint: str, base: str, key: str = "model.adapter") -> None:
    """Checks that an adapter was trained on this base, by its file's header alone: no weight is read.

    An adapter of other tools says no more than its base's name, and is believed where that is no folder here.

    Args:
        base_fingerprint: `fingerprint_weights` of the base, `base` its name for the sentence.

    Raises:
        UserError: it was trained on another base; names the config `key`.
    """
    check_adapter(adapter, key)
    with loading(f"the adapter {adapter}"):
        trained_on, _ = _read_header(adapter)
        named = json.loads((adapter / ADAPTER_CONFIG).read_text("utf-8")).get("base_model_name_or_path")
    trained_on = trained_on or _fingerprint_of_named(named)
    require(
        trained_on in (None, base_fingerprint),
        f"the adapter {adapter} was trained on another base ({named}), not on {base} (config key {key})",
    )


def load_adapter(
    base: PreTrainedModel | PeftModel,
    adapter: Path,
    base_fingerprint: str,
    trainable: bool,
    name: str = "default",
    dropout: float = 0.0,
) -> PeftModel:
    """The base with the adapter in a folder, to train on or to freeze; `base` is changed in place.

    What belongs to its weights (rank, alpha, targets, rslora, dora) is the adapter's; dropout belongs to training, and
    what it was trained with so far is forgotten.

    Args:
        base: a plain model, or one that carries adapters of other names already.
        base_fingerprint: `fingerprint_weights` of the folder that `base` was loaded from.
        trainable: whether the adapter's weights take gradients; otherwise it is in eval mode, without dropout.
        name: what PEFT knows the adapter by.
        dropout: share of the adapter's inputs dropped while it trains.

    Raises:
        UserError: where the adapter was trained on another base, a weight is missing, left over or misshapen, or it
            brings weights of the base that are not this base's; or it is to train weights of the base itself, which are
            not float32.
    """
    from safetensors.torch import load_file

    with quiet():
        from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model, set_peft_model_state_dict

    require_base(adapter, base_fingerprint, str(base.name_or_path))
    with loading(f"the adapter {adapter}"):
        config = PeftConfig.from_pretrained(str(adapter))
        _, shapes = _read_header(adapter)
    require(
        isinstance(config, LoraConfig),
        f"{adapter} is no LoRA adapter, but {config.peft_type} (config key model.adapter)",
    )
    assert isinstance(config, LoraConfig)
    config.base_model_name_or_path = base.name_or_path
    config.inference_mode = not trainable
    if trainable:
        config.lora_dropout = dropout
    try:
        with quiet():
            if isinstance(base, PeftModel):
                base.add_adapter(name, config)
                policy = base
            else:
                policy = get_peft_model(base, config, adapter_name=name)
    except ValueError as error:  # "Target modules ... not found in the base model"
        raise _misfit(adapter, str(error).partition(". ")[0]) from error
    _check_fit(adapter, shapes, policy, name)  # pyright: ignore[reportArgumentType]  (not mixed)
    with loading(f"the adapter {adapter}"):
        weights = load_file(adapter / ADAPTER_WEIGHTS)
        set_peft_model_state_dict(policy, _without_copies(adapter, weights, policy, name), adapter_name=name)
    if not trainable:
        return policy.eval()  # pyright: ignore[reportReturnType]  (not mixed)
    _check_precision(adapter, policy)  # pyright: ignore[reportArgumentType]  (not mixed)
    return policy  # pyright: ignore[reportReturnType]  (not mixed)


def _check_precision(adapter: Path, policy: PeftModel) -> None:
    """Most steps of training are smaller than the distance from one bfloat16 to the next, and would change nothing."""
    import torch

    coarse = [
        name for name, weight in policy.named_parameters() if weight.requires_grad and weight.dtype != torch.float32
    ]
    held_in = str(policy.get_parameter(coarse[0]).dtype).removeprefix("torch.") if coarse else ""
    require(
        not coarse,
        f"the adapter {adapter} trains weights of the model itself, which are {held_in} and too coarse to train, "
        f"{coarse[:1]} among them: set model.dtype=float32, and trainer.precision=bf16-mixed to compute in bfloat16 "
        "(config key model.dtype)",
    )


def unlike(policy: PeftModel, adapter: Path, lora: Lora | None, layers: set[str]) -> list[str]:
    """In what an adapter that goes on training is not as `lora` says, in words; and what it drops now.

    Args:
        lora: what a fresh adapter would be made of; None where that is not said.
        layers: those that `lora` names, as `targets_of` told before the adapter was on the base.
    """
    from peft import LoraConfig

    config = policy.peft_config["default"]
    assert isinstance(config, LoraConfig)
    dropout = json.loads((adapter / ADAPTER_CONFIG).read_text("utf-8")).get("lora_dropout", 0.0)
    words = [f"dropout {config.lora_dropout:g} (not {dropout:g}, as before)"] * (dropout != config.lora_dropout)
    if lora is None:
        return words
    own = {"r": (config.r, lora.r), "alpha": (config.lora_alpha, lora.alpha)}
    words += [f"its own {name} {its:g} (not lora.{name}={ours:g})" for name, (its, ours) in own.items() if its != ours]
    its_layers: set[str] = set(policy.base_model.targeted_module_names)  # pyright: ignore[reportArgumentType]
    if its_layers != layers:
        names = ", ".join(sorted({name.rpartition(".")[2] for name in its_layers}))
        words.append(f"its own target_modules ({names}; not those of lora.target_modules)")
    more = ("use_rslora", "use_dora", "rank_pattern", "alpha_pattern", "modules_to_save", "lora_bias")
    return words + [f"its own {name}" for name in more if getattr(config, name)]


def take_off(policy: PeftModel) -> PreTrainedModel:
    """The base alone again, frozen and to the bit as it was before the adapters came; `policy` is changed in place."""
    return policy.unload()  # type: ignore[operator]


def save_adapter(
    policy: PeftModel, folder: Path, base: str, base_fingerprint: str, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Saves the adapter as a PEFT folder with tokenizer and model card, in place of what stood in `folder`.

    Equal weights give equal bytes.

    Args:
        base: Hub id or folder of the base, as `sources.base_name` tells it.
        base_fingerprint: `fingerprint_weights` of the base, which `load_adapter` will ask for.

    Raises:
        UserError: where the folder cannot be written; what stood there before still stands.
    """
    from safetensors.torch import save_file

    weights = {name: weight.detach().cpu().contiguous() for name, weight in _weights(policy).items()}
    with whole_folder(folder) as partial:
        # one entry alone: safetensors writes several in no fixed order
        save_file(weights, partial / ADAPTER_WEIGHTS, metadata={BASE_FINGERPRINT: base_fingerprint})
        _write_config(policy.peft_config["default"], partial, base)
        tokenizer.save_pretrained(partial)
        words = card_words(is_scorer(policy.get_base_model()))
        (partial / "README.md").write_text(ADAPTER_CARD.format(base=base, name=folder.name, **words))


def _check_targets(base: PreTrainedModel, lora: Lora) -> None:
    """Every target must be a linear layer inside the base. The head is none: it may share the embeddings' weights."""
    if lora.target_modules == ALL_LINEAR:
        return
    layers = _linear_layers(base)
    unknown = [target for target in lora.target_modules if not any(_is_named(layer, target) for layer in layers)]
    known = ", ".join(sorted({layer.rpartition(".")[2] for layer in layers}))
    require(
        not unknown,
        f"target_modules names {', '.join(unknown)}, which is no linear layer inside the model; there are {known} "
        "(config key lora.target_modules)",
    )


def targets_of(base: PreTrainedModel, lora: Lora) -> set[str]:
    """The names of the layers inside a base, which carries no adapter, that `lora.target_modules` names."""
    named = None if lora.target_modules == ALL_LINEAR else lora.target_modules
    return {layer for layer in _linear_layers(base) if named is None or any(_is_named(layer, each) for each in named)}


def _linear_layers(base: PreTrainedModel) -> list[str]:
    """The names of the linear layers inside a base, its head left out."""
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D

    head = getattr(base, HEAD) if is_scorer(base) else base.get_output_embeddings()
    return [name for name, layer in base.named_modules() if isinstance(layer, Linear | Conv1D) and layer is not head]


def _is_named(layer: str, target: str) -> bool:
    return f".{layer}".endswith(f".{target}")


def _read_header(adapter: Path) -> tuple[str | None, dict[str, tuple[int, ...]]]:
    """The recorded fingerprint of the base, None from other tools, and each weight's shape; no weight is read."""
    from safetensors import safe_open

    with safe_open(adapter / ADAPTER_WEIGHTS, framework="numpy") as opened:
        shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
        return (opened.metadata() or {}).get(BASE_FINGERPRINT), shapes


def _fingerprint_of_named(base: str | None) -> str | None:
    """The fingerprint of the base that an adapter names, where it is a model folder on this disk."""
    if not base or not Path(base, "config.json").is_file():
        return None
    try:
        return fingerprint_weights(Path(base))
    except UserError:  # a folder without weights tells nothing
        return None


def _check_fit(adapter: Path, shapes: dict[str, tuple[int, ...]], policy: PeftModel, name: str) -> None:
    """PEFT leaves a weight that the file lacks at its random start, and skips one that it has too many."""
    expected = {weight: tuple(value.shape) for weight, value in _weights(policy, name).items()}
    for weight in sorted(expected.keys() | shapes.keys()):
        if weight not in shapes:
            raise _misfit(adapter, f"it lacks {weight}")
        if weight not in expected:
            own = _base_weight(policy, weight)
            if own is None:
                raise _misfit(adapter, f"the model has no place for its {weight}")
            expected[weight] = tuple(own.shape)
        if shapes[weight] != expected[weight]:
            raise _misfit(adapter, f"{weight} is {shapes[weight]} in the adapter and {expected[weight]} in the model")


def _base_weight(policy: PeftModel, name: str) -> Tensor | None:
    """The weight of the base that an adapter's file brings a copy of: PEFT saves the head and embeddings beside an
    adapter on them, or on a vocabulary that has grown."""
    return dict(policy.named_parameters(remove_duplicate=False)).get(name)


def _without_copies(adapter: Path, weights: dict[str, Tensor], policy: PeftModel, name: str) -> dict[str, Tensor]:
    """The adapter's own weights, without copies of the base's.

    Raises:
        UserError: a copy is not what the base has.
    """
    own = _weights(policy, name)
    for copy in weights.keys() - own.keys():
        base: Any = _base_weight(policy, copy)
        is_same = weights[copy].to(base.dtype).equal(base.detach().cpu())
        if not is_same:
            raise _misfit(adapter, f"it brings {copy} of its own, as trained or of another vocabulary, not the model's")
    return {weight: value for weight, value in weights.items() if weight in own}


def _misfit(adapter: Path, why: str) -> UserError:
    return UserError(f"the adapter {adapter} does not fit the model: {why} (config key model.adapter)")


def _weights(policy: PeftModel, name: str = "default") -> dict:
    """The adapter's weights by the names that PEFT stores them under."""
    from peft import get_peft_model_state_dict

    # "auto" would ask the Hub about the base's vocabulary
    return get_peft_model_state_dict(policy, adapter_name=name, save_embedding_layers=False)


def _write_config(config: PeftConfig, folder: Path, base: str) -> None:
    config.save_pretrained(str(folder))
    file = folder / ADAPTER_CONFIG
    settings = json.loads(file.read_text()) | {"base_model_name_or_path": base, "inference_mode": True}
    if isinstance(settings["target_modules"], list):
        settings["target_modules"].sort()
    file.write_text(json.dumps(settings, indent=2, sort_keys=True))
