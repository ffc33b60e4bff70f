"""What is said of adapters: /v1/adapters, and the bodies of vLLM's two endpoints."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.http.fields import Text


class VersionInfo(BaseModel):
    version: str
    created: int | None = None
    in_memory: bool = False
    num_bytes: int | None = None  # of its weights
    problem: str | None = None  # why it cannot be served
    card: dict[str, Any] | None = None  # where one adapter is asked for by its name


class ShareInfo(BaseModel):
    """A version that answers some of the requests for a name, before it is promoted or not."""

    version: str
    percent: int


class AdapterInfo(BaseModel):
    """What a name means now, and what else it could mean."""

    id: str
    object: Literal["adapter"] = "adapter"
    created: int
    promoted: str  # the version that the bare name means
    share: ShareInfo | None  # None: that one answers all requests
    in_memory: bool
    card: dict[str, Any] | None  # None: a bare PEFT folder
    versions: list[VersionInfo]


class AdapterList(BaseModel):
    object: Literal["list"] = "list"
    data: list[AdapterInfo]


class AdapterDeleted(BaseModel):
    id: str
    object: Literal["adapter"] = "adapter"
    deleted: Literal[True] = True


class Promotion(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Text


class Sharing(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Text | None = None  # needed unless its share is to end
    # 0: the promoted version answers all requests again.
    percent: int = Field(ge=0, lt=100, strict=True)


class AdapterTaken(BaseModel):
    """A new version, and what of it has found its place in the base."""

    id: str  # name@version
    object: Literal["adapter.version"] = "adapter.version"
    name: str
    version: str
    promoted: bool
    matched: list[str]  # modules
    unmatched: list[str]
    num_bytes: int  # in memory


class LoadLora(BaseModel):
    """vLLM's body."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lora_name: Text = Field(min_length=1)
    lora_path: Text = Field(min_length=1)
    load_inplace: bool = False
    accept_base: bool = False  # ours: although it names another base
    is_3d_lora_weight: Literal[False] = False  # of mixtures of experts, which no engine here runs


class UnloadLora(BaseModel):
    """vLLM's body; its number is taken and not needed, since names say it all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lora_name: Text = Field(min_length=1)
    lora_int_id: int | None = None


class LlamaServerAdapter(BaseModel):
    """llama-server's shape. Its numbers would mean another adapter after each new one: names do."""

    id: str
    path: str  # the name once more
    scale: float = 0.0  # of requests that do not ask for it


class AdapterFreed(BaseModel):
    name: str
    num_bytes: int  # once no running request needs them
