"""What a server can be told. Each default is written here and nowhere else."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from data.wording import _
from data.writing.plain_marks import OnMarks
from finetune.defaults import DEFAULT_BASE
from finetune.hardware import GIB
from serving.engine import EngineLimits, ServedPrecision

from .accounts.caller import StoreAnswers
from .home import DEFAULT_HOME

LIMITS = EngineLimits()
WhetherJobs = Literal["off", "on", "exclusive"]
Improve = Literal["off", "weekly"]
WHETHER_JOBS: tuple[WhetherJobs, ...] = get_args(WhetherJobs)


def _listed(value: object) -> object:
    """`a,b` means a list, as environment variables write it."""
    if not isinstance(value, str):
        return value
    return [part for word in value.split(",") if (part := word.strip())]


def _found(command: str) -> str:
    """A path is of where this program was started; a name alone is looked for in PATH."""
    return str(_absolute(Path(command))) if Path(command).name != command else command


def _bare(url: str) -> str:
    try:
        is_whole = urlsplit(url).port != 0  # which raises for one that is no number
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ValueError(_("{url} has no port that can be").format(url=url))
    return url.rstrip("/").removesuffix("/v1")


def _each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(_("{value} is named more than once").format(value=value))
    return values


def _as_word(value: object) -> object:
    """`on` and `off` are words here; YAML reads them as true and false."""
    return ("on" if value else "off") if isinstance(value, bool) else value


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


LocalPath = Annotated[Path, AfterValidator(_absolute)]
Command = Annotated[str, AfterValidator(_found)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
Url = Annotated[str, Field(pattern=r"^https?://[^/@?#]+(/v1)?/?$"), AfterValidator(_bare)]
Urls = Annotated[tuple[Url, ...], NoDecode, BeforeValidator(_listed), AfterValidator(_each_once)]
Folders = Annotated[tuple[LocalPath, ...], NoDecode, BeforeValidator(_listed)]


class ServiceSettings(BaseSettings):
    """Reads no environment by itself: `resolve_settings` asks all sources in their order."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,
        env_prefix="LORA_CHAT_",
        env_ignore_empty=True,
    )

    home: LocalPath = DEFAULT_HOME
    base: str = DEFAULT_BASE
    engine: Literal["auto", "torch", "llamacpp", "vllm"] = "auto"  # auto: llamacpp for a .gguf file
    vllm: Urls = ()  # of vLLM servers that run already
    vllm_key: str | None = None  # that they ask for
    vllm_command: Command | None = None  # of a vLLM that is started here
    vllm_slots: int = Field(default=8, ge=1)  # adapters that one batch of it may hold
    vllm_rank: int = Field(default=16, ge=1)  # the largest of an adapter, or of a blend's in all
    vllm_arguments: Words = ()  # more for it, such as --tensor-parallel-size,2
    precision: ServedPrecision = "auto"
    max_batch: int = Field(default=LIMITS.max_rows, ge=1)  # requests computed together
    context_length: int | None = Field(default=None, ge=16)  # [tokens]; the base's own
    kv_memory: float = Field(default=LIMITS.kv_bytes // GIB, ge=0.01)  # [GiB] for keys and values
    adapter_memory: float = Field(default=LIMITS.adapter_bytes // GIB, ge=0)  # [GiB], of idle ones
    compile: bool = True
    accept_base: bool = False  # adapters without a card whatever base they name

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)  # 0: any free one
    insecure: bool = False  # listen beyond this machine although no key is asked for
    tls_certificate: LocalPath | None = None
    tls_key: LocalPath | None = None
    root_path: str = Field(default="", pattern=r"^(/[^/?#]+)*$")  # a proxy takes it off
    forwarded_allow_ips: Words = ("127.0.0.1", "::1")  # proxies whose word on clients is taken
    allowed_hosts: Words = ()  # names beside localhost that a server without keys answers to
    cors_origins: Words = ()  # whose pages may call this server from a browser
    database: str | None = None  # an SQLAlchemy URL; home/state.db
    metrics_open: bool = False  # /metrics needs no key, although there are keys
    lora_folders: Folders = ()  # from where adapters may be imported
    page: bool = True  # at /

    default_max_tokens: int = Field(default=512, ge=1)  # [tokens] where a request says nothing
    max_prompt_tokens: int | None = Field(default=None, ge=1)  # the context alone limits it
    max_output_tokens: int | None = Field(default=None, ge=1)  # the context alone limits it
    max_choices: int = Field(default=16, ge=1, le=128)  # `n` of a request
    plain_marks: OnMarks = "refuse"  # in messages, of a template's that are no tokens
    append_disclaimer: bool = False  # to the text of answers too, beside the field
    jobs: Annotated[WhetherJobs, BeforeValidator(_as_word)] = (
        "on"  # fine-tuning; exclusive: nobody is answered while one is trained
    )
    job_slots: int = Field(default=1, ge=1)  # jobs that run at once
    store_answers: Annotated[StoreAnswers, BeforeValidator(_as_word)] = (
        "off"  # asked: those whose requests say store; all: but for those that say they do not
    )
    keep_answers: float | None = Field(default=None, gt=0)  # [days] they are stored; for ever
    redact_answers: bool = False  # names, numbers and addresses replaced before they are stored
    improve: Annotated[Improve, BeforeValidator(_as_word)] = "off"  # adapters, by themselves
    improve_from: int = Field(default=10, ge=1)  # new accepted items of an adapter
    improve_share: int | None = Field(default=None, ge=1, lt=100)  # [%] of requests, at first
    max_waiting: int = Field(default=LIMITS.max_waiting, ge=0)  # requests queued beyond `max_batch`
    body_limit: ByteSize = Field(default=ByteSize(4 << 20), ge=1)
    upload_limit: ByteSize = Field(default=ByteSize(2 * GIB), ge=1)  # of an adapter's upload
    file_limit: ByteSize = Field(default=ByteSize(512 << 20), ge=1)  # of a file for training
    max_files: int = Field(default=1000, ge=1)  # of a key
    check_memory: float = Field(default=4, ge=0.25)  # [GiB] that reading a file may take
    check_timeout: int = Field(default=300, ge=1)  # [seconds], more for a large file
    deadline: float = Field(default=600, gt=0)  # [seconds] an answer may take, waiting included
    header_timeout: float = Field(default=10, gt=0)  # [seconds] for a request's line and headers
    body_timeout: float = Field(default=30, gt=0)  # [seconds] for its body, more if large
    send_timeout: float = Field(default=60, gt=0)  # [seconds] a client may read nothing
    keep_alive: int = Field(default=75, ge=1)  # [seconds] an idle connection stays open
    max_connections: int = Field(default=900, ge=1)
    grace: float = Field(default=30, ge=0)  # [seconds] to end answers in, at a stop

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    log_requests: bool = True  # one line for each
    log_content: bool = False  # prompts and answers too
    metric_names: int = Field(default=100, ge=0)  # adapters with numbers of their own in /metrics

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError(_("tls_certificate and tls_key: give both or none"))
        return self

    @model_validator(mode="after")
    def _own_precision(self) -> Self:
        if self.engine == "llamacpp" and self.precision != "auto":
            raise ValueError(
                _(
                    "precision: the llama.cpp engine runs a GGUF file in the precision that it "
                    "has; `lora-chat bases quantize` makes another file"
                )
            )
        if self.engine == "vllm" and self.precision != "auto":
            raise ValueError(
                _("precision: a vLLM server has its own; `vllm_arguments` may say --dtype to ours")
            )
        return self

    @model_validator(mode="after")
    def _own_server(self) -> Self:
        if (self.engine == "vllm") != bool(self.vllm or self.vllm_command):
            raise ValueError(
                _("vllm: servers' URLs, or vllm_command, and the engine vllm belong together")
            )
        if self.vllm and self.vllm_command:
            raise ValueError(
                _("vllm_command: a vLLM is started here, or those of vllm run already; not both")
            )
        return self

    @property
    def is_encrypted(self) -> bool:
        return self.tls_certificate is not None

    @property
    def kv_bytes(self) -> int:
        return round(self.kv_memory * GIB)

    @property
    def check_bytes(self) -> int:
        return round(self.check_memory * GIB)

    @property
    def adapter_bytes(self) -> int:
        return round(self.adapter_memory * GIB)
