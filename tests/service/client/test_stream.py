import json

import pytest

from service.client.stream import EventParser, Reading, StreamBroken, error_message

SEPARATORS = "\u2028\u2029\x85"  # which JSON may hold as they are


def content(text: str, **fields: object) -> str:
    chunk = {"choices": [{"delta": {"content": text}, **fields}]}
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"


def read(*received: str | bytes) -> Reading:
    """Read a whole stream, one second between its pieces."""
    reading = Reading()
    for second, piece in enumerate(received):
        reading.take(piece.encode() if isinstance(piece, str) else piece, float(second))
    reading.end(float(len(received)))
    return reading


def broken(*received: str) -> StreamBroken:
    with pytest.raises(StreamBroken) as caught:
        read(*received)
    return caught.value


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
def test_events_are_the_same_wherever_the_network_cuts(end: str, size: int):
    lines = (": ping", "data: 早", "data:two", "", "event: x", "data", "", "", "data: last", "")
    sent = "".join(line + end for line in lines).encode()
    parser = EventParser()
    events = [
        event
        for start in range(0, len(sent), size)
        for event in parser.feed(sent[start : start + size])
    ]
    assert events == ["早\ntwo", "last"]
    assert parser.end() == []


def test_last_event_counts_even_without_its_empty_line():
    parser = EventParser()
    assert parser.feed(b"data: [DONE]") == []
    assert parser.end() == ["[DONE]"]


def test_separators_that_json_may_hold_do_not_cut_an_event():
    (event,) = EventParser().feed(content(SEPARATORS).encode())
    assert json.loads(event)["choices"][0]["delta"]["content"] == SEPARATORS


def test_only_chunks_with_content_are_tokens():
    role = 'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}\n\n'
    thought = 'data: {"choices": [{"delta": {"reasoning_content": "Hm."}}]}\n\n'
    reading = read(role, thought, content("a"), content("", finish_reason="stop"))
    assert reading.token_times == [1.0, 2.0]


def test_counts_come_with_the_usage_and_without_details_nothing_is_known_to_be_cached():
    usage = '"usage": {"prompt_tokens": 7, "completion_tokens": 3%s}'
    details = ', "prompt_tokens_details": {"cached_tokens": 2}'
    counts = read("data: {" + usage % details + "}\n\n", "data: [DONE]\n\n").counts
    assert counts is not None
    assert (counts.prompt_tokens, counts.completion_tokens, counts.cached_tokens) == (7, 3, 2)
    counts = read("data: {" + usage % "" + "}\n\n", "data: [DONE]\n\n").counts
    assert counts is not None
    assert counts.cached_tokens is None
    assert read(content("a"), "data: [DONE]\n\n").counts is None


@pytest.mark.parametrize(
    ("event", "kind", "message"),
    [
        ('data: {"error": {"message": "No\\nroom.", "type": "full"}}', "full", "No room."),
        ('error: {"error": {"message": "No room.", "code": 500}}', "error", "No room."),
        ('data: {"error": "No room."}', "error", "No room."),
    ],
)
def test_error_in_the_stream_breaks_it(event: str, kind: str, message: str):
    error = broken(content("a"), f"{event}\n\n")
    assert (error.kind, str(error)) == (f"in the stream: {kind}", message)


@pytest.mark.parametrize("event", ["nonsense", "[]", '{"choices": 3}'])
def test_event_that_is_no_chunk_breaks_the_stream(event: str):
    error = broken(f"data: {event}\n\n")
    assert error.kind == "unreadable"
    assert event in str(error)


def test_stream_that_just_ends_is_cut_off():
    assert broken(content("a")).kind == "cut off"
    assert broken('{"choices": [{"message": {"content": "no stream"}}]}').kind == "cut off"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"error": {"message": "There is no model."}}', "There is no model."),
        ('{"error": "Busy."}', "Busy."),
        ('{"detail": "Not Found"}', '{"detail": "Not Found"}'),
        ("<html>\n<body>", "<html> <body>"),
        ("", ""),
    ],
)
def test_error_message_is_openais_or_the_body(body: str, message: str):
    assert error_message(body) == message
    assert len(error_message("x" * 10_000)) < 1_000
