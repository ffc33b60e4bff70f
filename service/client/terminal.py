"""The terminal chat: a client of the service over HTTP, like any other."""

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from importlib import import_module
from pathlib import Path

from rich.console import Console

from service.errors import ServerRefused

from .conversation import Conversation, Turn
from .server import Model, Server, connected

HELP = """\
/model NAME    switch to another adapter, version or blend; the conversation goes on
/models        list what the server has
/system TEXT   set the system prompt; without TEXT, leave it to the adapter
/retry         ask the last question again, after /model another model
/save FILE     write the conversation into a new file; .jsonl: as a row for training
/clear         forget the conversation
/help          show this list
/quit          leave, as Ctrl-D does; Ctrl-C stops the answer that is being written"""
NOT_TEXT = "This line is not text in the terminal's encoding, and was not sent."


def chat(
    url: str,
    model: str | None = None,
    ask: Callable[[str], str] = input,
    out: Console | None = None,
    err: Console | None = None,
    *,
    api_key: str | None = None,
) -> None:
    """Talk to the server at `url` until /quit or Ctrl-D. Answers alone go to `out`.

    Without a model it is the only adapter, or else the base. Raises ServerRefused where no server
    answers or where it does not have the model.
    """
    with suppress(ImportError):
        import_module("readline")  # lets `input` edit its line and recall earlier ones
    with connected(url, api_key) as server:
        models = server.models() if model is None else []
        chosen = _first(models) if model is None else server.model(model)
        terminal = Terminal(server, chosen, ask, out or Console(), err or Console(stderr=True))
        terminal.run(_adapters(models))


def _adapters(models: Sequence[Model]) -> list[Model]:
    return [model for model in models if model.parent is not None]


def _first(models: Sequence[Model]) -> Model:
    """The only adapter, or else the base, which servers list first."""
    if not models:
        raise ServerRefused("The server has no model that you may use.")
    adapters = _adapters(models)
    return adapters[0] if len(adapters) == 1 else models[0]


class Terminal:
    """One conversation, and the commands that steer it."""

    def __init__(
        self,
        server: Server,
        model: Model,
        ask: Callable[[str], str],
        out: Console,
        err: Console,
    ) -> None:
        self._server = server
        self._model = model
        self._ask = ask
        self._out = out
        self._err = err
        self._conversation = Conversation()
        self._commands: dict[str, Callable[[str], None]] = {
            "/model": self._switch,
            "/models": self._list_models,
            "/system": self._set_system,
            "/retry": self._retry,
            "/save": self._save,
            "/clear": self._clear,
            "/help": lambda _: self._note(HELP),
        }

    def run(self, adapters: Sequence[Model] = ()) -> None:
        """`adapters` are those that nobody has chosen from yet."""
        self._introduce(f"Talking to {self._model.id}. /help lists the commands.")
        if len(adapters) > 1:
            names = ", ".join(adapter.id for adapter in adapters)
            self._note(f"Adapters here: {names}. /model NAME switches to one.")
        while True:
            try:
                line = self._read().strip()
            except EOFError:
                return
            except UnicodeDecodeError:
                self._note(NOT_TEXT)
                continue
            except KeyboardInterrupt:
                self._note("\n/quit or Ctrl-D leaves.")
                continue
            if line == "/quit":
                return
            if line:
                self._obey(line)

    def _read(self) -> str:
        prompt = f"{self._model.id}> "
        if self._out.is_terminal:
            return self._ask(prompt)
        # `input` writes its prompt where answers go, which is a file or a pipe now.
        self._err.out(prompt, end="", highlight=False)
        return self._ask("")

    def _obey(self, line: str) -> None:
        try:
            command, _, argument = line.partition(" ")
            if not line.startswith("/"):
                self._say(self._conversation.ask(line))
            elif command in self._commands:
                self._commands[command](argument.strip())
            else:
                self._note(f"There is no command {command}. /help lists them.")
        except ServerRefused as error:
            self._note(" ".join(str(error).split()))
        except UnicodeEncodeError:
            self._note(NOT_TEXT)

    def _say(self, messages: list[Turn]) -> None:
        text = ""
        try:
            with closing(self._server.answer(self._model.id, messages)) as answer:
                for piece in answer:
                    self._out.out(piece, end="", highlight=False)
                    text += piece
            if not text.strip():
                self._note("The answer is empty. /retry asks again.")
        except KeyboardInterrupt:
            self._note(" (stopped)")
        finally:
            # A stopped answer stays in the conversation; a question without any does not.
            if text:
                self._out.out()
                self._conversation.take_answer(text)

    def _retry(self, _: str) -> None:
        if self._conversation.question is None:
            self._note("Nothing has been asked yet.")
        else:
            self._say(self._conversation.ask_again())

    def _save(self, name: str) -> None:
        if not name or self._conversation.is_empty:
            self._note("/save FILE writes what has been said, once there is an answer.")
            return
        try:
            self._conversation.save(Path(name))
        except OSError as error:
            self._note(f"Not saved in {name}: {error.strerror or error}")
        else:
            self._note(f"The conversation is in {name}.")

    def _switch(self, name: str) -> None:
        if not name:
            self._note(f"Talking to {self._model.id}. /model NAME switches.")
            return
        self._model = self._server.model(name)
        self._introduce(f"Talking to {self._model.id} now.")

    def _list_models(self, _: str) -> None:
        for model in self._server.models():
            self._note(f"{'*' if model.id == self._model.id else ' '} {model.id}")

    def _set_system(self, text: str) -> None:
        self._conversation.system = text
        self._note("The system prompt is set." if text else "The system prompt is the adapter's.")

    def _clear(self, _: str) -> None:
        self._conversation.forget()
        self._note("The conversation is forgotten.")

    def _introduce(self, text: str) -> None:
        self._note(text)
        if self._model.disclaimer:
            self._note(self._model.disclaimer)

    def _note(self, text: str) -> None:
        self._err.print(
            text, style="dim", markup=False, emoji=False, highlight=False, soft_wrap=True
        )
