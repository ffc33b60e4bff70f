"""How a job that runs elsewhere is shown."""

from collections.abc import Iterator, Mapping
from io import StringIO

import pytest
from rich.console import Console

from finetune.errors import Interrupted
from service.client.fine_tuning import RemoteEvent
from service.commands.jobs.following import follow_to_end, show


def told(
    number: int, created: int, message: str, data: Mapping[str, float] | None = None
) -> RemoteEvent:
    values = {"id": f"e-{number}", "created_at": created, "level": "info", "message": message}
    return RemoteEvent.model_validate(values | {"data": data})


def step(number: int, total: int, created: int, **data: float) -> RemoteEvent:
    losses = {"step": number, "total_steps": total, "train_loss": 2.5}
    return told(number, created, f"Step {number}/{total}", losses | data)


def shown(*events: RemoteEvent) -> list[str]:
    out = StringIO()
    show(events, Console(file=out, width=80), now=lambda: 0.0)
    return out.getvalue().splitlines()


def test_what_is_past_is_told_as_if_it_had_taken_its_time():
    lines = shown(
        told(0, 1000, "Fine-tuning job started"),
        *(step(number, 9, 1000 + 20 * number) for number in range(1, 5)),
        step(5, 9, 1100, full_valid_loss=1.5, tokens_per_second=321.0, memory_bytes=3 << 29),
    )
    assert lines == [
        "Fine-tuning job started",
        "  step 1 of 9, about 2:40 left: loss 2.50, 0 tokens a second, 0.0 GiB of memory",
        "  step 3 of 9, about 2:00 left: loss 2.50, 0 tokens a second, 0.0 GiB of memory",
        "  step 5 of 9, about 1:20 left: loss 2.50, held out 1.50, 321 tokens a second, 1.5 GiB of "
        "memory",
    ]


def test_after_the_last_step_it_says_what_is_done_now():
    assert shown(step(1, 1, 1000))[-1].startswith("All steps are done")


def test_what_tells_of_no_step_is_a_line():
    assert shown(told(1, 1000, "Something else", {"usage": 3.0})) == ["Something else"]


def test_ctrl_c_says_how_to_go_on():
    def events() -> Iterator[RemoteEvent]:
        yield told(1, 1000, "Fine-tuning job started")
        raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"goes on.*lora-chat jobs follow ftjob-1"):
        follow_to_end(events(), Console(file=StringIO()), "lora-chat jobs follow ftjob-1")
