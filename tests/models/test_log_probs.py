"""Log-probs of completions, against the logits of every position written out independently."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import Gemma2Config, Gemma2ForCausalLM, PreTrainedModel

import summpo.models.forward.log_probs
import summpo.models.forward.shared_prefix
from summpo.models import Lora, Model
from summpo.models.forward.families import SHARED_PREFIX
from summpo.models.forward.layouts import pad
from summpo.models.forward.log_probs import completion_log_probs, log_collisions, target_log_probs
from summpo.models.weights.adapters import add_lora
from summpo.models.weights.loading import load_base
from summpo.records import Batch, Padded
from support.families import VOCABULARY, tiny

PAD = 1
SEQUENCES = [
    (np.array([10, 11, 12]), np.array([20, 21, 1])),
    (np.array([30]), np.array([40, 41, 42, 43, 1])),
    (np.array([50, 51, 52, 53, 54, 55]), np.array([60])),
]


def batch_of(sequences: list[tuple[np.ndarray, np.ndarray]], extra: int = 0) -> Batch:
    """A batch of these, with `extra` positions of padding more than it needs."""
    batch = Batch(row_ids=(), share=torch.ones(len(sequences)), **pad(sequences, PAD))
    if extra == 0:
        return batch
    width = batch.input_ids.shape[1]
    return Batch(
        row_ids=(),
        input_ids=nn.functional.pad(batch.input_ids, (0, extra), value=PAD),
        layout=Padded(nn.functional.pad(mask_of(batch), (0, extra), value=False)),
        token_at=batch.token_at,
        predicted_at=batch.predicted_at // width * (width + extra) + batch.predicted_at % width,
        targets=batch.targets,
        lengths=batch.lengths,
        counts=batch.counts,
        share=batch.share,
    )


def mask_of(batch: Batch) -> Tensor:
    assert isinstance(batch.layout, Padded)
    return batch.layout.attention_mask


def by_full_logits(model: nn.Module, prompt: np.ndarray, completion: np.ndarray) -> Tensor:
    """log p(token | everything before it) of one sequence alone: softmax over every position, then picked one by one."""
    ids = torch.tensor([*prompt.tolist(), *completion.tolist()])
    probabilities = model(input_ids=ids[None]).logits[0].double().softmax(dim=-1)
    places = range(len(prompt), len(ids))
    return torch.stack([probabilities[place - 1, ids[place]].log() for place in places])


def base_of(folder: Path, dtype: str = "float32") -> PreTrainedModel:
    return load_base(folder, Model(path=str(folder), dtype=dtype)).eval()  # type: ignore[arg-type]


def with_adapter(folder: Path, targets: list[str] | str = "all-linear") -> nn.Module:
    """A policy wrapped by PEFT, whose adapter does something."""
    return adapted(base_of(folder), targets)


def adapted(base: PreTrainedModel, targets: list[str] | str = "all-linear") -> nn.Module:
    """The same on a base that is there."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        policy = add_lora(base, Lora(r=4, alpha=8, target_modules=targets))
        for name, weight in policy.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(weight, std=0.1)
    return policy.eval()


