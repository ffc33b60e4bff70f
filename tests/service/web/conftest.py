"""A real browser, and the page in it on a server whose engine recites."""

import json
import shutil
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    expect,
    sync_playwright,
)
from playwright.sync_api import Response as PageResponse
from starlette.types import Receive, Scope, Send

from service.app import build_app
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import State
from serving.scripted import ScriptedEngine
from tests.service.web.busy import fill

PROGRAMS = ("chromium", "chromium-browser")
HOST = "clinic.example"  # means this machine, to the browser alone: no secure context
OPTIONS = ["--no-sandbox", f"--host-resolver-rules=MAP {HOST} 127.0.0.1"]
PATIENCE = 20_000  # [milliseconds]
DISCLAIMER = "仅供参考，不适请就医。"
REFUSED = "Failed to load resource: the server responded with a status of 4"

expect.set_options(timeout=PATIENCE)


def find_browser() -> str | None:
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """Of one file's tests: while Playwright is there, an event loop runs in this thread."""
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium here; try: apt-get install chromium fonts-noto-cjk")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """The page as somebody sees it, and what they must never see."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list[str])
    refused: list[str] = field(default_factory=list[str])  # what the API has refused
    parts: set[str] = field(default_factory=set[str])  # of the page, that were asked for

    def watch(self) -> Self:
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self._see)
        self.page.on("response", self._check)
        return self

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            kept = self.refused if message.text.startswith(REFUSED) else self.faults
            kept.append(f"{message.type}: {message.text}")

    def _see(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.faults.append(f"asks elsewhere: {request.url}")
        if request.url.startswith(f"{self.url}/web/"):
            self.parts.add(request.url.removeprefix(f"{self.url}/web/"))
        if "lc-" in request.url:
            self.faults.append(f"a key in an address: {request.url}")

    def _check(self, response: PageResponse) -> None:
        if response.status >= 500:
            self.faults.append(f"{response.status}: {response.url}")

    def open(self, view: str = "") -> Self:
        self.page.goto(f"{self.url}/{view}")
        self.page.locator("main > *:not([role=status])").first.wait_for()
        return self

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    @property
    def composer(self) -> Locator:
        return self.page.get_by_role("textbox", name="Write a message")

    def write(self, text: str) -> None:
        self.composer.fill(text)

    def ask(self, text: str) -> None:
        asked = self.page.locator(".question")
        before = asked.count()
        self.write(text)
        self.composer.press("Enter")
        expect(asked).to_have_count(before + 1)
        self.rest()

    def rest(self) -> None:
        """Until no answer is coming."""
        self.button("Stop").wait_for(state="detached")

    @property
    def answers(self) -> list[str]:
        return self.page.locator(".answer .formatted").all_inner_texts()

    @property
    def questions(self) -> list[str]:
        return self.page.locator(".question .bubble").all_inner_texts()


@dataclass
class Clinic:
    """A server with two adapters, and the page in a browser that has never seen it."""

    serve: Callable[..., str]
    new_context: Callable[..., BrowserContext]
    engine: ScriptedEngine
    visits: list[Visit] = field(default_factory=list[Visit])
    url: str = ""

    def visit(
        self, view: str = "", *, engine: ScriptedEngine | None = None, **options: Any
    ) -> Visit:
        """Serve by the options that are settings, and open a view by those of the browser."""
        known = ServiceSettings.model_fields
        settings = {name: value for name, value in options.items() if name in known}
        window = {name: value for name, value in options.items() if name not in known}
        self.engine = engine or self.engine
        self.url = self.serve(self.engine, **settings)
        return self.look(view, **window)

    def look(self, view: str = "", *, url: str = "", **window: Any) -> Visit:
        """With a browser of one's own, at the server that is there already."""
        usual = {"locale": "en-US", "viewport": {"width": 1280, "height": 800}}
        page = self.new_context(**usual | window).new_page()
        visit = Visit(page, url or self.url).watch()
        self.visits.append(visit)
        return visit.open(view)

    def feedback(self) -> list[dict[str, Any]]:
        """What the API has kept, the oldest first."""
        return httpx.get(f"{self.url}/v1/feedback?order=asc", trust_env=False).json()["data"]


@pytest.fixture
def clinic(
    browser: Browser,
    serve_app: Callable[..., str],
    models_here: Models,
    own_state: State,
    add_adapter: Callable[..., Path],
    tmp_path: Path,
) -> Generator[Clinic]:
    add_adapter("tcm", disclaimer=DISCLAIMER)
    add_adapter("tcm", "2", disclaimer=DISCLAIMER)
    add_adapter("workshop")
    contexts: list[BrowserContext] = []

    def serve(engine: ScriptedEngine, **options: Any) -> str:
        usual: dict[str, Any] = {"home": tmp_path, "store_answers": "asked"}
        settings = ServiceSettings(**usual | options)
        return serve_app(build_app(engine, models_here, settings, state=own_state), **options)

    def new_context(**options: Any) -> BrowserContext:
        contexts.append(browser.new_context(**options))
        return contexts[-1]

    engine = ScriptedEngine(lambda names: f"I am {' and '.join(names) or 'the base'}.")
    clinic = Clinic(serve, new_context, engine)
    yield clinic
    for context in contexts:
        context.close()
    assert [fault for visit in clinic.visits for fault in visit.faults] == []


@pytest.fixture
def busy(
    clinic: Clinic, own_state: State, add_adapter: Callable[..., Path], tmp_path: Path
) -> Clinic:
    """The clinic after eight weeks: a third adapter, and forty answers that people have rated."""
    add_adapter("客服")
    fill(own_state, tmp_path)
    return clinic


@pytest.fixture
def behind_prefix(
    clinic: Clinic, models_here: Models, serve_app: Callable[..., str], tmp_path: Path
) -> Callable[[ScriptedEngine, str], str]:
    """Serves as behind a proxy whose prefix has been put back; returns the page's URL."""

    def serve(engine: ScriptedEngine, prefix: str) -> str:
        app = build_app(engine, models_here, ServiceSettings(home=tmp_path))

        async def below(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "root_path": prefix}, receive, send)

        return serve_app(below) + prefix

    return serve


def stored_in(page: Page) -> str:
    """Everything that the browser keeps for good, as one text."""
    return json.dumps(page.evaluate("() => ({...localStorage})"), ensure_ascii=False)
