"""A stand-in for a teacher where none can be paid: speaks /v1/chat/completions on this machine, and copies sentences.

python experiments/long_documents/stand_in_teacher.py 8800

What it answers has the recorded shape of a strong model's answers, with their variety (bold labels, scores as 15/18)
and their faults: some are cut, some lack a part, some contradict themselves, one in twenty is refused with a 429 first.
What it knows of summaries is little: a good one is made of the sentences whose words are the document's commonest, in
their order; a poor one of sentences drawn at random. Which is the longer is drawn, so that length tells nothing.
"""

import json
import random
import re
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from summpo.text.sentences import sentences_of

LIMITS = re.compile(r"Summary (\d) has (\d+) to (\d+) words")
COMMON = 60
"""Of the document's words, those that make a sentence central: the commonest, the very commonest left out."""
STYLES = (
    "Summary 1: {0}\nTotal score: {2}\nExplanation: {4}\nSummary 2: {1}\nTotal score: {3}\nExplanation: {5}\n"
    "Best summary: {6}",
    "**Summary 1:** {0}\n\n**Total score:** {2}/18\n**Explanation:** {4}\n\n**Summary 2:** {1}\n\n"
    "**Total score:** {3}/18\n**Explanation:** {5}\n\n**Best summary:** Summary {6}",
    "Here are the two summaries.\n\n### Summary 1\n{0}\n\nTotal score - {2} out of 18\nExplanation - {4}\n\n"
    "### Summary 2\n{1}\n\nTotal score - {3} out of 18\nExplanation - {5}\n\nBest summary: {6}.",
)


def central(sentences: list[str]) -> list[int]:
    """The sentences by the share of their words that are common in the document, the best first."""
    words = [re.findall(r"[a-z]{4,}", sentence.lower()) for sentence in sentences]
    common = {word for word, _ in Counter(word for found in words for word in found).most_common(COMMON)}
    shares = [sum(word in common for word in found) / (len(found) + 4) for found in words]
    return sorted(range(len(sentences)), key=lambda i: (-shares[i] - 0.2 / (1 + i), i))


def taken(sentences: list[str], order: list[int], low: int, high: int) -> str:
    """Sentences in this order of choice, in the order of the document, until there are words enough."""
    chosen: list[int] = []
    count = 0
    for index in order:
        length = len(sentences[index].split())
        if length >= 4 and count + length <= high:
            chosen.append(index)
            count += length
        if count >= low:
            break
    return " ".join(" ".join(sentences[index].split()) for index in sorted(chosen))


def answer(prompt: str) -> tuple[str, str]:
    """The answer to a prompt, always the same, and why it ends."""
    document = prompt.split("<document>\n", 1)[1].rsplit("\n</document>", 1)[0]
    rng = random.Random(document)
    sentences = sentences_of(document)
    at_random = rng.sample(range(len(sentences)), len(sentences))
    limits = {number: (int(low), int(high)) for number, low, high in LIMITS.findall(prompt)}
    first_is_good = rng.random() < 0.5
    orders = [central(sentences), at_random] if first_is_good else [at_random, central(sentences)]
    summaries = [taken(sentences, order, *limits[str(n)]) for n, order in enumerate(orders, start=1)]
    good, poor = rng.randint(14, 18), rng.randint(8, 13)
    scores = [good, poor] if first_is_good else [poor, good]
    why = ["It has what matters.", "It wanders."] if first_is_good else ["It wanders.", "It has what matters."]
    best = 1 if first_is_good else 2
    fault = rng.random()
    if fault < 0.03:
        best = 3 - best  # contradicts its scores
    text = rng.choice(STYLES).format(*summaries, *scores, *why, best)
    if 0.03 <= fault < 0.06:
        return text[: len(text) // 2], "length"
    return (text.replace("Best summary", "In the end"), "stop") if 0.06 <= fault < 0.09 else (text, "stop")


class Teacher(BaseHTTPRequestHandler):
    """The endpoint."""

    protocol_version = "HTTP/1.1"
    refused: frozenset[str] = frozenset()

    def do_POST(self) -> None:
        """Answers a request, or says that there were too many."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = request["messages"][-1]["content"]
        if random.Random(prompt[:2000]).random() < 0.05 and prompt not in Teacher.refused:
            Teacher.refused |= {prompt}
            self.reply(429, {"error": {"message": "too many requests"}}, {"Retry-After": "1"})
            return
        text, reason = answer(prompt)
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
        usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": len(text) // 4}
        self.reply(200, {"id": "1", "model": request["model"], "choices": [choice], "usage": usage})

    def reply(self, status: int, body: dict, headers: dict[str, str] | None = None) -> None:
        """One response."""
        data = json.dumps(body).encode()
        self.send_response(status)
        all_headers = {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}
        for name, value in all_headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Teacher).serve_forever()
