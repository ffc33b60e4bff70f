"""`report.html` of a check: self-contained, for somebody who has the data but not the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from data.errors import Fault, UnreadableFile
from data.whole_file import check_folder, whole_output
from data.wording import _, language

from .check import Findings
from .lengths import Lengths

TEMPLATE = Path(__file__).parent / "report.html.j2"
FIRST_LINE = b"<!doctype html>"
WIDTH, HEIGHT = 640, 120  # of a chart
WIDEST = 72  # of a bar
MOST_SHOWN = 100  # faults of a kind


@dataclass(frozen=True, slots=True)
class Bar:
    left: float
    top: float
    width: float
    height: float
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Section:
    severity: str
    kind: str
    count: int
    faults: Sequence[Fault]


def check_report(path: Path) -> None:
    """Raises UnreadableFile where a file is that is no earlier report, or no folder for one."""
    if path.is_dir() or (path.exists() and not path.read_bytes().startswith(FIRST_LINE)):
        raise UnreadableFile(path, _("exists already and is no report; choose another name"))
    check_folder(path)


def write_report(findings: Findings, names: Sequence[str], path: Path) -> None:
    """Whole or not at all; raises as `check_report` does."""
    import jinja2

    check_report(path)

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    html = template.render(
        _=_,
        page_language=language(),
        title=", ".join(names),
        findings=findings,
        sections=_sections(findings),
        charts=_charts(findings),
        width=WIDTH,
        height=HEIGHT,
    )
    with whole_output(path) as file:
        file.write(html)


def _charts(findings: Findings) -> dict[str, list[Bar]]:
    charts = {
        _("Questions by characters"): _bars(findings.questions),
        _("Answers by characters"): _bars(findings.answers),
    }
    if findings.tokens is not None:
        charts[_("Conversations by tokens")] = _bars(findings.tokens.lengths)
    return charts


def _sections(findings: Findings) -> list[Section]:
    """Errors before warnings, each kind in the order of its first fault."""
    keys = list(findings.counts)
    ordered = sorted(
        findings.faults,
        key=lambda fault: (fault.severity, keys.index((fault.severity, fault.kind))),
    )
    return [
        Section(severity, kind, findings.counts[severity, kind], [*faults][:MOST_SHOWN])
        for (severity, kind), faults in groupby(ordered, lambda each: (each.severity, each.kind))
    ]


def _bars(lengths: Lengths) -> list[Bar]:
    bins = lengths.bins()
    most = max((count for _, _, count in bins), default=1)
    width = min(WIDEST, WIDTH / max(1, len(bins)))
    return [
        Bar(
            number * width,
            HEIGHT * (1 - count / most),
            width - 2,
            HEIGHT * count / most,
            f"{begin:,}–{end:,}",
            count,
        )
        for number, (begin, end, count) in enumerate(bins)
    ]
