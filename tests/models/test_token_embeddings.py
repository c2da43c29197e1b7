"""Token embeddings: windows cover a text once, layers are those of transformers, and what is no such encoder is refused."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from summpo.errors import UserError
from summpo.models.judges.token_embeddings import load_token_encoder, token_windows
from support.tiny_encoders import KINDS, tiny_encoder

TEXT = "the cat sat on the mat and a dog barked"


@given(st.integers(0, 400), st.integers(1, 60))
def test_windows_cover_a_text_once(length: int, room: int) -> None:
    windows = token_windows(length, room)
    news = [new for _, new in windows]
    counted = [
        place for (start, new), end in zip(windows, [*news[1:], length], strict=True) for place in range(new, end)
    ]
    assert counted == list(range(length))
    assert windows[0] == (0, 0)
    for start, new in windows:
        assert start <= new < start + room or length == 0
        assert start + room <= length or length <= room, "as full as it can be"


def test_windows_by_hand() -> None:
    """10 tokens in windows of 4: 0-3, 4-7, and 6-9, of which 8 and 9 are new."""
    assert token_windows(10, 4) == [(0, 0), (4, 4), (6, 8)]
    assert token_windows(8, 4) == [(0, 0), (4, 4)]
    assert token_windows(3, 4) == token_windows(0, 4) == [(0, 0)]


@pytest.mark.parametrize("layer", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_layer_is_that_of_plain_transformers(tmp_path: Path, kind: str, layer: int) -> None:
    from transformers import AutoModel, AutoTokenizer

    folder = tiny_encoder(tmp_path / "encoder", kind)
    encoder = load_token_encoder(folder, layer, "key", "cpu")
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    ids = AutoTokenizer.from_pretrained(folder)(TEXT)["input_ids"]
    with torch.no_grad():
        hidden = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer][0]
    found, other = encoder.embed(encoder.token_ids([TEXT, "a dog " * 9]), 2)
    torch.testing.assert_close(found.vectors, torch.nn.functional.normalize(hidden, dim=1), atol=1e-5, rtol=1e-4)
    assert list(found.ids) == ids and found.first == len(ids)
    assert found.is_text.tolist() == [False, *[True] * (len(ids) - 2), False]
    assert other.vectors.shape[0] == len(other.ids)


@pytest.mark.parametrize(("kind", "limit"), [("Bert", 44), ("Roberta", 42), ("Deberta", 44)])
def test_the_limit_is_what_the_positions_allow(tmp_path: Path, kind: str, limit: int) -> None:
    """RoBERTa's positions begin behind that of the padding, 1; a text of the limit and one beyond can be read."""
    encoder = load_token_encoder(tiny_encoder(tmp_path / "encoder", kind), 1, "key", "cpu")
    assert (encoder.limit, encoder.room) == (limit, limit - 2)
    (word,) = encoder.token_ids(["cat"])
    whole, long = encoder.embed([word * encoder.room, word * (encoder.room + 1)], 2)
    assert [len(one.ids) for one in (whole, long, long.cut())] == [limit, limit + 3, limit]
    torch.testing.assert_close(long.cut().vectors, whole.vectors, atol=1e-5, rtol=1e-4)


def test_the_limit_is_at_most_512_and_what_the_tokenizer_says(tmp_path: Path) -> None:
    wide = tiny_encoder(tmp_path / "wide", "Bert", positions=600)
    assert load_token_encoder(wide, 1, "key", "cpu").limit == 512
    assert load_token_encoder(tiny_encoder(tmp_path / "said", "Bert", model_max_length=16), 1, "key", "cpu").limit == 16


def test_a_pooler_may_be_missing_and_a_layer_may_not(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny_encoder(tmp_path / "encoder", "Roberta")
    file = folder / "model.safetensors"
    weights = load_file(file)
    assert any("pooler" in name for name in weights)
    save_file({name: own for name, own in weights.items() if "pooler" not in name}, file, {"format": "pt"})
    load_token_encoder(folder, 2, "key", "cpu")
    save_file({name: own for name, own in weights.items() if "layer.0" not in name}, file, {"format": "pt"})
    with pytest.raises(UserError, match="are not whole"):
        load_token_encoder(folder, 2, "key", "cpu")


def test_what_is_refused(tmp_path: Path, tiny_model_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no encoder of BERT's kind .* \(config key bertscore\.path\)"):
        load_token_encoder(tiny_model_path, 1, "bertscore", "cpu")
    folder = tiny_encoder(tmp_path / "encoder", "Bert")
    with pytest.raises(UserError, match=r"layer must be at most 3, .* got 4 \(config key bertscore\.layer\)"):
        load_token_encoder(folder, 4, "bertscore", "cpu")
    tight = tiny_encoder(tmp_path / "tight", "Bert", model_max_length=2)
    with pytest.raises(UserError, match="2 positions has no room for a text"):
        load_token_encoder(tight, 1, "bertscore", "cpu")
