"""What is written side by side: every prompt once, like with like, within the bounds."""

from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.errors import UserError
from summpo.writing.decoding import Decoding, batches_of, require_backend


def test_batches_by_hand() -> None:
    """Rows of 90 + 10 = 100, 60 + 10 = 70 and 20 + 10 = 30 tokens in batches of 150: the first alone, two of 70, two of 30.

    70 + 70 + 70 = 210 would be too many, and so would 70 x 3 with the shorter padded to 70.
    """
    decoding = Decoding(max_new_tokens=10, batch_size=8, batch_tokens=150)
    assert batches_of([20, 60, 90, 60, 20], decoding) == [[2], [1, 3], [0, 4]]


def test_as_many_as_before_where_documents_are_short() -> None:
    """The defaults: 32 documents of 1,024 tokens, two of 16,128 with 256 to write, and one of 40,000 alone."""
    assert list(map(len, batches_of([768] * 70, Decoding()))) == [32, 32, 6]
    assert list(map(len, batches_of([16_128] * 3, Decoding()))) == [2, 1]
    assert list(map(len, batches_of([40_000] * 2, Decoding()))) == [1, 1]


@given(st.lists(st.integers(1, 500), max_size=40), st.integers(1, 9), st.integers(1, 900), st.integers(1, 4))
def test_every_prompt_once_within_the_bounds(lengths: list[int], rows: int, tokens: int, samples: int) -> None:
    decoding = Decoding(max_new_tokens=7, batch_size=rows, batch_tokens=tokens)
    batches = batches_of(lengths, decoding, samples)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    in_order = [lengths[i] for batch in batches for i in batch]
    assert in_order == sorted(lengths, reverse=True)
    for batch in batches:
        longest = max(lengths[i] for i in batch) + 7
        assert len(batch) == 1 or (len(batch) * samples <= rows and len(batch) * samples * longest <= tokens)


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
def test_a_backend_that_is_not_installed() -> None:
    require_backend(Decoding())
    with pytest.raises(UserError, match=r"vllm is not installed: pip install vllm.*config key generation.backend"):
        require_backend(Decoding(backend="vllm"))
