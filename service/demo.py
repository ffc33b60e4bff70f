"""`lora-chat demo`: the whole job in front of the user's eyes, by the commands they would type.

Two adapters are trained on what ten minutes allow here, served on one base, and asked as any
OpenAI client would ask. It succeeds only if every step happened and both adapters learned.
"""

import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from data.wording import _, language
from finetune.adapters.versions import find_version
from finetune.defaults import DEFAULT_BASE

from .client.stream import DONE, EventParser, StreamEvent, error_message
from .commands.views.progress import clock
from .demo_plan import MOST, DemoPace, DemoPlan, make_plan, measure
from .errors import ServiceError
from .http.endpoints import CHAT, HEALTH, LIST_MODELS
from .own_command import run_command
from .server import listen
from .shipped import shipped_configs

NEEDED_GAIN = 0.20  # how much lower an adapter's held-out loss must be than the base's
TOLD_EVERY = 15  # [seconds] of waiting for the server
ATTEMPTS = 3
MAX_TOKENS = 80
COPY_TOKENS = 24  # of an answer that is compared with its copy's
# How a server ends that was asked to. Windows has no such signal and ends it at once.
STOPPED = (0,) if os.name == "posix" else (0, -signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Domain:
    name: str
    sample: str
    question: str
    options: tuple[str, ...] = ()

    @property
    def file(self) -> Path:
        return Path(str(files("data"))) / "samples" / self.sample


DOMAINS = (
    Domain(
        "tcm",
        "tcm_consultation.txt",
        "我最近失眠多梦，怎么办？",
        ("--disclaimer", "仅供演示，不是医生的建议。Not medical advice, not from a doctor."),
    ),
    Domain("bike", "bike_workshop.txt", "My brakes squeal in the rain. What should I do?"),
)
MODELS = (DEFAULT_BASE, "tcm", "bike", "tcm:0.5+bike:0.5")


class DemoFailed(ServiceError):
    """A step did not happen."""


def run_demo(home: Path, console: Console, set_up: Callable[[], None]) -> None:
    """`set_up` is called in the process that measures. Raises DemoFailed where a step did not
    happen, and as the steps do."""
    try:
        Demo(home.absolute(), console).run(set_up)
    except BrokenExecutor as error:
        told = _("measuring this machine ended too soon: {error}")
        raise DemoFailed(told.format(error=error)) from error


class Demo:
    def __init__(self, home: Path, console: Console) -> None:
        self.home = home
        self.adapters = home / "adapters"
        self.console = console
        self._start = time.monotonic()

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._start

    def run(self, set_up: Callable[[], None]) -> None:
        self._title(_("Measure this machine"), None)
        pace = measure(DOMAINS[0].file, shipped_configs()["demo"], self.home, set_up)
        plan = make_plan(pace, self._elapsed, len(DOMAINS))
        self._say_plan(pace, plan)
        for missing, domain in zip(range(len(DOMAINS), 0, -1), DOMAINS, strict=True):
            begun = self._elapsed
            plan = make_plan(pace, begun, missing)
            self._train(domain, plan)
            pace = pace.slowed(max(1.0, (self._elapsed - begun) / plan.adapter_seconds))
        self._show_gains()
        self._serve(plan.serving_seconds)
        self._say_what_next()

    def _say_plan(self, pace: DemoPace, plan: DemoPlan) -> None:
        if not plan.is_in_time:
            told = _(
                "This machine trains about {rate:.0f} tokens a second, too slow for ten minutes: "
                "two adapters of {tokens:,} tokens each take about {minutes:.0f} minutes instead."
            )
        elif plan.num_tokens < MOST:
            told = _(
                "This machine trains about {rate:.0f} tokens a second, so {tokens:,} tokens for "
                "each adapter fit into ten minutes ({most:,} where it is faster)."
            )
        else:
            told = _(
                "This machine trains about {rate:.0f} tokens a second, so two adapters of "
                "{tokens:,} tokens each, and all the rest, take about {minutes:.0f} minutes."
            )
        said = told.format(
            rate=pace.tokens_per_second,
            tokens=plan.num_tokens,
            minutes=plan.total_seconds / 60,
            most=MOST,
        )
        self.console.print(said, highlight=False)

    def _serve(self, seconds: float) -> None:
        self._title(_("Serve the base and both adapters"), seconds)
        with self._server() as url:
            for domain in DOMAINS:
                self._ask_all(url, domain.question)
            self.console.print(
                _(
                    "A model of 135 million parameters learns a manner, not medicine or mechanics: "
                    "for answers worth reading, train a bigger base (see the README)."
                )
            )
            self._add_adapter_while_running(url)

    def _train(self, domain: Domain, plan: DemoPlan) -> None:
        left = plan.total_seconds - self._elapsed
        told = _("Fine-tune {name!r} from {file}")
        self._title(told.format(name=domain.name, file=_shown(domain.file)), left)
        limit = ("--set", f"max_training_tokens={plan.num_tokens}")
        config = _shown(shipped_configs()["demo"])
        options = ["--name", domain.name, "--config", config, *limit, *domain.options]
        command = ["finetune", _shown(domain.file), *options, "--home", _shown(self.home)]
        self._show_command(command)
        process = _start(command)
        process.join()
        if process.exitcode != 0:
            told = _("lora-chat finetune ended with exit code {code}")
            raise DemoFailed(told.format(code=process.exitcode))

    def _show_gains(self) -> None:
        self._title(_("What the adapters learned: loss on held-out answers"), None)
        names = (_("adapter"), _("base"), _("with adapter"), _("change"), _("needed"))
        table = Table(*names)
        failed: list[str] = []
        for domain in DOMAINS:
            base, adapter = self._losses(domain.name)
            gain = 1 - adapter / base
            needed = _("at least {gain:.0%}").format(gain=-NEEDED_GAIN)
            table.add_row(domain.name, f"{base:.3f}", f"{adapter:.3f}", f"{-gain:+.1%}", needed)
            if gain < NEEDED_GAIN:
                failed.append(domain.name)
        self.console.print(table)
        if failed:
            told = _("{adapters} learned less than {gain:.0%}.")
            raise DemoFailed(told.format(adapters=", ".join(failed), gain=NEEDED_GAIN))

    def _losses(self, name: str) -> tuple[float, float]:
        card = find_version(self.adapters, name).card
        losses = card and card.losses
        if losses is None:
            raise DemoFailed(_("the adapter {name!r} has no card").format(name=name))
        return losses

    @contextmanager
    def _server(self) -> Generator[str]:
        """Run `lora-chat serve` while the block lasts; yields its URL."""
        with listen("127.0.0.1", 0) as free:
            port = free.getsockname()[1]
        command = ["serve", "--home", _shown(self.home), "--port", str(port)]
        self._show_command([*command, "&"])
        process = _start(command, {"LORA_CHAT_LOG_REQUESTS": "false"})
        try:
            url = f"http://127.0.0.1:{port}"
            self._wait_until_ready(url, process)
            yield url
            process.terminate()
            process.join(30)
            if process.exitcode not in STOPPED:
                raise _ended(process)
            self.console.print("\n" + _("The server has stopped."))
        finally:
            process.kill()
            process.join()

    def _wait_until_ready(self, url: str, process: SpawnProcess) -> None:
        """Wait for as long as it takes: a server that gets nowhere ends by itself."""
        start = told = time.monotonic()
        while process.is_alive():
            with suppress(httpx.TransportError):
                if httpx.get(f"{url}{HEALTH.path}").is_success:
                    return
            time.sleep(0.2)
            if time.monotonic() - told > TOLD_EVERY:
                told = time.monotonic()
                said = _("The server has been loading for {seconds:.0f} s")
                self.console.print(f"[dim]{said.format(seconds=told - start)}[/]")
        raise _ended(process)

    def _ask_all(self, url: str, question: str) -> None:
        """The same question to every model at once: one base, one batch, four answers."""
        title = _("Ask all of them at once, streaming: {question}")
        self._title(title.format(question=question), None)
        start = time.monotonic()
        with ThreadPoolExecutor(len(MODELS)) as pool:
            answers = list(pool.map(partial(_ask, url, question, MAX_TOKENS), MODELS))
        seconds = time.monotonic() - start
        table = Table(_("model"), Column(_("answer"), overflow="fold"), show_lines=True)
        for model, (answer, _count) in zip(MODELS, answers, strict=True):
            table.add_row(model, escape(answer))
        self.console.print(table)
        told = _("{tokens} tokens in {seconds:.1f} s, {models} models in one batch.")
        num_tokens = sum(count for _answer, count in answers)
        self.console.print(told.format(tokens=num_tokens, seconds=seconds, models=len(MODELS)))

    def _add_adapter_while_running(self, url: str) -> None:
        """A folder copied in is a model at the next request."""
        self._title(_("Copy a third adapter in while the server runs"), None)
        source, target = self.adapters / "bike", self.adapters / "workshop"
        shutil.rmtree(target, ignore_errors=True)
        self.console.print(f"[dim]$ cp -r {_shown(source)} {_shown(target)}[/]")
        shutil.copytree(source, target)
        answer = httpx.get(f"{url}{LIST_MODELS.path}", timeout=60).json()
        listed = [card["id"] for card in answer["data"]]
        question = DOMAINS[1].question
        original = copied = ""
        for _attempt in range(ATTEMPTS):  # compiled code may come in between, and rounds otherwise
            original, copied = (
                _ask(url, question, COPY_TOKENS, name)[0] for name in ("bike", "workshop")
            )
            if copied == original:
                break
        told = _("Models now: {names}").format(names=", ".join(listed))
        self.console.print(told, highlight=False)
        self.console.print(f"workshop> {copied} …", highlight=False, markup=False)
        if "workshop" not in listed or copied != original:
            raise DemoFailed(_("the adapter copied in does not answer like its original"))
        told = _("Answered without a restart, word for word like its original.")
        self.console.print(told)

    def _say_what_next(self) -> None:
        self._title(_("Done in {minutes:.1f} minutes").format(minutes=self._elapsed / 60), None)
        home, command = _shown(self.home), _own_command()
        told = _("""\
Adapters   {home}/adapters/tcm and {home}/adapters/bike
Reports    {home}/adapters/*/*/report.html
Runs       {home}/runs

What to type next:
  {command} chat tcm --home {quoted}
  {command} serve --home {quoted}
  {command} finetune YOUR-FILE.txt
  {command} doctor""")
        said = told.format(home=home, command=command, quoted=shlex.quote(home))
        self.console.print(said, highlight=False, markup=False, soft_wrap=True)

    def _show_command(self, arguments: list[str]) -> None:
        shown = escape(shlex.join(arguments))
        self.console.print(f"[dim]$ lora-chat {shown}[/]", highlight=False, soft_wrap=True)

    def _title(self, text: str, left: float | None) -> None:
        """`left`: [seconds] to the end of the demo, where they are known."""
        self.console.print()
        self.console.rule(f"[bold]{escape(text)}", align="left")
        if left is not None:
            told = _("{elapsed} elapsed, about {left} left")
            times = told.format(elapsed=clock(self._elapsed), left=clock(left))
            self.console.print(f"[dim]{times}[/]", highlight=False)


def _ask(url: str, question: str, max_tokens: int, model: str) -> tuple[str, int]:
    """Stream one answer; returns its text and number of tokens."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": question}],
        "temperature": 0,
        "max_tokens": max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        "repetition_penalty": 1.05,
    }
    pieces: list[str] = []
    num_tokens = 0
    for event in _events(f"{url}{CHAT.path}", body):
        pieces += [choice.delta.content or "" for choice in event.choices]
        if event.usage:
            num_tokens = event.usage.completion_tokens
    if not num_tokens:
        raise DemoFailed(_("{model!r} gave no answer").format(model=model))
    return "".join(pieces).strip(), num_tokens


def _ended(process: SpawnProcess) -> DemoFailed:
    return DemoFailed(_("the server ended with exit code {code}").format(code=process.exitcode))


def _events(url: str, body: Mapping[str, object]) -> Generator[StreamEvent]:
    parser = EventParser()
    with httpx.stream("POST", url, json=body, timeout=None) as response:
        if response.is_error:
            raise DemoFailed(error_message(response.read().decode()))
        for received in response.iter_bytes():
            for data in parser.feed(received):
                if data != DONE:
                    yield StreamEvent.model_validate_json(data)


def _start(command: list[str], variables: Mapping[str, str] | None = None) -> SpawnProcess:
    spoken = [] if language() == "en" else ["--lang", language()]  # else the data may say
    arguments = ([*spoken, *command], variables)
    process = get_context("spawn").Process(target=run_command, args=arguments)
    process.start()
    return process


def _own_command() -> str:
    """What to type, where it is on no path by its path."""
    if shutil.which("lora-chat"):
        return "lora-chat"
    return shlex.quote(_shown(Path(sys.executable).with_name("lora-chat")))


def _shown(path: Path) -> str:
    """Short, where it lies below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
