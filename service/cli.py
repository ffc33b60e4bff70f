"""The `lora-chat` command. Heavy imports stand inside the commands that need them."""

import logging
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from finetune.defaults import DEFAULT_BASE

from .commands.adapters import adapters_app
from .commands.bases_cli import bases_app
from .commands.data import data_app
from .commands.engines.cli import engines_app
from .commands.eval import evaluate
from .commands.feedback.cli import feedback_app
from .commands.finetune import finetune
from .commands.group import EXIT_CODE, Commands
from .commands.improving.cli import improve, ledger
from .commands.jobs.cli import jobs_app
from .commands.keys import keys_app
from .commands.serve import ServeCommand, serve
from .commands.streams import StderrHandler, open_streams, say
from .home import find_home
from .options import KEY_VARIABLE, BaseOption, HomeOption, LangOption

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
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A text file of questions and answers becomes a streaming assistant.",
    epilog="Begin with: `lora-chat finetune my-clinic.txt --name tcm`, or see the whole job with "
    "`lora-chat demo`.",
)
app.add_typer(adapters_app, name="adapters")
app.add_typer(bases_app, name="bases")
app.add_typer(data_app, name="data")
app.add_typer(engines_app, name="engines")
app.add_typer(feedback_app, name="feedback")
app.add_typer(jobs_app, name="jobs")
app.add_typer(keys_app, name="keys")
app.command(epilog="Example: `lora-chat finetune my-clinic.txt --name tcm`")(finetune)
app.command("eval", epilog="Example: `lora-chat eval tcm my-clinic.txt`")(evaluate)
app.command(epilog="Example: `lora-chat improve tcm`")(improve)
app.command(epilog="Example: `lora-chat ledger tcm`")(ledger)
app.command(cls=ServeCommand, epilog="Example: `lora-chat serve --port 8000`")(serve)


def main() -> None:
    """Run the command; expected errors are one paragraph on stderr and exit code 1."""
    open_streams()
    try:
        app(prog_name="lora-chat")
    except KeyboardInterrupt:  # between two commands' work
        sys.exit(EXIT_CODE)
    except Exception as error:  # the command line's border
        from data.wording import _

        if not _is_expected(error):
            logging.getLogger(__name__).exception(_("This is a bug in lora-chat"))
        say(_("Error: {error}").format(error=_told(error)), err=True)
        sys.exit(1)


def _is_expected(error: Exception) -> bool:
    from data.errors import DataError
    from finetune.errors import FinetuneError
    from serving.errors import ServingError

    from .errors import ServiceError

    return isinstance(error, (DataError, FinetuneError, ServingError, ServiceError, OSError))


def _told(error: Exception) -> str:
    """An error's text as it is; a full disk in plain words, whatever was being written."""
    from data.whole_file import NO_ROOM
    from data.wording import _

    if not isinstance(error, OSError) or error.errno not in NO_ROOM:
        return str(error)
    told = _("The disk is full ({error}): {path} cannot be written. Make room and try again.")
    return told.format(error=error.strerror, path=error.filename or _("a file"))


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lora-chat {version('lora-chat')}")
        raise typer.Exit


@app.callback()
def common(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    _language: LangOption = None,
) -> None:
    set_up_logging()


def set_up_logging() -> None:
    """Log to stderr, so that stdout holds a command's answer alone."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[StderrHandler()])
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", module=r"(peft|transformers|bitsandbytes)\.")


@app.command(epilog="Example: `lora-chat chat bike`")
def chat(
    model: Annotated[
        str | None,
        typer.Argument(
            help="An adapter, a version or a blend. [default: the only adapter, or else the base]"
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            help="A running server. [default: the one that runs on this home, or else one that is "
            "started for this chat]"
        ),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(envvar=KEY_VARIABLE, help="A key of that server, where it asks for one."),
    ] = None,
    base: BaseOption = None,
    home: HomeOption = None,
) -> None:
    """Talk to a model in the terminal.

    There /help lists what can be typed beside questions.
    """
    from .client.finding import url_of_running
    from .client.terminal import chat as talk

    url = url or url_of_running(find_home(home), base, model, api_key)
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
    url: Annotated[
        str, typer.Option(help="The running server to measure.")
    ] = "http://127.0.0.1:8000",
    models: Annotated[
        str | None,
        typer.Option(
            help="The models to ask in turn, such as tcm,bike. [default: all that the server lists]"
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            "--concurrency",
            "-c",
            min=1,
            help="How many requests are open at a time, like so many users. [default: 8]",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Instead: so many requests a second, at random times, however many are open."
        ),
    ] = None,
    requests: Annotated[
        int, typer.Option(min=1, help="How many requests to measure, after a few to warm up.")
    ] = 64,
    prompt_tokens: Annotated[
        int, typer.Option(min=1, help="About how long each prompt is, in tokens.")
    ] = 60,
    output_tokens: Annotated[
        int, typer.Option(min=1, help="How long each answer is, in tokens.")
    ] = 64,
    shared_prefix_tokens: Annotated[
        int,
        typer.Option(
            min=0,
            help="Let all prompts begin with the same system prompt of about so many tokens, "
            "which a server's cache may save.",
        ),
    ] = 0,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Any number: the same one sends the same prompts at the same times. "
            "[default: a new one, unknown to any cache]"
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="Another running server, to measure in the same way and compare with."),
    ] = None,
    baseline_models: Annotated[
        str | None, typer.Option(help="The models to ask there. [default: all that it lists]")
    ] = None,
    baseline_lora_ids: Annotated[
        str | None,
        typer.Option(
            help="If that is a llama-server: its adapters by their numbers, such as none,0,1."
        ),
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(help="A key, sent to both servers, where they ask for one.")
    ] = None,
    wants_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as one JSON object, for programs.")
    ] = False,
) -> None:
    """Measure how fast a server answers, alone or beside another.

    Its models are asked in turn, many requests at a time.
    """
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


@app.command(epilog="Example: `lora-chat configs smollm2-cpu --out my.yaml`")
def configs(
    name: Annotated[
        str | None, typer.Argument(help="One of them, to write. [default: list them]")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A new file. [default: standard output]")] = None,
) -> None:
    """List the shipped configurations, or write one to start from."""
    from .shipped import print_configs, write_config

    if name is None:
        print_configs(Console())
    else:
        write_config(name, out)


@app.command(epilog="Example: `lora-chat demo`")
def demo(
    home: Annotated[
        Path, typer.Option(help="The demo's own home, so that it leaves yours alone.")
    ] = Path("demo-home"),
) -> None:
    """See the whole job: train two adapters, serve them, ask them."""
    from .demo import run_demo

    run_demo(home, Console(), set_up_logging)


@app.command(epilog="Example: `lora-chat doctor`")
def doctor(home: HomeOption = None) -> None:
    """Say what this machine has, and what that means for you."""
    from .commands.doctor import examine

    examine(find_home(home), Console())


if __name__ == "__main__":
    main()
