"""`lora-chat data`: look at training data, check it, convert it."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from data.wording import _
from finetune.defaults import DEFAULT_BASE
from service.commands.group import Commands
from service.commands.streams import json_text
from service.options import BaseOption, HomeOption, LangOption

if TYPE_CHECKING:
    from data.conversation import Item
    from data.writing.plain_marks import OnMarks

Known = TypeVar("Known", bound=str)

data_app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="Check, look at and convert training data.",
    epilog="Example: `lora-chat data check my-clinic.txt --report report.html`",
)

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Files of dialogues, tables or JSON lines, or folders of them; - for standard input; "
        "hf:NAME for a data set of the Hugging Face hub.",
    ),
]
RolesOption = Annotated[
    str | None,
    typer.Option(
        help="Who is who in a dialogue: 'Anna=user,Ben=assistant'. WORD=skip leaves out the lines "
        "that begin with that word, WORD=text adds them to the turn above.",
        metavar="NAME=ROLE,...",
    ),
]
FaultyOption = Annotated[
    str | None,
    typer.Option(
        help="What to do about conversations with faults. stop: name all of them, and do nothing "
        "else. skip: leave them out. mend: join turns in a row, drop greetings and thanks around "
        "questions and answers, and leave out what is faulty still. What was done is counted and "
        "named. [default: stop]",
        metavar="HOW",
    ),
]
MapOption = Annotated[
    str | None,
    typer.Option(
        "--map",
        help="Which columns or fields hold what: 'question=ask,answer=reply'. Columns without a "
        "header go by their numbers: 'question=1,answer=2'.",
        metavar="FIELD=NAME,...",
    ),
]


@data_app.command(epilog="Example: `lora-chat data check my-clinic.txt --report report.html`")
def check(
    files: Files,
    roles: RolesOption = None,
    columns: MapOption = None,
    faulty: FaultyOption = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write what was found to this HTML file, too; - for standard output instead."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all that was found as JSON, for programs.")
    ] = False,
    base: Annotated[
        str | None,
        typer.Option(
            help="Also count tokens as this base has them, and show what would be trained.",
            metavar="BASE",
        ),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            min=16,
            help="How many tokens of a conversation are trained on; of longer ones the oldest "
            "turns are cut. [default: as in training]",
        ),
    ] = None,
    plain_marks: Annotated[
        Literal["refuse", "defuse"],
        typer.Option(
            help="What to do about texts that look like a chat template's own marks, such as "
            "[INST]. refuse: call them errors. defuse: put an invisible space into them."
        ),
    ] = "refuse",
    home: HomeOption = None,
    _language: LangOption = None,
) -> None:
    """Say all that is wrong or suspicious in training data.

    The exit code is 1 where training would refuse it. Which personal data is looked for, and which
    is not, says docs/personal-data.md.
    """
    from rich.console import Console

    from data.checking.check import check as check_items
    from data.checking.report import check_report, write_report
    from data.whole_file import STANDARD_OUTPUT

    from .views.data import as_dict, print_findings

    if report is not None:
        check_report(report)
    is_piped = report == STANDARD_OUTPUT
    if is_piped and as_json:
        told = _("both would go to standard output")
        raise typer.BadParameter(told, param_hint="--report, --json")
    options = read_options(roles, columns, faulty)
    found = _find_base(base, home) if base is not None else None
    tokens = _token_check(found, max_tokens, plain_marks) if found is not None else None
    lengths = _length_check(max_tokens, home) if base is None else None
    findings = check_items(_read(files, options), tokens, lengths)
    if report is not None:
        write_report(findings, files, report)
    if as_json:
        typer.echo(json_text(as_dict(findings)))
    else:
        print_findings(findings, Console(stderr=is_piped), None if is_piped else report)
    if found is not None:
        _warn_of_spelling(tokens, found)
    if findings.num_errors:
        raise typer.Exit(1)


@data_app.command(epilog="Example: `lora-chat data convert my-clinic.xlsx --out my-clinic.jsonl`")
def convert(
    files: Files,
    out: Annotated[
        Path,
        typer.Option(help="The new .jsonl file to write; - for standard output, in UTF-8."),
    ],
    shape: Annotated[
        str, typer.Option(help="How a line is written: as messages (OpenAI's), alpaca or sharegpt.")
    ] = "messages",
    redact: Annotated[
        bool,
        typer.Option(
            "--redact", help="Replace names, phone numbers, addresses and other personal data."
        ),
    ] = False,
    roles: RolesOption = None,
    columns: MapOption = None,
    faulty: FaultyOption = None,
) -> None:
    """Write data of any form as JSON lines, a conversation a line."""
    from data.convert import SHAPE_NAMES, write_conversations
    from data.whole_file import STANDARD_OUTPUT

    chosen = _one_of(SHAPE_NAMES, shape, "--shape")
    items = _saying_warnings(_read(files, read_options(roles, columns, faulty)))
    count = write_conversations(items, out, chosen, redacted=redact)
    typer.echo(_written(out, count), err=out == STANDARD_OUTPUT)


@data_app.command(
    epilog="Example: `lora-chat data split all.jsonl --train train.jsonl --held-out test.jsonl`"
)
def split(
    files: Files,
    train: Annotated[Path, typer.Option(help="The new .jsonl file to write, for training.")],
    held_out: Annotated[
        Path, typer.Option(help="The new .jsonl file to write, with what is held out.")
    ],
    fraction: Annotated[
        float,
        typer.Option(
            min=0.001, max=0.5, help="How much to hold out: 0.1 is one conversation in ten."
        ),
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Any number; another one divides otherwise.")] = 0,
    roles: RolesOption = None,
    columns: MapOption = None,
    faulty: FaultyOption = None,
) -> None:
    """Divide conversations: some to train on, some to measure with.

    Conversations that are alike stay on one side.
    """
    from data.convert import check_new, write_conversations
    from data.errors import DataError
    from data.reading.reader import conversations_of
    from data.split import split_conversations
    from data.whole_file import STANDARD_OUTPUT

    if train.resolve() == held_out.resolve():
        raise typer.BadParameter(_("both sides would go to one file"), param_hint="--held-out")
    for path in (train, held_out):
        check_new(path)
    items = _saying_warnings(_read(files, read_options(roles, columns, faulty)))
    conversations = conversations_of(items, files)
    wanted = max(1, round(fraction * len(conversations)))
    sides = split_conversations(conversations, seed, fraction=fraction, at_least=1, at_most=wanted)
    if not all(sides):
        raise DataError(_("There are fewer than two conversations unlike each other to divide."))
    for side, path in zip(sides, (train, held_out), strict=True):
        count = write_conversations(side, path)
        typer.echo(_written(path, count), err=STANDARD_OUTPUT in (train, held_out))


@data_app.command(epilog="Example: `lora-chat data stats my-clinic.txt`")
def stats(
    files: Files,
    roles: RolesOption = None,
    columns: MapOption = None,
    faulty: FaultyOption = None,
) -> None:
    """Count conversations, turns and characters, by file and in all."""
    from rich.console import Console

    from data.checking.check import check as check_items

    from .views.data import print_stats

    print_stats(check_items(_read(files, read_options(roles, columns, faulty))), Console())


@data_app.command(epilog="Example: `lora-chat data show my-clinic.txt 3`")
def show(
    file: Annotated[str, typer.Argument(help="A file or a folder; - for standard input; hf:NAME.")],
    number: Annotated[int, typer.Argument(min=1, help="Which conversation, counted from 1.")] = 1,
    roles: RolesOption = None,
    columns: MapOption = None,
    faulty: FaultyOption = None,
) -> None:
    """Print one conversation as it was read."""
    from itertools import islice

    from rich.console import Console

    from data.conversation import Conversation
    from data.errors import DataError

    from .views.data import print_conversation

    items = _read(file, read_options(roles, columns, faulty))
    found = (item for item in items if isinstance(item, Conversation))
    conversation = next(islice(found, number - 1, None), None)
    if conversation is None:
        told = _("{source}: there are fewer than {number} conversations without faults")
        raise DataError(told.format(source=file, number=number))
    print_conversation(conversation, number, Console())


@data_app.command(epilog="Example: `lora-chat data label handbook.md --out qa.csv`")
def label(
    documents: Annotated[
        list[str],
        typer.Argument(metavar="DOC…", help="Texts: .txt, .md, .docx or .pdf files, or folders."),
    ],
    out: Annotated[Path, typer.Option(help="The .csv file to add the drafts to, new or old.")],
    url: Annotated[
        str | None,
        typer.Option(
            help="A server with OpenAI's API whose model writes the drafts. [default: one is "
            "started here, on the base]"
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Which of that server's models. [default: the first that it lists]"),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(envvar="OPENAI_API_KEY", help="The key that server asks for, if it does."),
    ] = None,
    pairs_per_passage: Annotated[
        int,
        typer.Option(
            "--pairs", min=1, help="How many questions to ask for, of each passage of the texts."
        ),
    ] = 3,
    untried: Annotated[
        bool,
        typer.Option("--untried", help="Take the model without trying it on known texts first."),
    ] = False,
    base: BaseOption = None,
    home: HomeOption = None,
) -> None:
    """Have a model draft questions and answers from documents.

    The model is tried first, on a few known texts: small ones cannot do it.

    Write yes, y, 1 or 是 into the column keep beside what is right: those rows alone are trained
    on.
    Rows that are there are never changed: the same command goes on where it was stopped.
    """
    from rich.console import Console

    from service.home import find_home
    from service.settings import ServiceSettings

    from .labelling import label_documents

    server = url or ServiceSettings(base=base or DEFAULT_BASE, home=find_home(home))
    console = Console(stderr=True)
    done = label_documents(
        documents, out, server, model, key, pairs_per_passage, console, is_tried=not untried
    )
    told = _(
        "{path}: {questions} questions from {passages} passages ({before} were there before, "
        "{empty} gave nothing)"
    ).format(
        path=out,
        questions=done.num_pairs,
        passages=done.num_passages - done.num_before,
        before=done.num_before,
        empty=done.num_empty,
    )
    typer.echo(told)
    typer.echo(
        _("Look through it and write yes (or y, 1, 是) into keep beside what is right; then:")
    )
    typer.echo(f"lora-chat finetune {out}")


def _written(path: Path, count: int) -> str:
    return _("{path}: {count:,} conversations").format(path=path, count=count)


def _read(files: str | list[str], options: Any) -> "Iterator[Item]":
    """The items, in words of the files' language where nobody asks for another."""
    from data.reading.beginning import speak_like_files
    from data.reading.reader import read_items

    speak_like_files(files)
    return read_items(files, options)


