"""`report.html` and `metrics.json`, of numbers made up."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from finetune.evaluation.charts import nice_ticks, training_charts
from finetune.evaluation.report import History, Report
from tests.finetune.evaluation.measuring import HISTORY, likelihood, measured, report, steps

SECTIONS = ["verdict", "held-out", "answers", "forgetting", "leakage", "course", "how"]
VOID = {"meta", "line", "polyline", "circle", "br"}


class Outline(HTMLParser):
    """The ids of headings, what is loaded from elsewhere, and whether tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.headings: list[str | None] = []
        self.loads: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "h2":
            self.headings.append(dict(attrs).get("id"))
        if tag in ("script", "link", "img", "iframe", "object", "use"):
            self.loads.append(tag)
        self.loads += [name for name, _ in attrs if name in ("src", "href", "xlink:href", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_report_has_every_section_and_loads_nothing():
    html = report(measured(shares=(0.9, 0.1)), HISTORY).html()
    outline = Outline(html)
    assert outline.headings == SECTIONS
    assert outline.loads == outline.open == []
    assert not re.search(r"https?:|url\(|@import|@font-face", html)


def test_the_report_shows_numbers_verdicts_and_answers():
    html = report(measured(shares=(0.9, 0.1)), HISTORY).html()
    for text in (
        "Better.",
        "Memorises.",
        "What to try:",
        "不是医生。",
        "百合莲子粥",
        "2.210",
        "−1.000",
    ):
        assert text in html
    assert html.count("<polyline") == 4
    assert html.count("<circle") == 6


def test_text_from_data_and_models_is_never_markup():
    html = report().html()
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    assert "<b>怎么办" not in html


def test_without_history_samples_or_leakage_the_rest_stands():
    bare = measured()
    bare = type(bare)(bare.precision, bare.unseen, False, bare.general, None, None)
    html = report(bare).html()
    assert Outline(html).headings == ["verdict", "held-out", "forgetting", "leakage", "how"]
    assert "Not measured here" in html
    assert report(bare).metrics()["training"] is None


def test_metrics_are_all_the_numbers(tmp_path: Path):
    made = report(history=HISTORY)
    made.write(tmp_path)
    found = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert found["adapter"] == "中医"
    assert found["held_out"]["nll"]["adapter"]["value"] == pytest.approx(2.0)
    assert set(found["held_out"]["bits_per_character"]["difference"]) == {"value", "low", "high"}
    assert found["answers"]["adapter"]["stop_rate"] == 1
    assert found["leakage"]["trained_share"] == 0.2
    assert found["general"]["English"]["num_rows"] == 10
    assert [each["kind"] for each in found["verdict"]] == ["better", "overfitted"]
    assert len(found["training"]["steps"]) == 24
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == made.html()


def test_a_cut_answer_makes_no_claim_of_stopping():
    assert "say little here" not in report().html()
    samples = measured().samples
    assert samples is not None
    cut = replace(samples, max_tokens=20)
    bare = measured()
    made = type(bare)(bare.precision, bare.unseen, True, bare.general, cut, bare.leakage)
    assert "say little here" in report(made).html()


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (1.87, 3.5, [1.5, 2, 2.5, 3, 3.5]),
        (0, 1e-3, [0, 0.0002, 0.0004, 0.0006, 0.0008, 0.001]),
        (2.0, 2.0, [2.0, 2.5]),
    ],
)
def test_ticks_are_round_and_hold_everything(low: float, high: float, expected: list[float]):
    found = nice_ticks(low, high)
    assert found[0] <= low <= high <= found[-1]
    assert found == pytest.approx(expected) or low == high


def test_curves_lie_in_their_box_and_long_ones_are_thinned():
    [loss, rate] = training_charts(steps([2.5 - i / 1000 for i in range(500)]))
    assert [line.name for line in loss.lines][-1] == "held-out"
    for chart in (loss, rate):
        for line in chart.lines:
            assert len(line.points) <= 401
            assert all(0 <= x <= 640 and 0 <= y <= 240 for x, y in line.points)
    assert training_charts([]) == []


def test_a_run_of_one_step_has_a_report():
    one = steps([2.0])[3:]
    made: Report = report(measured(likelihood(2.0, 2.0)), History(one, 2.0, {}))
    assert Outline(made.html()).headings == SECTIONS
