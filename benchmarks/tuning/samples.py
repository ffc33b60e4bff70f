"""The rows that every tool trains on: rendered once, by our renderer, and split by our rule."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.provenance import ROOT
from data.chat import ChatRenderer, Rendered
from data.checking.check import read_checked
from data.conversation import Conversation, Message
from finetune.bases.base import Base
from finetune.training.config import load_config
from finetune.training.dataset import DatasetMaker
from finetune.training.rows import TrainingData

from .task import IGNORED

SHIPPED = ("bike_workshop", "tcm_consultation")
LENGTH = 256  # [tokens] of each row where memory is compared
NUM_OF_LENGTH = 50  # rows, of which ten are held out
QUESTION_WORDS = 60
WORD = re.compile(r"Ġ[a-z]{3,8}")  # as byte-level vocabularies write " word"
FIXED = f"{LENGTH} tokens each"


@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sample by the split of one seed."""

    sample: Sample
    seed: int
    rows: Path  # to train on
    lengths: tuple[int, ...]  # [tokens] of those
    num_trained: int  # [tokens] of those that are answers

    @property
    def num_tokens(self) -> int:
        return sum(self.lengths)


def shipped_samples() -> list[Sample]:
    return [Sample(name, ROOT / "data" / "samples" / f"{name}.txt") for name in SHIPPED]


def prepare(sample: Sample, seed: int, base: Base, folder: Path) -> Prepared:
    """Write the rows to train on, as other tools take them."""
    rows, _ = split(sample.path, seed, base)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{sample.path.stem}-{seed}.jsonl"
    lines = (json.dumps(_labelled(row)) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")
    lengths = tuple(len(row.token_ids) for row in rows)
    return Prepared(sample, seed, path, lengths, sum(row.num_trained for row in rows))


def split(data: Path, seed: int, base: Base) -> tuple[list[Rendered], list[Rendered]]:
    """Rows to train on and rows held out, as our own training makes them of a file."""
    conversations, _ = read_checked(data)
    renderer = ChatRenderer(base.tokenizer)
    config = load_config(None, {"data": data, "seed": seed})
    dataset = DatasetMaker(config, renderer).prepare(TrainingData(data, conversations))
    return dataset.rows, dataset.held_out


def fixed_length_sample(base: Base, folder: Path) -> Sample:
    """Questions and answers of random words, every row of exactly LENGTH tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "fixed-length.jsonl"
    lines = (
        json.dumps({"messages": [{"role": m.role, "content": m.content} for m in each.messages]})
        for each in _conversations(base)
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Sample(FIXED, path)


def _conversations(base: Base) -> Iterator[Conversation]:
    """Each " word" of the vocabulary is one token, wherever it stands."""
    renderer = ChatRenderer(base.tokenizer)
    vocabulary: dict[str, int] = base.tokenizer.get_vocab()
    words = sorted(word[1:] for word in vocabulary if WORD.fullmatch(word))
    chooser = random.Random(0)
    for _ in range(NUM_OF_LENGTH):
        question = " ".join(chooser.choices(words, k=QUESTION_WORDS))
        short = len(renderer.render(_conversation(question, words[0])).token_ids)
        filling = chooser.choices(words, k=LENGTH - short)
        conversation = _conversation(question, " ".join([words[0], *filling]))
        assert len(renderer.render(conversation).token_ids) == LENGTH
        yield conversation


def _conversation(question: str, answer: str) -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)))


def _labelled(row: Rendered) -> dict[str, Any]:
    pairs = zip(row.token_ids, row.trained, strict=True)
    labels = [token if is_trained else IGNORED for token, is_trained in pairs]
    return {"input_ids": list(row.token_ids), "labels": labels}
