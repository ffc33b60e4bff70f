"""`lora-chat serve`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperCommand

from service.options import BaseOption, DatabaseOption, HomeOption

if TYPE_CHECKING:
    from service.settings import ServiceSettings

ALIASES = {"context": "context_length", "compile_": "compile"}  # options of other names


class ServeCommand(TyperCommand):
    """Shows the settings' defaults in its help, so that they need not be written again."""

    def get_params(self, ctx: Any) -> Any:
        from service.settings import ServiceSettings

        for option in self.params:
            name = option.name or ""
            field = ServiceSettings.model_fields.get(ALIASES.get(name, name))
            if field and field.default not in (None, False, "") and "[default" not in _help(option):
                shown = f"--{name.strip('_')}" if field.default is True else field.default
                cast(Any, option).help = f"{_help(option)} [default: {shown}]"
        return super().get_params(ctx)


def _help(option: object) -> str:
    return str(getattr(option, "help", ""))


def _known_precision(value: str | None) -> str | None:
    from serving.engine import PRECISIONS

    return _one_of(PRECISIONS, value)


def _known_jobs(value: str | None) -> str | None:
    from service.settings import WHETHER_JOBS

    return _one_of(WHETHER_JOBS, value)


def _one_of(known: Sequence[str], value: str | None) -> str | None:
    if value is not None and value not in known:
        from data.wording import _

        raise typer.BadParameter(_("choose one of {known}").format(known=", ".join(known)))
    return value


def serve(
    base: BaseOption = None,
    host: Annotated[
        str | None, typer.Option(help="The address to listen on; 0.0.0.0 lets other machines in.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one."),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="What computes the answers: torch (many adapters in one batch), llamacpp (.gguf "
            "files as they are), vllm (a server of its own, see --vllm), or auto: llamacpp for a "
            ".gguf file where it is installed."
        ),
    ] = None,
    vllm: Annotated[
        str | None,
        typer.Option(
            metavar="URLS",
            help="vLLM servers that run already and compute, for --engine vllm, such as "
            "http://a:8001,http://b:8001. They read adapters under the same paths as this program.",
        ),
    ] = None,
    vllm_command: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="The command of a vLLM on this machine, such as vllm/bin/vllm, that is started, "
            "watched and ended, for --engine vllm.",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            callback=_known_precision,
            help="How the base is held in memory: int8, int4 (half of int8's memory, worse "
            "answers; both on CPUs alone), fp32, bf16, nf4, or auto: the fastest on this CPU, nf4 "
            "on a GPU.",
        ),
    ] = None,
    max_batch: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many requests are computed together; others wait for their turn."
        ),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(
            min=16,
            help="How long a prompt and its answer may be together, in tokens. [default: as much "
            "as the base can]",
        ),
    ] = None,
    kv_memory: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Memory for running conversations, in GiB. Raise it where long or many ones wait.",
        ),
    ] = None,
    adapter_memory: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Memory for adapters that nobody asks at the moment, in GiB. Those that do not "
            "fit are loaded again when they are asked for.",
        ),
    ] = None,
    compile_: Annotated[
        bool | None,
        typer.Option(
            "--compile/--no-compile",
            help="Build faster code for this CPU in the background, once; it takes seconds.",
        ),
    ] = None,
    accept_base: Annotated[
        bool | None,
        typer.Option(
            "--accept-base",
            help="Serve adapters from elsewhere although they name another base. Only where you "
            "know that they fit.",
        ),
    ] = None,
    append_disclaimer: Annotated[
        bool | None,
        typer.Option(
            "--append-disclaimer",
            help="Put the adapter's disclaimer behind the text of each answer, too.",
        ),
    ] = None,
    jobs: Annotated[
        str | None,
        typer.Option(
            callback=_known_jobs,
            help="Fine-tuning jobs over the API: on (beside answers), exclusive (nobody is "
            "answered while one is trained: for a base that does not fit into memory twice), or "
            "off.",
        ),
    ] = None,
    page: Annotated[
        bool | None,
        typer.Option("--page/--no-page", help="Show the page for people, at / on the same port."),
    ] = None,
    insecure: Annotated[
        bool | None,
        typer.Option(
            "--insecure",
            help="Let other machines in although no key is asked for: anybody can use the server.",
        ),
    ] = None,
    tls_certificate: Annotated[
        Path | None,
        typer.Option(help="Serve HTTPS with this certificate, a PEM file. Needs --tls-key."),
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's key, a PEM file.")] = None,
    root_path: Annotated[
        str | None,
        typer.Option(help="What a reverse proxy takes off the path of each URL, such as /lora."),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="How much to log: debug, info, warning or error.")
    ] = None,
    log_format: Annotated[
        str | None,
        typer.Option(help="How to log: text, or json, which is one object a line for programs."),
    ] = None,
    log_content: Annotated[
        bool | None,
        typer.Option(
            "--log-content", help="Log prompts and answers, which are not written down otherwise."
        ),
    ] = None,
    database: DatabaseOption = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="A YAML file of settings. [default: serve.yaml in the home folder, if it is there]"
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Set any setting, also one that is not listed here: --set max_waiting=64. "
            "Can be given several times.",
        ),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print all settings as a YAML file, and exit.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Serve the base and every adapter on an OpenAI-compatible API.

    Options win over the environment (LORA_CHAT_PORT and so on), that over the file.
    """
    from service.configuration import dump_settings, resolve_settings

    options: dict[str, object] = {
        "base": base,
        "home": home,
        "database": database,
        "host": host,
        "port": port,
        "engine": engine,
        "vllm": vllm,
        "vllm_command": vllm_command,
        "precision": precision,
        "max_batch": max_batch,
        "context_length": context,
        "kv_memory": kv_memory,
        "adapter_memory": adapter_memory,
        "compile": compile_,
        "accept_base": accept_base,
        "append_disclaimer": append_disclaimer,
        "jobs": jobs,
        "page": page,
        "insecure": insecure,
        "tls_certificate": tls_certificate,
        "tls_key": tls_key,
        "root_path": root_path,
        "log_level": log_level,
        "log_format": log_format,
        "log_content": log_content,
    }
    resolved = resolve_settings(options, assignments or (), config)
    if print_config:
        typer.echo(dump_settings(resolved), nl=False)
        return
    _run(resolved.settings)


def _run(settings: "ServiceSettings") -> None:
    from finetune.hardware import SERVING_SPINS, before_torch

    before_torch(SERVING_SPINS)
    from data.wording import _, speak
    from service import server
    from service.http.gate import Gate
    from service.running import Announcement
    from service.telemetry.logs import configure_logs

    if not settings.insecure and server.needs_keys(settings):
        told = _(
            "anybody who reaches {host} could use this server, which asks for no key; make one "
            "with `lora-chat keys create NAME`, or add --insecure to allow that"
        )
        raise typer.BadParameter(told.format(host=settings.host), param_hint="--host")
    configure_logs(settings)
    server.check_certificate(settings)
    gate = Gate()
    announcement = Announcement(settings.home, settings.base, runs_jobs=settings.jobs != "off")
    with server.listen(settings.host, settings.port) as listener:
        config = server.configure(settings, gate)
        speak("en")  # to programs, whatever the terminal speaks
        server.serve(config, listener, gate, settings.grace, announcement, has_page=settings.page)
