"""Writing by vLLM (`generation.backend=vllm`), which is installed apart and has its own batches and cache.

A thin way to its offline engine, which the tests of this repository do not cover: vLLM is not among what it installs.
Token ids in, token ids out, like `summpo.writing.generation`; what else an engine can be told is vLLM's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from summpo.models import Model
from summpo.models.weights.fingerprints import fingerprint_weights
from summpo.models.weights.folders import ADAPTER_CONFIG, read_json
from summpo.models.weights.loading import config_of
from summpo.models.weights.rope import scaled
from summpo.writing.decoding import Decoding
from summpo.writing.generation import Generated, cut_at_end


@dataclass(frozen=True)
class VllmModel:
    """An engine with a model's weights, and the adapter to put on them."""

    engine: Any
    adapter: Any = None

    @property
    def device(self) -> torch.device:
        """Where models that judge its summaries compute."""
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def generate(self, prompts: Sequence[Sequence[int]], decoding: Decoding, end_ids: Sequence[int]) -> list[Generated]:
        """One completion a prompt, in order. Sampling takes torch's seed as it stands, and each prompt's place."""
        from vllm import SamplingParams  # pyright: ignore[reportMissingImports]

        settings = [
            SamplingParams(
                max_tokens=decoding.max_new_tokens,
                temperature=decoding.temperature,
                top_p=decoding.top_p,
                stop_token_ids=list(end_ids),
                seed=(torch.initial_seed() + place) % 2**32,
            )
            for place in range(len(prompts))
        ]
        asked = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
        written = [
            one.outputs[0] for one in self.engine.generate(asked, settings, lora_request=self.adapter, use_tqdm=False)
        ]
        cut = [cut_at_end(list(one.token_ids), end_ids) for one in written]
        return [  # one that the engine ended by a token of its own has ended
            replace(own, end=end_ids[0]) if own.end is None and one.finish_reason == "stop" else own
            for own, one in zip(cut, written, strict=True)
        ]


def load_vllm(folder: Path, model: Model, max_length: int) -> VllmModel:
    """An engine with the weights in `folder`, and the model's adapter beside them.

    Raises:
        UserError: the adapter was trained on another base.
    """
    from vllm import LLM  # pyright: ignore[reportMissingImports]
    from vllm.lora.request import LoRARequest  # pyright: ignore[reportMissingImports]

    from summpo.models.weights.adapters import require_base

    of_adapter: dict[str, Any] = {}
    adapter = None
    if model.adapter is not None:
        path = Path(model.adapter).expanduser()
        require_base(path, fingerprint_weights(folder), model.path)
        of_adapter = {"enable_lora": True, "max_lora_rank": int(read_json(path / ADAPTER_CONFIG)["r"])}
        adapter = LoRARequest("adapter", 1, str(path.resolve()))
    engine = LLM(
        model=str(folder),
        dtype=model.dtype,
        max_model_len=max_length,
        quantization="bitsandbytes" if model.quantization == "nf4" else None,
        hf_overrides=scaled(config_of(folder, model).to_dict(), model.rope_scaling),
        trust_remote_code=model.trust_remote_code,
        **of_adapter,
    )
    return VllmModel(engine, adapter)
