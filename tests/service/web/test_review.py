"""The review of feedback on the page: decided by keys, with what speaks for it, and by topic."""

from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from service.accounts.keys import Keys, KeyWish
from service.state.database import State
from tests.service.web.busy import CASES, COUNT, HOSTILE, SLEEPLESS, WAITING
from tests.service.web.conftest import Clinic, Visit
from tests.service.web.test_looks import AXE, PHONE, check, check_sizes

pytestmark = pytest.mark.slow

MINE = "先问医师；孕期不自行用药。"
FIRST_WAITING = len(CASES) - len(WAITING)


def states(clinic: Clinic) -> list[str]:
    """Of all feedback, the oldest first."""
    path = f"{clinic.url}/v1/feedback?order=asc&limit=100"
    return [each["state"] for each in httpx.get(path, trust_env=False).json()["data"]]


def item(clinic: Clinic, number: int) -> dict[str, Any]:
    """One of those that waited, counted from 0."""
    path = f"{clinic.url}/v1/feedback?order=asc&limit=100"
    return httpx.get(path, trust_env=False).json()["data"][FIRST_WAITING + number]


def question(visit: Visit, text: str) -> None:
    """Until it is looked at."""
    expect(visit.page.locator(".item h2")).to_have_text(text)


def look_at(visit: Visit, text: str) -> None:
    visit.page.locator(".list button", has_text=text).first.click()
    question(visit, text)


def test_feedback_is_reviewed_by_keys_alone(busy: Clinic):
    visit = busy.visit("#/review")
    press = visit.page.keyboard.press
    question(visit, WAITING[0].question)
    assert len(WAITING) == COUNT - 8
    expect(visit.page.locator(".list li")).to_have_count(len(WAITING))
    press("a")
    question(visit, WAITING[1].question)
    press("e")
    field = visit.page.get_by_role("textbox", name="The right answer")
    expect(field).to_be_focused()
    expect(field).to_have_value(WAITING[1].said["correction"])
    press("Control+a")
    visit.page.keyboard.type(MINE)
    visit.page.keyboard.type(" race")  # letters, and no keys
    press("Control+Enter")
    question(visit, WAITING[2].question)
    press("r")
    question(visit, WAITING[3].question)
    press("c")
    question(visit, WAITING[4].question)
    assert [item(busy, number)["state"] for number in range(5)] == [
        "accepted",
        "edited",
        "rejected",
        "accepted",
        "new",
    ]
    assert item(busy, 1)["edited"] == f"{MINE} race"
    assert [item(busy, number)["critical"] for number in (0, 3)] == [False, True]
    press("s")
    question(visit, WAITING[5].question)
    for _ in range(2):
        press("b")
    question(visit, WAITING[3].question)
    press("o")
    visit.page.locator(".item .badge.new").wait_for()
    assert item(busy, 3)["state"] == "new"


def test_keys_do_nothing_with_others_and_where_they_are_turned_off(busy: Clinic):
    visit = busy.visit("#/review")
    question(visit, WAITING[0].question)
    before = states(busy)
    for keys in ("Control+r", "Alt+a", "x", "Enter"):
        visit.page.keyboard.press(keys)
    visit.page.locator(".item h2").wait_for()
    visit.page.get_by_label("State").focus()
    visit.page.keyboard.press("r")
    assert states(busy) == before
    visit.page.get_by_label("State").select_option("new")
    visit.page.get_by_label("Single keys decide").uncheck()
    visit.page.keyboard.press("a")
    question(visit, WAITING[0].question)
    assert states(busy) == before
    expect(visit.page.locator(".decide kbd")).to_have_count(0)
    visit.button("Accept").click()
    question(visit, WAITING[1].question)
    assert item(busy, 0)["state"] == "accepted"


def test_what_a_correction_changes_stands_out_by_characters_and_by_words(busy: Clinic):
    visit = busy.visit("#/review")
    question(visit, WAITING[0].question)
    texts = visit.page.locator(".compared")
    assert texts.locator("del").all_inner_texts()[0] == "三"
    assert texts.locator("ins").all_inner_texts()[0] == "一"
    look_at(visit, WAITING[2].question)
    assert "50" in texts.locator("del").all_inner_texts()
    assert "15" in texts.locator("ins").all_inner_texts()


def test_what_nobody_has_corrected_has_to_be_written_first(busy: Clinic):
    visit = busy.visit("#/review")
    look_at(visit, "便秘三天了")
    visit.button("Accept").click()
    visit.page.get_by_text("Nobody has said what would be right").wait_for()
    save = visit.button("Accept this")
    assert save.is_disabled(), "the answer is said to be bad"
    visit.page.get_by_role("textbox", name="The right answer").fill("多喝温水，三天以上请就诊。")
    save.click()
    visit.page.locator(".list .badge.edited").wait_for()
    assert states(busy).count("edited") == 1


