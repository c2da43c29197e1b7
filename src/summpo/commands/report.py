"""`summpo report DIR ... output_dir=DIR`: the table, the front and the page of evaluated runs."""

from __future__ import annotations

from pathlib import Path

from summpo.errors import UserError, require

USAGE = """usage: summpo report DIR [DIR ...] output_dir=DIR [quality=eval/rouge1]

Each DIR is a run folder, or what `summpo evaluate` left of a model as it is, or holds such folders (a sweep).
Writes front.png, front.html, results.csv and results.json.
quality: eval/rouge1, eval/rouge2, eval/rougeL or eval/rougeLsum, the measure that the front sets against length."""


def run(arguments: list[str]) -> int:
    """Prints the table and writes the report."""
    if "--help" in arguments or "-h" in arguments:
        print(USAGE)
        return 0
    options = dict(argument.split("=", 1) for argument in arguments if is_option(argument))
    unknown = options.keys() - {"output_dir", "quality"}
    require(not unknown, f"unknown option {', '.join(sorted(unknown))}; summpo report has output_dir and quality")
    folders = [Path(argument) for argument in arguments if not is_option(argument)]
    require(len(folders) > 0, "name at least one run folder: summpo report DIR ... output_dir=DIR")
    if "output_dir" not in options:
        raise UserError("output_dir is required: the folder of the report")

    from summpo.evaluation.report import find_runs, read_runs, table, write_report
    from summpo.evaluation.results import QUALITIES
    from summpo.evaluation.tradeoffs import compare, notes

    quality = options.get("quality", "eval/rouge1")
    require(quality in QUALITIES, f"quality must be one of {', '.join(QUALITIES)}, got {quality}")
    results = read_runs(find_runs(folders))
    written = write_report(results, Path(options["output_dir"]), quality=quality)
    print(table(results))
    print()
    print("\n".join([*compare(results, quality=quality)[0].lines, *notes(results)]))
    print("report: " + ", ".join(str(file) for file in written))
    return 0


def is_option(argument: str) -> bool:
    """Whether an argument is one of the report's options; a folder's name may hold an = (outputs/w=0.05)."""
    key, has_value, _ = argument.partition("=")
    return bool(has_value) and key.isidentifier() and not Path(argument).exists()
