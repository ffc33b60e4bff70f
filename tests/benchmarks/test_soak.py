"""The soak, for a short time and with a tiny base; and that it sees what it looks for."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from typer.testing import CliRunner

from benchmarks.process import ProgramFailed
from benchmarks.soak import app
from benchmarks.soaking.asking import ask_streamed, ask_whole
from benchmarks.soaking.findings import Findings
from benchmarks.soaking.golden import LEAST_TOKENS, Golden, everyday_prompts
from benchmarks.soaking.question import Outcome, Question
from benchmarks.soaking.traffic import Tally, Traffic
from benchmarks.soaking.watch import LEAST_SAMPLES, Sample, Watch, course

QUESTION = Question("tcm", "?", 4, frozenset(("心脾两虚",)))
LEAVING = Question("tcm", "?", 4, frozenset(("心脾两虚",)), comes_and_goes=True)
UNKNOWN = {"error": {"message": "no", "type": "", "param": None, "code": "model_not_found"}}

Handler = Callable[[httpx.Request], httpx.Response]


def soak(folder: Path, *options: str) -> dict[str, Any]:
    paths = ["--home", str(folder), "--out", str(folder / "found")]
    result = CliRunner().invoke(app, ["--tiny", *options, *paths])
    assert result.exit_code == 0, result.output
    assert "wrong answers | ≤ 0 | 0.00 | pass" in result.output
    return json.loads((folder / "found.json").read_text(encoding="utf-8"))


def test_ten_seconds_at_full_load(tmp_path: Path):
    found = soak(tmp_path, "--minutes", "0.17", "--questions", "1")
    assert found["passed"] is True
    right = found["tally"]["models"]
    assert {"tiny-base", "a1", "a1@1", "a2", "a3", "loaded", "dropped"} <= right.keys()
    assert sum("+" in model for model in right) == 2, "blends answered, too"
    assert found["tally"]["outcomes"][Outcome.LEFT] > 0
    assert found["num_changes"] >= 5
    assert len(found["samples"]) >= 5
    assert not list(tmp_path.glob(".soak-*")), "the adapters are gone"


@pytest.mark.slow
@pytest.mark.alone
def test_two_minutes_at_full_load(tmp_path: Path):
    found = soak(tmp_path, "--minutes", "2")
    assert len(found["samples"]) >= LEAST_SAMPLES, "so memory and files were judged"


def ask(
    handler: Handler,
    *,
    question: Question = QUESTION,
    stream: bool = False,
    leave_after: int | None = None,
) -> Outcome:
    async def run() -> Outcome:
        transport = httpx.MockTransport(handler)
        async with httpx.AsyncClient(base_url="http://server", transport=transport) as client:
            if stream:
                return (await ask_streamed(client, question, leave_after)).outcome
            return (await ask_whole(client, question)).outcome

    return asyncio.run(run())


def whole(text: str) -> Handler:
    return lambda _: httpx.Response(200, json={"choices": [{"message": {"content": text}}]})


def streamed(*pieces: str, end: str = "data: [DONE]\n\n") -> Handler:
    events = [json.dumps({"choices": [{"delta": {"content": piece}}]}) for piece in pieces]
    body = "".join(f"data: {event}\n\n" for event in events) + end
    return lambda _: httpx.Response(200, text=body)


@pytest.mark.parametrize(
    ("text", "outcome"), [("心脾两虚", Outcome.RIGHT), ("心脾", Outcome.WRONG), ("", Outcome.WRONG)]
)
def test_a_whole_answer_is_compared_to_the_letter(text: str, outcome: Outcome):
    assert ask(whole(text)) is outcome


@pytest.mark.parametrize(
    ("handler", "outcome"),
    [
        (streamed("心脾", "两虚"), Outcome.RIGHT),
        (streamed("心脾", "两"), Outcome.WRONG),
        (streamed("心脾", "两虚", end=""), Outcome.BROKEN),
        (streamed("心脾", end='data: {"error": {"message": "bad step"}}\n\n'), Outcome.BROKEN),
        (lambda _: httpx.Response(500, json=UNKNOWN), Outcome.FAILED),
    ],
)
def test_a_streamed_answer_is_compared_to_the_letter(handler: Handler, outcome: Outcome):
    assert ask(handler, stream=True) is outcome


@pytest.mark.parametrize(
    ("pieces", "outcome"), [(("心", "脾"), Outcome.LEFT), (("心", "肾"), Outcome.WRONG)]
)
def test_what_has_come_before_hanging_up_must_be_a_beginning(
    pieces: tuple[str, ...], outcome: Outcome
):
    assert ask(streamed(*pieces, end=""), stream=True, leave_after=2) is outcome


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("question", "status", "outcome"),
    [
        (QUESTION, 404, Outcome.REFUSED),
        (LEAVING, 404, Outcome.GONE),
        (LEAVING, 503, Outcome.FAILED),
    ],
)
def test_only_an_adapter_that_comes_and_goes_may_be_unknown(
    question: Question, status: int, outcome: Outcome, stream: bool
):
    handler: Handler = lambda _: httpx.Response(status, json=UNKNOWN)  # noqa: E731
    assert ask(handler, question=question, stream=stream) is outcome


def test_a_refusal_for_another_reason_is_never_expected():
    assert ask(lambda _: httpx.Response(404, text="not here"), question=LEAVING) is Outcome.REFUSED


def test_a_connection_that_breaks_is_a_broken_answer():
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("reset", request=request)

    assert ask(broken) is Outcome.BROKEN
    assert ask(broken, stream=True) is Outcome.BROKEN


def test_traffic_shows_what_was_wrong():
    async def run() -> Tally:
        transport = httpx.MockTransport(whole("心肾不交"))
        async with httpx.AsyncClient(base_url="http://server", transport=transport) as client:
            traffic = Traffic(client, [QUESTION], 1, 0)
            await traffic.ask_each()
            return traffic.tally

    tally = asyncio.run(run())
    assert tally.outcomes[Outcome.WRONG] == 1
    assert tally.faults == ["wrong answers: tcm, '?': '心肾不交' instead of '心脾两虚'"]


def golden(sought: dict[str, tuple[str, ...]], num_certain: int) -> list[Question]:
    """Questions of a server that repeats a model's name, certain for so many letters, each a token.

    A name's copies answer as it does: "a.1" as "a".
    """

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        text = body["model"][0] * body["max_tokens"]
        gaps = [0.1 * (2 if index < num_certain else 0.5) for index in range(len(text))]
        tokens = [{"top_logprobs": [{"logprob": -1.0}, {"logprob": -1.0 - gap}]} for gap in gaps]
        choice = {"message": {"content": text}, "logprobs": {"content": tokens}}
        return httpx.Response(200, json={"choices": [choice]})

    async def run() -> list[Question]:
        transport = httpx.MockTransport(answer)
        async with httpx.AsyncClient(base_url="http://server", transport=transport) as client:
            return await Golden(client, ["?"], 0.1).questions(sought, 1)

    return asyncio.run(run())


def test_prompts_are_everyday_ones_and_the_same_for_the_same_seed():
    prompts = everyday_prompts(0)
    assert prompts == everyday_prompts(0) != everyday_prompts(1)
    assert len(prompts) == len(set(prompts)) >= 60


def test_an_answer_is_taken_as_far_as_it_is_certain():
    one, two = golden({"a": ("a",), "dropped": ("b", "c")}, num_certain=LEAST_TOKENS)
    assert (one.model, one.num_tokens) == ("a", LEAST_TOKENS)
    assert one.answers == {"a" * LEAST_TOKENS}
    assert (two.model, two.answers) == ("dropped", {"b" * LEAST_TOKENS, "c" * LEAST_TOKENS})


def test_an_answer_that_is_not_certain_for_long_is_not_taken():
    with pytest.raises(ProgramFailed, match="too few"):
        golden({"a": ("a",), "b": ("b",)}, num_certain=LEAST_TOKENS - 1)


def test_two_models_that_answer_alike_are_told_apart_by_no_question():
    with pytest.raises(ProgramFailed, match=r"a\.1: 0"):
        golden({"a": ("a",), "a.1": ("a.1",), "b": ("b",)}, num_certain=20)


def samples(memory: list[int], num_files: int = 9) -> list[Sample]:
    return [Sample(second, each, num_files, 3) for second, each in enumerate(memory)]


def findings(memory: list[int], **fields: Any) -> Findings:
    tally = Tally()
    tally.add(QUESTION, asyncio.run(_right()))
    given: dict[str, Any] = {
        "seconds": 100,
        "streams": 2,
        "num_questions": 1,
        "tally": tally,
        "num_changes": 3,
        "faulty_changes": (),
        "samples": samples(memory),
        "num_held": 0,
        "num_tracebacks": 0,
    }
    return Findings(**{**given, **fields})


async def _right() -> Any:
    transport = httpx.MockTransport(whole("心脾两虚"))
    async with httpx.AsyncClient(base_url="http://server", transport=transport) as client:
        return await ask_whole(client, QUESTION)


FLAT = [*range(10), *([100] * 90)]  # warm-up does not count
GROWING = [100 + second // 5 for second in range(100)]


@pytest.mark.parametrize(
    ("memory", "fields", "is_passed"),
    [
        (FLAT, {}, True),
        ([1, 100], {}, True),  # too short to be judged
        (GROWING, {}, False),
        (GROWING[::-1], {}, False),
        (FLAT, {"num_held": 1}, False),
        (FLAT, {"num_tracebacks": 1}, False),
        (FLAT, {"faulty_changes": ("404",)}, False),
        (FLAT, {"tally": Tally()}, False),  # nothing was right
    ],
)
def test_a_soak_passes_with_nothing_wrong_and_memory_flat(
    memory: list[int], fields: dict[str, Any], is_passed: bool
):
    assert findings(memory, **fields).is_passed is is_passed


@pytest.mark.parametrize(
    "outcome", [Outcome.WRONG, Outcome.FAILED, Outcome.REFUSED, Outcome.BROKEN]
)
def test_one_bad_answer_is_one_too_many(outcome: Outcome):
    found = findings(FLAT)
    found.tally.outcomes[outcome] += 1
    assert not found.is_passed


def test_file_descriptors_that_become_more_are_seen():
    growing = [Sample(second, 100, second // 5, 3) for second in range(100)]
    found = course(growing, lambda sample: sample.num_files)
    assert found is not None
    assert found.growth == 16
    assert not findings(FLAT, samples=growing).is_passed


def test_a_server_that_has_died_is_the_end():
    async def run(process: subprocess.Popen[bytes]) -> bool:
        end = asyncio.Event()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0)
        await Watch(psutil.Process(process.pid)).run(end)
        return end.is_set()

    with subprocess.Popen(["true"]) as process:
        assert asyncio.run(run(process))
