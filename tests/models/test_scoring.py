"""The scoring pass: what it gives equals each completion alone, whatever shares its batch."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from summpo.models import Model
from summpo.models.forward.layouts import pad
from summpo.models.forward.scoring import score_completions
from summpo.models.weights.loading import load_base, load_tokenizer
from summpo.records import Ragged, Texts, TokenRows
from summpo.text.prompts import Prompt
from summpo.text.tokens import tokenize
from support.scored import LIMITS, ROWS, scored


@pytest.fixture(scope="module")
def tokenizer(tiny_model_path: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(tiny_model_path)


@pytest.fixture(scope="module")
def model(tiny_model_path: Path) -> PreTrainedModel:
    return load_base(tiny_model_path, Model(path=str(tiny_model_path))).eval()  # type: ignore[return-value]


class TestScoring:
    @pytest.fixture
    def rows(self, tokenizer: PreTrainedTokenizerBase) -> TokenRows:
        return tokenize(ROWS, tokenizer, Prompt(), LIMITS).rows

    def test_equals_each_completion_alone(self, model: PreTrainedModel, rows: TokenRows) -> None:
        reference = scored(model, rows)
        for side, completions in zip(reference, rows.completions, strict=True):
            assert side.values.dtype == np.float32
            assert side.offsets.tolist() == completions.offsets.tolist()
            for i in range(len(rows)):
                ids = torch.tensor([*rows.prompts[i].tolist(), *completions[i].tolist()])
                with torch.no_grad():
                    all_log_probs = model(input_ids=ids[None]).logits[0].log_softmax(dim=-1)
                start = len(rows.prompts[i])
                expected = [all_log_probs[place - 1, ids[place]].item() for place in range(start, len(ids))]
                assert side[i].tolist() == pytest.approx(expected, abs=1e-5)

    def test_does_not_depend_on_the_batch_size_or_the_order_of_rows(
        self, model: PreTrainedModel, rows: TokenRows
    ) -> None:
        turned = TokenRows(
            Texts.of(list(rows.ids)[::-1]),
            Ragged.from_rows([rows.prompts[i] for i in range(len(rows))][::-1], np.int32),
            tuple(Ragged.from_rows([side[i] for i in range(len(rows))][::-1], np.int32) for side in rows.completions),
        )
        one = scored(model, rows, batch_size=1)
        for side, full, back in zip(one, scored(model, rows, 8), scored(model, turned, 3), strict=True):
            assert np.allclose(full.values, side.values, atol=1e-5)
            for i in range(len(rows)):
                assert np.allclose(back[len(rows) - 1 - i], side[i], atol=1e-5)

    @pytest.mark.parametrize("training", [True, False])
    def test_leaves_the_model_as_it_came(self, model: PreTrainedModel, rows: TokenRows, training: bool) -> None:
        model.train(training)
        weights = {name: weight.clone() for name, weight in model.state_dict().items()}
        scored(model, rows)
        assert model.training is training
        assert all(torch.equal(weight, weights[name]) for name, weight in model.state_dict().items())
        model.eval()

    def test_under_autocast_it_rounds_as_the_model_itself_does(self, model: PreTrainedModel, rows: TokenRows) -> None:
        """A token's log-prob is off by some thousandths under bfloat16, by the same ones as in a forward of its own."""
        layout = partial(pad, pad_id=1)
        found = score_completions(model, rows, batch_size=1, layout=layout, autocast=torch.bfloat16, progress=False)
        alone = []
        for side in rows.completions:
            for i in range(len(rows)):
                ids = torch.tensor([*rows.prompts[i].tolist(), *side[i].tolist()])
                with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
                    log_probs = model(input_ids=ids[None]).logits[0].float().log_softmax(dim=-1)
                places = np.arange(len(rows.prompts[i]), len(ids))
                alone.append(log_probs[places - 1, ids[places]].numpy())
        rounded, exact = np.concatenate(alone), np.concatenate([side.values for side in scored(model, rows)])
        off = np.abs(rounded - exact).mean()
        assert off > 1e-3
        assert np.abs(np.concatenate([side.values for side in found]) - rounded).mean() < off / 3

    def test_no_rows(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        assert scored(model, tokenize([], tokenizer, Prompt(), LIMITS).rows) == ()
