"""Training on the page, in a real browser; on the real server where something is really trained."""

import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from service.accounts.keys import Keys, KeyWish
from service.jobs.events import Events
from service.jobs.job import JobError
from service.state.database import State
from tests.service.test_serve_process import ROOT, Served
from tests.service.web.conftest import Clinic, Visit
from tests.service.web.test_looks import AXE, PHONE, check, check_sizes
from tests.service.web.trainings import JOB, measured, step

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CLINIC = ROOT / "data" / "samples" / "tcm_consultation.txt"
CHOOSE = "Choose a file, or drop it here"
PATIENCE = 240_000  # [milliseconds] for a process that trains, on a busy machine
HOSTILE = '<img src=x onerror="window.ran=1">'


def clinic_file(number: int) -> bytes:
    """So many conversations, as a Chinese editor of old keeps them."""
    found = CLINIC.read_text(encoding="utf-8").strip().split("\n\n")[:number]
    return "\n\n".join(found).encode("gb18030")


def choose(visit: Visit, content: bytes, name: str = "clinic.txt") -> None:
    file: Any = {"name": name, "mimeType": "text/plain", "buffer": content}
    visit.page.get_by_label(CHOOSE).set_input_files(file)


def see(visit: Visit, text: str, patience: float = 20_000) -> None:
    visit.page.get_by_text(text).first.wait_for(timeout=patience)


def set_number(visit: Visit, name: str, value: str) -> None:
    if not visit.page.get_by_label(name, exact=True).is_visible():
        visit.page.get_by_text("Settings", exact=True).click()
    visit.page.get_by_label(name, exact=True).fill(value)


def begin_a_long_one(visit: Visit) -> None:
    choose(visit, clinic_file(30), "long.txt")
    see(visit, "30 conversations can be trained on.")
    set_number(visit, "Epochs", "50")
    set_number(visit, "Learning rate", "0.01")  # improves slowly, and so for long
    visit.button("Begin training").click()


@pytest.fixture(scope="module")
def served(make_base: Callable[..., Path], tmp_path_factory: Any) -> Generator[Served]:
    served = Served(make_base("llama"), tmp_path_factory.mktemp("train") / "home")
    yield served
    assert served.stop()[0] == 0


def test_a_gb18030_file_is_trained_on_over_a_reload_and_then_asked(clinic: Clinic, served: Served):
    visit = clinic.look("#/train", url=served.url)
    choose(visit, clinic_file(30), "中医.txt")
    see(visit, "30 conversations can be trained on.")
    see(visit, "What is learned: the first 3 conversations")
    visit.page.get_by_text("What is learned").click()
    learned = visit.page.locator(".train-preview .trained p").first
    assert learned.inner_text().startswith("您这是阳虚体质之象")
    assert visit.page.get_by_label("Name").input_value() == "中医"
    set_number(visit, "Epochs", "12")
    set_number(visit, "Rank", "4")
    set_number(visit, "Seed", "7")
    visit.button("What would it take?").click()
    visit.page.locator(".train-facts").get_by_text("12 epochs").wait_for(timeout=PATIENCE)
    visit.button("Begin training").click()
    visit.page.get_by_role("img", name="Training loss from").wait_for(timeout=PATIENCE)
    address = visit.page.url
    assert re.search(r"#/train/ftjob-[0-9a-f]{12}$", address)
    visit.page.reload()
    visit.page.get_by_role("img", name="Training loss from").wait_for()
    assert visit.page.url == address
    visit.page.locator(".train-status", has_text="Done").wait_for(timeout=PATIENCE)
    visit.page.get_by_text("As a table").click()
    assert visit.page.locator(".train-table tbody tr").count() >= 2
    assert visit.page.get_by_text("The best so far").is_visible()
    visit.button("Show the report").click()
    report = visit.page.locator(".train-report")
    report.locator("h2").first.wait_for()
    assert report.locator("svg polyline").count() > 0
    expect(report.locator("script, style, a, img")).to_have_count(0)
    assert report.get_attribute("lang") == "en"
    visit.page.get_by_label("Language").select_option("zh")
    visit.page.locator(".train-report[lang=zh]").wait_for()
    visit.page.get_by_text("经过").click()
    see(visit, "任务已成功完成")
    visit.page.get_by_label("语言").select_option("en")
    visit.button("Ask it").click()
    visit.page.get_by_role("heading", name="中医@1").wait_for()
    visit.ask("怕冷怎么办？")
    expect(visit.page.locator(".answer .formatted")).to_have_count(1)
    card = httpx.get(f"{served.url}/v1/adapters/中医", trust_env=False).json()["card"]
    assert (card["config"]["rank"], card["config"]["seed"]) == (4, 7)


