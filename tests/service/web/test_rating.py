"""What people say of answers on the page arrives in the API."""

import pytest
from playwright.sync_api import expect

from tests.service.web.conftest import Clinic, Visit

pytestmark = pytest.mark.slow


def test_a_good_answer_is_rated_and_the_rating_taken_back(clinic: Clinic):
    visit = clinic.visit()
    visit.ask("Hi")
    visit.button("Good answer").click()
    visit.page.locator("[aria-pressed=true]").wait_for()
    (said,) = clinic.feedback()
    assert (said["rating"], said["model"], said["system_fingerprint"]) == (1, "tcm", "tcm@2:1")
    visit.button("Good answer").click()
    visit.page.locator("[aria-pressed=true]").wait_for(state="detached")
    assert clinic.feedback() == []


def test_a_bad_answer_gets_reasons_the_right_one_and_a_mark(clinic: Clinic):
    visit = clinic.visit()
    visit.ask("Hi")
    visit.button("Bad answer").click()
    visit.button("Wrong").click()
    visit.page.get_by_label("Another reason").fill("剂量不对")
    visit.page.keyboard.press("Enter")
    visit.button("Write the right answer").click()
    field = visit.page.get_by_role("textbox", name="The right answer")
    assert field.input_value() == "I am tcm."
    field.fill("I am Dr Li.")
    visit.page.get_by_label("Anything else").fill("Ask Anna.")
    visit.page.get_by_label("This must never be answered again").check()
    visit.button("Save").click()
    visit.button("Corrected").wait_for()
    (said,) = clinic.feedback()
    assert (said["rating"], said["correction"]) == (-1, "I am Dr Li.")
    assert (said["reasons"], said["note"]) == (["Wrong", "剂量不对"], "Ask Anna.")
    assert said["critical"] is True
    visit.page.reload()
    visit.page.locator(".history .title").click()
    assert visit.button("Corrected").is_visible()


def test_what_has_been_corrected_can_be_corrected_again(clinic: Clinic):
    visit = clinic.visit()
    visit.ask("Hi")
    for text in ("One.", "Two."):
        visit.page.get_by_role("button", name="Correct").click()
        visit.page.get_by_role("textbox", name="The right answer").fill(text)
        visit.button("Save").click()
        visit.button("Save").wait_for(state="detached")
    assert [each["correction"] for each in clinic.feedback()] == ["Two."]


def test_the_better_of_several_answers_is_picked(clinic: Clinic):
    visit = clinic.visit("#/compare")
    visit.button("Add a model").click()
    visit.page.get_by_role("button", name="Model 3: tcm").click()
    visit.page.get_by_label("Adapter", exact=True).select_option("workshop")
    visit.page.keyboard.press("Escape")
    visit.page.get_by_role("textbox", name="Ask all of them").fill("Hi")
    visit.page.keyboard.press("Enter")
    visit.rest()
    assert visit.answers == ["I am the base.", "I am tcm.", "I am workshop."]
    seeds = {request.sampling.seed for request in clinic.engine.requests}
    assert len(clinic.engine.requests) == 3
    assert len(seeds) == 1
    assert None not in seeds
    better(visit, 1)
    (said,) = clinic.feedback()
    assert (said["model"], said["rating"], len(said["siblings"])) == ("tcm", 1, 2)
    better(visit, 2)
    (said,) = clinic.feedback()
    assert (said["model"], said["rating"], len(said["siblings"])) == ("workshop", 1, 2)


def better(visit: Visit, number: int) -> None:
    """Pick the answer of a column, counted from 0."""
    column = visit.page.locator(".column").nth(number)
    column.get_by_role("button", name="This one is better").click()
    column.get_by_role("button", name="Picked as better").wait_for()


def test_a_comparison_can_be_stopped_and_outlives_the_page(clinic: Clinic):
    visit = clinic.visit("#/compare")
    visit.page.get_by_role("textbox", name="Ask all of them").fill("Hi")
    visit.page.keyboard.press("Enter")
    visit.rest()
    visit.page.reload()
    visit.page.locator(".answer").first.wait_for()
    assert visit.answers == ["I am the base.", "I am tcm."]


def test_where_nothing_is_stored_the_page_says_how_to_turn_it_on(clinic: Clinic):
    visit = clinic.visit(store_answers="off")
    visit.ask("Hi")
    for name in ("Good answer", "Bad answer", "Correct"):
        visit.button(name).click()
        visit.page.get_by_text("store_answers: asked").wait_for()
        visit.button("Close").click()
    expect(visit.page.get_by_text("Store answers on the server")).to_have_count(0)


def test_who_does_not_want_answers_stored_is_obeyed(clinic: Clinic):
    visit = clinic.visit(store_answers="all")
    visit.page.get_by_label("Store answers on the server").uncheck()
    visit.ask("Hi")
    visit.button("Good answer").click()
    visit.page.get_by_text("was not stored").wait_for()
    stored = visit.page.request.get(f"{visit.url}/v1/chat/completions").json()["data"]
    assert stored == []
