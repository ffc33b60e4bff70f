"""What an adapter and those before it held out and trained on, found again to go on from it.

Neither cards nor runs hold conversations. A card has a hash of each that was held out, a run says
which file it read: those rows of the files are held out still, the others may be trained on again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from data.chat import ChatRenderer
from data.conversation import Conversation, good_ones
from data.errors import DataError
from data.likeness import asked
from data.split import split_conversations
from data.wording import _
from finetune.adapters.card import AdapterCard
from finetune.adapters.version import AdapterVersion
from finetune.errors import ConfigError, NotResumable
from finetune.training.config import TrainConfig, load_config
from finetune.training.rows import Reader, RowMaker
from finetune.training.run import CONFIG_FILE, STATE_FILE, RunState, read_state

from .identity import hash_conversations, identify


@dataclass(frozen=True, slots=True)
class Lineage:
    """What is known of an adapter's conversations."""

    parent: str  # name@version
    held_out: list[Conversation]  # that it was measured on, as far as they are found
    trained: list[Conversation]  # by it and those before it; of one question the newest
    num_held_out: int  # when it was trained
    notes: list[str] = field(default_factory=list[str])  # what is not found, and why


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One training of the line."""

    adapter: str  # name@version
    config: TrainConfig
    data: Path | None  # None: it came from no file
    validation: Path | None  # a file of its own that was held out
    held_out: frozenset[str]  # identities; empty where the run is older than these are kept


def find_lineage(
    parent: AdapterVersion,
    runs: Path,
    renderer: ChatRenderer,
    given: Sequence[Conversation] = (),
) -> Lineage:
    """Make an adapter's lineage of what the runs read, and of `given` conversations; nothing
    missing is an error here."""
    notes: list[str] = []
    generations = [*_generations(runs, str(parent))]
    sets: list[list[Conversation]] = []
    validations: list[list[Conversation]] = []
    for each in generations:
        try:
            sets.append(_read(each, each.data, renderer))
            if each.config.validation is not None:
                validations.append(_read(each, each.validation, renderer))
        except DataError as error:
            told = _("The data of {adapter} cannot be read: {error}")
            notes.append(told.format(adapter=each.adapter, error=error))
    if not generations:
        notes.append(_("No run says which file {adapter} was trained on").format(adapter=parent))
    sets.append(list(given))
    card = parent.card
    pinned = _pinned(card, sets)
    never = pinned.union(*(each.held_out for each in generations))
    found = {
        identity: each
        for rows in (*sets, *validations)
        for each in rows
        if (identity := identify(each)) in pinned
    }
    trained = [each for each in _newest(sets) if identify(each) not in never]
    num_held_out = card.data.num_held_out if card and card.data else 0
    return Lineage(str(parent), list(found.values()), trained, len(pinned) or num_held_out, notes)


def files_of(runs: Path, adapter: str) -> Iterator[Path]:
    """The files of the runs that made this adapter and those before it, newest first."""
    for generation in _generations(runs, adapter):
        for each in _runs_of(runs, generation.adapter):
            yield from (path for path in (each.data, each.validation) if path and path.exists())


def _generations(runs: Path, adapter: str) -> Iterator[Ancestor]:
    """The generations from the newest to the one that began the line, as far as their runs are
    still there."""
    seen: set[str] = set()
    while adapter not in seen:
        seen.add(adapter)
        of_it = [*_runs_of(runs, adapter)]
        if not of_it:
            return
        chosen = next((each for each in of_it if each.data and each.data.exists()), of_it[0])
        yield chosen
        before = chosen.config.from_adapter or ""
        if "@" not in before:  # older runs kept the name alone, which may mean another one now
            return
        adapter = before


def _runs_of(runs: Path, adapter: str) -> Iterator[Ancestor]:
    states = list(runs.glob(f"*/{STATE_FILE}")) + list(runs.glob(f"*/*/{STATE_FILE}"))
    for path in sorted(states, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            state = read_state(path.parent)
            if state.adapter == adapter:
                yield _generation(adapter, state, load_config(path.with_name(CONFIG_FILE), {}))
        except (NotResumable, ConfigError, ValidationError):
            continue


def _generation(adapter: str, state: RunState, config: TrainConfig) -> Ancestor:
    data, validation = state.data or config.data, state.validation or config.validation
    return Ancestor(adapter, config, data, validation, frozenset(state.held_out))


def _read(generation: Ancestor, path: Path | None, renderer: ChatRenderer) -> list[Conversation]:
    """Read a file of a generation as it was read then. Raises DataError."""
    if path is None or not path.exists():
        raise DataError(_("{path} is no file, or no longer there").format(path=path))
    conversations = good_ones(Reader.of(generation.config).read(path))
    return RowMaker.of(generation.config, renderer).fitting_as_read(conversations)


def _pinned(card: AdapterCard | None, sets: Sequence[list[Conversation]]) -> set[str]:
    """The identities of what is held out; an older card tells them where the data is unchanged."""
    if card is None or card.data is None or card.held_out:
        return set(card.held_out) if card else set()
    config = load_config(None, {k: card.config[k] for k in ("seed", "holdout") if k in card.config})
    for conversations in sets:
        if hash_conversations(conversations) == card.data.sha256:
            sides = split_conversations(conversations, config.seed, fraction=config.holdout)
            return {*map(identify, sides[1])}
    return set()


def _newest(sets: Sequence[list[Conversation]]) -> Iterator[Conversation]:
    """All of them, but of a question that came again only what was last said to it."""
    known: set[str] = set()
    for conversations in sets:
        yield from (each for each in conversations if asked(each) not in known)
        known |= {*map(asked, conversations)}
