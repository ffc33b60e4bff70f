"""Conversations on the page, in a real browser."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from serving.scripted import ScriptedEngine
from tests.service.web.conftest import DISCLAIMER, HOST, Clinic, Visit, stored_in

pytestmark = pytest.mark.slow


def pick(visit: Visit, name: str, number: int = 0) -> None:
    visit.page.get_by_label("Adapter", exact=True).nth(number).select_option(name)


def test_an_adapter_answers_and_its_disclaimer_is_seen_before_and_after(clinic: Clinic):
    visit = clinic.visit()
    assert visit.page.get_by_text(DISCLAIMER).is_visible()
    visit.ask("我最近失眠")
    assert visit.answers == ["I am tcm."]
    assert visit.page.get_by_text(DISCLAIMER).is_visible()
    assert [ref.version for ref, _ in clinic.engine.requests[-1].blend] == ["2"]


def test_a_version_and_the_base_can_be_chosen(clinic: Clinic):
    visit = clinic.visit()
    visit.page.get_by_label("Version", exact=True).select_option("1")
    visit.ask("Hi")
    assert [ref.version for ref, _ in clinic.engine.requests[-1].blend] == ["1"]
    pick(visit, "")
    visit.ask("Hi")
    assert clinic.engine.requests[-1].blend == ()
    assert visit.answers == ["I am tcm.", "I am the base."]


def test_a_blend_is_made_by_slider_and_by_number(clinic: Clinic):
    visit = clinic.visit()
    visit.button("Blend in another adapter").click()
    numbers = visit.page.get_by_role("spinbutton", name="Strength", exact=True)
    assert numbers.evaluate_all("all => all.map(each => each.value)") == ["1", "0.5"]
    numbers.nth(1).fill("0.33")
    visit.page.get_by_role("slider", name="Strength, slider").first.press("ArrowLeft")
    assert numbers.first.input_value() == "0.95"
    visit.page.get_by_text("tcm:0.95+workshop:0.33").wait_for()
    visit.ask("Hi")
    blend = [(ref.name, scale) for ref, scale in clinic.engine.requests[-1].blend]
    assert blend == [("tcm", 0.95), ("workshop", 0.33)]
    assert visit.answers == ["I am tcm and workshop."]


def test_system_text_and_sampling_go_with_the_question(clinic: Clinic, prompt_of: Any):
    visit = clinic.visit()
    visit.page.get_by_label("System text").fill("Be brief.")
    visit.page.get_by_role("spinbutton", name="Temperature", exact=True).fill("0.25")
    visit.page.get_by_text("More", exact=True).click()
    visit.page.get_by_label("Seed").fill("7")
    visit.ask("Hi")
    request = clinic.engine.requests[-1]
    assert "system\nBe brief." in prompt_of(request)
    assert (request.sampling.temperature, request.sampling.seed) == (0.25, 7)


def test_an_edited_question_takes_the_place_of_what_came_after(clinic: Clinic, prompt_of: Any):
    visit = clinic.visit()
    visit.ask("First")
    visit.ask("Second")
    visit.button("Edit").first.click()
    field = visit.page.get_by_role("textbox", name="Edit")
    assert field.input_value() == "First"
    field.fill("Other")
    visit.button("Send again").click()
    visit.page.get_by_text("Second").wait_for(state="detached")
    visit.rest()
    assert (visit.questions, len(visit.answers)) == (["Other"], 1)
    prompt = prompt_of(clinic.engine.requests[-1])
    assert "Other" in prompt
    assert "First" not in prompt


def test_an_answer_is_asked_for_once_more(clinic: Clinic, prompt_of: Any):
    visit = clinic.visit()
    visit.ask("First")
    before = prompt_of(clinic.engine.requests[-1])
    visit.button("Answer once more").click()
    visit.rest()
    assert len(visit.answers) == 1
    assert [prompt_of(each) for each in clinic.engine.requests] == [before, before]


def test_an_answer_can_be_stopped_and_the_engine_is(clinic: Clinic, wait_until: Any):
    engine = ScriptedEngine(default="word " * 400, delay=0.02)
    visit = clinic.visit(engine=engine)
    visit.write("Hi")
    visit.button("Send").click()
    visit.page.get_by_text("word word").wait_for()
    visit.button("Stop").click()
    visit.page.get_by_text("Stopped.").wait_for()
    assert visit.answers[0].startswith("word word")
    wait_until(lambda: bool(engine.cancelled))


def test_a_conversation_outlives_the_page(clinic: Clinic):
    visit = clinic.visit()
    visit.ask("我最近失眠")
    visit.page.reload()
    visit.page.get_by_role("button", name="我最近失眠").first.click()
    assert (visit.questions, visit.answers) == (["我最近失眠"], ["I am tcm."])


def test_conversations_are_exported_as_training_reads_them_and_deleted(
    clinic: Clinic, tmp_path: Path
):
    visit = clinic.visit()
    visit.ask("我最近失眠")
    with visit.page.expect_download() as download:
        visit.button("Export all").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.suffix == ".jsonl"
    assert path.read_text(encoding="utf-8") == (
        '{"messages":[{"role":"user","content":"我最近失眠"},'
        '{"role":"assistant","content":"I am tcm."}]}\n'
    )
    visit.button("Delete all").click()
    visit.button("Delete").click()
    visit.page.get_by_text("No conversations yet.").wait_for()
    assert "失眠" not in stored_in(visit.page)


def test_a_full_storage_is_told_and_nothing_fails(clinic: Clinic):
    visit = clinic.visit()
    visit.page.evaluate(
        "() => { for (let size = 1 << 20; size; size >>= 1)"
        " try { for (;;) localStorage.setItem(`x${Math.random()}`, 'x'.repeat(size)) }"
        " catch { continue } }"
    )
    visit.ask("Hi")
    assert visit.answers == ["I am tcm."]
    assert visit.page.get_by_text("no more room").is_visible()


def test_enter_while_characters_are_composed_does_not_send(clinic: Clinic):
    visit = clinic.visit()
    field = visit.page.get_by_role("textbox", name="Write a message")
    field.focus()
    session = visit.page.context.new_cdp_session(visit.page)
    session.send("Input.imeSetComposition", {"text": "shi", "selectionStart": 3, "selectionEnd": 3})
    enter = {"type": "rawKeyDown", "windowsVirtualKeyCode": 229, "key": "Enter", "code": "Enter"}
    session.send("Input.dispatchKeyEvent", enter)
    visit.page.keyboard.press("Enter")
    assert clinic.engine.requests == []
    session.send("Input.insertText", {"text": "失眠"})
    assert "失眠" in field.input_value()
    field.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    field.dispatch_event("keydown", {"key": "Enter", "keyCode": 229})
    assert clinic.engine.requests == []
    visit.page.keyboard.press("Enter")
    visit.page.locator(".answer .formatted").wait_for()
    assert len(clinic.engine.requests) == 1


def test_shift_and_enter_begin_a_line(clinic: Clinic, prompt_of: Any):
    visit = clinic.visit()
    visit.write("one")
    visit.page.keyboard.press("Shift+Enter")
    visit.page.keyboard.type("two")
    visit.page.keyboard.press("Enter")
    visit.page.locator(".answer .formatted").wait_for()
    assert "one\ntwo" in prompt_of(clinic.engine.requests[-1])


def test_everything_can_be_done_by_keyboard_alone(clinic: Clinic):
    visit = clinic.visit()
    visit.page.keyboard.type("Hi")
    visit.page.keyboard.press("Enter")
    visit.page.locator(".answer .by").wait_for()
    visit.rest()
    assert visit.page.locator(".problem").all_inner_texts() == []
    reached: list[str] = []
    for _ in range(60):
        visit.page.keyboard.press("Shift+Tab")
        name = visit.page.evaluate("() => document.activeElement.getAttribute('aria-label')")
        reached.append(name)
        if name == "Good answer":
            break
    assert reached[-1] == "Good answer", reached
    visit.page.keyboard.press("Enter")
    visit.page.locator("[aria-pressed=true]").wait_for()
    assert [each["rating"] for each in clinic.feedback()] == [1]


def test_without_a_secure_context_all_of_it_works(clinic: Clinic):
    visit = clinic.visit(allowed_hosts=(HOST,))
    insecure = clinic.look(url=visit.url.replace("127.0.0.1", HOST))
    assert insecure.page.evaluate("() => isSecureContext") is False
    insecure.ask("Hi")
    assert insecure.answers == ["I am tcm."]
    insecure.button("Copy").last.click()
    insecure.button("Copied").wait_for()
    insecure.page.get_by_role("textbox", name="Write a message").focus()
    insecure.page.keyboard.press("Control+V")
    written = insecure.page.get_by_role("textbox", name="Write a message").input_value()
    assert written == "I am tcm."


def test_an_error_is_told_in_words_and_can_be_tried_again(clinic: Clinic):
    visit = clinic.visit(max_prompt_tokens=40)
    visit.ask("Hi")
    visit.ask("x" * 100)
    assert "this server takes 40 at most" in visit.page.locator(".problem").inner_text()
    visit.button("Try again").click()
    visit.rest()
    expect(visit.page.locator(".problem")).to_have_count(1)
