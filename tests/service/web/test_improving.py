"""An adapter's next version on the page: rounds, their decisions, the ledger, and the way back."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from service.improving.improver import Improver
from service.improving.ledger import Entry, Ledger
from service.jobs.desk import Desk
from service.jobs.events import News
from service.jobs.job import NewJob, new_job_id
from service.jobs.jobs import Jobs
from service.state.database import State
from tests.service.web.conftest import Clinic, Visit

pytestmark = pytest.mark.slow


@pytest.fixture
def improving(
    monkeypatch: pytest.MonkeyPatch,
    busy: Clinic,
    own_state: State,
    tmp_path: Path,
    add_adapter: Callable[..., Path],
) -> list[int | None]:
    """A round that says something and promotes what it was to train; the shares it was given."""
    shares: list[int | None] = []

    async def improve(improver: Improver, adapter: str, share: int | None = None) -> int:
        shares.append(share)
        log = improver.log(adapter)
        log.parent.mkdir(exist_ok=True)
        log.write_text("Comparing <b>both</b>\n", "utf-8")
        add_adapter(adapter, "3")
        entry = Entry(
            adapter=adapter,
            what="refuse",
            round=2,
            before="tcm@2",
            after="tcm@3",
            told={"reasons": ["The critical question <i>fb-1</i> is still answered as before."]},
        )
        Ledger(own_state, Desk(tmp_path).place).add(entry)
        return 0

    monkeypatch.setattr(Improver, "improve", improve)
    _ = busy
    return shares


def panel(visit: Visit, name: str) -> Any:
    return visit.page.get_by_role("region", name=name, exact=True)


def test_a_round_is_begun_and_its_decision_told_in_words(busy: Clinic, improving: list[int | None]):
    visit = busy.visit("#/review/improve")
    tcm = panel(visit, "tcm")
    tcm.get_by_text("Accepted and not used yet: 2").wait_for()
    tcm.get_by_text("tcm@2 is better than tcm@1, and answers in its place.").wait_for()
    tcm.get_by_role("button", name="Improve").click()
    assert improving == []
    visit.page.get_by_label("A share of the requests first").check()
    field = visit.page.get_by_label("Share of the requests, in percent")
    assert field.input_value() == "10"
    field.fill("0")
    begin = visit.page.get_by_role("dialog").get_by_role("button", name="Improve")
    assert begin.is_disabled()
    field.fill("20")
    begin.click()
    tcm.get_by_text("tcm still means tcm@2: the candidate is not better").wait_for()
    tcm.get_by_text("The critical question <i>fb-1</i>").first.wait_for()
    assert improving == [20]
    visit.page.get_by_label("Language").select_option("zh")
    tcm.get_by_text("关键问题 <i>fb-1</i> 的回答仍和以前一样。").first.wait_for()
    visit.page.get_by_label("语言").select_option("en")
    tcm.get_by_text("What the last round has said").click()
    assert tcm.locator("pre").inner_text() == "Comparing <b>both</b>\n"


def test_a_candidate_that_was_kept_back_can_be_promoted_with_a_reason(
    busy: Clinic, improving: list[int | None], monkeypatch: pytest.MonkeyPatch
):
    reasons: list[tuple[str, str]] = []

    def override(*given: Any) -> None:
        reasons.append((given[4], given[6]))

    monkeypatch.setattr("service.api.improving.routes.override", override)
    visit = busy.visit("#/review/improve")
    tcm = panel(visit, "tcm")
    same = tcm.get_by_role("button", name="Promote tcm@3 all the same")
    tcm.get_by_text("tcm@2 is better than tcm@1").wait_for()
    expect(same).to_have_count(0)
    tcm.get_by_role("button", name="Improve").click()
    visit.page.get_by_role("dialog").get_by_role("button", name="Improve").click()
    same.click()
    sure = visit.page.get_by_role("dialog").get_by_role("button", name="Promote")
    assert sure.is_disabled()
    visit.page.get_by_label("Why").fill("Doctor Chen has read them.")
    sure.click()
    visit.page.get_by_role("dialog").wait_for(state="detached")
    assert (reasons, len(improving)) == ([("Doctor Chen has read them.", "3")], 1)


def test_a_round_is_followed_whoever_reloads_the_page(
    busy: Clinic, own_state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    is_over, job_id = Event(), new_job_id()

    async def improve(_improver: Improver, _adapter: str, _share: int | None = None) -> int:
        return int(await asyncio.to_thread(is_over.wait, 60))

    monkeypatch.setattr(Improver, "improve", improve)
    visit = busy.visit("#/review/improve")
    tcm = panel(visit, "tcm")
    tcm.get_by_role("button", name="Improve").click()
    visit.page.get_by_role("dialog").get_by_role("button", name="Improve").click()
    tcm.get_by_text("A round goes on …").wait_for()
    with Desk(tmp_path).working_on(job_id):
        begin_training(own_state, Desk(tmp_path).place, job_id)
        visit.page.reload()
        tcm.get_by_text("A round goes on: step 12 of 40").wait_for()
        assert tcm.get_by_role("button", name="Improve").is_disabled()
        assert tcm.get_by_role("progressbar").get_attribute("value") == "12"
    is_over.set()
    tcm.get_by_role("progressbar").wait_for(state="detached")
    assert tcm.get_by_role("button", name="Improve").is_enabled()


def begin_training(state: State, place: str, job_id: str) -> None:
    """Of tcm's next round, as the process that improves it tells of it."""
    new = NewJob(
        id=job_id,
        key_id="",
        place=place,
        model="base",
        name="tcm",
        training_file="/training.jsonl",
        run="runs/tcm-round-2",
        options={},
        seed=1,
        source="terminal",
    )
    data = {"step": 12, "total_steps": 40, "train_loss": 0.5}
    Jobs(state).add(new, status="running", news=[News("step", "Step 12/40", data)])


