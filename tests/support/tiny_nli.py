"""A tiny random classifier of two texts whose tokens are words, for tests that need an NLI model and not a good one."""

from __future__ import annotations

from pathlib import Path

WORDS = "the cat sat on mat a dog barked loudly and ran away it was happy then slept . , !".split()  # noqa: SIM905
LABELS = ("contradiction", "neutral", "ENTAILMENT")


def tiny_nli(
    folder: Path, labels: tuple[str, ...] = LABELS, kind: str = "Bert", positions: int = 64, layers: int = 2
) -> Path:
    """Saves it into `folder` and returns that: hidden 32; every word of WORDS a token, letters for others.

    Args:
        kind: Bert or Roberta.
    """
    import torch
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    letters = [chr(place) for place in range(ord("a"), ord("z") + 1)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *dict.fromkeys([*WORDS, *letters]), *(f"##{c}" for c in letters)]
    backend = Tokenizer(models.WordPiece({word: place for place, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    join = "[SEP]:0" if kind == "Bert" else "[SEP]:0 [SEP]:0"
    second = "1" if kind == "Bert" else "0"
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair=f"[CLS]:0 $A:0 {join} $B:{second} [SEP]:{second}",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]"
    )
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=positions,
        type_vocab_size=2,
        initializer_range=0.5,  # wide enough that pairs differ
        pad_token_id=0,
        id2label=dict(enumerate(labels)),
        label2id={label: place for place, label in enumerate(labels)},
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, f"{kind}ForSequenceClassification")(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