def soft_capped(_: Path) -> PreTrainedModel:
    """A tiny Gemma 2, which caps its logits after the head."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = Gemma2Config(
            vocab_size=100,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=8,
            final_logit_softcapping=0.5,
            initializer_range=0.5,
            pad_token_id=PAD,
        )
        return Gemma2ForCausalLM(config).eval()


def soft_capped_with_adapter(folder: Path) -> nn.Module:
    """Its head is frozen, and its outputs are not yet the logits."""
    return adapted(soft_capped(folder))


def with_biased_head(folder: Path) -> nn.Module:
    """A frozen head that adds something to each logit."""
    base = base_of(folder)
    head_of(base).bias = nn.Parameter(torch.linspace(-2, 2, 300))
    return adapted(base)


MODELS: dict[str, Callable[[Path], nn.Module]] = {
    "base": base_of,
    "adapter": with_adapter,
    "biased head": with_biased_head,
    "soft cap": soft_capped,
    "soft cap under an adapter": soft_capped_with_adapter,
}


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest, tiny_model_path: Path) -> nn.Module:
    return MODELS[request.param](tiny_model_path)


def head_of(model: nn.Module) -> nn.Module:
    return model.get_output_embeddings()  # type: ignore[operator]


def test_equal_the_full_logits(model: nn.Module) -> None:
    with torch.no_grad():
        log_probs = completion_log_probs(model, batch_of(SEQUENCES))
        expected = [by_full_logits(model, *sequence) for sequence in SEQUENCES]
    assert log_probs.tokens.dtype == torch.float32
    assert log_probs.lengths.tolist() == [3, 5, 1]
    assert torch.allclose(log_probs.tokens.double(), torch.cat(expected), atol=1e-5)
    assert torch.allclose(log_probs.sums().double(), torch.stack([tokens.sum() for tokens in expected]), atol=1e-5)
    assert log_probs.tokens.std() > 0.01, "the models must tell tokens apart, or the test says nothing"


def test_collisions_equal_those_of_the_full_logits(model: nn.Module) -> None:
    """sum_v p_v^2 of every token, written out; they have no gradient, and who asks for none gets none."""
    batch = batch_of(SEQUENCES)
    log_probs = completion_log_probs(model, batch, collisions=True)
    expected = []
    with torch.no_grad():
        for prompt, completion in SEQUENCES:
            ids = torch.tensor([*prompt.tolist(), *completion.tolist()])
            p = model(input_ids=ids[None]).logits[0].double().softmax(dim=-1)
            expected.append(p[len(prompt) - 1 : -1].square().sum(dim=-1).log())
    found = log_probs.log_collisions
    assert found is not None and not found.requires_grad
    assert torch.allclose(found.double(), torch.cat(expected), atol=1e-5)
    plain = completion_log_probs(model, batch)
    assert plain.log_collisions is None and torch.equal(plain.tokens, log_probs.tokens)


@pytest.mark.parametrize("extra", [1, 7])
def test_more_padding_changes_nothing(model: nn.Module, extra: int) -> None:
    with torch.no_grad():
        padded, plain = (completion_log_probs(model, batch_of(SEQUENCES, more)).tokens for more in (extra, 0))
    assert torch.allclose(padded, plain, atol=1e-5)


def test_other_neighbours_change_nothing(model: nn.Module) -> None:
    with torch.no_grad():
        together = completion_log_probs(model, batch_of(SEQUENCES))
        alone = [completion_log_probs(model, batch_of([sequence])).tokens for sequence in SEQUENCES]
        turned = completion_log_probs(model, batch_of(SEQUENCES[::-1]))
    assert torch.allclose(together.tokens, torch.cat(alone), atol=1e-5)
    in_order = turned.tokens.split(turned.lengths.tolist())[::-1]
    assert torch.allclose(together.tokens, torch.cat(in_order), atol=1e-5)


def test_the_gradient_is_that_of_the_full_logits(tiny_model_path: Path) -> None:
    gradients = []
    for compute in (
        lambda model: completion_log_probs(model, batch_of(SEQUENCES)).tokens.sum(),
        lambda model: torch.cat([by_full_logits(model, *sequence) for sequence in SEQUENCES]).sum(),
    ):
        policy = with_adapter(tiny_model_path)
        compute(policy).backward()
        gradients.append({name: p.grad for name, p in policy.named_parameters() if p.requires_grad})
    ours, expected = gradients
    assert len(ours) == 2 * 2 * 7
    for name, gradient in ours.items():
        assert gradient is not None
        assert gradient.abs().max() > 0, name
        assert torch.allclose(gradient, expected[name], atol=1e-4), name


def trained_gradients(model: nn.Module, log_probs: Tensor) -> dict[str, Tensor]:
    """Of a sum in which every token counts differently."""
    (log_probs * torch.linspace(-1, 1, len(log_probs))).sum().backward()
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("rows", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", ["adapter", "base", "biased head"])
def test_logits_made_a_few_at_a_time_are_those_made_at_once(
    kind: str, rows: int, tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine tokens in chunks of 1, 2, 4 or 8, a last one of one token among them; the base's own head trains."""
    found = []
    for at_once in (2**23, rows * 300 + 299):
        monkeypatch.setattr(summpo.models.forward.log_probs, "LOGITS_AT_ONCE", {"cpu": at_once})
        policy = MODELS[kind](tiny_model_path)
        tokens = completion_log_probs(policy, batch_of(SEQUENCES)).tokens
        found.append((tokens.detach(), trained_gradients(policy, tokens)))
    plain = MODELS[kind](tiny_model_path)
    expected = torch.cat([by_full_logits(plain, *sequence) for sequence in SEQUENCES]).float()
    found.append((expected.detach(), trained_gradients(plain, expected)))
    for (tokens, gradients), (of_others, others) in pairwise(found):
        assert torch.allclose(tokens, of_others, atol=1e-5)
        assert gradients.keys() == others.keys()
        assert len(gradients) == (20 if kind == "base" else 2 * 2 * 7)
        for name, gradient in gradients.items():
            assert gradient.abs().max() > 0, name
            assert torch.allclose(gradient, others[name], atol=1e-4), name


