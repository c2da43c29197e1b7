"""What a judge's verdicts come to: the numbers of judgement.json, and the same for a reader. Knows no endpoint."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from summpo.evaluation.judging import Judgement, JudgeTask
from summpo.evaluation.resampling import documents_in_words, few_documents
from summpo.evaluation.win_rates import length_controlled, win_rate
from summpo.text.words import count_words


def numbers(judged: list[tuple[JudgeTask, int, Judgement]], seed: int) -> dict[str, Any]:
    """Win rates, and how far the judge followed the order in which it saw the two."""
    a_wins = np.array([verdict.a_wins for *_, verdict in judged])
    lengths_a = np.array([words for _, words, _ in judged], np.float64)
    lengths_b = np.array([count_words(task.b) for task, *_ in judged], np.float64)
    first = [won for *_, verdict in judged for won in verdict.first_wins]
    changed = [len(v.orders) == 2 and v.first_wins[0] == v.first_wins[1] != 0.5 for *_, v in judged]
    return {
        "documents": len(judged),
        "wins": int((a_wins == 1).sum()),
        "ties": int((a_wins == 0.5).sum()),
        "losses": int((a_wins == 0).sum()),
        "win_rate": asdict(win_rate(a_wins, seed)),
        "length_controlled_win_rate": asdict(length_controlled(a_wins, lengths_a, lengths_b, seed)),
        "words_a": float(lengths_a.mean()),
        "words_b": float(lengths_b.mean()),
        "first_wins": float(np.mean(first)),
        "changed_with_order": float(np.mean(changed)) if judged[0][2].orders == ("ab", "ba") else None,
    }


def judgement_lines(record: dict[str, Any]) -> list[str]:
    """The numbers for a reader."""

    def rate(name: str) -> str:
        found = record[name]
        return f"{found['value']:.1%} [{found['low']:.1%}, {found['high']:.1%}]"

    documents = documents_in_words(record["documents"])
    said = [
        f"{record['a']} against {record['b']} on {documents}: {record['wins']} won, "
        f"{record['ties']} tied, {record['losses']} lost",
        f"win rate {rate('win_rate')}, at equal lengths {rate('length_controlled_win_rate')} "
        f"({record['words_a']:.0f} words against {record['words_b']:.0f})",
    ]
    followed = f"the summary that stood first won {record['first_wins']:.0%} of the time"
    if record["changed_with_order"] is not None:
        followed += f"; {record['changed_with_order']:.0%} of the verdicts changed with the order, and count as ties"
    if record["undecided"]:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in record["undecided"].items())
        said.append(f"undecided, and in no number here: {reasons}")
    return [*said, followed, *few_documents(record["documents"])]