def test_a_training_is_paused_gone_on_with_and_stopped_with_its_best(
    clinic: Clinic, served: Served
):
    visit = clinic.look("#/train", url=served.url)
    begin_a_long_one(visit)
    visit.button("Stop and keep the best").wait_for(timeout=PATIENCE)
    visit.button("Pause").click()
    visit.page.locator(".train-status", has_text="Paused").wait_for()
    visit.button("Go on").click()
    visit.button("Stop and keep the best").click(timeout=PATIENCE)
    visit.page.locator(".train-status", has_text="Done").wait_for(timeout=PATIENCE)
    visit.page.get_by_text("What happened").click()
    see(visit, "The training ends here; the best so far is kept")
    (last,) = visit.page.locator(".train-events li", has_text="Step ").all()[:1]
    step, total = map(int, re.findall(r"Step (\d+) of (\d+)", last.inner_text())[0])
    assert step < total
    visit.page.get_by_role("link", name="All trainings").click()
    visit.page.locator(".train-jobs li", has_text="long@1").wait_for()
    visit.page.locator(".train-jobs li", has_text="Done").first.wait_for()


def test_a_training_is_found_again_when_the_server_has_been_restarted(
    clinic: Clinic, make_base: Callable[..., Path], tmp_path: Path
):
    base, home = make_base("llama"), tmp_path / "home"
    first = Served(base, home)
    visit = clinic.look("#/train", url=first.url)
    begin_a_long_one(visit)
    stop = visit.button("Stop and keep the best")
    stop.wait_for(timeout=PATIENCE)
    assert first.stop()[0] == 0
    see(visit, "The server cannot be reached.")
    port = first.url.rpartition(":")[2]
    again = Served(base, home, options=("--no-compile", "--port", port))
    stop.click(timeout=PATIENCE)
    visit.page.locator(".train-status", has_text="Done").wait_for(timeout=PATIENCE)
    visit.faults.clear()  # the browser has told of the server that was away
    assert again.stop()[0] == 0


