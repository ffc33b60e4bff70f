"""`report.html` and `metrics.json`: how good an adapter is, for a person and for a program."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from data.local_time import local_time
from data.script import is_chinese
from data.wording import LANGUAGES, _, language, speaking
from finetune.adapters.card import DataSummary
from finetune.adapters.files import REPORT_FILE, REPORT_IN
from finetune.training.observer import StepMetrics

from .charts import training_charts
from .compare import Measured
from .finding import Finding, sentence
from .tables import general_rows, leakage_rows, likelihood_rows, score_rows
from .usability import Past
from .verdict import judge

TEMPLATE = Path(__file__).parent / "report.html.j2"
METRICS_FILE = "metrics.json"
FORMAT = 1  # of metrics.json


@dataclass(frozen=True, slots=True)
class History:
    """How the adapter came about; an adapter evaluated later has none."""

    steps: Sequence[StepMetrics]
    loss: float  # held-out, at training precision
    settings: Mapping[str, Any]  # that the run was resolved to


@dataclass(frozen=True, slots=True)
class Report:
    name: str
    base_id: str
    baseline: str  # "the base model", or the other adapter's name
    data: DataSummary
    measured: Measured
    history: History | None = None
    disclaimer: str | None = None
    created: datetime = field(default_factory=partial(datetime.now, UTC))

    @property
    def findings(self) -> list[Finding]:
        steps = self.history.steps if self.history else ()
        return judge(self.measured, self.baseline, Past(self.data.num_trained, steps))

    @property
    def verdict(self) -> str:
        """A verdict for a person who knows nothing of losses."""
        return sentence(self.findings)

    def metrics(self) -> dict[str, Any]:
        """Everything, as JSON has it."""
        measured = self.measured
        return {
            "format": FORMAT,
            "adapter": self.name,
            "baseline": self.baseline,
            "base": self.base_id,
            "created": self.created.isoformat(timespec="seconds"),
            "precision": measured.precision,
            "report": measured.depth,
            "data": self.data.model_dump(),
            "verdict": [asdict(finding) for finding in self.findings],
            "held_out": asdict(measured.unseen),
            "general": {name: asdict(each) for name, each in measured.general.items()},
            "answers": asdict(measured.samples) if measured.samples else None,
            "leakage": asdict(measured.leakage) if measured.leakage else None,
            "training": asdict(self.history) if self.history else None,
        }

    def html(self) -> str:
        import jinja2

        measured = self.measured
        environment = jinja2.Environment(
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        shown = measured.samples.shown if measured.samples else ()
        leakage = measured.leakage
        return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
            _=_,
            report=self,
            created=local_time(self.created),
            measured=measured,
            charts=training_charts(self.history.steps) if self.history else [],
            unseen_rows=likelihood_rows(measured.unseen),
            general_rows=general_rows(measured),
            score_rows=score_rows(measured.samples) if measured.samples else [],
            leakage_rows=leakage_rows(leakage, measured.unseen) if leakage else [],
            page_language=language(),
            language="zh" if is_chinese("".join(each.reference for each in shown)) else "en",
        )

    def write(self, folder: Path) -> None:
        """Both files; without a report the numbers alone."""
        text = json.dumps(self.metrics(), ensure_ascii=False, indent=1)
        (folder / METRICS_FILE).write_text(text + "\n", encoding="utf-8")
        if self.measured.depth != "none":
            (folder / REPORT_FILE).write_text(self.html(), encoding="utf-8")

    def translate(self, folder: Path) -> None:
        """Write the report, where there is one, in the other languages beside it."""
        if self.measured.depth == "none":
            return
        for other in LANGUAGES:
            if other != language():
                with speaking(other):
                    page = self.html()
                (folder / REPORT_IN.format(language=other)).write_text(page, encoding="utf-8")
