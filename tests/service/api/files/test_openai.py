"""OpenAI's own client and its Files API."""

import asyncio
import io
import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import openai
import pytest
from fastapi import FastAPI
from openai import AsyncOpenAI, OpenAI
from openai.types import FileObject

LINE = json.dumps(
    {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
).encode()
LINES = LINE + b"\n" + LINE


@pytest.fixture
def url(serve_app: Callable[..., str], build_files: Callable[..., FastAPI]) -> str:
    return f"{serve_app(build_files())}/v1"


@pytest.fixture
def client(url: str) -> Generator[OpenAI]:
    with OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        yield client


def as_documented(file: FileObject) -> FileObject:
    """Fails where a field is not of the type that the client's own model has."""
    told = file.model_dump(exclude_unset=True, exclude={"num_conversations"})
    return FileObject.model_validate(told, strict=True)


def test_a_file_is_uploaded_listed_read_and_deleted(client: OpenAI, tmp_path: Path):
    path = tmp_path / "clinic.jsonl"
    path.write_bytes(LINE)
    with path.open("rb") as opened:
        file = client.files.create(
            file=opened,
            purpose="fine-tune",
            expires_after={"anchor": "created_at", "seconds": 7200},
        )
    as_documented(file)
    assert (file.filename, file.bytes, file.status) == ("clinic.jsonl", len(LINE), "processed")
    assert file.expires_at == file.created_at + 7200
    assert client.files.wait_for_processing(file.id) == client.files.retrieve(file.id) == file
    assert list(client.files.list()) == [file]
    assert client.files.content(file.id).read() == LINE
    deleted = client.files.delete(file.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (file.id, True, "file")
    with pytest.raises(openai.NotFoundError) as refused:
        client.files.retrieve(file.id)
    assert refused.value.code == "file_not_found"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (LINES, "upload.jsonl"),
        (("中医.jsonl", LINES), "中医.jsonl"),
        (io.BytesIO(LINES), "upload.jsonl"),
    ],
)
def test_a_file_may_come_without_a_name(client: OpenAI, given: Any, name: str):
    file = client.files.create(file=given, purpose="fine-tune")
    assert (file.filename, file.status) == (name, "processed")


def test_pages_follow_one_another(client: OpenAI):
    made = [client.files.create(file=("a.exe", b"x"), purpose="fine-tune").id for _ in range(3)]
    assert [file.id for file in client.files.list(limit=1)] == made[::-1]
    assert [file.id for file in client.files.list(limit=2, order="asc")] == made
    page = client.files.list(after=made[2], limit=1)
    assert ([file.id for file in page.data], page.has_more) == ([made[1]], True)


def test_a_file_with_faults_says_in_which_lines(client: OpenAI):
    file = client.files.create(file=("a.jsonl", LINE + b'\n{"x": 1}'), purpose="fine-tune")
    as_documented(file)
    assert file.status == "error"
    assert "\na.jsonl:2: row: the keys 'x'; expected" in (file.status_details or "")


@pytest.mark.parametrize("purpose", ["assistants", "batch", "vision", "user_data", "evals"])
def test_other_purposes_are_refused_by_name(client: OpenAI, purpose: Any):
    with pytest.raises(openai.BadRequestError, match=purpose) as refused:
        client.files.create(file=("a.jsonl", LINE), purpose=purpose)
    assert refused.value.param == "purpose"
    assert list(client.files.list()) == []


def test_the_client_that_waits_for_nobody_works_too(url: str):
    async def run() -> None:
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            file = await client.files.create(file=("a.jsonl", LINE), purpose="fine-tune")
            assert [each.id async for each in client.files.list()] == [file.id]
            assert (await client.files.content(file.id)).content == LINE

    asyncio.run(run())
