"""`summpo compare DIR DIR ...`: evaluated models against the first of them, on the documents that both have."""

from __future__ import annotations

import json
from pathlib import Path

from summpo.commands.report import is_option
from summpo.errors import require
from summpo.runs.run_folder import require_writable, write_whole

USAGE = """usage: summpo compare DIR DIR [DIR ...] [output_dir=DIR]

Each DIR holds what `summpo evaluate` left: evaluation.json and samples.jsonl. Prints of every metric how each differs
from the first, with a paired bootstrap interval and a permutation test's p-value, over the documents that both have.
output_dir: writes the same as comparison.json there."""


def run(arguments: list[str]) -> int:
    """Prints the comparisons, and writes them where asked."""
    if "--help" in arguments or "-h" in arguments:
        print(USAGE)
        return 0
    options = dict(argument.split("=", 1) for argument in arguments if is_option(argument))
    unknown = options.keys() - {"output_dir"}
    require(not unknown, f"unknown option {', '.join(sorted(unknown))}; summpo compare has output_dir")
    named = [Path(argument) for argument in arguments if not is_option(argument)]
    folders = list({folder.resolve(): folder for folder in named}.values())
    require(len(folders) > 1, "name at least two evaluated folders: summpo compare DIR DIR ...")
    out = Path(options["output_dir"]) if "output_dir" in options else None
    if out is not None:
        require_writable(out)

    from dataclasses import asdict

    from summpo.evaluation.comparison import METHOD, compare_pair, comparison_table, read_evaluation
    from summpo.evaluation.results import names

    evaluations = [read_evaluation(folder) for folder in folders]
    called = names(evaluations)
    first = evaluations[0]
    found = [
        compare_pair(first, other, (called[0], name)) for other, name in zip(evaluations[1:], called[1:], strict=True)
    ]
    print("\n\n".join(comparison_table(comparison) for comparison in found))
    print("", *METHOD, sep="\n")
    if out is not None:
        record = {
            "folders": {name: str(folder) for name, folder in zip(called, folders, strict=True)},
            "method": METHOD,
            "comparisons": [asdict(comparison) for comparison in found],
        }
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / "comparison.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        print(f"compare: {out / 'comparison.json'}")
    return 0
