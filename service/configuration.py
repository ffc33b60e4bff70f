"""Where settings come from: the command line, the environment, a file, defaults; in this order."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from data.wording import N_, _
from finetune.errors import ConfigError
from finetune.training.config_file import parse_assignments, read_pairs, unknown_key
from finetune.wrong_values import place, sentence

from .home import DEFAULT_HOME
from .options import KEY_VARIABLE
from .settings import ServiceSettings

PREFIX = "LORA_CHAT_"
OWN_FILE = "serve.yaml"  # below home
WHERE = N_("The settings have faults")
PASSWORD = re.compile(r"(://[^:/@]*:).*@")  # of a database's URL


@dataclass(frozen=True, slots=True)
class Resolved:
    settings: ServiceSettings
    origins: Mapping[str, str]  # where each value that is no default was set


def resolve_settings(
    options: Mapping[str, object], assignments: Iterable[str] = (), config: Path | None = None
) -> Resolved:
    """Ask every source; options that are None were not given.

    Without `config`, home/serve.yaml is read where it exists. Raises ConfigError with every
    fault of all sources together.
    """
    chosen = {key: value for key, value in options.items() if value is not None}
    assigned, faults = parse_assignments(assignments, "port=8001")
    layers = [dict(chosen), dict(assigned), dict(EnvSettingsSource(ServiceSettings)())]
    path = config or _own_file(layers)
    if path is not None:
        pairs, repeated = read_pairs(path)
        layers.append(dict(pairs))
        faults += repeated if config else repeated + _moved_home(path, layers[-1])
    values, origins = _merge(layers, [N_("option"), "--set", N_("environment"), str(path)])
    faults += _unknown(values) + _unknown_variables()
    known = {key: value for key, value in values.items() if key in ServiceSettings.model_fields}
    try:
        settings = ServiceSettings.model_validate(known)
    except ValidationError as error:
        faults += [_describe(item, origins) for item in error.errors()]
        raise ConfigError(_(WHERE), faults) from None
    if faults:
        raise ConfigError(_(WHERE), faults)
    return Resolved(settings, origins)


def dump_settings(resolved: Resolved) -> str:
    """All settings as YAML that is a valid file, each with where it comes from."""
    values = resolved.settings.model_dump(mode="json")
    if isinstance(values["database"], str):
        values["database"] = PASSWORD.sub(r"\1***@", values["database"])
    if values["vllm_key"] is not None:
        values["vllm_key"] = "***"
    return "".join(
        f"{_line(key, value)}  # {resolved.origins.get(key, 'default')}\n"
        for key, value in values.items()
    )


def _own_file(layers: Iterable[Mapping[str, Any]]) -> Path | None:
    homes = [layer["home"] for layer in layers if layer.get("home")]
    path = Path(str(homes[0] if homes else DEFAULT_HOME)).expanduser().absolute() / OWN_FILE
    return path if path.is_file() else None


def _moved_home(path: Path, values: Mapping[str, Any]) -> list[str]:
    """The fault of a file below home that says home is elsewhere."""
    if Path(str(values.get("home", path.parent))) == path.parent:
        return []
    return [_("home: {path} is found by it, so it cannot be another one there").format(path=path)]


def _merge(
    layers: Iterable[Mapping[str, Any]], names: Iterable[str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The first layer that has a key wins; also which one that was."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer, name in zip(layers, names, strict=False):
        for key in layer.keys() - values.keys():
            values[key], origins[key] = layer[key], name
    return values, origins


def _unknown(values: Iterable[str]) -> list[str]:
    known = ServiceSettings.model_fields
    return [unknown_key(key, known) for key in values if key not in known]


def _unknown_variables() -> list[str]:
    known = [KEY_VARIABLE, *(f"{PREFIX}{key.upper()}" for key in ServiceSettings.model_fields)]
    names = sorted(name for name in os.environ if name.upper().startswith(PREFIX))
    return [unknown_key(name, known) for name in names if name.upper() not in known]


def _describe(item: Any, origins: Mapping[str, str]) -> str:
    key, what = place(item), sentence(item)
    if not key:
        return what
    told = _("{key}: {fault} (found {value!r}, {origin})")
    origin = _(origins.get(key.split(".")[0], "default"))
    return told.format(key=key, fault=what, value=item["input"], origin=origin)


def _line(key: str, value: object) -> str:
    is_flow = None if isinstance(value, list) else False
    text = yaml.safe_dump(
        {key: value}, allow_unicode=True, width=10_000, default_flow_style=is_flow
    )
    return text.strip()
