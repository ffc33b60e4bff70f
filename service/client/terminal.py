"""The terminal chat: a client of the service over HTTP, like any other."""

import json
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from difflib import get_close_matches
from importlib import import_module
from typing import Any
from urllib.parse import quote

import httpx
from rich.console import Console

from service.errors import ServerRefused

from .stream import DONE, EventParser

HELP = """\
/model NAME    switch to another adapter, version or blend; the conversation goes on
/models        list what the server has
/system TEXT   set the system prompt; without TEXT, leave it to the adapter
/clear         forget the conversation
/quit          leave, as Ctrl-D does; Ctrl-C stops the answer that is being written"""


def chat(
    base_url: str,
    model: str | None = None,
    ask: Callable[[str], str] = input,
    out: Console | None = None,
    err: Console | None = None,
    *,
    api_key: str | None = None,
) -> None:
    """Talk to the server at `base_url` until /quit or Ctrl-D. Answers alone go to `out`.

    Raises ServerRefused where no server answers or where it does not have `model`.
    """
    with suppress(ImportError):
        import_module("readline")  # lets `input` edit its line and recall earlier ones
    # No limit on reading: the first token of a long prompt may take minutes on a CPU.
    timeout = httpx.Timeout(None, connect=10)
    headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
    url = base_url.removesuffix("/v1")
    with httpx.Client(base_url=url, timeout=timeout, headers=headers) as client:
        server = Server(client)
        if model is not None:
            server.check_model(model)
        chosen = model or server.models()[0]
        Terminal(server, chosen, ask, out or Console(), err or Console(stderr=True)).run()


class Server:
    """The service as seen from outside. Every method raises ServerRefused."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def models(self) -> list[str]:
        with self._errors():
            response = self._client.get("/v1/models")
            _check(response)
            return [card["id"] for card in response.json()["data"]]

    def check_model(self, model: str) -> None:
        with self._errors():
            response = self._client.get(f"/v1/models/{quote(model, safe='')}")
            if response.status_code == 404:
                raise ServerRefused(f"There is no model {model!r}.{self._nearest(model)}")
            _check(response)

    def answer(self, model: str, messages: list[dict[str, str]]) -> Generator[str]:
        """The answer's pieces as they come; closing the generator stops the answer."""
        body = {"model": model, "messages": messages, "stream": True}
        request = self._client.build_request("POST", "/v1/chat/completions", json=body)
        with self._errors(), closing(self._client.send(request, stream=True)) as response:
            if response.is_error:
                response.read()
            _check(response)
            parser = EventParser()
            for received in response.iter_bytes():
                for data in parser.feed(received):
                    if data != DONE:
                        yield _piece(json.loads(data))

    def _nearest(self, model: str) -> str:
        known = self.models()
        nearest = get_close_matches(model, known, n=1, cutoff=0.5)
        return f" Did you mean {nearest[0]!r}?" if nearest else f" There are: {', '.join(known)}."

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise ServerRefused(
                f"{self._client.base_url} does not answer: {error}. Start a server with "
                "`lora-chat serve`, or leave out --url."
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise ServerRefused(f"{self._client.base_url} is no lora-chat server.") from error


class Terminal:
    """One conversation, and the commands that steer it."""

    def __init__(
        self,
        server: Server,
        model: str,
        ask: Callable[[str], str],
        out: Console,
        err: Console,
    ) -> None:
        self._server = server
        self._model = model
        self._ask = ask
        self._out = out
        self._err = err
        self._system = ""
        self._history: list[dict[str, str]] = []
        self._commands: dict[str, Callable[[str], None]] = {
            "/model": self._switch,
            "/models": self._list_models,
            "/system": self._set_system,
            "/clear": self._clear,
            "/help": lambda _: self._note(HELP),
        }

    def run(self) -> None:
        self._note(f"Talking to {self._model}. /help lists the commands.")
        while True:
            try:
                line = self._read().strip()
            except EOFError:
                return
            except KeyboardInterrupt:
                self._note("\n/quit or Ctrl-D leaves.")
                continue
            if line == "/quit":
                return
            if line:
                self._obey(line)

    def _read(self) -> str:
        prompt = f"{self._model}> "
        if self._out.is_terminal:
            return self._ask(prompt)
        # `input` writes its prompt where answers go, which is a file or a pipe now.
        self._err.out(prompt, end="", highlight=False)
        return self._ask("")

    def _obey(self, line: str) -> None:
        try:
            command, _, argument = line.partition(" ")
            if not line.startswith("/"):
                self._say(line)
            elif command in self._commands:
                self._commands[command](argument.strip())
            else:
                self._note(f"There is no command {command}. /help lists them.")
        except ServerRefused as error:
            self._note(" ".join(str(error).split()))

    def _say(self, question: str) -> None:
        system = [{"role": "system", "content": self._system}] if self._system else []
        asked = [*self._history, {"role": "user", "content": question}]
        pieces: list[str] = []
        try:
            with closing(self._server.answer(self._model, [*system, *asked])) as answer:
                for piece in answer:
                    self._out.out(piece, end="", highlight=False)
                    pieces.append(piece)
        except KeyboardInterrupt:
            self._note(" (stopped)")
        finally:
            # A stopped answer stays in the conversation; a question without any does not.
            if pieces:
                self._out.out()
                self._history = [*asked, {"role": "assistant", "content": "".join(pieces)}]

    def _switch(self, model: str) -> None:
        if not model:
            self._note(f"Talking to {self._model}. /model NAME switches.")
            return
        self._server.check_model(model)
        self._model = model
        self._note(f"Talking to {model} now.")

    def _list_models(self, _: str) -> None:
        for model in self._server.models():
            self._note(f"{'*' if model == self._model else ' '} {model}")

    def _set_system(self, text: str) -> None:
        self._system = text
        self._note("The system prompt is set." if text else "The system prompt is the adapter's.")

    def _clear(self, _: str) -> None:
        self._history = []
        self._note("The conversation is forgotten.")

    def _note(self, text: str) -> None:
        self._err.print(
            text, style="dim", markup=False, emoji=False, highlight=False, soft_wrap=True
        )


def _check(response: httpx.Response) -> None:
    if response.is_error:
        raise ServerRefused(response.json()["error"]["message"])


def _piece(event: dict[str, Any]) -> str:
    if "error" in event:
        raise ServerRefused(event["error"]["message"])
    return "".join(choice["delta"].get("content") or "" for choice in event["choices"])
