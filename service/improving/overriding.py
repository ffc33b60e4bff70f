"""A person's word against the gate's: a candidate promoted all the same, with the reason why."""

from pathlib import Path

from data.wording import _
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import promote
from service.errors import JobRefused
from service.feedback.using import ship
from service.state.database import State

from .ledger import Entry, Ledger
from .round import Round, alone, served_version


def override(
    home: Path,
    state: State,
    place: str,
    adapter: str,
    reason: str,
    who: str = "",
    version: str | None = None,
) -> AdapterVersion:
    """Promote the newest candidate of an adapter, whatever was decided of it.

    Raises JobRefused where there is none, where it is another `version` than is meant, or another
    process is at it, and AdapterInvalid where there is no such adapter.
    """
    served, ledger = served_version(home, adapter), Ledger(state, place)
    with alone(home, adapter):
        last = Round(home, adapter, ledger.last_round(adapter))
        candidate = last.candidate()
        if candidate is None or candidate.folder == served.folder:
            told = _("{adapter} has no candidate that is kept back.")
            raise JobRefused(told.format(adapter=adapter))
        if version not in (None, candidate.number):
            told = _("The newest candidate is {candidate}: look at what was decided of it first.")
            raise JobRefused(told.format(candidate=candidate))
        entry = Entry(
            adapter=adapter,
            what="override",
            who=who,
            before=str(served),
            after=str(candidate),
            told={"reasons": [reason]},
        )
        sides = last.sides()
        ledger.add(entry, lambda connection: ship(connection, sides, str(candidate)))
        promote(home / "adapters", adapter, candidate.number)
        return candidate
