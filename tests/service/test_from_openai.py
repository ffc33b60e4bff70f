"""The page for those who come from OpenAI names the codes that there are."""

import re

from tests.pages import ROOT

PAGE = (ROOT / "docs" / "from-openai.md").read_text(encoding="utf-8")
REFUSALS, JOBS = PAGE.partition("## What a refusal means")[2].split("A job that has `failed`")
ROW = re.compile(r"^\|(?: \d{3} \|)? ((?:`\w+`(?:, )?)+) \|", re.MULTILINE)


def codes_of(table: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", " ".join(ROW.findall(table))))


def test_every_refusal_of_the_page_is_one_that_the_server_gives():
    places = ("http/replies.py", "http/fields.py", "api/fine_tuning/fit.py")
    code = "".join((ROOT / "service" / place).read_text("utf-8") for place in places)
    known = set(re.findall(r'"(\w+)"', code))
    assert len(codes_of(REFUSALS)) > 10
    assert codes_of(REFUSALS) <= known


def test_every_way_in_which_jobs_fail_is_on_the_page():
    code = "".join(path.read_text("utf-8") for path in (ROOT / "service").rglob("*.py"))
    assert codes_of(JOBS) == set(re.findall(r'JobError\(\s*"(\w+)"', code))
