"""Adapters looked at and changed on the page, and the figures of the server beside them."""

import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, expect

from finetune.adapters.files import CARD_FILE, WEIGHTS_FILE
from service.accounts.keys import Keys, KeyWish
from service.state.database import State
from tests.service.web.conftest import Clinic, Visit

pytestmark = pytest.mark.slow

MARKUP = '<img src="x" onerror="window.ran = true"><b>\u202e'
HIDE = """(state) => {
    Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def tell(folder: Path, **changes: dict[str, Any]) -> None:
    """Change objects in a version's card, field by field."""
    path = folder / CARD_FILE
    card = json.loads(path.read_bytes())
    for field, values in changes.items():
        card[field] |= values
    path.write_text(json.dumps(card))


def adapter(visit: Visit, name: str) -> Locator:
    return visit.page.get_by_role("article", name=name, exact=True)


def opened(visit: Visit, name: str, number: str) -> Locator:
    """One version, with what is known of it."""
    version = (
        adapter(visit, name)
        .locator("details")
        .filter(has=visit.page.get_by_text(f"Version {number}", exact=True))
    )
    version.locator("summary").click()
    version.locator(".facts").wait_for()
    return version


def facts(part: Locator) -> dict[str, str]:
    names = part.locator(".facts dt").all_inner_texts()
    return dict(zip(names, part.locator(".facts dd").all_inner_texts(), strict=True))


def badges(version: Locator) -> list[str]:
    return version.locator(".badge").all_inner_texts()


def on_server(clinic: Clinic, path: str = "/tcm") -> Any:
    return httpx.get(f"{clinic.url}/v1/adapters{path}", trust_env=False).json()


def ask_server(clinic: Clinic, path: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{clinic.url}/v1/{path}", json=body, trust_env=False).raise_for_status()


def with_share(clinic: Clinic) -> Visit:
    visit = clinic.visit("#/chat")
    ask_server(clinic, "adapters/tcm/promote", version="1")
    ask_server(clinic, "adapters/tcm/share", version="2", percent=10)
    return visit.open("#/system")


def test_versions_are_listed_with_what_they_were_trained_on(clinic: Clinic, adapters: Path):
    data = {"source": "门诊.txt", "num_conversations": 1310, "num_trained": 1200}
    tell(
        adapters / "tcm/1",
        data=data | {"num_held_out": 110},
        config={"rank": 16, "quantize": "nf4", "method": "dpo"},
        metrics={"held_out_loss_base": 4.8098, "held_out_loss_adapter": 3.1682, "num_steps": 42.0},
    )
    visit = clinic.visit("#/system")
    expect(visit.page.locator(".adapter h2")).to_have_text(["tcm", "workshop"])
    expect(adapter(visit, "tcm").locator("summary b")).to_have_text(["Version 2", "Version 1"])
    older, newer = opened(visit, "tcm", "1"), opened(visit, "tcm", "2")
    assert (badges(older), badges(newer)) == ([], ["promoted"])
    size = (adapters / "tcm/1" / WEIGHTS_FILE).stat().st_size
    assert facts(older) == {
        "Trained on": "门诊.txt",
        "Conversations": "1,310",
        "Of them trained": "1,200",
        "Held out": "110",
        "Base": "base",
        "Method": "QLoRA, nf4, DPO",
        "Rank": "16, alpha 32",
        "Loss of what was held out, base → adapter": "4.81 → 3.168",
        "Steps": "42",
        "Made": "Jan 1, 2025",
        "Size": f"{size} byte",
    }
    assert facts(newer)["Trained on"] == "x.txt"


def test_the_older_version_is_promoted_and_answers(clinic: Clinic):
    visit = clinic.visit("#/system")
    version = opened(visit, "tcm", "1")
    version.get_by_role("button", name="Promote").click()
    version.locator(".badge").get_by_text("promoted").wait_for()
    expect(version.get_by_role("button", name="Promote")).to_have_count(0)
    visit.page.get_by_role("link", name="Chat", exact=True).click()
    visit.ask("Hi")
    ((ref, _),) = clinic.engine.requests[-1].blend
    assert str(ref) == "tcm@1"


def test_a_version_with_a_share_says_so_until_it_ends(clinic: Clinic):
    visit = with_share(clinic)
    visit.page.get_by_text("Version 2 answers 10 % of the requests").wait_for()
    assert badges(opened(visit, "tcm", "2")) == ["answers 10 %"]
    visit.button("End the share").click()
    visit.button("End the share").wait_for(state="detached")
    assert on_server(clinic)["share"] is None


def test_an_adapter_is_loaded_into_memory(clinic: Clinic):
    visit = clinic.visit("#/system")
    workshop = adapter(visit, "workshop")
    assert clinic.engine.adapters == {}
    workshop.get_by_role("button", name="Load into memory").click()
    workshop.get_by_text("in memory", exact=True).wait_for()
    assert [str(ref) for ref in clinic.engine.adapters.values()] == ["workshop@1"]
    expect(workshop.get_by_role("button", name="Load into memory")).to_have_count(0)


@pytest.mark.parametrize(
    ("locale", "button", "sound", "unsound"),
    [
        ("en-US", "Verify", "Everything that was checked is in order", "Something is wrong"),
        ("zh-CN", "检查", "所检查的各项都正常", "这个版本有问题"),
    ],
)
def test_a_version_is_verified_in_words(
    clinic: Clinic, adapters: Path, locale: str, button: str, sound: str, unsound: str
):
    visit = clinic.visit("#/system", locale=locale)
    version = adapter(visit, "workshop").locator("details")
    version.locator("summary").click()
    version.get_by_role("button", name=button, exact=True).click()
    version.get_by_text(sound).wait_for()
    weights = adapters / "workshop/1" / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes().replace(b"workshop@1", b"workshop@9"))
    version.get_by_role("button", name=button, exact=True).click()
    version.get_by_text(unsound).wait_for()
    said = version.locator("[data-status=failed]").inner_text()
    assert bool(re.search("[一-鿿]", said)) == (locale == "zh-CN"), said


