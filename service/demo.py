"""`make demo`: the whole job in front of the user's eyes, through the commands they would type.

Two adapters are trained, served on one base, and asked through the official OpenAI client.
Exits 0 only if every step happened and both adapters learned.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from finetune.adapter import promoted_version, version_folder
from finetune.card import read_card

from .server import listen

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "demo-home"
CONFIG = ROOT / "configs" / "demo.yaml"
BASE = "smollm2-135m"
NEEDED_GAIN = 0.20  # how much lower an adapter's held-out loss must be than the base's
START_TIMEOUT = 120  # [seconds]
MAX_TOKENS = 72


@dataclass(frozen=True, slots=True)
class Domain:
    name: str
    file: Path
    question: str
    options: tuple[str, ...] = ()


DOMAINS = (
    Domain(
        "tcm",
        ROOT / "data" / "samples" / "tcm_consultation.txt",
        "我最近失眠多梦，怎么办？",
        ("--disclaimer", "仅供演示，不是医生的建议。Not medical advice, not from a doctor."),
    ),
    Domain(
        "bike",
        ROOT / "data" / "samples" / "bike_workshop.txt",
        "My brakes squeal in the rain. What should I do?",
    ),
)
MODELS = (BASE, "tcm", "bike", "tcm:0.5+bike:0.5")


class DemoFailed(Exception):
    """A step did not happen."""


def main() -> None:
    console = Console()
    start = time.monotonic()
    try:
        for domain in DOMAINS:
            _train(domain, console)
        _show_gains(console)
        with _server(console) as url:
            _ask_everything(url, console)
            _add_adapter_while_running(url, console)
        _say_what_next(console, time.monotonic() - start)
    except DemoFailed as error:
        console.print(f"\n[bold red]The demo failed:[/] {error}", highlight=False)
        sys.exit(1)


def _train(domain: Domain, console: Console) -> None:
    _title(console, f"Fine-tune {domain.name!r} from {_shown(domain.file)}")
    command = ["finetune", _shown(domain.file), "--name", domain.name, "--config", _shown(CONFIG)]
    _run([*command, *domain.options, "--home", _shown(HOME)], console)


def _show_gains(console: Console) -> None:
    _title(console, "What the adapters learned: loss on held-out answers, at serving precision")
    table = Table("adapter", "base", "with adapter", "change", "needed")
    failed: list[str] = []
    for domain in DOMAINS:
        base, adapter = _losses(domain.name)
        gain = 1 - adapter / base
        needed = f"at least {-NEEDED_GAIN:.0%}"
        table.add_row(domain.name, f"{base:.3f}", f"{adapter:.3f}", f"{-gain:+.1%}", needed)
        if gain < NEEDED_GAIN:
            failed.append(domain.name)
    console.print(table)
    if failed:
        raise DemoFailed(f"{', '.join(failed)} learned less than {NEEDED_GAIN:.0%}.")


def _losses(name: str) -> tuple[float, float]:
    adapters = HOME / "adapters"
    card = read_card(version_folder(adapters, name, promoted_version(adapters, name) or "1"))
    if card is None:
        raise DemoFailed(f"the adapter {name!r} has no card")
    return card.metrics["held_out_loss_base"], card.metrics["held_out_loss_adapter"]


@contextmanager
def _server(console: Console) -> Generator[str]:
    """Run `lora-chat serve` while the block lasts; yields its URL."""
    _title(console, "Serve the base and both adapters")
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    command = ["serve", "--home", _shown(HOME), "--port", str(port)]
    console.print(f"[dim]$ lora-chat {' '.join(command)} &[/]", highlight=False, soft_wrap=True)
    process = subprocess.Popen([sys.executable, "-m", "service.cli", *command], cwd=ROOT)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, process)
        yield url
        process.send_signal(signal.SIGTERM)
        if process.wait(timeout=30) != 0:
            raise DemoFailed(f"the server ended with exit code {process.returncode}")
        console.print("\nThe server has stopped.")
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    import httpx

    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DemoFailed(f"the server ended with exit code {process.returncode}")
        try:
            if httpx.get(f"{url}/health").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise DemoFailed(f"the server was not ready within {START_TIMEOUT} seconds")


def _ask_everything(url: str, console: Console) -> None:
    """The same question to every model at once: one base, one batch, four answers."""
    for domain in DOMAINS:
        _title(console, f"Ask all of them at once, streaming: {domain.question}")
        start = time.monotonic()
        ask = partial(_ask, url, question=domain.question)
        with ThreadPoolExecutor(len(MODELS)) as pool:
            answers = list(pool.map(ask, MODELS))
        table = Table("model", Column("answer", overflow="fold"), show_lines=True)
        for model, (answer, _) in zip(MODELS, answers, strict=True):
            table.add_row(model, escape(answer))
        console.print(table)
        seconds = time.monotonic() - start
        num_tokens = sum(count for _, count in answers)
        console.print(f"{num_tokens} tokens in {seconds:.1f} s, {len(MODELS)} models in one batch.")
    console.print(
        "A model of 135 million parameters learns a manner, not medicine or mechanics: for answers "
        "worth reading, train a bigger base (see the README)."
    )


def _add_adapter_while_running(url: str, console: Console) -> None:
    """A folder copied in is a model at the next request."""
    _title(console, "Copy a third adapter in while the server runs")
    source, target = HOME / "adapters" / "bike", HOME / "adapters" / "workshop"
    shutil.rmtree(target, ignore_errors=True)
    console.print("[dim]$ cp -r demo-home/adapters/bike demo-home/adapters/workshop[/]")
    shutil.copytree(source, target)
    question = DOMAINS[1].question
    listed = [model.id for model in _client(url).models.list()]
    copied, _ = _ask(url, "workshop", question)
    original, _ = _ask(url, "bike", question)
    console.print(f"Models now: {', '.join(listed)}", highlight=False)
    console.print(f"workshop> {copied}", highlight=False, markup=False)
    if "workshop" not in listed or copied != original:
        raise DemoFailed("the adapter copied in does not answer like its original")
    console.print("Answered without a restart, word for word like its original.")


def _ask(url: str, model: str, question: str) -> tuple[str, int]:
    """Stream one answer; returns its text and number of tokens."""
    pieces: list[str] = []
    num_tokens = 0
    stream = _client(url).chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": question}],
        temperature=0,
        max_tokens=MAX_TOKENS,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"repetition_penalty": 1.05},
    )
    for chunk in stream:
        if chunk.choices:
            pieces.append(chunk.choices[0].delta.content or "")
        if chunk.usage:
            num_tokens = chunk.usage.completion_tokens
    if not num_tokens:
        raise DemoFailed(f"{model!r} gave no answer")
    return "".join(pieces).strip(), num_tokens


def _client(url: str) -> Any:
    from openai import OpenAI

    return OpenAI(base_url=f"{url}/v1", api_key="none-needed")


def _say_what_next(console: Console, seconds: float) -> None:
    _title(console, f"Done in {seconds / 60:.1f} minutes")
    home = _shown(HOME)
    console.print(
        f"Adapters   {home}/adapters/tcm and {home}/adapters/bike (report.html beside each)\n"
        f"Runs       {home}/runs\n\n"
        "What to type next:\n"
        f"  .venv/bin/lora-chat chat tcm --home {home}\n"
        f"  .venv/bin/lora-chat serve --home {home}\n"
        "  .venv/bin/lora-chat finetune YOUR-FILE.txt\n"
        "  .venv/bin/lora-chat doctor",
        highlight=False,
        markup=False,
    )


def _run(arguments: list[str], console: Console) -> None:
    shown = " ".join(a if " " not in a else f"'{a}'" for a in arguments)
    console.print(f"[dim]$ lora-chat {shown}[/]", highlight=False, soft_wrap=True)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "service.cli", *arguments]
    code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    if code != 0:
        raise DemoFailed(f"lora-chat {arguments[0]} ended with exit code {code}")


def _shown(path: Path) -> str:
    """Relative to where the commands run."""
    return str(path.relative_to(ROOT))


def _title(console: Console, text: str) -> None:
    console.print()
    console.rule(f"[bold]{text}", align="left")


if __name__ == "__main__":
    main()
