"""The rows that a finished adapter is measured on again.

An adapter folder holds no conversations. Its card has the data's hash and the options of the
split, so that the held-out rows can be told from the file itself, where that is still at hand.
"""

from dataclasses import dataclass
from pathlib import Path

import data as data_package
from data.chat import ChatRenderer, Rendered
from data.conversation import Conversation, good_ones
from data.errors import DataError
from data.reading.reader import read_conversations
from data.wording import _
from finetune.adapters.card import AdapterCard
from finetune.adapters.version import AdapterVersion
from finetune.training.config import TrainConfig, load_config
from finetune.training.dataset import Dataset, DatasetMaker
from finetune.training.division import Division
from finetune.training.going_on.identity import hash_conversations, identify
from finetune.training.going_on.lineage import files_of
from finetune.training.rows import Reader, RowMaker, TrainingData

SAMPLES = Path(data_package.__file__).parent / "samples"
MOST_ROWS = 200
PER_SAMPLE = 20


@dataclass(frozen=True, slots=True)
class Yardstick:
    rows: list[Rendered]
    words: str  # which rows they are


def find_yardstick(
    version: AdapterVersion,
    renderer: ChatRenderer,
    data: Path | None,
    runs: Path,
) -> Yardstick:
    """The held-out rows, if `data` or the run's own file is what the adapter was trained on.

    Otherwise the conversations of `data`, or without any the shipped samples. Raises DataError
    where `data` cannot be read.
    """
    config = config_of(version.card)
    reader, maker = Reader.of(config), RowMaker.of(config, renderer)
    if data is not None:
        conversations = reader.read(data)
        held_out = _held_out(conversations, version.card, renderer, data)
        return held_out or _all_of(conversations, maker, data.name)
    for path in files_of(runs, str(version)):
        try:
            held_out = _held_out(reader.read(path), version.card, renderer, path)
        except DataError:  # it has changed, or is no more
            continue
        if held_out is not None:
            return held_out
    return _samples(maker)


def config_of(card: AdapterCard | None) -> TrainConfig:
    """What an adapter was trained with, as far as the options are still known."""
    values = card.config if card else {}
    return load_config(None, {k: v for k, v in values.items() if k in TrainConfig.model_fields})


def own_dataset(
    conversations: list[Conversation],
    card: AdapterCard | None,
    renderer: ChatRenderer,
    path: Path,
) -> Dataset | None:
    """The data divided as for the training; None where it is not what the card tells of, and not
    what holds all that was held out, of another file or by an adapter before it."""
    if card is None or card.data is None:
        return None
    config, data = config_of(card), TrainingData(path, conversations)
    maker = DatasetMaker(config, renderer)
    is_same = card.data.sha256 == hash_conversations(conversations)
    if is_same and not card.held_out:  # an older card
        return maker.prepare(data)
    kept = RowMaker.of(config, renderer).fitting(conversations)
    held_out = [each for each in kept if identify(each) in card.held_out]
    is_all_of_them = {*card.held_out} == {*map(identify, held_out)}
    is_of_line = config.from_adapter or card.data.held_out_source
    if not held_out or not (is_same or (is_of_line and is_all_of_them)):
        return None
    rest = [each for each in kept if identify(each) not in card.held_out]
    trained = [] if card.data.held_out_source else rest
    return maker.build(data, Division(trained, held_out))


def _held_out(
    conversations: list[Conversation],
    card: AdapterCard | None,
    renderer: ChatRenderer,
    path: Path,
) -> Yardstick | None:
    dataset = own_dataset(conversations, card, renderer, path)
    if dataset is None:
        return None
    words = _("the {count} held-out conversations of {file}")
    words = words.format(count=len(dataset.held_out), file=path.name)
    return Yardstick(dataset.held_out, words)


def _all_of(conversations: list[Conversation], maker: RowMaker, name: str) -> Yardstick:
    rows = maker.rows(maker.asked(good_ones(conversations)[:MOST_ROWS]))[0]
    words = _("{count} conversations of {file}, not all unknown to the adapter")
    return Yardstick(rows, words.format(count=len(rows), file=name))


def _samples(maker: RowMaker) -> Yardstick:
    chosen: list[Conversation] = []
    for path in sorted(SAMPLES.glob("*.txt")):
        chosen += read_conversations(path)[:PER_SAMPLE]
    rows = maker.rows(maker.asked(chosen))[0]
    words = _(
        "{count} shipped sample conversations: the adapter's own data is not at hand (give it with "
        "--data FILE)"
    )
    return Yardstick(rows, words.format(count=len(rows)))
