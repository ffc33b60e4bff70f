import json
import re
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer
from fastapi import FastAPI
from rich.console import Console

from service.bench.bench import BenchSide, check_pace, choose_seed, parse_sides, run
from service.bench.load import Load
from service.errors import ServerRefused
from serving.engine import Engine
from serving.scripted import ScriptedEngine

Serve = Callable[[Engine], str]
ServeApp = Callable[[FastAPI], str]

URL, OTHER = "http://127.0.0.1:8000", "http://127.0.0.1:8001"
CONTENT = '{"choices": [{"delta": {"content": "a"}}]}'
USAGE = '{"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 4}}'
TIMES = {f"{name}_{p}_ms" for name in ("first_token", "between_tokens") for p in ("p50", "max")}


def bench(*sides: BenchSide, wants_json: bool = False, **options: Any) -> tuple[str, str]:
    """What stdout and stderr got."""
    out, err = StringIO(), StringIO()
    load = replace(Load("", (), num_requests=6, output_tokens=9), **options)
    consoles = Console(file=out, width=80), Console(file=err, width=80)
    run(sides, load, wants_json=wants_json, out=consoles[0], err=consoles[1])
    return out.getvalue(), err.getvalue()


def bench_json(*sides: BenchSide, **options: Any) -> dict[str, Any]:
    return json.loads(bench(*sides, wants_json=True, **options)[0])


def test_everything_that_the_server_lists_is_asked(serve: Serve, add_adapter: Callable[..., Path]):
    add_adapter("中医")
    result = bench_json(BenchSide(serve(ScriptedEngine())), seed=3)
    server = result["server"]
    assert result["load"]["seed"] == 3
    assert (result["baseline"], result["ratios"]) == (None, None)
    assert (server["num_done"], server["num_failed"], server["errors"]) == (6, 0, [])
    assert [row["target"] for row in server["models"]] == ["base", "中医"]
    assert {row["num_done"] for row in server["models"]} == {3}
    assert server["output_tokens"] == 6 * 7
    assert (server["mean_output_tokens"], server["mean_cached_tokens"]) == (7, 0)
    assert server["output_tokens_per_second"] == pytest.approx(42 / server["wall_seconds"])
    assert all(server[name] > 0 for name in TIMES)


def test_table_is_the_answer_and_progress_is_not(serve: Serve, add_adapter: Callable[..., Path]):
    add_adapter("tcm")
    url = serve(ScriptedEngine())
    out, err = bench(BenchSide(url))
    lines = [line.split() for line in out.splitlines()]
    assert ["requests", "done", "6", "of", "6"] in lines
    assert ["mean", "output", "tokens", "7.0"] in lines
    assert [line[:4] for line in lines if line[:1] == ["tcm"]] == [["tcm", "3", "0", "21"]]
    assert "first token p95 ms" in out
    assert err == f"Measuring {url}: 6 requests, 8 at a time, seed 0\n"


def test_json_names_the_one_pace_that_was_kept(serve: Serve):
    side = BenchSide(serve(ScriptedEngine()))
    closed, opened = bench_json(side)["load"], bench_json(side, rate=1_000.0)["load"]
    assert (closed["concurrency"], closed["rate"]) == (8, None)
    assert (opened["concurrency"], opened["rate"]) == (None, 1_000.0)


def test_models_named_are_the_only_ones_asked(serve: Serve, add_adapter: Callable[..., Path]):
    add_adapter("tcm")
    engine = ScriptedEngine()
    bench(BenchSide(serve(engine), ("tcm:0.5",)))
    assert all(request.blend for request in engine.requests)


def test_baseline_gets_the_same_load_and_is_compared(
    serve: Serve, serve_app: ServeApp, fake_server: Any
):
    baseline = fake_server(CONTENT, CONTENT, USAGE, "[DONE]")
    sides = (
        BenchSide(serve(ScriptedEngine())),
        BenchSide(serve_app(baseline.build()), loras=((1,), ())),
    )
    result = bench_json(*sides, concurrency=1)
    rows = result["baseline"]["models"]
    assert [row["target"] for row in rows] == ["lora 1", "no adapter"]
    assert result["baseline"]["mean_prompt_tokens"] == 5
    assert result["ratios"]["mean_output_tokens"] == 7 / 4
    assert result["ratios"]["mean_cached_tokens"] is None
    ours, theirs = (result[name]["requests_per_second"] for name in ("server", "baseline"))
    assert result["ratios"]["requests_per_second"] == pytest.approx(ours / theirs)
    loras = [body["lora"][0] for body in baseline.asked(9)]
    assert loras == [{"id": 1, "scale": 1.0}, {"id": 0, "scale": 0.0}] * 3


