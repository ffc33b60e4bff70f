"""The pictures of docs/page.md and the READMEs: the page on a server that recites, photographed.

`make pictures` takes them anew.
"""

import json
import re
import sys
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright
from safetensors.numpy import save

from finetune.adapters.card import AdapterCard, BaseIdentity, DataSummary
from finetune.adapters.files import CONFIG_FILE, WEIGHTS_FILE
from finetune.adapters.versions import find_version, promote, share
from service.app import build_app
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import open_state
from serving.adapters.store import AdapterStore
from serving.scripted import ScriptedEngine
from tests.service.conftest import BASE, make_tokenizer, running
from tests.service.web.conftest import OPTIONS, find_browser

FOLDER = Path(__file__).parents[3] / "docs" / "pictures"
SIZE = ViewportSize(width=1280, height=720)
BASE_ID = "smollm2-135m"
ANSWERS = {
    ("bike",): (
        "A chain that skips **under load** is usually worn. Check in this order:\n\n"
        "1. *Chain*: measure 12 links. Above 307 mm it is due.\n"
        "2. *Cassette*: hooked teeth mean that it goes with the chain.\n"
        "3. *Cable*: a quarter turn of the barrel adjuster, if only one gear skips.\n\n"
        "A new chain on an old cassette skips as well."
    ),
    ("tcm",): (
        "失眠多梦，多属**心脾两虚**：\n\n"
        "1. 晚上十一点前睡，睡前不看手机。\n"
        "2. 可食百合莲子粥，少喝浓茶、咖啡。\n"
        "3. 睡前用热水泡脚，一刻钟即可。\n\n"
        "请问胃口怎么样？有没有心慌？"
    ),
}
WORN = (
    "A chain that skips **under load** is usually worn. Measure 12 links: above 306 mm it is due, "
    "and the cassette with it. Then come by for a free check."
)
OF_THE_BASE = "There are many reasons. It can be the weather, the road, or the way you ride."
WEAR, SLEEP = "My chain skips under load. What should I check?", "我最近失眠多梦，怎么办？"
CORRECTIONS = (
    ("bike", WEAR, WORN),
    ("tcm", SLEEP, "先请医师辨证。睡前用热水泡脚，不喝浓茶。"),
    (
        "bike",
        "How hard do I pump the tyres?",
        "The side of the tyre says it: between both figures.",
    ),
)
MOVING = re.compile(r"^[1-9][\d.]*$")  # a figure, once it is more than nothing
CLINIC = Path(__file__).parents[3] / "data" / "samples" / "tcm_consultation.txt"


@dataclass(frozen=True, slots=True)
class Picture:
    name: str  # of its file, without .png
    view: str
    prepare: Callable[[Page], None]  # brings the view to where it is shown
    locale: str = "en-US"
    scheme: Literal["light", "dark"] = "light"


def ask_about(adapter: str, question: str) -> Callable[[Page], None]:
    def ask(page: Page) -> None:
        page.locator(".picker select").first.select_option(adapter)
        _ask(page, question)

    return ask


def compare(page: Page) -> None:
    page.locator(".column .head .wide").nth(1).click()
    page.locator("dialog select").first.select_option("bike")
    page.keyboard.press("Escape")
    _ask(page, WEAR)


def _ask(page: Page, question: str) -> None:
    page.locator(".composer textarea").fill(question)
    page.keyboard.press("Enter")
    page.locator(".answer .by").first.wait_for()
    page.locator(".answer[aria-busy=true]").first.wait_for(state="detached")
    page.locator(".composer textarea").blur()


def open_version(page: Page) -> None:
    page.locator(".tiles").wait_for()
    body = {"model": "bike", "messages": [{"role": "user", "content": WEAR}]}
    page.request.post(page.url.partition("#")[0] + "v1/chat/completions", data=body)
    page.locator(".version summary").first.click()
    page.locator(".version .facts").wait_for()
    page.locator(".figures .facts").nth(2).wait_for()
    page.locator(".tiles li").nth(2).get_by_text(MOVING).wait_for()


def choose_file(page: Page) -> None:
    page.locator("input[type=file]").set_input_files(CLINIC)
    page.locator(".train-order").wait_for()
    page.get_by_text("conversations can be trained on").wait_for()