def test_conflicts_findings_and_what_was_said_are_shown(busy: Clinic):
    visit = busy.visit("#/review")
    look_at(visit, SLEEPLESS)
    conflict = visit.page.locator(".conflict")
    conflict.get_by_text("肝肾不足者").wait_for()
    assert conflict.locator("del, ins").count() == 0, "one is quite another text than the other"
    expect(visit.page.locator(".list .badge.bad", has_text="Conflict")).to_have_count(1)
    look_at(visit, WAITING[0].question)
    assert visit.page.get_by_text("剂量不对").is_visible()
    assert visit.page.get_by_text("患者差点照做").is_visible()
    look_at(visit, "复诊怎么预约？")
    personal = visit.page.locator(".personal")
    assert "phone number" in personal.inner_text()
    for text, fault in (
        ("咳嗽有黄痰怎么办？", "Without an end"),
        ("胃胀怎么办？", "Goes round in circles"),
        ("晚上失眠，能喝咖啡吗？", "In another script"),
        ("失眠吃什么药？", "Without the disclaimer"),
    ):
        look_at(visit, text)
        assert fault in visit.page.locator(".findings").inner_text()


def test_a_conflict_leads_to_what_was_accepted(busy: Clinic):
    visit = busy.visit("#/review")
    look_at(visit, SLEEPLESS)
    visit.button("Look at that one").click()
    visit.page.get_by_text("It stays as it is: it is used by tcm@2.").wait_for()
    assert visit.button("Accept").is_disabled()
    assert visit.page.get_by_label("State").input_value() == "shipped"


def test_feedback_is_chosen_by_its_state_and_by_who_has_answered(busy: Clinic):
    visit = busy.visit("#/review")
    question(visit, WAITING[0].question)
    visit.page.get_by_label("Answered by").select_option("客服")
    expect(visit.page.locator(".list li")).to_have_count(5)
    visit.page.get_by_label("State").select_option("rejected")
    expect(visit.page.locator(".list li")).to_have_count(1)
    visit.page.get_by_label("Answered by").select_option("tcm@1")
    question(visit, "头痛怎么办？")
    visit.page.get_by_label("State").select_option("in_training")
    visit.page.get_by_text("Nothing more waits here.").wait_for()


def test_a_long_queue_comes_page_by_page(busy: Clinic):
    visit = busy.visit()
    visit.page.route(
        "**/v1/feedback?*",
        lambda route: route.continue_(url=route.request.url.replace("limit=50", "limit=10")),
    )
    visit.page.goto(f"{visit.url}/#/review")
    expect(visit.page.locator(".list li")).to_have_count(11)  # the last one asks for more
    for _ in range(10):
        visit.page.keyboard.press("s")
    question(visit, WAITING[10].question)
    expect(visit.page.locator(".list li")).to_have_count(21)


def test_hostile_feedback_stays_text(busy: Clinic):
    visit = busy.visit("#/review")
    visit.page.locator(".list button", has_text="window.ran").click()
    shown = visit.page.locator(".item")
    expect(shown.locator("h2")).to_contain_text("<script>window.ran = 1</script>")
    expect(shown.locator("script, img, iframe")).to_have_count(0)
    expect(visit.page.locator(".list script, .list img")).to_have_count(0)
    assert "\u202e" not in shown.inner_text()
    assert "<b>标签</b>" in shown.inner_text()
    visit.page.goto(f"{visit.url}/#/review/topics")
    visit.page.locator(".topics").first.wait_for()
    expect(visit.page.locator(".topics script, .topics img")).to_have_count(0)
    assert visit.page.get_by_text(HOSTILE[:20]).count() > 0
    assert visit.page.evaluate("() => window.ran") is None


def test_topics_say_where_each_version_fails(busy: Clinic):
    visit = busy.visit("#/review/topics")
    version = visit.page.locator(".version", has=visit.page.get_by_role("heading", name="tcm@2"))
    version.locator(".topics > li").first.wait_for()
    told = version.inner_text()
    assert "失眠" in told
    assert "in the last 4 weeks" in told
    assert "剂量不对 ×1" in told
    assert "Without the disclaimer that the correction has ×1" in told
    visit.page.get_by_label("Answered by").select_option("workshop")
    visit.page.get_by_role("heading", name="workshop@1").wait_for()
    expect(version).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("part", ["topics", "improve"])
def test_its_other_parts_are_for_everybody(busy: Clinic, part: str, scheme: str):
    window: dict[str, Any] = {
        "viewport": PHONE,
        "color_scheme": scheme,
        "has_touch": True,
        "bypass_csp": True,
    }
    visit = busy.visit(f"#/review/{part}", **window)
    visit.page.locator(".topics, .decision").first.wait_for()
    for each in visit.page.locator("summary:visible").all():
        each.click()
    check_sizes(visit)
    if AXE.is_file():
        check(visit)


def test_a_key_that_may_only_chat_does_not_see_the_review(busy: Clinic, own_state: State):
    _, chat = Keys(own_state).create(KeyWish("anna"))
    _, admin = Keys(own_state).create(KeyWish("root", ("admin",)))
    for key, views in ((chat, 0), (admin, 1)):
        visit = busy.look("#/review") if busy.url else busy.visit("#/review")
        visit.page.get_by_label("Key", exact=True).fill(key)
        visit.button("Continue").click()
        visit.page.locator(".review .list li, .chat").first.wait_for()
        expect(visit.page.get_by_role("link", name="Review")).to_have_count(views)
        expect(visit.page.locator(".review")).to_have_count(views)