def test_comparison_has_a_column_of_ratios(serve: Serve, serve_app: ServeApp, fake_server: Any):
    baseline = fake_server(CONTENT, USAGE, "[DONE]")
    out, _ = bench(BenchSide(serve(ScriptedEngine())), BenchSide(serve_app(baseline.build())))
    assert ["mean", "output", "tokens", "7.0", "4.0", "1.75"] in [
        line.split() for line in out.splitlines()
    ]
    assert max(map(len, out.splitlines())) <= 80


def test_baseline_that_is_not_there_costs_no_measurement(serve: Serve):
    engine = ScriptedEngine()
    with pytest.raises(ServerRefused, match=r"http://127\.0\.0\.1:1 does not answer"):
        bench(BenchSide(serve(engine)), BenchSide("http://127.0.0.1:1"))
    assert engine.requests == []


def test_tokens_that_the_server_does_not_count_are_said_to_be_chunks(
    serve_app: ServeApp, fake_server: Any
):
    url = serve_app(fake_server(CONTENT, "[DONE]").build())
    out, _ = bench(BenchSide(url))
    assert "chunks with content were counted instead" in out
    server = bench_json(BenchSide(url))["server"]
    assert not server["has_exact_counts"]
    assert (server["output_tokens"], server["mean_prompt_tokens"]) == (6, None)


def test_failures_stand_below_the_table(serve: Serve):
    out, _ = bench(BenchSide(serve(ScriptedEngine()), ("base", "[b]nobody[/b]")))
    assert "3 failed: HTTP 404: " in out
    assert out.count("[b]nobody[/b]") == 2


def test_result_is_printed_even_when_every_request_failed_and_then_it_is_an_error(
    serve_app: ServeApp, fake_server: Any
):
    url = serve_app(fake_server(status=503).build())
    out = StringIO()
    with pytest.raises(
        ServerRefused, match=f"Every request to {re.escape(url)} failed: HTTP 503: Not now."
    ):
        run([BenchSide(url)], Load("", (), num_requests=3), wants_json=True, out=Console(file=out))
    server = json.loads(out.getvalue())["server"]
    assert server["errors"] == [{"kind": "HTTP 503", "count": 3, "example": "Not now."}]
    assert (server["num_failed"], server["first_token_p95_ms"]) == (3, None)


def test_options_become_sides():
    assert parse_sides(URL) == [BenchSide(URL)]
    assert parse_sides(URL, "a, b:0.5+c:0.5", OTHER, "d") == [
        BenchSide(URL, ("a", "b:0.5+c:0.5")),
        BenchSide(OTHER, ("d",)),
    ]
    loras = ((0,), (12,), ())
    assert parse_sides(URL, None, OTHER, None, "0,12,none")[1] == BenchSide(OTHER, loras=loras)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"url": "127.0.0.1:8000"}, "--url"),
        ({"url": "http://"}, "--url"),
        ({"url": "http://a:b"}, "--url"),
        ({"models": "a,,b"}, "--models"),
        ({"models": ""}, "--models"),
        ({"baseline": "ftp://a"}, "--baseline"),
        ({"baseline_models": "a"}, "--baseline"),
        ({"baseline_lora_ids": "0"}, "--baseline"),
        ({"baseline": OTHER, "baseline_lora_ids": "0,-1"}, "--baseline-lora-ids"),
        ({"baseline": OTHER, "baseline_lora_ids": "tcm"}, "--baseline-lora-ids"),
        ({"baseline": OTHER, "baseline_models": "a", "baseline_lora_ids": "0"}, "not both"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_by_name(options: dict[str, str], hint: str):
    with pytest.raises(typer.BadParameter) as caught:
        parse_sides(**{"url": URL} | options)
    assert hint in caught.value.format_message()


@pytest.mark.parametrize(
    ("concurrency", "rate"), [(None, 0.0), (None, -1.0), (None, float("nan")), (8, 1.0)]
)
def test_pace_that_cannot_be_meant_is_refused(concurrency: int | None, rate: float):
    with pytest.raises(typer.BadParameter, match=r"rate|above 0"):
        check_pace(concurrency, rate)


def test_seeds_of_two_runs_differ():
    assert len({choose_seed() for _ in range(10)}) > 1
