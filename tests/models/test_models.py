"""Model and Lora: values out of range, and the yaml files that make models."""

import math
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from summpo.errors import UserError
from summpo.models import Lora, Model

CONFIGS = sorted((Path(__file__).parents[2] / "conf" / "model").glob("*.yaml"))


@pytest.mark.parametrize(
    ("settings", "key", "value"),
    [
        ({"path": ""}, "model.path", "''"),
        ({"path": 7}, "model.path", "7"),
        ({"path": None}, "model.path", "None"),
        ({"adapter": "  "}, "model.adapter", "'  '"),
        ({"revision": 3}, "model.revision", "3"),
        ({"dtype": "float8"}, "model.dtype", "float8"),
        ({"dtype": None}, "model.dtype", "None"),
        ({"quantization": "int8"}, "model.quantization", "int8"),
        ({"attention": "flash"}, "model.attention", "flash"),
        ({"trust_remote_code": "yes"}, "model.trust_remote_code", "yes"),
    ],
)
def test_model_refuses(settings: dict, key: str, value: str) -> None:
    with pytest.raises(UserError) as refusal:
        Model(**{"path": "embedded", **settings})
    assert f"(config key {key})" in str(refusal.value)
    assert value in str(refusal.value)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"r": 0}, "lora.r"),
        ({"r": 2.5}, "lora.r"),
        ({"r": "8"}, "lora.r"),
        ({"r": True}, "lora.r"),
        ({"alpha": 0}, "lora.alpha"),
        ({"alpha": math.nan}, "lora.alpha"),
        ({"dropout": 1.0}, "lora.dropout"),
        ({"dropout": -0.1}, "lora.dropout"),
        ({"target_modules": []}, "lora.target_modules"),
        ({"target_modules": "q_proj"}, "lora.target_modules"),
        ({"target_modules": ["q_proj", 3]}, "lora.target_modules"),
        ({"target_modules": None}, "lora.target_modules"),
    ],
)
def test_lora_refuses(settings: dict, key: str) -> None:
    with pytest.raises(UserError, match=rf"\(config key {key}\)"):
        Lora(**{"r": 8, "alpha": 16, **settings})


def test_lora_takes_a_list_of_the_config() -> None:
    assert len(Lora(r=8, alpha=16, target_modules=OmegaConf.create(["q_proj", "v_proj"])).target_modules) == 2


def test_every_model_of_the_config_group() -> None:
    assert [config.stem for config in CONFIGS] == ["llama2_7b", "qwen2_1_5b", "smollm2"]
    models = {config.stem: instantiate(OmegaConf.load(config)) for config in CONFIGS}
    assert models["smollm2"] == Model(path="embedded")
    assert models["qwen2_1_5b"] == Model(path="Qwen/Qwen2-1.5B-Instruct", dtype="bfloat16", quantization="nf4")
    assert models["llama2_7b"] == Model(path="meta-llama/Llama-2-7b-hf", dtype="bfloat16")


def test_checking_a_config_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from summpo.errors import UserError\n"
        "from summpo.models import Model\n"
        "from summpo.models.weights.sources import check_paths\n"
        "try: check_paths(Model(path='nowhere'))\n"
        "except UserError: print(sorted({'torch', 'transformers', 'peft', 'huggingface_hub'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_option_of_the_group_names_every_setting(file: Path) -> None:
    """What a yaml does not name cannot be set on the command line."""
    named = set(OmegaConf.load(file)) - {"_target_"}
    assert named == {field.name for field in fields(Model)}