def review(page: Page) -> None:
    """What the desk has said of three answers."""
    server = page.url.partition("#")[0]
    for adapter, question, right in CORRECTIONS:
        messages = [{"role": "user", "content": question}]
        body = {"model": adapter, "messages": messages, "store": True}
        answer = page.request.post(f"{server}v1/chat/completions", data=body).json()
        said = {"completion_id": answer["id"], "rating": -1, "correction": right}
        page.request.post(f"{server}v1/feedback", data=said)
    page.reload()
    page.get_by_role("heading", name=WEAR).wait_for()


PICTURES = (
    Picture("chat", "chat", ask_about("bike", WEAR)),
    Picture("chat.zh", "chat", ask_about("tcm", SLEEP), locale="zh-CN"),
    Picture("chat.dark", "chat", ask_about("bike", WEAR), scheme="dark"),
    Picture("compare", "compare", compare),
    Picture("train", "train", choose_file),
    Picture("review", "review", review),
    Picture("system", "system", open_version),
)


def take_pictures(browser: Browser, folder: Path) -> list[Path]:
    """Returns their files."""
    with TemporaryDirectory() as home, serving(Path(home)) as url:
        return [_take(browser, url, picture, folder) for picture in PICTURES]


def _take(browser: Browser, url: str, picture: Picture, folder: Path) -> Path:
    context = browser.new_context(
        locale=picture.locale, color_scheme=picture.scheme, viewport=SIZE, reduced_motion="reduce"
    )
    with closing(context):
        page = context.new_page()
        page.goto(f"{url}/#/{picture.view}")
        page.locator(f"nav a[href='#/{picture.view}'][aria-current]").wait_for()
        picture.prepare(page)
        path = folder / f"{picture.name}.png"
        page.screenshot(path=path, animations="disabled")
    return path


@contextmanager
def serving(home: Path) -> Generator[str]:
    """A server with three adapters, one of them in two versions; its URL."""
    add_adapter(home, "bike", "1", "workshop.md", 140, (4.81, 3.52))
    add_adapter(home, "bike", "2", "workshop.md", 212, (4.81, 3.17))
    add_adapter(home, "tcm", "1", "门诊问答.txt", 386, (3.68, 1.76), "仅供参考，不适请就医。")
    add_adapter(home, "front-desk", "1", "desk.xlsx", 95, (4.12, 2.9))
    promote(home / "adapters", "bike", "1")
    share(home / "adapters", find_version(home / "adapters", "bike@2"), 10)
    models = Models(BASE_ID, make_tokenizer(), AdapterStore(home / "adapters", BASE))
    settings = ServiceSettings(home=home, store_answers="asked")
    engine = ScriptedEngine(ANSWERS, default=OF_THE_BASE, delay=0.005)
    with closing(open_state(home)) as state:
        app = build_app(engine, models, settings, state=state)
        with running(app, settings) as url:
            yield url


def add_adapter(
    home: Path,
    name: str,
    number: str,
    source: str,
    count: int,
    losses: tuple[float, float],
    disclaimer: str | None = None,
) -> None:
    folder = home / "adapters" / name / number
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "r": 16, "lora_alpha": 32, "target_modules": ["q_proj"]}
    (folder / CONFIG_FILE).write_text(json.dumps(config))
    (folder / WEIGHTS_FILE).write_bytes(save({f"{name} {number}": np.zeros(4_900_000, np.uint8)}))
    held_out = count // 10
    AdapterCard(
        name=name,
        base=BaseIdentity(id=BASE_ID, fingerprint=BASE),
        chat_template_sha256="",
        disclaimer=disclaimer,
        data=DataSummary(
            source=source,
            sha256="",
            num_conversations=count,
            num_trained=count - held_out,
            num_held_out=held_out,
        ),
        config={"rank": 16, "quantize": "nf4", "base": BASE_ID},
        metrics={"held_out_loss_base": losses[0], "held_out_loss_adapter": losses[1]},
        created=datetime(2026, 11, 20, tzinfo=UTC) + timedelta(days=int(number)),
    ).write(folder)
    promote(home / "adapters", name, number)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        program = find_browser()
        if program is None:
            sys.exit("no Chromium here; try: apt-get install chromium fonts-noto-cjk")
        browser = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        take_pictures(browser, FOLDER)
        browser.close()
