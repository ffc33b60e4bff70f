"""Hundreds of requests that nobody means well with: each refused, the server well after each."""

from collections.abc import Callable, Generator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from service.server import serving_in_background
from service.settings import ServiceSettings
from tests.hostile.bodies import bodies
from tests.hostile.fields import as_format, fields, patient_schemas
from tests.hostile.files import files
from tests.hostile.framing import framing
from tests.hostile.names import names
from tests.hostile.uploads import form, right_files, upload, uploads, with_template, zipped
from tests.hostile.wire import BASE, CHAT, QUESTION, Hostile, chat, send

MakeBase = Callable[..., Path]
MakeAdapter = Callable[..., Path]

CASES = [*names(), *bodies(), *fields(), *framing(), *uploads(), *files()]
EVERYDAY = 10  # one in so many runs every day
PARAMETERS = [
    pytest.param(case, id=case.name, marks=[pytest.mark.slow] if index % EVERYDAY else [])
    for index, case in enumerate(CASES)
]


@pytest.fixture(scope="module")
def url(
    tmp_path_factory: pytest.TempPathFactory, make_base: MakeBase, make_adapter: MakeAdapter
) -> Generator[str]:
    """The real engine on a tiny random base, with one adapter."""
    home = tmp_path_factory.mktemp("home")
    base = make_base("llama")
    make_adapter(base, home / "adapters" / "tcm")
    settings = ServiceSettings(
        base=str(base), home=home, compile=False, header_timeout=2, body_timeout=2
    )
    with serving_in_background(settings, is_private=False) as url:
        yield url


@pytest.fixture(scope="module")
def address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return str(parts.hostname), int(str(parts.port))


@pytest.fixture(scope="module")
def client(url: str) -> Generator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client


def test_there_are_three_hundred_and_no_two_are_alike():
    assert len(CASES) >= 300
    assert len({case.name for case in CASES}) == len(CASES)
    assert len({case.wire for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", PARAMETERS)
def test_hostile_request_is_refused_and_hurts_nobody(
    case: Hostile, address: tuple[str, int], client: httpx.Client
):
    answer = send(address, case.wire)
    if answer is None:
        assert not case.is_http, "the connection was closed without an answer"
    else:
        assert 400 <= answer.status < 500, answer
        assert answer.has_openais_error or not case.is_http, answer
        assert b"root:x:" not in answer.body
    assert_well(client)


def test_upload_that_nothing_is_wrong_with_is_taken(address: tuple[str, int]):
    for wire in (upload(zipped(right_files()), "/v1/adapters?name=right"), form(right_files())):
        answer = send(address, wire)
        assert answer is not None
        assert answer.status == 201, answer


@pytest.mark.parametrize(
    "template",
    [
        "{% for",
        "{{ 1 / 0 }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{% include '/etc/passwd' %}",
        "{{ range(10 ** 12) | list }}",
        "{{ raise_exception('no') }}",
    ],
)
def test_template_of_an_upload_reaches_nothing(
    address: tuple[str, int], client: httpx.Client, template: str
):
    taken = send(address, with_template(template, "climber"))
    assert taken is not None
    assert taken.status == 201 or (taken.status == 400 and taken.has_openais_error), taken
    if taken.status == 201:
        answer = send(address, chat(model="climber"))
        assert answer is not None
        assert answer.status == 400, answer
        assert answer.has_openais_error
    assert_well(client)


@pytest.mark.parametrize("kind", patient_schemas())
def test_schema_that_grows_without_end_keeps_nobody_waiting(client: httpx.Client, kind: str):
    body = {"model": BASE, "messages": QUESTION, "max_tokens": 8}
    schema = as_format(patient_schemas()[kind])
    answer = client.post(CHAT, json=body | {"response_format": schema}, timeout=10)
    assert answer.status_code in (200, 400), answer.text
    assert_well(client)


def assert_well(client: httpx.Client) -> None:
    assert client.get("/health").json()["running"] == 0
    body = {"model": "tcm", "messages": QUESTION, "max_tokens": 1, "ignore_eos": True}
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["usage"]["completion_tokens"] == 1
