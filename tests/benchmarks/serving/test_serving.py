"""From given measurements to what is passed, what is not, and a page that says so."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bar import Bar
from benchmarks.journal import Journal, Key, Mix, Record
from benchmarks.provenance import Provenance, shown_command
from benchmarks.serving.bars import bars
from benchmarks.serving.llamacpp.plans import PART
from benchmarks.serving.ours import COLD, WARM
from benchmarks.serving.report import render, write_report
from benchmarks.summary import Summary
from service.bench.figures import Figures

RATE = "output_tokens_per_second"
FIRST = "first_token_p95_ms"
LLAMA_8, LLAMA_4 = "llama-server Q8_0", "llama-server Q4_0"
PROVENANCE = Provenance(
    day=date(2025, 1, 2),
    command="python -m benchmarks.serving --llama-bin DIR",
    machine={
        "cpu": "Some CPU",
        "num_cores": 2,
        "features": ("avx2",),
        "memory_bytes": 8 << 30,
        "gpu": None,
        "gpu_memory_bytes": 0,
        "system": "Linux x86_64",
    },
    versions={"lora-chat": "0.1.0", "torch": "2.13.0"},
)


def record(
    server: str,
    mix: Mix,
    streams: int,
    figures: Figures,
    *,
    number: int = 0,
    setting: str = "",
    error: str | None = None,
    part: str = "ours",
) -> Record:
    key = Key(part=part, server=server, setting=setting, mix=mix, streams=streams)
    details: dict[str, Any] = {"num_done": 24, "num_failed": 1}
    return Record(key=key, round=number, figures=figures, details=details, error=error)


def rate(server: str, mix: Mix, streams: int, value: float, **options: Any) -> Record:
    return record(server, mix, streams, {RATE: value}, **options)


def bar(records: list[Record], *words: str) -> Bar:
    """The one bar whose name holds all the words."""
    (found,) = [b for b in bars(Summary(records)) if all(word in b.name for word in words)]
    return found


def test_nothing_measured_passes_nothing_and_fails_nothing():
    assert {each.is_passed for each in bars(Summary([]))} == {None}


@pytest.mark.parametrize(("ours", "is_passed"), [(300.0, True), (299.0, False)])
def test_the_better_quantization_is_what_counts(ours: float, is_passed: bool):
    records = [
        rate("lora-chat", "eight", 16, ours),
        rate(LLAMA_4, "eight", 16, 100.0, setting="no prompt cache"),
        rate(LLAMA_4, "eight", 16, 60.0, setting="prompt cache"),
        rate(LLAMA_8, "eight", 16, 90.0),
        rate(LLAMA_8, "one", 16, 999.0),
    ]
    found = bar(records, "16 streams", "llama-server's better")
    assert (found.value, found.is_passed) == (ours / 100, is_passed)


def test_medians_are_compared():
    records = [
        *(rate("lora-chat", "eight", 8, v, number=n) for n, v in enumerate((200.0, 400.0, 900.0))),
        *(rate("vLLM", "eight", 8, v, number=n) for n, v in enumerate((50.0, 100.0, 110.0))),
    ]
    found = bar(records, "8 streams, eight", "vLLM")
    assert (found.value, found.is_passed) == (4.0, True)


def test_the_time_to_the_first_token_counts_in_its_worst_round():
    records = [
        record("lora-chat", "eight", 8, {FIRST: value}, number=number)
        for number, value in enumerate((700.0, 1600.0))
    ]
    found = bar(records, "8 streams", "p95 to the first token")
    assert (found.value, found.is_passed) == (1.6, False)


def test_the_share_of_a_rivals_first_token_is_taken_round_by_round():
    records = [
        record("lora-chat", "eight", 8, {FIRST: 500.0}, number=0),
        record("lora-chat", "eight", 8, {FIRST: 600.0}, number=1),
        record(LLAMA_4, "eight", 8, {FIRST: 5000.0}, number=0),
        record(LLAMA_8, "eight", 8, {FIRST: 9000.0}, number=0),
        record(LLAMA_8, "eight", 8, {FIRST: 8000.0}, number=1),
    ]
    found = bar(records, "8 streams", "best of the round")
    assert (found.value, found.is_passed) == (0.1, True)


def test_adapters_are_compared_with_one_and_with_none():
    records = [
        rate("lora-chat", "eight", 8, 66.0),
        rate("lora-chat", "one", 8, 75.0),
        rate("lora-chat", "none", 8, 100.0),
    ]
    assert bar(records, "8 streams, eight", "without any").is_passed is True
    assert bar(records, "8 streams, eight", "one for all").is_passed is False


def test_the_first_request_counts_with_and_without_compiled_code():
    records = [
        record("lora-chat", "first", 1, {"whole_s": 2.5}, setting=COLD),
        record("lora-chat", "first", 1, {"whole_s": 0.5}, setting=WARM),
    ]
    assert bar(records, COLD).is_passed is False
    assert bar(records, WARM).is_passed is True


def test_a_thousand_registered_are_compared_with_five():
    records = [
        rate("lora-chat", "power law", 16, 100.0, setting="5 registered"),
        rate("lora-chat", "power law", 16, 85.0, setting="1000 registered"),
        rate("lora-chat", "power law", 16, 95.0, setting="1000 registered, 320 requests before"),
    ]
    found = {each.name: each.is_passed for each in bars(Summary(records)) if "1000" in each.name}
    assert list(found.values()) == [False, True]


def test_failures_count_for_nothing_and_later_measurements_for_earlier_ones():
    records = [
        rate("lora-chat", "one", 8, 100.0),
        rate("lora-chat", "one", 8, 110.0),
        rate(LLAMA_8, "one", 8, 999.0, error="It ended"),
        rate(LLAMA_8, "one", 8, 100.0),
    ]
    assert bar(records, "8 streams, one adapter", "llama-server").value == pytest.approx(1.1)


def test_the_page_shows_medians_with_their_spread_and_every_verdict():
    records = [
        *(rate("lora-chat", "eight", 16, v, number=n) for n, v in enumerate((290.0, 310.0, 305.0))),
        rate(LLAMA_8, "eight", 16, 150.0, setting="prompt cache"),
    ]
    page = render(Summary(records), PROVENANCE)
    assert page.startswith("# Serving, 2025-01-02\n")
    assert "Some CPU, 2 cores (avx2), 8 GiB of memory, Linux x86_64" in page
    assert "| lora-chat | eight, each in its turn | 16 | 305.0 (290.0–310.0) |" in page
    assert "| llama-server Q8_0, prompt cache | eight, each in its turn | 16 | 150.0 |" in page
    assert "better quantization | ≥ 3× | 2.03× | **fail** |" in page
    assert "not measured |" in page
    assert "What failed" not in page


def test_the_result_is_written_beside_its_measurements(tmp_path: Path):
    journal = Journal(tmp_path / "results" / "today.jsonl")
    journal.add(rate("lora-chat", "eight", 16, 300.0))
    journal.add(rate("vLLM", "eight", 16, 0.0, error="It ended with code 1; …/vllm.log:\nno"))
    page = write_report(journal, PROVENANCE)
    assert (page.name, page.with_suffix(".json").is_file()) == ("today.md", True)
    assert "- round 1, vLLM, eight, 16 streams: It ended with code 1" in page.read_text("utf-8")


def test_the_command_is_shown_without_this_machines_places():
    given = ["--llama-bin", "/opt/llama", "--home=/data/home", "--repeats", "2"]
    shown = "python -m benchmarks.serving --llama-bin DIR --home=DIR --repeats 2"
    assert shown_command("serving", given) == shown


def test_the_llama_cpp_engine_is_compared_with_llama_server_at_the_same_quantization():
    ours, theirs = "llama.cpp in lora-chat Q4_0", LLAMA_4
    records = [
        rate(ours, "one", 1, 96.0, part=PART),
        rate(theirs, "one", 1, 100.0, part=PART),
        rate(theirs, "one", 1, 60.0, setting="prompt cache, one thread", part=PART),
        rate(LLAMA_8, "one", 1, 10.0, part=PART),
        rate(ours, "two", 1, 90.0, part=PART),
        rate(theirs, "two", 1, 60.0, part=PART),
        rate(theirs, "two", 1, 100.0, setting="prompt cache, one thread", part=PART),
    ]
    assert bar(records, "Q4_0", "one client, one adapter").is_passed is True
    assert bar(records, "Q4_0", "one client, two adapters", "tokens/s").is_passed is False
    assert bar(records, "Q8_0", "one client, one adapter").value is None


def test_a_switch_is_what_the_first_token_takes_longer():
    server = "llama.cpp in lora-chat Q8_0"
    times: dict[Mix, tuple[float, ...]] = {
        "one": (100.0, 110.0, 300.0),
        "two": (125.0, 129.0, 131.0),
    }
    records = [
        record(server, mix, 1, {FIRST: value}, number=number, part=PART)
        for mix, values in times.items()
        for number, value in enumerate(values)
    ]
    found = bar(records, "Q8_0", "beyond that with one adapter")
    assert (found.value, found.is_passed) == (19.0, True)


def test_eight_clients_are_compared_worst_with_best():
    records = [
        *(
            record("llama.cpp in lora-chat Q4_0", "eight", 8, {FIRST: v}, number=n, part=PART)
            for n, v in enumerate((900.0, 1000.0))
        ),
        *(
            record(LLAMA_4, "eight", 8, {FIRST: v}, number=n, part=PART)
            for n, v in enumerate((5000.0, 4900.0))
        ),
    ]
    found = bar(records, "llama.cpp Q4_0", "eight clients")
    assert found.value == pytest.approx(1000 / 4900)
    assert found.is_passed is False