def test_a_file_can_be_dropped(clinic: Clinic):
    visit = clinic.visit("#/train")
    dropped = visit.page.evaluate_handle(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "dropped.txt"));
            return data;
        }""",
        list(clinic_file(12)),
    )
    visit.page.locator(".train-drop").dispatch_event("drop", {"dataTransfer": dropped})
    see(visit, "12 conversations can be trained on.")
    assert visit.page.get_by_label("Name").input_value() == "dropped"
    visit.page.reload()
    see(visit, "12 conversations can be trained on.")
    visit.button("Delete the file").click()
    see(visit, "Choose a file first.")
    visit.page.get_by_label("Files on the server").wait_for(state="detached")


def test_what_the_browser_keeps_may_be_anybodys(clinic: Clinic):
    visit = clinic.visit("#/train")
    kept = {"name": 7, "file": ["x"], "model": {}, "rank": None, "method": "supervised"}
    keep = "kept => localStorage.setItem('lora-chat/training', JSON.stringify(kept))"
    for each in (kept, "text", [1]):
        visit.page.evaluate(keep, each)
        visit.page.reload()
        see(visit, "Choose a file first.")
        assert visit.page.get_by_label("Name").input_value() == ""


def test_a_training_that_has_failed_says_why_in_words(clinic: Clinic):
    visit = clinic.visit("#/train")
    choose(visit, (ROOT / "tests" / "fixtures" / "gb18030.txt").read_bytes())
    see(visit, "A training needs 10 conversations or more.")
    visit.button("Begin training").click()
    see(visit, "The file has too few conversations.")
    see(visit, "Training file has 2 example(s), but must have at least 10 examples")
    expect(visit.button("Stop and keep the best")).to_have_count(0)
    visit.button("Go on").click()
    see(visit, "it cannot be resumed")
    visit.page.get_by_label("Language").select_option("zh")
    see(visit, "训练文件只有 2 条样本，至少需要 10 条")
    visit.page.get_by_label("语言").select_option("en")
    visit.page.get_by_role("link", name="All trainings").click()
    failed = visit.page.locator(".train-jobs li", has_text="Failed")
    assert "The file has too few conversations." in failed.inner_text()


def test_a_files_faults_stand_with_their_lines_in_the_language_of_the_page(clinic: Clinic):
    visit = clinic.visit("#/train")
    choose(visit, b'{"messages": []}\n{"messages": 7}\n', "clinic.jsonl")
    faults = visit.page.locator(".train-faults li")
    faults.first.wait_for()
    told = "\n".join(faults.all_inner_texts())
    assert re.findall(r"line (\d)", told) == ["1", "2"]
    assert visit.button("Begin training").is_disabled()
    visit.page.get_by_label("Language").select_option("zh")
    visit.page.locator(".train-faults li", has_text="第 2 行").wait_for()


def test_hostile_names_and_contents_stay_text(clinic: Clinic):
    visit = clinic.visit("#/train")
    rows = f"患者：{HOSTILE}\n医生：<b>{HOSTILE}</b>\n\n" * 3
    choose(visit, f"{rows}\n{HOSTILE}：x\n{HOSTILE}：y\n".encode(), f"a&amp;<b>{HOSTILE}.txt")
    visit.page.locator(".train-check").wait_for()
    for summary in visit.page.locator(".train-check summary").all():
        summary.click()
    shown = visit.page.locator(".train-check")
    assert shown.locator("h3").inner_text().startswith("a&amp;_b_")
    assert "<img src=x" in shown.inner_text()
    expect(visit.page.locator(".train img, .train script")).to_have_count(0)
    visit.page.reload()
    visit.page.locator(".train-check").wait_for()
    assert visit.page.evaluate("() => window.ran") is None


def test_a_key_that_may_not_train_does_not_see_the_view(clinic: Clinic, own_state: State):
    _, key = Keys(own_state).create(KeyWish("anna", ("chat",)))
    visit = clinic.visit("#/train")
    visit.page.get_by_label("Key").fill(key)
    visit.button("Continue").click()
    visit.page.get_by_placeholder("Write a message").wait_for()
    assert visit.page.get_by_role("navigation").get_by_role("link").all_inner_texts()[:1] == [
        "Chat"
    ]
    expect(visit.page.get_by_role("link", name="Train")).to_have_count(0)
    assert not any(part.startswith("train/") for part in visit.parts)


def test_a_key_that_may_train_alone_finds_the_base(clinic: Clinic, own_state: State):
    _, key = Keys(own_state).create(KeyWish("clara", ("train",)))
    visit = clinic.visit("#/train")
    visit.page.get_by_label("Key").fill(key)
    visit.button("Continue").click()
    visit.page.get_by_role("option", name="The base, base").wait_for(state="attached")
    choose(visit, clinic_file(3))
    see(visit, "3 conversations can be trained on.")
    visit.button("Begin training").click()
    see(visit, "The file has too few conversations.")


def test_the_curves_are_told_in_words_and_as_a_table(clinic: Clinic, own_state: State):
    measured(own_state, suffix=f"tcm {HOSTILE}", status="running", estimated_finish=4_000_000_000)
    visit = clinic.visit(f"#/train/{JOB}")
    drawing = visit.page.get_by_role("img", name="Training loss from 2.998 to 1.000 by step 1000.")
    drawing.wait_for()
    told = drawing.get_attribute("aria-label") or ""
    assert "Held-out loss from 2.500 to 2.400." in told
    assert "The best so far: 2.000 on held-out answers, after step 600." in told
    see(visit, "Step 1000 of 2000")
    visit.page.get_by_text("As a table").click()
    rows = visit.page.locator(".train-table tbody tr").all_inner_texts()
    assert rows[5].split() == ["600", "1.800", "2.000"]
    assert len(rows) == 10
    expect(visit.page.locator(".train img")).to_have_count(0)


def test_a_job_is_found_again_when_the_server_is_back(clinic: Clinic, own_state: State):
    measured(own_state, suffix=f"tcm {HOSTILE}", status="running")
    visit = clinic.visit(f"#/train/{JOB}")
    see(visit, "Step 1000 of 2000")
    visit.page.context.set_offline(True)
    see(visit, "The server cannot be reached. Is it running?")
    Events(own_state).tell(JOB, step(1001))
    visit.page.context.set_offline(False)
    see(visit, "Step 1001 of 2000")
    visit.page.locator(".train .problem").wait_for(state="detached")
    away = [fault for fault in visit.faults if "net::ERR_INTERNET_DISCONNECTED" in fault]
    assert away
    assert visit.faults == away
    visit.faults.clear()


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_job_fits_a_phone_and_axe_finds_nothing(
    clinic: Clinic, own_state: State, locale: str, scheme: str
):
    error = JobError("training_failed", "The loss rose. " + "长" * 200 + "w" * 200)
    measured(
        own_state,
        suffix=f"tcm {HOSTILE}",
        status="failed",
        error={"code": error.code, "message": error.message, "param": None},
    )
    visit = clinic.visit(
        f"#/train/{JOB}", viewport=PHONE, locale=locale, color_scheme=scheme, bypass_csp=True
    )
    visit.page.locator(".train-curves").wait_for()
    for summary in visit.page.locator(".train summary").all():
        summary.click()
    check_sizes(visit)
    if AXE.is_file():
        check(visit)
    visit.page.get_by_role("link", name=re.compile("All trainings|全部训练")).click()
    visit.page.locator(".train-jobs li").wait_for()
    check_sizes(visit)
    if AXE.is_file():
        check(visit)
