"""The terminal chat: a client of the service over HTTP, like any other."""

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from importlib import import_module
from pathlib import Path

from rich.console import Console

from data.wording import N_, _
from service.errors import ServerRefused

from .conversation import TerminalConversation, Turn
from .server import Model, Server, connected

HELP = N_("""\
/model NAME    switch to another adapter, version or blend; the conversation goes on
/models        list what the server has
/system TEXT   set the system prompt; without TEXT, leave it to the adapter
/retry         ask the last question again, after /model another model
/save FILE     write the conversation into a new file; .jsonl: as a row for training
/clear         forget the conversation
/help          show this list
/quit          leave, as Ctrl-D does; Ctrl-C stops the answer that is being written""")
NOT_TEXT = N_("This line is not text in the terminal's encoding, and was not sent.")


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
        raise ServerRefused(_("The server has no model that you may use."))
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
        self._conversation = TerminalConversation()
        self._commands: dict[str, Callable[[str], None]] = {
            "/model": self._switch,
            "/models": self._list_models,
            "/system": self._set_system,
            "/retry": self._retry,
            "/save": self._save,
            "/clear": self._clear,
            "/help": lambda _argument: self._note(_(HELP)),
        }

    def run(self, adapters: Sequence[Model] = ()) -> None:
        """`adapters` are those that nobody has chosen from yet."""
        told = _("Talking to {model}. /help lists the commands.")
        self._introduce(told.format(model=self._model.id))
        if len(adapters) > 1:
            told = _("Adapters here: {names}. /model NAME switches to one.")
            self._note(told.format(names=", ".join(adapter.id for adapter in adapters)))
        while True:
            try:
                line = self._read().strip()
            except EOFError:
                return
            except UnicodeDecodeError:
                self._note(_(NOT_TEXT))
                continue
            except KeyboardInterrupt:
                self._note("\n" + _("/quit or Ctrl-D leaves."))
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
            command, _space, argument = line.partition(" ")
            if not line.startswith("/"):
                self._say(self._conversation.ask(line))
            elif command in self._commands:
                self._commands[command](argument.strip())
            else:
                told = _("There is no command {command}. /help lists them.")
                self._note(told.format(command=command))
        except ServerRefused as error:
            self._note(" ".join(str(error).split()))
        except UnicodeEncodeError:
            self._note(_(NOT_TEXT))

    def _say(self, messages: list[Turn]) -> None:
        text = ""
        try:
            with closing(self._server.answer(self._model.id, messages)) as answer:
                for piece in answer:
                    self._out.out(piece, end="", highlight=False)
                    text += piece
            if not text.strip():
                self._note(_("The answer is empty. /retry asks again."))
        except KeyboardInterrupt:
            self._note(_(" (stopped)"))
        finally:
            # A stopped answer stays in the conversation; a question without any does not.
            if text:
                self._out.out()
                self._conversation.take_answer(text)

    def _retry(self, _argument: str) -> None:
        if self._conversation.question is None:
            self._note(_("Nothing has been asked yet."))
        else:
            self._say(self._conversation.ask_again())

    def _save(self, name: str) -> None:
        if not name or self._conversation.is_empty:
            self._note(_("/save FILE writes what has been said, once there is an answer."))
            return
        try:
            self._conversation.save(Path(name))
        except OSError as error:
            told = _("Not saved in {path}: {error}")
            self._note(told.format(path=name, error=error.strerror or error))
        else:
            self._note(_("The conversation is in {path}.").format(path=name))

    def _switch(self, name: str) -> None:
        if not name:
            told = _("Talking to {model}. /model NAME switches.")
            self._note(told.format(model=self._model.id))
            return
        self._model = self._server.model(name)
        self._introduce(_("Talking to {model} now.").format(model=self._model.id))

    def _list_models(self, _argument: str) -> None:
        for model in self._server.models():
            self._note(f"{'*' if model.id == self._model.id else ' '} {model.id}")

    def _set_system(self, text: str) -> None:
        self._conversation.system = text
        told = _("The system prompt is set.")
        self._note(told if text else _("The system prompt is the adapter's."))

    def _clear(self, _argument: str) -> None:
        self._conversation.forget()
        self._note(_("The conversation is forgotten."))

    def _introduce(self, text: str) -> None:
        self._note(text)
        if self._model.disclaimer:
            self._note(self._model.disclaimer)

    def _note(self, text: str) -> None:
        self._err.print(
            text, style="dim", markup=False, emoji=False, highlight=False, soft_wrap=True
        )