def test_an_archive_is_uploaded_and_what_is_none_refused(
    clinic: Clinic, add_adapter: Callable[..., Path], tmp_path: Path
):
    folder = add_adapter("being packed")
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", folder)
    visit = clinic.visit("#/system")
    visit.button("Upload an adapter").click()
    visit.page.get_by_label("Files", exact=True).set_input_files(__file__)
    visit.page.get_by_label("Name", exact=True).fill("tcm")
    visit.page.get_by_label("Let the name mean this version at once").uncheck()
    visit.button("Upload").click()
    visit.page.get_by_role("alert").get_by_text("An adapter's files are").wait_for()
    assert len(on_server(clinic)["versions"]) == 2
    visit.page.get_by_label("Files", exact=True).set_input_files(archive)
    visit.button("Upload").click()
    visit.page.get_by_role("dialog").wait_for(state="detached")
    adapter(visit, "tcm").get_by_text("Version 3").wait_for()
    told = on_server(clinic)
    assert ([each["version"] for each in told["versions"]], told["promoted"]) == (
        ["1", "2", "3"],
        "2",
    )


def test_an_adapters_two_files_are_uploaded(clinic: Clinic, adapters: Path):
    visit = clinic.visit("#/system")
    visit.button("Upload an adapter").click()
    files = [path for path in (adapters / "tcm/1").iterdir() if path.name != CARD_FILE]
    visit.page.get_by_label("Files", exact=True).set_input_files(files)
    visit.page.get_by_label("Name", exact=True).fill("中医")
    visit.button("Upload").click()
    adapter(visit, "中医").wait_for()
    assert on_server(clinic, "/中医")["promoted"] == "1"


def test_a_version_is_exported(clinic: Clinic, adapters: Path):
    visit = clinic.visit("#/system")
    version = opened(visit, "tcm", "1")
    with visit.page.expect_download() as saved:
        version.get_by_role("button", name="Export").click()
    assert saved.value.suggested_filename == "tcm-1.zip"
    with zipfile.ZipFile(saved.value.path()) as archive:
        held = {Path(name).name: archive.read(name) for name in archive.namelist()}
    assert held == {path.name: path.read_bytes() for path in (adapters / "tcm/1").iterdir()}


def test_a_version_is_deleted_once_that_is_sure(clinic: Clinic):
    visit = clinic.visit("#/system")
    version = opened(visit, "tcm", "1")
    version.get_by_role("button", name="Delete").click()
    dialog = visit.page.get_by_role("dialog", name="Delete tcm@1?")
    dialog.get_by_role("button", name="Cancel").click()
    assert len(on_server(clinic)["versions"]) == 2
    version.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    version.wait_for(state="detached")
    assert [each["version"] for each in on_server(clinic)["versions"]] == ["2"]


def test_a_whole_adapter_is_deleted_by_whoever_writes_its_name(clinic: Clinic):
    visit = clinic.visit("#/system")
    visit.button("Delete tcm with all versions").click()
    dialog = visit.page.get_by_role("dialog")
    delete = dialog.get_by_role("button", name="Delete", exact=True)
    assert delete.is_disabled()
    dialog.get_by_label("Write tcm to confirm").fill("workshop")
    assert delete.is_disabled()
    dialog.get_by_label("Write tcm to confirm").fill("tcm")
    delete.click()
    adapter(visit, "tcm").wait_for(state="detached")
    assert [each["id"] for each in on_server(clinic, "")["data"]] == ["workshop"]


