"""Prints the study's tables from the evaluated runs: what each writes, and which pairs it orders rightly.

    python experiments/tldr_objectives/compare.py outputs/tldr_objectives

Differences are paired, article by article, with the standard error of their mean.
"""

import json
import math
import sys
from pathlib import Path

from rouge_score.rouge_scorer import RougeScorer

if len(sys.argv) != 2:
    print(f"usage: python {sys.argv[0]} FOLDER, the output_dir of summpo run tldr_objectives", file=sys.stderr)
    sys.exit(2)
root = Path(sys.argv[1])
RUNS = ("sft", "dpo", "modpo_w0.025", "modpo_w0.05", "modpo_w0.1", "ln_dpo", "ld_dpo", "sampo", "simpo")
names = [name for name in RUNS if (root / name / "evaluation.json").exists()]
if not names:
    print(f"compare.py: {root} holds no evaluated run ({', '.join(RUNS)}, each with evaluation.json)", file=sys.stderr)
    sys.exit(2)
results = {name: json.loads((root / name / "evaluation.json").read_text("utf-8")) for name in names}
samples = {
    name: [json.loads(line) for line in (root / name / "samples.jsonl").read_text("utf-8").splitlines()]
    for name in names
}
scorer = RougeScorer(["rouge1"], use_stemmer=True)


def rouge1(sample: dict) -> float:
    """The best of the references, as the evaluation takes it."""
    return max(scorer.score(reference, sample["summary"])["rouge1"].fmeasure for reference in sample["references"])


def mean(values: list[float]) -> tuple[float, float]:
    """The mean and its standard error."""
    center = sum(values) / len(values)
    variance = sum((value - center) ** 2 for value in values) / (len(values) - 1)
    return center, math.sqrt(variance / len(values))


COLUMNS = {
    "ROUGE-1": "rouge1",
    "ROUGE-L": "rougeL",
    "compression": "compression",
    "coverage": "margin/coverage",
    "proxy": "margin/faithfulness",
    "ends": "ended_rate",
}
print(f"| run | tokens | {' | '.join(COLUMNS)} | accuracy | with margin |\n|{'---|' * (4 + len(COLUMNS))}")
for name, result in results.items():
    metrics = result["metrics"]
    low, high = result["intervals"]["eval/length_tokens"]
    accuracies = [result["preference_accuracy"], result["preference_accuracy_with_margin"]]
    known = [metrics[f"eval/{column}"] for column in COLUMNS.values()] + accuracies
    shown = " | ".join("" if value is None else f"{value:.3f}" for value in known)
    print(f"| {name} | {metrics['eval/length_tokens']:.1f} [{low:.0f}, {high:.0f}] | {shown} |")

print("\npaired differences, article by article (mean ± standard error; summaries shorter, as long, longer)\n")
print("| run | against | tokens | shorter | equal | longer | ROUGE-1 |")
print("|---|---|---|---|---|---|---|")
for name in names:
    for other in ("sft", "dpo"):
        if other in names and name not in ("sft", other):
            pairs = list(zip(samples[name], samples[other], strict=True))
            assert all(one["id"] == two["id"] for one, two in pairs)
            tokens = [one["length_tokens"] - two["length_tokens"] for one, two in pairs]
            quality, error = mean([rouge1(one) - rouge1(two) for one, two in pairs])
            change, spread = mean(tokens)
            counts = [sum(t < 0 for t in tokens), sum(t == 0 for t in tokens), sum(t > 0 for t in tokens)]
            counted = " | ".join(map(str, counts))
            print(f"| {name} | {other} | {change:+.1f} ± {spread:.1f} | {counted} | {quality:+.3f} ± {error:.3f} |")

print("\naccuracy on held-out pairs by chosen less rejected tokens (the reward alone)\n")
by_length = {
    name: result["preference_by_length"] for name, result in results.items() if result.get("preference_by_length")
}
buckets = next(iter(by_length.values()), [])
ends = [("" if b["low"] is None else b["low"], "" if b["high"] is None else b["high"] - 1) for b in buckets]
heads = [f"{low} to {high} ({b['pairs']})" for (low, high), b in zip(ends, buckets, strict=True)]
print(f"| run | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}")
for name, own in by_length.items():
    shares = [bucket["accuracy"] for bucket in own]
    print(f"| {name} | {' | '.join('' if share is None else f'{share:.2f}' for share in shares)} |")
