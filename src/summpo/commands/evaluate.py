"""`summpo evaluate run=DIR dataset=aclsum`: summaries of held-out documents, their lengths and scores, preferences."""

from __future__ import annotations

from summpo.commands.help import wants_help
from summpo.commands.run_config import compose_with_run
from summpo.commands.writing_settings import say_of_stdin, writing_settings
from summpo.config.nodes import from_fields
from summpo.evaluation.bert_backbone import BertScore
from summpo.evaluation.run import EvaluateSettings, evaluate
from summpo.runs.run_folder import require_writable
from summpo.training.plain_settings import margins_of


def run(arguments: list[str]) -> int:
    """Evaluates one model, or says that it has been evaluated with these settings."""
    if wants_help("evaluate", arguments):
        return 0
    config = compose_with_run("evaluate", arguments, ("model", "prompt", "tokens", "dataset", "margin_reward", "w"))
    settings = EvaluateSettings(
        writing=writing_settings(config),
        margin_reward=margins_of(config.margin_reward),
        w=config.w,
        eval_batch_size=config.eval_batch_size,
        bertscore=from_fields(BertScore, config.bertscore, "bertscore"),
        run=config.run,
        output_dir=config.output_dir,
    )
    require_writable(settings.folder)
    say_of_stdin(settings.writing)
    evaluate(settings)
    return 0
