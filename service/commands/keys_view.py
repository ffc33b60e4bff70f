"""Keys and their usage, for a person or a program to read. Never a key itself."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from service.accounts.keys import Key
from service.accounts.usage import Account, Count

ANYBODY = "(no key)"
FORGOTTEN = "(forgotten)"


def describe(key: Key) -> str:
    limits = [
        f"{number} {unit} a minute"
        for number, unit in (
            (key.limits.requests_per_minute, "requests"),
            (key.limits.tokens_per_minute, "tokens"),
        )
        if number is not None
    ]
    allowed = "all models" if key.adapters is None else ", ".join(key.adapters)
    until = [] if key.expires is None else [f"until {_time(key.expires)}"]
    details = "; ".join([f"{' and '.join(key.scopes)} with {allowed}", *limits, *until])
    return f"The key of {key.name!r} ({key.id}): {details}."


def print_keys(keys: Sequence[Key], console: Console, *, wants_json: bool) -> None:
    now = time.time()
    if wants_json:
        _print_json({"keys": [_as_json(key, now) for key in keys]}, console)
        return
    if not keys:
        console.print(
            "There is no key yet, so servers ask for none. Make one: lora-chat keys create NAME"
        )
        return
    table = Table(
        "name",
        Column("id", no_wrap=True, min_width=len(keys[0].id)),
        *("key", "scopes", "adapters", "a minute", "expires", ""),
        box=None,
    )
    for key in keys:
        table.add_row(*(Text(cell) for cell in _cells(key, now)))
    console.print(table)


def print_usage(
    rows: Sequence[tuple[Account, Count]],
    names: Mapping[str, str],
    console: Console,
    *,
    wants_json: bool,
) -> None:
    """`names` are those of the keys, by their ids."""
    if wants_json:
        lines = [
            asdict(account) | {"key_name": _name(account, names)} | asdict(count)
            for account, count in rows
        ]
        _print_json({"usage": lines}, console)
        return
    if not rows:
        console.print("Nothing has been asked yet.")
        return
    table = Table("day", "key", "model", box=None)
    for unit in ("requests", "prompt tokens", "answer tokens"):
        table.add_column(unit, justify="right")
    for account, count in rows:
        cells = (account.day, _name(account, names) or _nobody(account), account.model)
        numbers = (count.requests, count.prompt_tokens, count.completion_tokens)
        table.add_row(*(Text(cell) for cell in cells), *(f"{number:,}" for number in numbers))
    console.print(table)


def _cells(key: Key, now: float) -> list[str]:
    limits = (key.limits.requests_per_minute, key.limits.tokens_per_minute)
    units = ("requests", "tokens")
    return [
        key.name,
        key.id,
        f"…{key.ending}",
        ", ".join(key.scopes),
        "all" if key.adapters is None else ", ".join(key.adapters),
        ", ".join(f"{n:,} {unit}" for n, unit in zip(limits, units, strict=True) if n is not None),
        "" if key.expires is None else _time(key.expires),
        key.status(now),
    ]


def _as_json(key: Key, now: float) -> dict[str, Any]:
    limits = asdict(key.limits)
    return (
        {k: v for k, v in asdict(key).items() if k != "limits"}
        | limits
        | {"status": key.status(now)}
    )


def _print_json(value: Any, console: Console) -> None:
    console.out(json.dumps(value, ensure_ascii=False, indent=2), highlight=False)


def _name(account: Account, names: Mapping[str, str]) -> str | None:
    return names.get(account.key_id)


def _nobody(account: Account) -> str:
    return account.key_id or ANYBODY


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
