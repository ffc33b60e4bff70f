"""What a model, or a stranger, may try with the page: nothing of it runs, leaves or hangs."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from service.accounts.keys import Keys, KeyWish
from service.state.database import State
from serving.scripted import ScriptedEngine
from tests.service.web.conftest import Clinic, stored_in

pytestmark = pytest.mark.slow

HOSTILE = """<script>window.ran = 1</script><img src=x onerror="window.ran = 2">
<svg onload="window.ran = 3"><a href="javascript:window.ran = 4">x</a></svg>

[click](javascript:window.ran=5) [and](JaVaScRiPt:window.ran=6) [data](data:text/html,<b>)
![picture](http://tracker.example/x.png) [fine](https://a.example/?q=1) <https://b.example/>

user \u202egnp.exe\u202c and \u2066isolated\u2069

```html
<script>window.ran = 7</script>
```

| <b>a</b> | [x](javascript:window.ran=8) |
|---|---|
| <iframe src="javascript:window.ran=9"></iframe> | `<i>` |
"""


def test_hostile_answers_stay_text(clinic: Clinic):
    visit = clinic.visit(engine=ScriptedEngine(default=HOSTILE, piece=50))
    visit.ask("Hi")
    shown = visit.page.locator(".answer .formatted")
    assert "<script>window.ran = 1</script>" in shown.inner_text()
    expect(shown.locator("script, img, svg, iframe, b, i")).to_have_count(0)
    links = shown.locator("a").evaluate_all(
        "all => all.map(each => [each.href, each.rel, each.target])"
    )
    opened = [href for href, *_ in links]
    assert opened == [
        "http://tracker.example/x.png",
        "https://a.example/?q=1",
        "https://b.example/",
    ]
    assert {(rel, target) for _, rel, target in links} == {("noopener noreferrer", "_blank")}
    marks = shown.locator(".mark").all_inner_texts()
    assert marks == ["U+202E", "U+202C", "U+2066", "U+2069"]
    assert "\u202e" not in shown.inner_text()
    for each in shown.get_by_text("click").all():
        each.click()
    assert visit.page.evaluate("() => window.ran") is None


def test_hostile_questions_and_names_stay_text(clinic: Clinic):
    visit = clinic.visit()
    visit.ask(HOSTILE)
    expect(visit.page.locator(".bubble script, .bubble img, .history img")).to_have_count(0)
    visit.page.reload()
    assert visit.page.evaluate("() => window.ran") is None


@pytest.mark.parametrize(
    "text", ["word ", "失眠多梦。", "**a** `b` [c](https://d.example) ", "a\n\n"]
)
def test_a_megabyte_of_text_does_not_hang_the_page(clinic: Clinic, text: str):
    whole = text * (1_000_000 // len(text))
    visit = clinic.visit(engine=ScriptedEngine(default=whole, piece=4000))
    visit.write("Hi")
    visit.button("Send").click()
    visit.page.locator(".answer .formatted").wait_for()
    slowest = 0.0
    while visit.button("Stop").count():
        began = time.monotonic()
        visit.page.evaluate("() => new Promise(done => setTimeout(done))")
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 3
    length = visit.page.evaluate("() => document.querySelector('.formatted').textContent.length")
    assert length > 400_000


def test_a_script_of_the_pages_own_cannot_be_smuggled_in(clinic: Clinic):
    visit = clinic.visit()
    ran = visit.page.evaluate(
        """async () => {
            const found = [];
            addEventListener("securitypolicyviolation", (event) => found.push(event.type));
            try { document.body.innerHTML += "x"; } catch { found.push("refused"); }
            await new Promise((done) => setTimeout(done, 200));
            return found;
        }"""
    )
    assert "refused" in ran
    visit.faults.clear()  # the browser has told of this attempt


def test_a_key_is_asked_for_kept_for_the_tab_and_never_told(clinic: Clinic, own_state: State):
    _, key = Keys(own_state).create(KeyWish("anna", ("chat",), adapters=("tcm",)))
    visit = clinic.visit()
    field = visit.page.get_by_label("Key", exact=True)
    field.fill("lc-wrong")
    visit.button("Continue").click()
    visit.page.get_by_text("This key is not valid here.", exact=True).wait_for()
    field.fill(key)
    visit.button("Continue").click()
    visit.ask("Hi")
    assert visit.answers == ["I am tcm."]
    names = visit.page.locator("select option").all_inner_texts()
    assert not any("workshop" in name for name in names), "the key may not use it"
    assert key not in stored_in(visit.page)
    assert key not in visit.page.content()
    visit.page.reload()
    visit.page.get_by_role("textbox", name="Write a message").wait_for()
    visit.button("Forget key").click()
    visit.page.get_by_label("Key", exact=True).wait_for()
    visit.page.reload()
    visit.page.get_by_label("Key", exact=True).wait_for()


def test_a_key_sees_only_the_views_that_it_may_use(clinic: Clinic, own_state: State):
    _, key = Keys(own_state).create(KeyWish("clara", ("train",)))
    visit = clinic.visit("#/compare")
    visit.page.get_by_label("Key", exact=True).fill(key)
    visit.button("Continue").click()
    visit.page.get_by_role("heading", name="Train an adapter").wait_for()
    expect(visit.page.locator("nav a")).to_have_text(["Train", "Adapters and system"])


def test_behind_a_prefix_all_of_it_works(clinic: Clinic, behind_prefix: Callable[..., Any]):
    visit = clinic.look(url=behind_prefix(clinic.engine, "/lora"))
    visit.ask("Hi")
    assert visit.answers == ["I am tcm."]
    assert "lora-chat/lora/" in stored_in(visit.page), "other servers of the host have their own"
