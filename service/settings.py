"""What the service itself can be told; the engine has its own configuration."""

from pydantic import BaseModel, ConfigDict, Field


class ServiceSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)  # 0: any free one
    default_max_tokens: int = Field(default=512, ge=1)  # [tokens] where a request says nothing
