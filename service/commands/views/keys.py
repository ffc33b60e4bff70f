"""Keys and their usage, for a person or a program to read. Never a key itself."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import ByteSize
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from data.local_time import local_time
from data.wording import N_, _
from service.accounts.caller import Limits, StoreAnswers
from service.accounts.keys import Key
from service.accounts.usage import Account, Count
from service.commands.streams import json_text

ANYBODY = N_("(no key)")
STORED: dict[StoreAnswers, str] = {
    "off": N_("no answers stored"),
    "asked": N_("answers stored where asked"),
    "all": N_("all answers stored"),
}
STATES = {"revoked": N_("revoked"), "expired": N_("expired")}


def describe(key: Key) -> str:
    told = _("The key of {name!r} ({id}): {allowed}.")
    return told.format(name=key.name, id=key.id, allowed=_allowed(key))


def print_keys(keys: Sequence[Key], console: Console, *, wants_json: bool) -> None:
    now = time.time()
    if wants_json:
        _print_json({"keys": [_as_json(key, now) for key in keys]}, console)
        return
    if not keys:
        console.print(
            _("There is no key yet, so servers ask for none. Make one: lora-chat keys create NAME")
        )
        return
    width = len(keys[0].id)
    table = Table(
        Column(_("name"), overflow="fold"),
        Column("id", no_wrap=True, min_width=width),
        Column(_("ends in"), no_wrap=True),
        Column(_("what it allows"), overflow="fold"),
        box=None,
    )
    for key in keys:
        allowed = _allowed(key)
        if (state := key.status(now)) in STATES:
            allowed = _("{state}: {allowed}").format(state=_(STATES[state]), allowed=allowed)
        cells = (key.name, key.id, key.ending, allowed)
        table.add_row(*map(Text, cells))
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
        console.print(_("Nothing has been asked yet."))
        return
    table = Table(_("day"), _("key"), _("model"), box=None)
    for unit in (_("requests"), _("prompt tokens"), _("answer tokens")):
        table.add_column(unit, justify="right")
    for account, count in rows:
        cells = (account.day, _name(account, names) or _nobody(account), account.model)
        numbers = (count.requests, count.prompt_tokens, count.completion_tokens)
        table.add_row(*(Text(cell) for cell in cells), *(f"{number:,}" for number in numbers))
    console.print(table)


def _allowed(key: Key) -> str:
    models = _("all models") if key.adapters is None else ", ".join(key.adapters)
    scopes = _("{scopes} with {models}").format(scopes=_(" and ").join(key.scopes), models=models)
    ends = key.expires
    until = [] if ends is None else [_("until {time}").format(time=local_time(ends))]
    stored = [] if key.store_answers is None else [_(STORED[key.store_answers])]
    return _("; ").join([scopes, *_limits(key.limits), *stored, *until])


def _limits(limits: Limits) -> list[str]:
    told = [
        each.format(count=number)
        for number, each in (
            (limits.requests_per_minute, _("{count:,} requests a minute")),
            (limits.tokens_per_minute, _("{count:,} tokens a minute")),
            (limits.max_jobs, _("{count:,} unfinished jobs")),
            (limits.training_tokens_per_day, _("{count:,} tokens of training a day")),
        )
        if number is not None
    ]
    if limits.max_file_bytes is not None:
        size = ByteSize(limits.max_file_bytes).human_readable(decimal=True, separator=" ")
        told.append(_("files of {size} together").format(size=size))
    return told


def _as_json(key: Key, now: float) -> dict[str, Any]:
    limits = asdict(key.limits)
    return (
        {k: v for k, v in asdict(key).items() if k != "limits"}
        | limits
        | {"status": key.status(now)}
    )


def _print_json(value: Any, console: Console) -> None:
    console.out(json_text(value, indent=2), highlight=False)


def _name(account: Account, names: Mapping[str, str]) -> str | None:
    return names.get(account.key_id)


def _nobody(account: Account) -> str:
    return account.key_id or _(ANYBODY)
