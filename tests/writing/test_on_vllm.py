"""Our side of writing by vLLM: what its engine is asked, and what is read of its answers. The engine is a stand-in."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from summpo.models import Model
from summpo.writing.decoding import Decoding
from summpo.writing.generation import Generated
from summpo.writing.on_vllm import VllmModel, load_vllm

EOS = 2


class Engine:
    """Answers each prompt with its first token and, where that is even, EOS."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.asked: list[Any] = []

    def generate(self, prompts: list[dict], sampling: list[Any], lora_request: Any, use_tqdm: bool) -> list[Any]:
        self.asked += zip(prompts, sampling, strict=True)
        firsts = [prompt["prompt_token_ids"][0] for prompt in prompts]
        return [
            SimpleNamespace(outputs=[SimpleNamespace(token_ids=(n, EOS) if n % 2 == 0 else (n,),
                                                     finish_reason="stop" if n % 2 == 0 else "length")])
            for n in firsts
        ]  # fmt: skip


@pytest.fixture(autouse=True)
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams = Engine, SimpleNamespace  # type: ignore[attr-defined]
    lora, request = ModuleType("vllm.lora"), ModuleType("vllm.lora.request")
    request.LoRARequest = lambda *arguments: arguments  # type: ignore[attr-defined]
    for name, one in {"vllm": module, "vllm.lora": lora, "vllm.lora.request": request}.items():
        monkeypatch.setitem(sys.modules, name, one)


def test_token_ids_in_and_out() -> None:
    model = VllmModel(Engine())
    torch.manual_seed(7)
    decoding = Decoding(max_new_tokens=5, temperature=0.5, top_p=0.9)
    assert model.generate([[4, 5], [3], [4, 5]], decoding, [7, EOS]) == [
        Generated([4], end=EOS),
        Generated([3]),
        Generated([4], end=EOS),
    ]
    prompts, settings = zip(*model.engine.asked, strict=True)
    assert [prompt["prompt_token_ids"] for prompt in prompts] == [[4, 5], [3], [4, 5]]
    assert [one.seed for one in settings] == [7, 8, 9], "equal prompts give several samples"
    assert settings[0].stop_token_ids == [7, EOS]
    assert (settings[0].max_tokens, settings[0].temperature, settings[0].top_p) == (5, 0.5, 0.9)


def test_an_engine_of_the_model(tiny_model_path: Path) -> None:
    scaling = {"rope_type": "yarn", "factor": 2.0}
    model = Model(path=str(tiny_model_path), dtype="bfloat16", quantization="nf4", rope_scaling=scaling)
    settings = load_vllm(tiny_model_path, model, 900).engine.settings
    assert (settings["model"], settings["dtype"], settings["max_model_len"]) == (str(tiny_model_path), "bfloat16", 900)
    assert settings["quantization"] == "bitsandbytes"
    assert settings["hf_overrides"]["rope_parameters"]["factor"] == 2.0
    assert settings["hf_overrides"]["max_position_embeddings"] == 1024


def test_what_the_engine_ended_by_a_token_of_its_own_has_ended() -> None:
    """Its answers to 3 end at their length, and those to 4 by a token that is EOS to it alone."""
    written = VllmModel(Engine()).generate([[4], [3]], Decoding(max_new_tokens=5), [7])
    assert written == [Generated([4, EOS], end=7), Generated([3])]
