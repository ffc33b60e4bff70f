"""`lora-chat data`: look at training data, check it, convert it."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from service.options import DEFAULT_BASE, BaseOption, HomeOption

if TYPE_CHECKING:
    from data.conversation import Item
    from data.writing.plain_marks import OnMarks

Known = TypeVar("Known", bound=str)

data_app = typer.Typer(
    no_args_is_help=True,
    help="Check, look at and convert training data.",
    epilog="Example: `lora-chat data check data/samples/bike_workshop.txt --report report.html`",
)

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE…", help="Files or folders; - for standard input, hf:NAME for the hub's."
    ),
]
RolesOption = Annotated[
    str | None,
    typer.Option(
        help="Who is who in a dialogue: 'Anna=user,Ben=assistant'; skip leaves lines that begin "
        "with a word out, text makes them part of the turn above.",
        metavar="NAME=ROLE,…",
    ),
]
FaultyOption = Annotated[
    str | None,
    typer.Option(
        help="What becomes of conversations with faults: stop names them, skip leaves them out, "
        "mend joins turns in a row and drops greetings and thanks around questions and answers, "
        "and leaves out what cannot be mended. Both count and name what they did. [default: stop]",
        metavar="HOW",
    ),
]
MapOption = Annotated[
    str | None,
    typer.Option(
        "--map",
        help="What fields are called: 'question=ask,answer=reply'; columns without a header go by "
        "number: 'question=1,answer=2'.",
        metavar="FIELD=NAME,…",
    ),
]


@data_app.command(
    epilog="Example: `lora-chat data check data/samples/bike_workshop.txt --report report.html`"
)
def check(
    files: Files,
    roles: RolesOption = None,
    columns: MapOption = None,
    faulty: FaultyOption = None,
    report: Annotated[
        Path | None, typer.Option(help="Write what was found to an HTML file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    base: Annotated[
        str | None,
        typer.Option(
            help="Also count this base's tokens, and show what is trained.", metavar="BASE"
        ),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=16, help="Of a conversation, as `finetune` has it.")
    ] = None,
    plain_marks: Annotated[
        Literal["refuse", "defuse"],
        typer.Option(help="What is done about texts like the chat template's marks ([INST])."),
    ] = "refuse",
    home: HomeOption = None,
) -> None:
    """Say everything that is wrong or suspicious; exit 1 where training would refuse the data.

    Which personal data is looked for, and which is not, says docs/personal-data.md.
    """
    from rich.console import Console

    from data.checking.check import check as check_items
    from data.checking.report import check_report, write_report
    from data.reading.reader import read_items

    from .data_view import as_dict, print_findings

    if report is not None:
        check_report(report)
    options = read_options(roles, columns, faulty)
    tokens = _token_check(base, max_tokens, home, plain_marks) if base is not None else None
    lengths = _length_check(max_tokens, home) if base is None else None
    findings = check_items(read_items(files, options), tokens, lengths)
    if report is not None:
        write_report(findings, files, report)
    if as_json:
        typer.echo(json.dumps(as_dict(findings), ensure_ascii=False, indent=1))
    else:
        print_findings(findings, Console(), report)
    if findings.num_errors:
        raise typer.Exit(1)


@data_app.command(epilog="Example: `lora-chat data convert my-clinic.xlsx --out my-clinic.jsonl`")
def convert(
    files: Files,
    out: Annotated[Path, typer.Option(help="The .jsonl file to write; it must not exist.")],
    shape: Annotated[
        str, typer.Option(help="messages (OpenAI's), alpaca or sharegpt.")
    ] = "messages",
    redact: Annotated[
        bool, typer.Option("--redact", help="Replace names, numbers and other personal data.")
    ] = False,
    roles: RolesOption = None,
    columns: MapOption = None,
    faulty: FaultyOption = None,
) -> None:
    """Write any readable data as JSON lines, one conversation a line."""
    from data.convert import SHAPE_NAMES, ShapeName, write_conversations
    from data.reading.reader import read_items

    chosen: ShapeName | None = next((each for each in SHAPE_NAMES if each == shape), None)
    if chosen is None:
        message = f"{shape!r} is none of {', '.join(SHAPE_NAMES)}"
        raise typer.BadParameter(message, param_hint="--shape")
    items = _saying_warnings(read_items(files, read_options(roles, columns, faulty)))
    count = write_conversations(items, out, chosen, redacted=redact)
    typer.echo(f"{out}: {count:,} conversations")


@data_app.command(
    epilog="Example: `lora-chat data split all.jsonl --train train.jsonl --held-out test.jsonl`"
)
def split(
    files: Files,
    train: Annotated[Path, typer.Option(help="The .jsonl file for training.")],
    held_out: Annotated[Path, typer.Option(help="The .jsonl file for what is held out.")],
    fraction: Annotated[
        float, typer.Option(min=0.001, max=0.5, help="Of the conversations, to hold out.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Another one gives another split.")] = 0,
    roles: RolesOption = None,
    columns: MapOption = None,
    faulty: FaultyOption = None,
) -> None:
    """Hold conversations out, so that nothing alike is on both sides."""
    from data.convert import check_new, write_conversations
    from data.errors import DataError
    from data.reading.reader import conversations_of, read_items
    from data.split import split_conversations

    if train.resolve() == held_out.resolve():
        raise typer.BadParameter("both sides would go to one file", param_hint="--held-out")
    for path in (train, held_out):
        check_new(path)
    items = _saying_warnings(read_items(files, read_options(roles, columns, faulty)))
    conversations = conversations_of(items, files)
    wanted = max(1, round(fraction * len(conversations)))
    sides = split_conversations(conversations, seed, fraction=fraction, at_least=1, at_most=wanted)
    if not all(sides):
        raise DataError("There are fewer than two conversations unlike each other to divide.")
    for side, path in zip(sides, (train, held_out), strict=True):
        count = write_conversations(side, path)
        typer.echo(f"{path}: {count:,} conversations")


@data_app.command(epilog="Example: `lora-chat data stats data/samples/bike_workshop.txt`")
def stats(
    files: Files,
    roles: RolesOption = None,
    columns: MapOption = None,
    faulty: FaultyOption = None,
) -> None:
    """Count conversations, turns and characters, by file and in all."""
    from rich.console import Console

    from data.checking.check import check as check_items
    from data.reading.reader import read_items

    from .data_view import print_stats

    print_stats(check_items(read_items(files, read_options(roles, columns, faulty))), Console())


@data_app.command(epilog="Example: `lora-chat data show data/samples/bike_workshop.txt 3`")
def show(
    file: Annotated[str, typer.Argument(help="A file, a folder, - or hf:NAME.")],
    number: Annotated[int, typer.Argument(min=1, help="Which conversation, from 1 on.")] = 1,
    roles: RolesOption = None,
    columns: MapOption = None,
    faulty: FaultyOption = None,
) -> None:
    """Print one conversation as it was read."""
    from itertools import islice

    from rich.console import Console

    from data.conversation import Conversation
    from data.errors import DataError
    from data.reading.reader import read_items

    from .data_view import print_conversation

    items = read_items(file, read_options(roles, columns, faulty))
    found = (item for item in items if isinstance(item, Conversation))
    conversation = next(islice(found, number - 1, None), None)
    if conversation is None:
        raise DataError(f"{file}: there are fewer than {number} conversations without faults")
    print_conversation(conversation, number, Console())


@data_app.command(epilog="Example: `lora-chat data label handbook.md --out qa.csv`")
def label(
    documents: Annotated[
        list[str],
        typer.Argument(metavar="DOC…", help="Texts: .txt, .md, .docx or .pdf files, or folders."),
    ],
    out: Annotated[Path, typer.Option(help="The .csv file that the drafts are added to.")],
    url: Annotated[
        str | None,
        typer.Option(help="Any OpenAI-compatible server. [default: start one on the local base]"),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Of that server. [default: the first it lists]")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="OPENAI_API_KEY", help="Of that server.")
    ] = None,
    pairs_per_passage: Annotated[
        int, typer.Option("--pairs", min=1, help="To ask for, of each passage.")
    ] = 3,
    untried: Annotated[
        bool,
        typer.Option("--untried", help="Take the model without trying it on known texts first."),
    ] = False,
    base: BaseOption = None,
    home: HomeOption = None,
) -> None:
    """Have a model draft questions and answers from documents, for you to look through.

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
    typer.echo(
        f"{out}: {done.num_pairs} questions from {done.num_passages - done.num_before} passages"
        f" ({done.num_before} were there before, {done.num_empty} gave nothing)"
    )
    typer.echo("Look through it and write yes (or y, 1, 是) into keep beside what is right; then:")
    typer.echo(f"lora-chat finetune {out}")


