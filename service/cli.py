"""The `lora-chat` command. Heavy imports stand inside the commands that need them."""

import logging
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .data_cli import MapOption, RolesOption, data_app, pairs
from .home import find_home
from .options import DEFAULT_BASE, BaseOption, HomeOption

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A text file of questions and answers becomes a streaming assistant.",
    epilog="Begin with: `lora-chat finetune data/samples/bike_workshop.txt --name bike`",
)
adapters_app = typer.Typer(
    no_args_is_help=True,
    help="Look at the adapters.",
    epilog="Example: `lora-chat adapters list`",
)
app.add_typer(adapters_app, name="adapters")
app.add_typer(data_app, name="data")

GIB = 1 << 30


def main() -> None:
    """Run the command; expected errors are one paragraph on stderr and exit code 1."""
    try:
        app(prog_name="lora-chat")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # the command line's border
        if not _is_expected(error):
            logging.getLogger(__name__).exception("This is a bug in lora-chat")
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)


def _is_expected(error: Exception) -> bool:
    from data.errors import DataError
    from finetune.errors import FinetuneError
    from serving.errors import ServingError

    from .errors import ServiceError

    return isinstance(error, (DataError, FinetuneError, ServingError, ServiceError, OSError))


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
    """Set up logging: to stderr, so that stdout holds a command's answer alone."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for noisy in ("httpx", "httpx2", "bitsandbytes", "transformers"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", module=r"(peft|transformers|bitsandbytes)\.")


@app.command(epilog="Example: `lora-chat finetune data/samples/bike_workshop.txt --name bike`")
def finetune(
    data: Annotated[
        Path | None,
        typer.Argument(help="Dialogues, tables or JSON lines: a file, a folder, -, or hf:NAME."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The adapter's. [default: the file's]")] = None,
    base: BaseOption = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file of options.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="Set any option: key=value. Repeatable.")
    ] = None,
    from_adapter: Annotated[
        str | None, typer.Option("--from", help="Go on training this adapter.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run.")
    ] = False,
    promote: Annotated[
        bool | None, typer.Option(help="Let the bare name mean the new version.")
    ] = None,
    roles: RolesOption = None,
    columns: MapOption = None,
    redact: Annotated[
        bool | None, typer.Option("--redact", help="Replace phone numbers, e-mails and the like.")
    ] = None,
    system: Annotated[
        str | None, typer.Option(help="System prompt to train and serve with.")
    ] = None,
    disclaimer: Annotated[str | None, typer.Option(help="Goes into the adapter's card.")] = None,
    home: HomeOption = None,
) -> None:
    """Train an adapter on questions and answers, then compare it with the base."""
    from finetune.config import load_config
    from finetune.job import Job

    from .progress import TerminalObserver

    options = {
        "data": data,
        "name": name,
        "base": base,
        "from_adapter": from_adapter,
        "promote": promote,
        "roles": pairs(roles, "--roles") or None,
        "columns": pairs(columns, "--map") or None,
        "redact": redact,
        "system": system,
        "disclaimer": disclaimer,
    }
    observer = TerminalObserver(Console(stderr=True))
    job = Job(load_config(config, options, assignments or ()), find_home(home), observer)
    with observer.watching():
        result = job.execute(resume=resume)
    typer.echo(result.verdict)
    typer.echo(
        f"Held-out answer loss in {result.precision}: "
        f"base {result.base_loss:.3f}, adapter {result.adapter_loss:.3f} ({-result.gain:+.1%})."
    )
    typer.echo(f"Adapter {result.name}@{result.version}: {result.folder}")
    typer.echo(f"Report: {result.folder / 'report.html'}")
    typer.echo(f"Ask it: lora-chat chat {result.name}")


@app.command(epilog="Example: `lora-chat serve --port 8000`")
def serve(
    base: BaseOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    precision: Annotated[
        str, typer.Option(help="auto, int8, fp32, bf16 or nf4. auto: int8 on a CPU, nf4 on a GPU.")
    ] = "auto",
    max_batch: Annotated[int, typer.Option(min=1, help="Requests computed together.")] = 16,
    context: Annotated[
        int | None,
        typer.Option(min=16, help="Most tokens of prompt and answer. [default: the base's]"),
    ] = None,
    kv_memory: Annotated[
        float, typer.Option(min=0.01, help="GiB for keys and values of running requests.")
    ] = 2,
    adapter_memory: Annotated[
        float, typer.Option(min=0, help="GiB for adapters that wait in memory for requests.")
    ] = 4,
    compile_: Annotated[
        bool,
        typer.Option("--compile/--no-compile", help="Compile for this CPU while answering."),
    ] = True,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Listen beyond this machine although no key is asked for."),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Serve the base and every adapter on an OpenAI-compatible API."""
    from serving.build import PRECISIONS

    from . import server
    from .settings import ServiceSettings

    if precision not in PRECISIONS:
        raise typer.BadParameter(f"choose one of {', '.join(PRECISIONS)}", param_hint="--precision")
    if host not in server.LOOPBACK and not insecure:
        raise typer.BadParameter(
            f"anybody who reaches {host} could use this server, which asks for no key; "
            "add --insecure to allow that",
            param_hint="--host",
        )
    listener = server.listen(host, port)
    options = server.ServeOptions(
        base or DEFAULT_BASE,
        find_home(home),
        precision=precision,
        max_batch=max_batch,
        context_length=context,
        is_compiled=compile_,
        kv_bytes=round(kv_memory * GIB),
        adapter_bytes=round(adapter_memory * GIB),
    )
    settings = ServiceSettings(host=host, port=listener.getsockname()[1])
    server.serve(server.configure(options, settings), listener)


@app.command(epilog="Example: `lora-chat chat bike`")
def chat(
    model: Annotated[
        str | None, typer.Argument(help="An adapter, a version or a blend. [default: the base]")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="A running server. [default: start one for this chat]")
    ] = None,
    base: BaseOption = None,
    home: HomeOption = None,
) -> None:
    """Talk to a model in the terminal; /model NAME switches, /help lists the commands."""
    from .terminal import chat as talk

    if url is not None:
        talk(url, model)
        return
    from .server import ServeOptions, serving_in_background

    with serving_in_background(ServeOptions(base or DEFAULT_BASE, find_home(home))) as started:
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
    from .bench import check_pace, choose_seed, parse_sides, run
    from .load import Load

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


@adapters_app.command("list", epilog="Example: `lora-chat adapters list`")
def list_adapters(home: HomeOption = None) -> None:
    """List the adapters with their versions."""
    from .inspect import print_adapters

    print_adapters(find_home(home), Console())


@adapters_app.command("show", epilog="Example: `lora-chat adapters show bike`")
def show_adapter(
    name: Annotated[str, typer.Argument(help="A name, or name@version.")], home: HomeOption = None
) -> None:
    """Show what one adapter was made from and how good it is."""
    from .inspect import print_adapter

    print_adapter(name, find_home(home), Console())


@app.command(epilog="Example: `lora-chat doctor`")
def doctor(home: HomeOption = None) -> None:
    """Say what this machine has and what that means."""
    from .doctor import examine

    examine(find_home(home), Console())


if __name__ == "__main__":
    main()
