"""The `lora-chat` command. Heavy imports stand inside the commands that need them."""

import logging
import sys
import warnings
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console

from data.wording import environment_language, speak

from .commands.adapters import adapters_app
from .commands.bases_cli import bases_app
from .commands.data import data_app
from .commands.eval import evaluate
from .commands.finetune import finetune
from .commands.keys import keys_app
from .commands.serve import ServeCommand, serve
from .home import find_home
from .options import DEFAULT_BASE, KEY_VARIABLE, BaseOption, HomeOption

# Libraries whose messages are not for our users.
NOISY = (
    "alembic",
    "gguf",
    "httpx",
    "httpx2",
    "bitsandbytes",
    "pypdf",
    "transformers",
    "watchfiles",
)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A text file of questions and answers becomes a streaming assistant.",
    epilog="Begin with: `lora-chat finetune data/samples/bike_workshop.txt --name bike`",
)
app.add_typer(adapters_app, name="adapters")
app.add_typer(bases_app, name="bases")
app.add_typer(data_app, name="data")
app.add_typer(keys_app, name="keys")
app.command(epilog="Example: `lora-chat finetune data/samples/bike_workshop.txt --name bike`")(
    finetune
)
app.command("eval", epilog="Example: `lora-chat eval bike data/samples/bike_workshop.txt`")(
    evaluate
)
app.command(cls=ServeCommand, epilog="Example: `lora-chat serve --port 8000`")(serve)


def main() -> None:
    """Run the command; expected errors are one paragraph on stderr and exit code 1."""
    if asked := environment_language():
        speak(asked)
    try:
        app(prog_name="lora-chat")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # the command line's border
        if not _is_expected(error):
            logging.getLogger(__name__).exception("This is a bug in lora-chat")
        typer.echo(f"Error: {_told(error)}", err=True)
        sys.exit(1)


def _is_expected(error: Exception) -> bool:
    from data.errors import DataError
    from finetune.errors import FinetuneError
    from serving.errors import ServingError

    from .errors import ServiceError

    return isinstance(error, (DataError, FinetuneError, ServingError, ServiceError, OSError))


def _told(error: Exception) -> str:
    """As it is; a full disk in plain words, whatever was being written."""
    from data.whole_file import NO_ROOM

    if not isinstance(error, OSError) or error.errno not in NO_ROOM:
        return str(error)
    where = error.filename or "a file"
    return (
        f"The disk is full ({error.strerror}): {where} cannot be written. Make room and try again."
    )


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lora-chat {version('lora-chat')}")
        raise typer.Exit


@app.callback()
def common(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    set_up_logging()


def set_up_logging() -> None:
    """To stderr, so that stdout holds a command's answer alone."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", module=r"(peft|transformers|bitsandbytes)\.")


@app.command(epilog="Example: `lora-chat chat bike`")
def chat(
    model: Annotated[
        str | None, typer.Argument(help="An adapter, a version or a blend. [default: the base]")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="A running server. [default: start one for this chat]")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar=KEY_VARIABLE, help="A key of that server.")
    ] = None,
    base: BaseOption = None,
    home: HomeOption = None,
) -> None:
    """Talk to a model in the terminal; /model NAME switches, /help lists the commands."""
    from .client.terminal import chat as talk

    if url is not None:
        talk(url, model, api_key=api_key)
        return
    from .server import serving_in_background
    from .settings import ServiceSettings

    settings = ServiceSettings(base=base or DEFAULT_BASE, home=find_home(home))
    with serving_in_background(settings) as started:
        talk(started, model)


@app.command(epilog="Example: `lora-chat bench -c 4 --requests 32`")
def bench(
    url: Annotated[str, typer.Option(help="A running server.")] = "http://127.0.0.1:8000",
    models: Annotated[
        str | None, typer.Option(help="a,b,c: asked in turn. [default: all that it lists]")
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option("--concurrency", "-c", min=1, help="Requests at a time. [default: 8]"),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Requests a second at random times, however many run.")
    ] = None,
    requests: Annotated[int, typer.Option(min=1, help="To measure, after a warm-up.")] = 64,
    prompt_tokens: Annotated[int, typer.Option(min=1, help="Of each prompt, about.")] = 60,
    output_tokens: Annotated[int, typer.Option(min=1, help="Of each answer.")] = 64,
    shared_prefix_tokens: Annotated[
        int, typer.Option(min=0, help="Of a system prompt that all share, about.")
    ] = 0,
    seed: Annotated[
        int | None,
        typer.Option(help="Of prompts and times. [default: a new one, unknown to any cache]"),
    ] = None,
    baseline: Annotated[str | None, typer.Option(help="Another server, to compare with.")] = None,
    baseline_models: Annotated[
        str | None, typer.Option(help="a,b,c there. [default: all that it lists]")
    ] = None,
    baseline_lora_ids: Annotated[
        str | None, typer.Option(help="0,1,none: a llama-server's adapters, by their numbers.")
    ] = None,
    api_key: Annotated[str | None, typer.Option(help="Sent to both servers.")] = None,
    wants_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how fast a server answers for several models at once, alone or beside another."""
    from .bench.bench import check_pace, choose_seed, parse_sides, run
    from .bench.load import Load

    check_pace(concurrency, rate)
    load = Load(
        url,
        targets=(),
        concurrency=concurrency or 8,
        num_requests=requests,
        rate=rate,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        shared_prefix_tokens=shared_prefix_tokens,
        seed=choose_seed() if seed is None else seed,
        api_key=api_key,
    )
    sides = parse_sides(url, models, baseline, baseline_models, baseline_lora_ids)
    run(sides, load, wants_json=wants_json)


@app.command(epilog="Example: `lora-chat doctor`")
def doctor(home: HomeOption = None) -> None:
    """Say what this machine has and what that means."""
    from .commands.doctor import examine

    examine(find_home(home), Console())


if __name__ == "__main__":
    main()
