"""Tiny random encoders with tokenizers of their kind, for tests that need token embeddings and not good ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.tiny_nli import tiny_nli

KINDS = ("Bert", "Roberta", "Deberta")
TRAINED_ON = "the cat sat on the mat , and a dog barked loudly and ran away . it was happy then , and slept !"
_SPECIAL = {
    "Roberta": ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
    "Deberta": ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"),
}
_MORE: Mapping[str, Mapping[str, Any]] = {
    "Roberta": {"type_vocab_size": 1, "pad_token_id": 1},
    "Deberta": {  # as in deberta-xlarge-mnli: places count relative to each other alone
        "relative_attention": True,
        "pos_att_type": ["c2p", "p2c"],
        "position_biased_input": False,
        "type_vocab_size": 0,
        "pad_token_id": 1,
    },
}


def tiny_encoder(
    folder: Path, kind: str, *, layers: int = 3, positions: int = 44, model_max_length: int | None = None
) -> Path:
    """Saves it into `folder` and returns that: hidden 32, float32; the same weights each time.

    Args:
        kind: Bert, Roberta or Deberta.
        positions: as its config says; of Roberta's two are no token's.
        model_max_length: what the tokenizer's file says; None for nothing, which transformers takes for no limit.
    """
    if kind == "Bert":  # saved with a head that nobody reads
        tiny_nli(folder, kind=kind, positions=positions, layers=layers)
    else:
        _byte_level(folder, kind, layers, positions)
    if model_max_length is not None:
        file = folder / "tokenizer_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"model_max_length": model_max_length}))
    return folder


def _byte_level(folder: Path, kind: str, layers: int, positions: int) -> None:
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=list(_SPECIAL[kind]),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([TRAINED_ON] * 3, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    backend.model.save(str(folder))
    tokenizer = getattr(transformers, f"{kind}Tokenizer")(
        vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt")
    )
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=positions,
        initializer_range=0.5,  # wide enough that texts differ
        **_MORE[kind],
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, f"{kind}Model")(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