def tile(visit: Visit, name: str) -> str:
    found = visit.page.locator(".tiles li", has=visit.page.get_by_text(name, exact=True))
    return found.locator("b").inner_text()


def figure(visit: Visit, name: str) -> Locator:
    rows = visit.page.locator(".figures .facts > div")
    return rows.filter(has=visit.page.get_by_text(name, exact=True)).locator("dd")


def test_the_figures_move_with_what_is_asked(clinic: Clinic):
    visit = clinic.visit("#/system")
    figure(visit, "Answers").get_by_text("0", exact=True).wait_for()
    assert (tile(visit, "Running"), tile(visit, "To the first token, on average")) == ("0", "–")
    for _ in range(3):
        messages = [{"role": "user", "content": "Hi"}]
        ask_server(clinic, "chat/completions", model="tcm", messages=messages)
    figure(visit, "Answers").get_by_text("3", exact=True).wait_for()
    ask_server(clinic, "load_lora_adapter", lora_name="workshop", lora_path="workshop")
    figure(visit, "Adapters in memory").get_by_text("1 (1 kB)").wait_for()
    assert int(figure(visit, "Tokens answered").inner_text()) == clinic.engine.num_tokens > 0
    assert float(tile(visit, "Tokens a second")) > 0
    assert tile(visit, "To the first token, on average").endswith(" ms")
    figure(visit, "Processor").wait_for()
    assert int(figure(visit, "Cores").inner_text()) > 0
    assert figure(visit, "Engine").inner_text() == "scripted"


def test_nobody_is_asked_while_the_page_cannot_be_seen(
    clinic: Clinic, wait_until: Callable[..., None]
):
    visit = clinic.visit("#/system")
    visit.page.clock.install()
    visit.page.reload()
    figure(visit, "Answers").wait_for()
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.url))

    def asks_within(seconds: int) -> bool:
        asked.clear()
        for _ in range(seconds):
            visit.page.clock.run_for(1000)
        return any(url.endswith("/metrics") for url in asked)

    wait_until(lambda: asks_within(5))
    visit.page.evaluate(HIDE, "hidden")
    assert not asks_within(60)
    with visit.page.expect_request("**/metrics"):
        visit.page.evaluate(HIDE, "visible")
    wait_until(lambda: asks_within(5))
    visit.page.get_by_role("link", name="Chat", exact=True).click()
    visit.page.get_by_role("textbox", name="Write a message").wait_for()
    assert not asks_within(60)


def test_what_a_card_says_is_text(clinic: Clinic, adapters: Path):
    tell(adapters / "workshop/1", data={"source": MARKUP}, config={"from_adapter": MARKUP})
    visit = clinic.visit("#/system")
    shown = facts(opened(visit, "workshop", "1"))
    assert shown["Trained on"] == MARKUP.replace("\u202e", "U+202E")
    expect(visit.page.locator(".system img, .system .facts b")).to_have_count(0)
    assert visit.page.evaluate("() => window.ran") is None


@pytest.mark.parametrize("scopes", [("chat",), ("train",), ("chat", "train"), ("admin",)])
def test_a_key_sees_what_it_may_do_and_no_more(
    clinic: Clinic, own_state: State, scopes: tuple[Any, ...]
):
    _, key = Keys(own_state).create(KeyWish("anna", scopes))
    visit = clinic.visit("#/system")
    visit.page.get_by_label("Key", exact=True).fill(key)
    visit.button("Continue").click()
    visit.page.locator("nav a").first.wait_for()
    sees = int(scopes != ("chat",))
    expect(visit.page.locator("nav a").get_by_text("Adapters and system")).to_have_count(sees)
    if not sees:
        visit.page.get_by_role("textbox", name="Write a message").wait_for()
        expect(visit.page.locator(".system")).to_have_count(0)
        return
    figure(visit, "Processor").wait_for()
    expect(visit.page.locator(".adapter")).to_have_count(0 if scopes == ("train",) else 2)
    expect(visit.button("Upload an adapter")).to_have_count(int(scopes == ("admin",)))
    if scopes == ("train",):
        return
    buttons = opened(visit, "tcm", "1").locator(".actions button").all_inner_texts()
    assert buttons == (
        ["Promote", "Verify", "Export", "Delete"] if scopes == ("admin",) else ["Verify"]
    )
    expect(visit.button("Delete tcm with all versions")).to_have_count(int(scopes == ("admin",)))
    assert [told for told in visit.refused if "403" in told] == []
