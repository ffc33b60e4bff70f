"""Shows that llama-server answers with an adapter's memory of a prompt where another was asked.

Its prompt cache (on by default) knows tokens only, not the adapters that computed them.

    python -m benchmarks.contamination --llama-bin DIR
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from finetune.bases.base import SHORT_NAMES, find_base
from finetune.defaults import DEFAULT_BASE

from .adapters import make_adapters, write_gguf
from .rivals.servers import llama_server, quantize

QUESTION = "How do I fix a flat bicycle tyre?"
DETOUR = "Write four lines about the sea and the wind."
FIRST = [{"id": 0, "scale": 1.0}]
SECOND = [{"id": 1, "scale": 1.0}]
NONE = [{"id": 0, "scale": 0.0}]
HOME = Path(__file__).resolve().parent.parent / "benchmark-home"


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    num_computed: int  # [tokens] of the prompt; the others came from the cache


@dataclass(frozen=True, slots=True)
class Contamination:
    """One greedy question throughout. Each of the last four comes right after another adapter."""

    base: Answer  # from a fresh server
    base_again: Answer  # the honest reuse: computes one token, says the same
    second: Answer  # the second adapter, from a fresh server

    zeroed: Answer  # the base by `"lora": [{"id": 0, "scale": 0.0}]`, after the first adapter
    unnamed: Answer  # the base by no `lora` field, after the first adapter
    empty: Answer  # the base by `"lora": []`, after the first adapter
    # The second adapter, after the first one's same question and its own other one; each by name.
    named: Answer

    @property
    def wrong(self) -> list[str]:
        """Which ways of asking gave another answer than a fresh server's."""
        base = {"zeroed": self.zeroed, "unnamed": self.unnamed, "empty": self.empty}
        found = [name for name, answer in base.items() if answer.text != self.base.text]
        return [*found, "named"] if self.named.text != self.second.text else found


def llama_server_contaminates(
    binaries: Path, base_gguf: Path, adapters: Sequence[Path], *, log: Path
) -> Contamination:
    """Ask fresh servers and used ones the same. Takes two adapters, as GGUF files."""

    def server() -> Any:
        return llama_server(binaries, base_gguf, adapters, 1, True, log=log)

    with server() as url:
        base, base_again = _ask(url), _ask(url)
        zeroed, unnamed, empty = (
            _ask_after_first(url, extra) for extra in ({"lora": NONE}, {}, {"lora": []})
        )
    with server() as url:
        second = _ask(url, lora=SECOND)
    with server() as url:
        _ask(url, lora=FIRST)
        _ask(url, DETOUR, lora=SECOND)
        named = _ask(url, lora=SECOND)
    return Contamination(base, base_again, second, zeroed, unnamed, empty, named)


def main(
    llama_bin: Annotated[Path, typer.Option(help="The folder that holds llama-server.")],
    home: Annotated[Path, typer.Option(help="For bases, adapters and logs.")] = HOME,
) -> None:
    """Print what llama-server answers on the default base with two random adapters."""
    base = find_base(DEFAULT_BASE, home).folder  # raises where it is not installed
    source = SHORT_NAMES[DEFAULT_BASE].find()
    assert source is not None
    folders = make_adapters(home, base, count=2)
    files = [
        write_gguf(folder, base, home / "gguf" / f"{name}.gguf") for name, folder in folders.items()
    ]
    gguf = quantize(llama_bin, source, "Q8_0", home / "gguf")
    log = home / "logs" / "contamination.log"
    seen = llama_server_contaminates(llama_bin, gguf, files, log=log)
    for name in Contamination.__slots__:
        answer: Answer = getattr(seen, name)
        typer.echo(f"{name:<10} computed {answer.num_computed:>2}: {answer.text!r}")
    typer.echo(f"Wrong: {', '.join(seen.wrong) or 'none'}")


def _ask_after_first(url: str, extra: dict[str, Any]) -> Answer:
    _ask(url, lora=FIRST)
    return _ask(url, **extra)


def _ask(url: str, question: str = QUESTION, **extra: Any) -> Answer:
    body = {"messages": [{"role": "user", "content": question}], "max_tokens": 20, "temperature": 0}
    response = httpx.post(f"{url}/v1/chat/completions", json={**body, **extra}, timeout=120)
    answer = response.raise_for_status().json()
    text = answer["choices"][0]["message"]["content"]
    return Answer(text, answer["timings"]["prompt_n"])


if __name__ == "__main__":
    typer.run(main)