def _saying_warnings(items: "Iterable[Item]") -> "Iterator[Item]":
    """The items, with the warnings among them said on stderr."""
    from data.errors import Fault

    for item in items:
        if isinstance(item, Fault) and item.severity == "warning":
            typer.echo(_("Warning: {warning}").format(warning=item), err=True)
        yield item


def _find_base(base: str, home: Path | None) -> Any:
    """Raises FinetuneError where there is no such base."""
    from finetune.bases.base import find_base
    from service.home import find_home

    return find_base(base, find_home(home))


def _token_check(base: Any, max_tokens: int | None, plain_marks: "OnMarks") -> Any:
    from data.chat import ChatRenderer
    from data.checking.tokens import TokenCheck
    from finetune.bases.spelling import spelling_by

    tokenizer = base.tokenizer
    return TokenCheck(
        ChatRenderer(tokenizer, plain_marks=plain_marks),
        tokenizer.decode,
        _max_tokens(max_tokens),
        spelling=spelling_by(tokenizer),
    )


def _warn_of_spelling(tokens: Any, base: Any) -> None:
    from finetune.bases.spelling import spelling_warning

    if warning := spelling_warning(tokens.spelling, base):
        typer.echo(_("Warning: {warning}").format(warning=warning), err=True)


def _length_check(max_tokens: int | None, home: Path | None) -> Any:
    """A check of lengths by the default base's tokenizer, as `finetune` would; None where that is
    not installed."""
    from data.chat import ChatRenderer
    from data.checking.tokens import LengthCheck
    from finetune.bases.base import SHORT_NAMES
    from finetune.bases.gguf_base import find_gguf_base
    from service.home import find_home

    def load() -> ChatRenderer:
        return ChatRenderer(find_gguf_base(DEFAULT_BASE, find_home(home)).tokenizer)

    is_installed = SHORT_NAMES[DEFAULT_BASE].find() is not None
    return LengthCheck(load, _max_tokens(max_tokens)) if is_installed else None