def test_what_a_model_does_to_a_frozen_heads_outputs_is_kept(tiny_model_path: Path) -> None:
    """A cap of 0.5 on the logits of a family that is not proven, under an adapter: transformers' own numbers."""
    policy, plain = (soft_capped_with_adapter(tiny_model_path) for _ in range(2))
    found = completion_log_probs(policy, batch_of(SEQUENCES)).tokens
    expected = torch.cat([by_full_logits(plain, *sequence) for sequence in SEQUENCES]).float()
    assert torch.allclose(found, expected, atol=1e-5)
    assert found.min() > -torch.tensor(100.0).log() - 1, (
        "logits between -0.5 and 0.5: no log-prob is further from ln 1/100"
    )
    ours, theirs = trained_gradients(policy, found), trained_gradients(plain, expected)
    assert ours.keys() == theirs.keys() and len(ours) == 2 * 7
    for name, gradient in theirs.items():
        assert gradient.abs().max() > 1e-3, name
        assert torch.allclose(ours[name], gradient, rtol=1e-4, atol=1e-6), name


class LargestLogits(TorchDispatchMode):
    """The most logits in one tensor of all that is computed: rows of one number a word, but for the weights themselves."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.weights, self.most = places_of(model), 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, Tensor) and tensor.shape[-1:] == (300,) and tensor.data_ptr() not in self.weights:
                self.most = max(self.most, tensor.numel())
        return made


def places_of(model: nn.Module) -> set[int]:
    """Where the weights of a model lie."""
    return {weight.data_ptr() for weight in model.parameters()}


@pytest.mark.parametrize("trains", [True, False])
@pytest.mark.parametrize("rows", [1, 4])
def test_of_a_frozen_heads_logits_a_few_exist_at_a_time(
    trains: bool, rows: int, tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the way forward and back; a row of logits is 300 numbers."""
    monkeypatch.setattr(summpo.models.forward.log_probs, "LOGITS_AT_ONCE", {"cpu": rows * 300})
    policy = with_adapter(tiny_model_path)
    with LargestLogits(policy) as seen, torch.set_grad_enabled(trains):
        tokens = completion_log_probs(policy, batch_of(SEQUENCES), collisions=rows == 4).tokens
        if trains:
            tokens.sum().backward()
    assert seen.most == rows * 300