def _saying_warnings(items: "Iterable[Item]") -> "Iterator[Item]":
    """The items, with the warnings among them said on stderr."""
    from data.errors import Fault

    for item in items:
        if isinstance(item, Fault) and item.severity == "warning":
            typer.echo(f"Warning: {item}", err=True)
        yield item


def _token_check(
    base: str, max_tokens: int | None, home: Path | None, plain_marks: "OnMarks"
) -> Any:
    """Raises FinetuneError where there is no such base."""
    from data.chat import ChatRenderer
    from data.checking.tokens import TokenCheck
    from finetune.bases.base import find_base
    from service.home import find_home

    tokenizer = find_base(base, find_home(home)).tokenizer
    renderer = ChatRenderer(tokenizer, plain_marks=plain_marks)
    return TokenCheck(renderer, tokenizer.decode, _max_tokens(max_tokens))


def _length_check(max_tokens: int | None, home: Path | None) -> Any:
    """By the default base's tokenizer, as `finetune` would; None where that is not installed."""
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
        message = f"{wanted!r} is none of {', '.join(known)}"
        raise typer.BadParameter(message, param_hint=option)
    return found


def pairs(text: str | None, option: str) -> dict[str, str]:
    """Of `name=value,name=value`; raises BadParameter."""
    found: dict[str, str] = {}
    for pair in (text or "").replace("，", ",").split(","):
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not pair.strip():
            continue
        if not name or not equals or not value:
            raise typer.BadParameter(f"{pair!r} is not of the form name=value", param_hint=option)
        found[name] = value
    return found