def _max_tokens(given: int | None) -> int:
    from finetune.training.config import TrainConfig

    return given or TrainConfig.model_validate({}).max_tokens


def read_options(roles: str | None, columns: str | None, faulty: str | None) -> Any:
    """Raises BadParameter for what cannot be read."""
    from data.reading.dialogues.role_words import PARTS, Part
    from data.reading.faulty import HOW
    from data.reading.reader import ReadOptions

    by_name: dict[str, Part] = {}
    for name, wanted in pairs(roles, "--roles").items():
        by_name[name.lower()] = _one_of(PARTS, wanted, "--roles")
    how = _one_of(HOW, faulty or HOW[0], "--faulty")
    return ReadOptions(by_name, pairs(columns, "--map"), how)


def _one_of(known: Sequence[Known], wanted: str, option: str) -> Known:
    found = next((each for each in known if each == wanted), None)
    if found is None:
        told = _("{value!r} is none of {known}").format(value=wanted, known=", ".join(known))
        raise typer.BadParameter(told, param_hint=option)
    return found


def pairs(text: str | None, option: str) -> dict[str, str]:
    """The pairs of `name=value,name=value`; raises BadParameter."""
    found: dict[str, str] = {}
    for pair in (text or "").replace("，", ",").split(","):
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not pair.strip():
            continue
        if not name or not equals or not value:
            told = _("{pair!r} is not of the form name=value").format(pair=pair)
            raise typer.BadParameter(told, param_hint=option)
        found[name] = value
    return found