def test_of_a_frozen_heads_logits_none_is_kept_for_the_backward_pass(tiny_model_path: Path) -> None:
    """What is kept beside the weights: of each layer its hidden states, and of the head one of them a token."""
    policy = with_adapter(tiny_model_path)
    weights, kept = places_of(policy), []

    def keep(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            kept.append(tuple(tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        completion_log_probs(policy, batch_of(SEQUENCES))
    assert (9, 32) in kept, "nine tokens predicted, by 32 numbers each"
    assert not [shape for shape in kept if 300 in shape]


@pytest.mark.parametrize("left", [0, 1000], ids=["nothing", "a shard"])
def test_a_head_that_is_whole_within_its_own_forward_alone(left: int) -> None:
    """As FSDP and DeepSpeed cut weights up over processes, and gather them for a module's forward: its forward runs."""
    policy = adapted(tiny("llama", SHARED_PREFIX))
    head: Any = head_of(policy)
    whole = head.weight.data
    with torch.no_grad():
        expected = completion_log_probs(policy, batch_of(SEQUENCES)).tokens

        def gather(*_: object) -> None:
            head.weight.data = whole

        def cut(*_: object) -> None:
            head.weight.data = whole.flatten()[:left].clone()

        head.register_forward_pre_hook(gather)
        head.register_forward_hook(cut)
        cut()
        found = completion_log_probs(policy, batch_of(SEQUENCES)).tokens
    assert head.weight.numel() == left < VOCABULARY * 32
    assert torch.allclose(found, expected, atol=1e-5)


def test_only_what_predicts_a_completion_token_goes_through_the_head(tiny_model_path: Path) -> None:
    model, seen = base_of(tiny_model_path), []
    head_of(model).register_forward_hook(lambda _, args, __: seen.append(tuple(args[0].shape)))
    completion_log_probs(model, batch_of(SEQUENCES))
    assert seen == [(1, 3 + 5 + 1, 32)]


def test_in_float32_on_a_half_precision_base(tiny_model_path: Path) -> None:
    with torch.no_grad():
        half = completion_log_probs(base_of(tiny_model_path, "bfloat16"), batch_of(SEQUENCES)).tokens
        full = completion_log_probs(base_of(tiny_model_path), batch_of(SEQUENCES)).tokens
    assert half.dtype == torch.float32
    assert torch.allclose(half, full, atol=0.1)


class TestTheHook:
    def test_is_gone_afterwards(self, model: nn.Module) -> None:
        completion_log_probs(model, batch_of(SEQUENCES))
        assert not head_of(model)._forward_pre_hooks
        assert model(input_ids=torch.arange(2, 9)[None]).logits.shape[:2] == (1, 7)

    def test_is_gone_after_an_exception(self, tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        model = base_of(tiny_model_path)

        def out_of_memory(*_: object, **__: object) -> None:
            raise RuntimeError("out of memory")

        with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="out of memory"):
            patch.setattr(head_of(model), "forward", out_of_memory)
            completion_log_probs(model, batch_of(SEQUENCES))
        assert not head_of(model)._forward_pre_hooks
        assert len(completion_log_probs(model, batch_of(SEQUENCES)).tokens) == 9


def test_log_collisions_by_hand() -> None:
    """Probabilities 1/8, 2/8, 5/8: (1 + 4 + 25) / 64 = 0.46875, ln -0.757686. Certainty in float32: 1, ln 0."""
    logits = torch.stack([torch.tensor([1.0, 2.0, 5.0]).log(), torch.tensor([0.0, 500.0, 0.0])])
    assert log_collisions(logits).tolist() == pytest.approx([-0.757686, 0.0], abs=1e-6)


def test_target_log_probs_by_hand() -> None:
    """Logits ln 1, ln 2, ln 5 are probabilities 1/8, 2/8, 5/8; target 1 has ln 0.25, target 2 has ln 0.625."""
    logits = torch.tensor([[1.0, 2.0, 5.0], [1.0, 2.0, 5.0]]).log()
    log_probs = target_log_probs(logits, torch.tensor([1, 2]))
    assert log_probs.tolist() == pytest.approx([-1.386294, -0.470004], abs=1e-6)
