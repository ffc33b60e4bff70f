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

from finetune.adapters.versions import find_version
from finetune.defaults import DEFAULT_BASE

from .client.stream import DONE, EventParser, StreamEvent, error_message
from .commands.views.progress import clock
from .demo_plan import MOST, DemoPlan, Pace, make_plan, measure
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
        raise DemoFailed(f"measuring this machine ended too soon: {error}") from error


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
        self._title("Measure this machine", None)
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

    def _say_plan(self, pace: Pace, plan: DemoPlan) -> None:
        speed = f"This machine trains about {pace.tokens_per_second:.0f} tokens a second"
        minutes = f"about {plan.total_seconds / 60:.0f} minutes"
        tokens = f"{plan.num_tokens:,} tokens"
        if not plan.is_in_time:
            text = f"too slow for ten minutes: two adapters of {tokens} each take {minutes} instead"
        elif plan.num_tokens < MOST:
            text = (
                f"so {tokens} for each adapter fit into ten minutes ({MOST:,} where it is faster)"
            )
        else:
            text = f"so two adapters of {tokens} each, and all the rest, take {minutes}"
        self.console.print(f"{speed}, {text}.", highlight=False)

    def _serve(self, seconds: float) -> None:
        self._title("Serve the base and both adapters", seconds)
        with self._server() as url:
            for domain in DOMAINS:
                self._ask_all(url, domain.question)
            self.console.print(
                "A model of 135 million parameters learns a manner, not medicine or mechanics: for "
                "answers worth reading, train a bigger base (see the README)."
            )
            self._add_adapter_while_running(url)

    def _train(self, domain: Domain, plan: DemoPlan) -> None:
        left = plan.total_seconds - self._elapsed
        self._title(f"Fine-tune {domain.name!r} from {_shown(domain.file)}", left)
        limit = ("--set", f"max_training_tokens={plan.num_tokens}")
        config = _shown(shipped_configs()["demo"])
        options = ["--name", domain.name, "--config", config, *limit, *domain.options]
        command = ["finetune", _shown(domain.file), *options, "--home", _shown(self.home)]
        self._show_command(command)
        process = _start(command)
        process.join()
        if process.exitcode != 0:
            raise DemoFailed(f"lora-chat finetune ended with exit code {process.exitcode}")

    def _show_gains(self) -> None:
        self._title("What the adapters learned: loss on held-out answers", None)
        table = Table("adapter", "base", "with adapter", "change", "needed")
        failed: list[str] = []
        for domain in DOMAINS:
            base, adapter = self._losses(domain.name)
            gain = 1 - adapter / base
            needed = f"at least {-NEEDED_GAIN:.0%}"
            table.add_row(domain.name, f"{base:.3f}", f"{adapter:.3f}", f"{-gain:+.1%}", needed)
            if gain < NEEDED_GAIN:
                failed.append(domain.name)
        self.console.print(table)
        if failed:
            raise DemoFailed(f"{', '.join(failed)} learned less than {NEEDED_GAIN:.0%}.")

    def _losses(self, name: str) -> tuple[float, float]:
        card = find_version(self.adapters, name).card
        losses = card and card.losses
        if losses is None:
            raise DemoFailed(f"the adapter {name!r} has no card")
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
                raise DemoFailed(f"the server ended with exit code {process.exitcode}")
            self.console.print("\nThe server has stopped.")
        finally:
            process.kill()
            process.join()

    def _wait_until_ready(self, url: str, process: SpawnProcess) -> None:
        """For as long as it takes: a server that gets nowhere ends by itself."""
        start = told = time.monotonic()
        while process.is_alive():
            with suppress(httpx.TransportError):
                if httpx.get(f"{url}{HEALTH.path}").is_success:
                    return
            time.sleep(0.2)
            if time.monotonic() - told > TOLD_EVERY:
                told = time.monotonic()
                self.console.print(f"[dim]The server has been loading for {told - start:.0f} s[/]")
        raise DemoFailed(f"the server ended with exit code {process.exitcode}")

    def _ask_all(self, url: str, question: str) -> None:
        """The same question to every model at once: one base, one batch, four answers."""
        self._title(f"Ask all of them at once, streaming: {question}", None)
        start = time.monotonic()
        with ThreadPoolExecutor(len(MODELS)) as pool:
            answers = list(pool.map(partial(_ask, url, question, MAX_TOKENS), MODELS))
        seconds = time.monotonic() - start
        table = Table("model", Column("answer", overflow="fold"), show_lines=True)
        for model, (answer, _) in zip(MODELS, answers, strict=True):
            table.add_row(model, escape(answer))
        self.console.print(table)
        num_tokens = sum(count for _, count in answers)
        self.console.print(
            f"{num_tokens} tokens in {seconds:.1f} s, {len(MODELS)} models in one batch."
        )

    def _add_adapter_while_running(self, url: str) -> None:
        """A folder copied in is a model at the next request."""
        self._title("Copy a third adapter in while the server runs", None)
        source, target = self.adapters / "bike", self.adapters / "workshop"
        shutil.rmtree(target, ignore_errors=True)
        self.console.print(f"[dim]$ cp -r {_shown(source)} {_shown(target)}[/]")
        shutil.copytree(source, target)
        answer = httpx.get(f"{url}{LIST_MODELS.path}", timeout=60).json()
        listed = [card["id"] for card in answer["data"]]
        question = DOMAINS[1].question
        original = copied = ""
        for _ in range(ATTEMPTS):  # compiled code may come in the middle, and rounds otherwise
            original, copied = (
                _ask(url, question, COPY_TOKENS, name)[0] for name in ("bike", "workshop")
            )
            if copied == original:
                break
        self.console.print(f"Models now: {', '.join(listed)}", highlight=False)
        self.console.print(f"workshop> {copied} …", highlight=False, markup=False)
        if "workshop" not in listed or copied != original:
            raise DemoFailed("the adapter copied in does not answer like its original")
        self.console.print("Answered without a restart, word for word like its original.")

    def _say_what_next(self) -> None:
        self._title(f"Done in {self._elapsed / 60:.1f} minutes", None)
        home, command = _shown(self.home), _own_command()
        self.console.print(
            f"Adapters   {home}/adapters/tcm and {home}/adapters/bike\n"
            f"Reports    {home}/adapters/*/*/report.html\n"
            f"Runs       {home}/runs\n\n"
            "What to type next:\n"
            f"  {command} chat tcm --home {shlex.quote(home)}\n"
            f"  {command} serve --home {shlex.quote(home)}\n"
            f"  {command} finetune YOUR-FILE.txt\n"
            f"  {command} doctor",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )

    def _show_command(self, arguments: list[str]) -> None:
        shown = escape(shlex.join(arguments))
        self.console.print(f"[dim]$ lora-chat {shown}[/]", highlight=False, soft_wrap=True)

    def _title(self, text: str, left: float | None) -> None:
        """`left`: [seconds] to the end of the demo, where they are known."""
        self.console.print()
        self.console.rule(f"[bold]{escape(text)}", align="left")
        if left is not None:
            times = f"{clock(self._elapsed)} elapsed, about {clock(left)} left"
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
        raise DemoFailed(f"{model!r} gave no answer")
    return "".join(pieces).strip(), num_tokens


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
    process = get_context("spawn").Process(target=run_command, args=(command, variables))
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
