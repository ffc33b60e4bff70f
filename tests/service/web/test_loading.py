"""What the page asks for, and when: a view when it is shown, a language when it is chosen."""

import pytest

from service.web.files import INDEX
from tests.service.web.conftest import Clinic, Visit
from tests.service.web.parts import VIEWS, loaded_by

pytestmark = pytest.mark.slow

ICON = "icon.svg"  # not every browser wants it


def expected(view: str, language: str = "en") -> set[str]:
    return loaded_by(view, language) - {INDEX, ICON}


def taken(visit: Visit) -> set[str]:
    """What it has asked for since the last time."""
    parts = visit.parts - {ICON}
    visit.parts.clear()
    return parts


def go_to_comparison(visit: Visit) -> None:
    visit.page.get_by_role("link", name="Compare").click()


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_loads_what_the_files_say_and_nothing_else(clinic: Clinic, view: str):
    visit = clinic.visit(f"#/{view}")
    assert taken(visit) == expected(view)


def test_another_view_is_loaded_when_it_is_shown_and_not_again(clinic: Clinic):
    visit = clinic.visit("#/chat")
    taken(visit)
    go_to_comparison(visit)
    visit.page.get_by_role("textbox", name="Ask all of them").wait_for()
    assert taken(visit) == expected("compare") - expected("chat")
    visit.page.get_by_role("link", name="Chat", exact=True).click()
    visit.page.get_by_role("textbox", name="Write a message").wait_for()
    assert taken(visit) == set()


def test_another_language_is_loaded_when_it_is_chosen_and_nothing_written_is_lost(clinic: Clinic):
    visit = clinic.visit("#/chat")
    taken(visit)
    visit.write("Hi")
    visit.page.get_by_label("Language").select_option("zh")
    field = visit.page.get_by_placeholder("输入消息")
    assert field.input_value() == "Hi"
    assert taken(visit) == expected("chat", "zh") - expected("chat")
    assert visit.page.title() == "对话 – lora-chat"


@pytest.mark.parametrize("missing", ["view.js", "style.css", "words.en.js"])
def test_a_view_that_cannot_be_loaded_is_told_and_tried_again(clinic: Clinic, missing: str):
    visit = clinic.visit("#/chat")
    pattern = f"**/compare/{missing}"
    visit.page.route(pattern, lambda route: route.abort())
    go_to_comparison(visit)
    visit.page.get_by_text("The server cannot be reached.").wait_for()
    visit.page.unroute(pattern)
    visit.faults.clear()  # the browser has told of what was missing
    visit.button("Try again").click()
    visit.page.get_by_role("textbox", name="Ask all of them").wait_for()


def test_a_language_that_cannot_be_loaded_is_told_and_the_other_stays(clinic: Clinic):
    visit = clinic.visit("#/chat")
    visit.page.route("**/chat/words.zh.js", lambda route: route.abort())
    visit.page.get_by_label("Language").select_option("zh")
    visit.page.get_by_text("The server cannot be reached.").wait_for()
    assert visit.page.get_by_label("Language").input_value() == "en"
    visit.faults.clear()  # the browser has told of what was missing
