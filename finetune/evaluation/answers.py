"""The answers in a rendered row, and answers that a model writes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

from data.chat import Rendered

BATCH = 16  # prompts answered together
HALF = "\ufffd"  # what a character becomes that the limit has cut


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model wrote."""

    text: str
    num_tokens: int  # without the end token
    is_ended: bool  # by its end token, before the limit


def trained_spans(row: Rendered) -> Iterator[tuple[int, int]]:
    """Where each trained answer begins and ends, its end token included."""
    position = 0
    for is_trained, group in groupby(row.trained):
        begin, position = position, position + len(list(group))
        if is_trained:
            yield begin, position


def last_prompt(row: Rendered) -> tuple[int, ...]:
    """All that stands before the row's last trained answer."""
    *_, (begin, _) = trained_spans(row)
    return row.token_ids[:begin]


def last_answer(row: Rendered, end_ids: Sequence[int]) -> tuple[int, ...]:
    """The row's last trained answer, without its end token."""
    *_, (begin, end) = trained_spans(row)
    ids = row.token_ids[begin:end]
    return ids[:-1] if ids[-1] in end_ids else ids


def write_answers(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    end_ids: Sequence[int],
    max_tokens: int,
    device: str,
    on_steps: Callable[[int], None] = lambda _: None,
) -> list[Answer]:
    """Continue each prompt greedily, a batch at a time; `on_steps` is told how many of a batch's
    `max_tokens` steps are over."""
    answers: list[Answer] = []
    for begin in range(0, len(prompts), BATCH):
        batch = prompts[begin : begin + BATCH]
        counter = _Counter(on_steps)
        written = _continue(model, batch, end_ids, max_tokens, device, counter)
        on_steps(max_tokens - counter.num_steps)  # that were not needed
        for ids in written:
            ends = [place for place, token_id in enumerate(ids) if token_id in end_ids]
            kept = ids[: ends[0]] if ends else ids
            text = tokenizer.decode(kept, skip_special_tokens=True).rstrip(HALF).strip()
            answers.append(Answer(text, len(kept), bool(ends)))
    return answers


def _continue(
    model: Any,
    prompts: Sequence[Sequence[int]],
    end_ids: Sequence[int],
    max_tokens: int,
    device: str,
    counter: "_Counter",
) -> list[list[int]]:
    #   ids:   [ pad pad  prompt 0 … | new … ]      shape [prompts, longest + new]
    #   mask:  [  0   0   1 1 1 …    | 1 …   ]
    import torch

    longest = max(map(len, prompts))
    pad = end_ids[0] if end_ids else 0
    ids = [[pad] * (longest - len(prompt)) + [*prompt] for prompt in prompts]
    mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    with torch.no_grad():
        output = model.generate(
            input_ids=torch.tensor(ids, device=device),
            attention_mask=torch.tensor(mask, device=device),
            do_sample=False,
            max_new_tokens=max_tokens,
            eos_token_id=list(end_ids) or None,
            pad_token_id=pad,
            use_cache=True,
            streamer=cast(Any, counter),
        )
    return output[:, longest:].tolist()


class _Counter:
    """Takes the place of a streamer: it is handed the prompts, then every step's tokens."""

    def __init__(self, on_steps: Callable[[int], None]) -> None:
        self.num_steps = -1  # the prompts are none
        self._on_steps = on_steps

    def put(self, value: object) -> None:
        self.num_steps += 1
        self._on_steps(min(1, self.num_steps))

    def end(self) -> None: ...
