"""Seconds of writing summaries: summpo's `generate` beside plain transformers, same weights, same greedy decoding.

    python benchmarks/generation.py --documents 200

Plain is `model.generate` over batches of 8 in the order of the documents, padded on the left. It does not need TRL.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import GenerationConfig, PreTrainedModel

from clock import Clock
from door import ended, require_comparisons, require_device
from pairs import COMPARISONS
from summpo.datasets import one_per_document
from summpo.datasets.summarize_from_feedback import SummarizeFromFeedback
from summpo.models import Model
from summpo.text.prompts import Prompt
from summpo.text.tokens import Limits
from summpo.writing.decoding import Decoding
from summpo.writing.generation import Generated, cut_at_end, generate
from summpo.writing.on_cpu import left_pad
from summpo.writing.writer import load_writer


@dataclass(frozen=True)
class Measured:
    """What both ways took for the same prompts."""

    plain_seconds: float
    """By the clock: CPU seconds of this process, system time included, or a GPU's."""
    summpo_seconds: float
    documents: int
    same: int
    """Documents whose completions are the same, token for token; others part at a tie of two tokens' logits."""
    ended: int
    """Documents whose completion ends in EOS, by the plain way."""
    tokens: int
    """Tokens of all completions, by the plain way."""

    @property
    def ratio(self) -> float:
        """Plain's seconds by summpo's."""
        return self.plain_seconds / self.summpo_seconds


def measure(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    end_ids: Sequence[int],
    pad_id: int,
    batch_size: int = 32,
    plain_batch_size: int = 8,
) -> Measured:
    """Writes the prompts both ways on the model's device, in turns of a batch of summpo's.

    A machine that is busy is so for both.

    Args:
        batch_size: summpo's; its default is the configuration's.
    """
    clock = Clock(model.device.type)
    by_plain: list[Generated] = []
    by_summpo: list[Generated] = []
    plain_seconds = 0.0

    def catch_up(positions: list[int], _: list[Generated]) -> None:
        """Plain's turn: as many documents as summpo has just written."""
        nonlocal plain_seconds
        some = prompts[len(by_plain) : len(by_plain) + len(positions)]
        plain_seconds += clock.seconds(
            lambda: by_plain.extend(
                plain(model, some, max_new_tokens, plain_batch_size, end_ids=end_ids, pad_id=pad_id)
            )
        )

    decoding = Decoding(max_new_tokens=max_new_tokens, batch_size=batch_size)
    generate(model, prompts[:1], Decoding(max_new_tokens=2), end_ids=end_ids, pad_id=pad_id)  # imports, first touches
    both = clock.seconds(
        lambda: by_summpo.extend(generate(model, prompts, decoding, end_ids=end_ids, pad_id=pad_id, on_batch=catch_up))
    )
    summpo_seconds = both - plain_seconds
    same = sum(a == b for a, b in zip(by_plain, by_summpo, strict=True))
    tokens = sum(len(one.ids) for one in by_plain)
    return Measured(plain_seconds, summpo_seconds, len(prompts), same, sum(one.ended for one in by_plain), tokens)


def plain(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    batch_size: int,
    *,
    end_ids: Sequence[int],
    pad_id: int,
) -> list[Generated]:
    """Greedy `model.generate`, batches of prompts as they come."""
    config = GenerationConfig(
        max_new_tokens=max_new_tokens, do_sample=False, eos_token_id=list(end_ids), pad_token_id=pad_id, use_cache=True
    )
    written = []
    for first in range(0, len(prompts), batch_size):
        ids, mask = (each.to(model.device) for each in left_pad(prompts[first : first + batch_size], pad_id))
        output = model.generate(input_ids=ids, attention_mask=mask, generation_config=config)  # type: ignore[operator]
        written += [cut_at_end(row, end_ids) for row in output[:, ids.shape[1] :].tolist()]
    return written


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--data", type=Path, default=COMPARISONS, help="folder of comparisons")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--adapter", default=None, help="PEFT folder, merged into the weights for both ways")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=32, help="summpo's; plain has 8")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "summpo")
    parser.add_argument("--output", type=Path, default=None, help="JSON file for the figures")
    return parser.parse_args()


def main() -> None:
    """One line a way, then the ratio."""
    options = parse()
    require_comparisons(options.data)
    require_device(options.device)
    torch.set_num_threads(options.threads)
    summaries = SummarizeFromFeedback(path=str(options.data)).summaries("train")
    rows = one_per_document(summaries, "error")[: options.documents]
    model = Model(path=options.model, adapter=options.adapter)
    decoding = Decoding(max_new_tokens=options.max_new_tokens)
    writer = load_writer(model, Prompt(), Limits(), decoding, options.cache, options.device)
    assert isinstance(writer.model, PreTrainedModel)
    prompts, _ = writer.prompts(rows)
    measured = measure(
        writer.model,
        prompts,
        max_new_tokens=options.max_new_tokens,
        end_ids=writer.end_ids,
        pad_id=int(writer.tokenizer.pad_token_id),  # type: ignore[arg-type]
        batch_size=options.batch_size,
    )
    unit = Clock(options.device).unit
    print(f"plain   {measured.plain_seconds:8.1f} {unit}, batches of 8 as they come")
    print(f"summpo  {measured.summpo_seconds:8.1f} {unit}, batches of {options.batch_size}")
    print(
        f"plain / summpo {measured.ratio:.3f}; {measured.same} of {measured.documents} the same, "
        f"{measured.tokens} tokens, {measured.ended} ended"
    )
    if options.output is not None:
        figures = vars(measured) | {"ratio": measured.ratio}
        options.output.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(ended(main))
