"""The page for everybody: both languages and schemes, small windows, and assistive programs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.service.web.conftest import Clinic, Visit
from tests.service.web.parts import VIEWS

pytestmark = pytest.mark.slow

AXE = Path(__file__).parents[3] / ".clients/node/node_modules/axe-core/axe.min.js"
PHONE = {"width": 390, "height": 780}


def test_the_browsers_language_is_spoken_until_another_is_chosen(clinic: Clinic):
    visit = clinic.visit(locale="zh-CN")
    assert visit.page.get_by_placeholder("输入消息").is_visible()
    assert visit.page.evaluate("() => document.documentElement.lang") == "zh-CN"
    visit.page.get_by_label("语言").select_option("en")
    visit.page.get_by_placeholder("Write a message").wait_for()
    visit.page.reload()
    visit.page.get_by_placeholder("Write a message").wait_for()


def test_the_server_is_asked_in_the_language_of_the_page(clinic: Clinic):
    visit = clinic.visit(locale="zh-CN")
    with visit.page.expect_request("**/v1/models") as sent:
        visit.page.reload()
    assert sent.value.headers["accept-language"] == "zh"


def ground(visit: Visit) -> str:
    return visit.page.evaluate("() => getComputedStyle(document.body).backgroundColor")


def test_the_scheme_is_the_systems_until_another_is_chosen(clinic: Clinic):
    light = ground(clinic.visit(color_scheme="light"))
    visit = clinic.look(color_scheme="dark")
    dark = ground(visit)
    assert light != dark
    visit.button("Light or dark as the system has it").click()
    assert ground(visit) == light
    visit.page.reload()
    assert ground(visit) == light
    visit.button("Light").click()
    assert ground(visit) == dark


def ask_and_correct(visit: Visit) -> None:
    visit.page.locator(".composer textarea").fill("长" * 300 + "w" * 300)
    visit.page.keyboard.press("Enter")
    visit.page.locator(".answer .by").first.wait_for()
    visit.page.locator(".answer[aria-busy=true]").first.wait_for(state="detached")
    visit.page.locator(".actions button[aria-expanded]").first.click()
    visit.page.locator(".correction textarea").first.wait_for()


def choose_a_file(visit: Visit) -> None:
    rows = [f'{{"messages": {"[]" if number % 2 else "7"}}}' for number in range(20)]
    content = "\n".join([*rows, "长" * 300, "w" * 300]).encode()
    file: Any = {"name": f"{'长' * 40}.jsonl", "mimeType": "", "buffer": content}
    visit.page.locator("input[type=file]").set_input_files(file)
    visit.page.locator(".train-faults").wait_for()
    visit.page.locator(".train-order summary").click()


def write_an_answer(visit: Visit) -> None:
    """Where there is a conflict, too."""
    visit.page.locator(".list .badge.bad").first.click()
    visit.page.locator(".conflict").wait_for()
    visit.page.keyboard.press("e")
    visit.page.locator(".write textarea").wait_for()


def open_and_verify(visit: Visit) -> None:
    visit.page.locator(".version summary").first.click()
    visit.page.locator(".version .facts").first.wait_for()
    visit.page.locator(".version .actions button").first.click()
    visit.page.locator(".verification").wait_for()
    visit.page.locator(".figures .facts").nth(2).wait_for()


# Brings a view, which has just been opened, to where most of it is seen; by its name.
FULLEST: dict[str, Callable[[Visit], None]] = {
    "chat": ask_and_correct,
    "compare": ask_and_correct,
    "train": choose_a_file,
    "review": write_an_answer,
    "system": open_and_verify,
}


def test_every_view_is_looked_at_where_most_of_it_is_seen():
    assert FULLEST.keys() == VIEWS.keys()


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_sticks_out_of_a_phone(busy: Clinic, view: str):
    visit = busy.visit(f"#/{view}", viewport=PHONE, has_touch=True)
    check_sizes(visit)
    FULLEST[view](visit)
    check_sizes(visit)


def check_sizes(visit: Visit) -> None:
    assert visit.page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    small = visit.page.locator("button:visible, select:visible").evaluate_all(
        "all => all.map(each => [each.ariaLabel || each.innerText, each.offsetHeight])"
    )
    assert [name for name, height in small if height < 32] == []


def test_settings_and_conversations_come_in_as_dialogs_on_a_phone(clinic: Clinic):
    visit = clinic.visit(viewport=PHONE)
    visit.button("Settings").click()
    visit.page.get_by_label("Adapter", exact=True).select_option("workshop")
    visit.page.keyboard.press("Escape")
    visit.ask("Hi")
    assert visit.answers == ["I am workshop."]
    visit.button("Conversations").click()
    visit.button("New conversation").click()
    visit.page.get_by_text("What would you like to ask?").wait_for()


def test_screen_readers_are_told_of_the_answer(clinic: Clinic):
    visit = clinic.visit()
    visit.ask("Hi")
    region = visit.page.get_by_role("status").filter(has_text="I am tcm.")
    region.wait_for(state="attached")
    assert region.get_attribute("aria-live") == "polite"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(busy: Clinic, view: str, locale: str, scheme: str):
    if not AXE.is_file():
        pytest.skip("no axe-core in .clients; try: make clients")
    visit = busy.visit(f"#/{view}", locale=locale, color_scheme=scheme, bypass_csp=True)
    check(visit)
    FULLEST[view](visit)
    check(visit)


def check(visit: Visit) -> None:
    visit.page.add_script_tag(path=AXE)
    found = visit.page.evaluate("async () => (await axe.run()).violations")
    told = [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found]
    assert told == []