def test_a_round_that_cannot_begin_is_a_problem_in_the_dialog(busy: Clinic):
    visit = busy.visit("#/review/improve")
    visit.page.route(
        "**/v1/adapters/tcm/improve",
        lambda route: (
            route.fulfill(status=400, json={"error": {"message": "It is being improved."}})
            if route.request.method == "POST"
            else route.continue_()
        ),
    )
    panel(visit, "tcm").get_by_role("button", name="Improve").click()
    visit.page.get_by_role("dialog").get_by_role("button", name="Improve").click()
    visit.page.get_by_role("dialog").get_by_text("It is being improved.").wait_for()


def test_the_ledger_is_a_line_of_decisions_with_their_numbers(busy: Clinic):
    visit = busy.visit("#/review/improve")
    tcm = panel(visit, "tcm")
    tcm.get_by_text("All decisions (2)").click()
    entries = tcm.locator(".ledger li").filter(has=visit.page.locator("time"))
    expect(entries).to_have_count(2)
    assert "tcm@1 → tcm@2" in entries.first.inner_text()
    assert (
        "loss 20.3 % lower · chance 0.0 % · conversations trained: 412"
        in entries.first.inner_text()
    )
    assert "corrections still needed: 14" in entries.last.inner_text()


def test_rolling_back_asks_first(busy: Clinic):
    visit = busy.visit("#/review/improve")
    httpx.post(f"{busy.url}/v1/adapters/tcm/promote", json={"version": "2"}, trust_env=False)
    visit.page.reload()
    tcm = panel(visit, "tcm")
    tcm.get_by_text("Means tcm@2 now.").wait_for()
    tcm.get_by_role("button", name="Roll back").click()
    visit.page.get_by_text("It means tcm@1 then, no longer tcm@2.").wait_for()
    visit.button("Cancel").click()
    assert promoted(busy) == "2"
    tcm.get_by_role("button", name="Roll back").click()
    visit.page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    tcm.get_by_text("Means tcm@1 now.").wait_for()
    assert promoted(busy) == "1"
    tcm.get_by_text("tcm means tcm@1 instead of tcm@2.").wait_for()
    assert tcm.get_by_role("button", name="Roll back").is_disabled()


def promoted(clinic: Clinic) -> str:
    return httpx.get(f"{clinic.url}/v1/adapters/tcm", trust_env=False).json()["promoted"]


def test_a_version_gets_a_share_or_all(busy: Clinic):
    visit = busy.visit("#/review/improve")
    tcm = panel(visit, "tcm")
    tcm.get_by_role("button", name="Choose a version").click()
    visit.page.get_by_label("Share of the requests, in percent").fill("25")
    visit.button("Give this share").click()
    tcm.get_by_text("tcm@1 answers 25 % of the requests.").first.wait_for()
    tcm.get_by_role("button", name="End the share").click()
    visit.page.get_by_role("dialog").get_by_role("button", name="End the share").click()
    expect(visit.button("End the share")).to_have_count(0)
    tcm.get_by_role("button", name="Choose a version").click()
    visit.button("Promote").click()
    tcm.get_by_text("Means tcm@1 now.").wait_for()
    assert promoted(busy) == "1"
