"""Loads on the service with a scripted engine, and on a server that is not ours."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from service.bench.load import WARM_UP, Load, Target, list_models, measure
from service.bench.measurement import Measurement
from service.errors import ServerRefused
from serving.engine import Engine
from serving.errors import EngineFailed
from serving.scripted import ScriptedEngine

Serve = Callable[[Engine], str]
ServeApp = Callable[[FastAPI], str]

FAKE = (Target("fake"),)
NUM_TOKENS = 9  # more than a warm-up asks for, so that its requests are told apart
A, B = (f'{{"choices": [{{"delta": {{"content": "{text}"}}}}]}}' for text in "ab")
STOP = '{"choices": [{"delta": {}, "finish_reason": "stop"}]}'
DONE = "[DONE]"


def run(url: str, targets: tuple[Target, ...] = FAKE, **options: Any) -> Measurement:
    options = {"num_requests": 6, "output_tokens": NUM_TOKENS} | options
    return asyncio.run(measure(Load(url, targets, **options)))


def prompts(bodies: list[dict[str, Any]]) -> list[str]:
    return [body["messages"][-1]["content"] for body in bodies]


def test_models_are_asked_in_turn_for_answers_of_the_length_wanted(
    serve: Serve, add_adapter: Callable[..., Path]
):
    add_adapter("tcm")
    engine = ScriptedEngine(default="word " * 20)
    measurement = run(serve(engine), (Target("base"), Target("tcm")), concurrency=1)
    asked = engine.requests[WARM_UP:]
    assert [[ref.name for ref, _ in request.blend] for request in asked] == [[], ["tcm"]] * 3
    for request in asked:
        sampling = request.sampling
        assert (sampling.max_tokens, sampling.temperature) == (NUM_TOKENS, 0)
        assert sampling.ignore_eos
    assert measurement.has_exact_counts
    assert [row.output_tokens for row in measurement.rows] == [3 * NUM_TOKENS] * 2
    assert measurement.mean_prompt_tokens == pytest.approx(
        sum(len(request.prompt_ids) for request in asked) / len(asked)
    )
    assert measurement.failures == []


def test_time_is_taken_between_chunks_with_content_alone(fake_server: Any, serve_app: ServeApp):
    server = fake_server(A, B, A, STOP, DONE)
    measurement = run(serve_app(server.build()))
    for answer in measurement.answers:
        assert answer.first_token is not None
        assert answer.first_token > 0
        assert len(answer.gaps) == 2
        assert answer.first_token + sum(answer.gaps) < measurement.wall_seconds
    assert not measurement.has_exact_counts
    assert measurement.output_tokens == 6 * 3


def test_every_target_is_warmed_up_once_and_not_counted(fake_server: Any, serve_app: ServeApp):
    server = fake_server(A, DONE)
    targets = tuple(Target(f"m{number}") for number in range(WARM_UP + 3))
    measurement = run(serve_app(server.build()), targets, num_requests=1)
    warm_up = server.bodies[:-1]
    assert sorted(body["model"] for body in warm_up) == [target.model for target in targets]
    assert all(body["max_tokens"] < NUM_TOKENS for body in warm_up)
    assert len(measurement.outcomes) == 1


def test_no_prompt_is_asked_twice(fake_server: Any, serve_app: ServeApp):
    server = fake_server(A, DONE)
    url = serve_app(server.build())
    run(url, seed=1)
    run(url, seed=2)
    assert len(set(prompts(server.bodies))) == len(server.bodies) == 2 * (WARM_UP + 6)


def test_the_seed_repeats_the_prompts(fake_server: Any, serve_app: ServeApp):
    server = fake_server(A, DONE)
    url = serve_app(server.build())
    run(url, seed=1, concurrency=1)
    first, server.bodies = server.bodies, []
    run(url, seed=1, concurrency=1)
    assert server.bodies == first


def test_shared_prefix_is_the_same_system_prompt_for_all(fake_server: Any, serve_app: ServeApp):
    server = fake_server(A, DONE)
    run(serve_app(server.build()), shared_prefix_tokens=40)
    systems = {body["messages"][0]["content"] for body in server.bodies}
    assert {body["messages"][0]["role"] for body in server.bodies} == {"system"}
    assert len(systems) == 1
    assert len(systems.pop().split()) > 20


def test_closed_loop_keeps_its_workers_busy_and_sends_no_more(
    fake_server: Any, serve_app: ServeApp
):
    server = fake_server(A, DONE, gather=3, max_tokens=NUM_TOKENS)
    measurement = run(serve_app(server.build()), concurrency=3)
    assert len(measurement.answers) == 6
    assert server.most_running == 3


def test_open_loop_waits_for_no_answer(fake_server: Any, serve_app: ServeApp):
    server = fake_server(A, DONE, gather=6, max_tokens=NUM_TOKENS)
    measurement = run(serve_app(server.build()), concurrency=1, rate=1_000.0)
    assert len(measurement.answers) == 6
    assert server.most_running == 6


def test_open_loops_times_are_the_seeds_own():
    def times(seed: int) -> list[float]:
        return Load("", FAKE, num_requests=2_000, rate=4.0, seed=seed).arrival_times()

    assert times(1) == times(1) != times(2)
    assert times(1)[0] == 0.0
    assert times(1) == sorted(times(1))
    assert times(1)[-1] == pytest.approx(2_000 / 4, rel=0.1)


def test_targets_are_drawn_by_their_weights():
    targets = (Target("often"), Target("rare"), Target("never"))
    load = Load("", targets, num_requests=1_000, target_weights=(9.0, 1.0, 0.0))
    drawn = [target.label for target in load.chosen_targets()]
    assert drawn == [target.label for target in load.chosen_targets()]
    assert 850 < drawn.count("often") < 950
    assert drawn.count("never") == 0


def test_llama_servers_adapters_go_by_number(fake_server: Any, serve_app: ServeApp):
    server = fake_server(A, DONE)
    targets = (Target("fake", (2,)), Target("fake", (0, 1)), Target("fake", ()), Target("fake"))
    measurement = run(serve_app(server.build()), targets, num_requests=4, concurrency=1)
    bodies = server.asked(NUM_TOKENS)
    assert [body.get("lora") for body in bodies] == [
        [{"id": 2, "scale": 1.0}],
        [{"id": 0, "scale": 1.0}, {"id": 1, "scale": 1.0}],
        [{"id": 0, "scale": 0.0}],
        None,
    ]
    assert {body["model"] for body in bodies} == {"fake"}
    assert [row.target for row in measurement.rows] == ["lora 2", "lora 0+1", "no adapter", "fake"]


def test_extra_fields_go_before_the_loads_own(fake_server: Any, serve_app: ServeApp):
    server = fake_server(A, DONE)
    run(serve_app(server.build()), extra_body={"temperature": 1, "min_tokens": 3})
    assert {(body["temperature"], body["min_tokens"]) for body in server.bodies} == {(1, 3)}


def test_key_is_sent_and_not_shown(fake_server: Any, serve_app: ServeApp):
    server = fake_server(A, DONE)
    run(serve_app(server.build()), api_key="secret")
    assert set(server.keys) == {"Bearer secret"}
    assert "secret" not in repr(Load("", FAKE, api_key="secret"))


def test_progress_counts_ended_requests(fake_server: Any, serve_app: ServeApp):
    seen: list[int] = []
    load = Load(serve_app(fake_server(A, DONE).build()), FAKE, num_requests=5)
    asyncio.run(measure(load, seen.append))
    assert seen == [1, 2, 3, 4, 5]


def test_refused_requests_are_failures_among_the_answers(serve: Serve):
    measurement = run(serve(ScriptedEngine()), (Target("base"), Target("nobody")))
    assert [row.num_done for row in measurement.rows] == [3, 0]
    (fault,) = measurement.faults
    assert (fault.kind, fault.count) == ("HTTP 404", 3)
    assert "'nobody'" in fault.example


def test_error_in_the_middle_of_an_answer_is_a_failure(serve: Serve):
    engine = ScriptedEngine(failure=EngineFailed("A step failed."), fail_at=2)
    measurement = run(serve(engine), (Target("base"),))
    (fault,) = measurement.faults
    assert (fault.kind, fault.count) == ("in the stream: server_error", 6)
    assert fault.example == "A step failed."
    assert measurement.output_tokens == 0


def test_answer_that_just_ends_is_a_failure(fake_server: Any, serve_app: ServeApp):
    measurement = run(serve_app(fake_server(A, B).build()))
    assert [fault.kind for fault in measurement.faults] == ["cut off"]


def test_server_that_goes_away_is_a_failure():
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if request.startswith(b"GET"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()
        await writer.wait_closed()

    async def measure_it() -> Measurement:
        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await measure(Load(f"http://127.0.0.1:{port}", FAKE, num_requests=3))

    (fault,) = asyncio.run(measure_it()).faults
    assert fault.count == 3
    assert fault.kind in ("RemoteProtocolError", "ReadError", "WriteError")


def test_no_server_is_an_error():
    with pytest.raises(ServerRefused, match=r"http://127\.0\.0\.1:1 does not answer: .*serve`"):
        run("http://127.0.0.1:1")


def test_models_are_listed_the_base_first(serve: Serve, add_adapter: Callable[..., Path]):
    add_adapter("a-tcm")
    url = serve(ScriptedEngine())
    for spelling in (url, f"{url}/", f"{url}/v1"):
        assert asyncio.run(list_models(spelling)) == ("base", "a-tcm")


def test_server_without_models_is_an_error(fake_server: Any, serve_app: ServeApp):
    with pytest.raises(ServerRefused, match="has no models"):
        asyncio.run(list_models(serve_app(fake_server(models=()).build())))


def test_server_of_another_kind_is_an_error(serve_app: ServeApp):
    app = FastAPI()
    url = serve_app(app)
    with pytest.raises(ServerRefused, match=r"does not list its models: .*Not Found"):
        asyncio.run(list_models(url))
    app.get("/v1/models")(lambda: {"models": ["a"]})
    with pytest.raises(ServerRefused, match="is no OpenAI-compatible server"):
        asyncio.run(list_models(url))
