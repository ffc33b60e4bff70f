"""The pages on the API tell the truth: every curl runs, and answers what stands below it."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import update

from finetune.adapters.card import BEST_STEP
from finetune.adapters.files import REPORT_FILE
from service.app import build_app
from service.feedback.answers import Answers
from service.feedback.feedback import Feedback
from service.feedback.item import Opinion
from service.feedback.stored_answer import StoredAnswer
from service.files.files import Files
from service.jobs.desk import Desk
from service.jobs.events import Events, News
from service.jobs.job import NewJob, Status
from service.jobs.jobs import Jobs
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import State
from service.state.tables import FEEDBACK, FILES
from serving.engine import Engine
from serving.scripted import ScriptedEngine

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGES = ("api.md", "fine-tuning-api.md", "feedback.md", "improving.md")
TEXTS = {page: (DOCS / page).read_text(encoding="utf-8") for page in PAGES}
BLOCK = re.compile(
    r"```bash\n(?P<command>.*?)```(?:\s*```(?P<kind>json|text)\n(?P<answer>.*?)```)?", re.DOTALL
)
EXAMPLE = "http://127.0.0.1:8000"
EVENT = "data: "
SUCCEEDED, RUNNING = "ftjob-5f0c1d2e3a4b", "ftjob-6a7b8c9d0e1f"
COMPLETION_ID, FEEDBACK_ID = "chatcmpl-019ace6d7a1b4c0e5f3a9b2d", "fb-5f0c1d2e3a4b"
FILE_ID = "file-019ace6d7a1b4c0e5f3a9b2d"
WRITES_TOOLS = (
    "{% for tool in tools or [] %}{{ tool | tojson }}{% endfor %}"
    "{% for message in messages %}<|im_start|>{{ message.content }}<|im_end|>{% endfor %}"
)
CALL = '[{"name": "free_hours", "arguments": {"day": "周二"}}]'


def examples() -> Iterator[Any]:
    for page, text in TEXTS.items():
        for match in BLOCK.finditer(text):
            line = text[: match.start()].count("\n") + 2
            yield pytest.param(match, id=f"{page}:{line}")


@pytest.fixture
def held(tmp_path: Path) -> Generator[Desk]:
    """The desk of a home whose running job is worked on here, until no server is there any more
    that would really train it."""
    desk = Desk(tmp_path)
    with desk.working_on(RUNNING):
        yield desk


@pytest.fixture
def url(
    held: Desk,
    serve_app: Callable[..., str],
    models_here: Models,
    own_state: State,
    add_adapter: Callable[..., Path],
    adapters: Path,
    tmp_path: Path,
) -> str:
    add_adapter("tcm")
    add_adapter("tcm", "2", metrics={BEST_STEP: 24})
    (adapters / "tcm" / "2" / REPORT_FILE).write_text("<!doctype html>")
    shutil.copytree(add_adapter("style"), tmp_path, dirs_exist_ok=True)  # to be uploaded
    add_adapter("desk", template=WRITES_TOOLS)
    add_file(own_state, tmp_path)
    add_jobs(own_state, held)
    add_answer(own_state, held.place)
    engine = ScriptedEngine({("desk",): CALL}, default="多休息。", servers=("http://gpu-1:8001",))
    settings = ServiceSettings(home=tmp_path, store_answers="asked")
    return serve_app(build_app(engine, models_here, settings, state=own_state))


def add_file(state: State, home: Path) -> None:
    """The one that the page asks for by its id."""
    files = Files(state, home, Desk(home).place)
    kept = files.keep("", "clinic.txt", "fine-tune", "问：失眠怎么办？\n答：早睡。\n".encode())
    files.path(kept).parent.rename(files.path(kept).parent.with_name(FILE_ID))
    known = {"id": FILE_ID, "num_conversations": 1}
    with state.begin() as connection:
        connection.execute(update(FILES).values(known))


def add_jobs(state: State, desk: Desk) -> None:
    """Those that the page asks for by their ids."""
    jobs = Jobs(state)

    def add(job_id: str, status: Status, **values: Any) -> None:
        new = NewJob(
            id=job_id,
            key_id="",
            place=desk.place,
            model="base",
            name="tcm",
            training_file=FILE_ID,
            run=f"runs/{job_id}",
            options={},
            seed=7,
            metadata={"clinic": "north"},
        )
        jobs.add(new, status=status, **values)

    add(SUCCEEDED, "succeeded", fine_tuned_model="tcm@2", trained_tokens=4711)
    add(RUNNING, "running", step=12)
    add("ftjob-7b8c9d0e1f2a", "paused")
    measured = {"step": 24, "total_steps": 24, "train_loss": 0.15, "full_valid_loss": 0.27}
    Events(state).tell(
        SUCCEEDED,
        News("created", f"Created fine-tuning job: {SUCCEEDED}"),
        News("step-24", "Step 24/24: training loss=0.15, full validation loss=0.27", measured),
    )


def add_answer(state: State, place: str) -> None:
    """The one that the page asks for by its id, and what is said of it."""
    message = {"role": "assistant", "content": "早睡。"}
    sampling = {"seed": None, "temperature": 0.7, "top_p": 1.0}
    answer = StoredAnswer(
        id=COMPLETION_ID,
        key_id="",
        place=place,
        created=int(time.time()),
        model="tcm",
        pinned="tcm@1:1",
        base="base",
        template="",
        user="patient-17",
        messages=[{"role": "user", "content": "失眠怎么办？"}],
        asked={},
        sampling=sampling | {"presence_penalty": 0.0, "frequency_penalty": 0.0},
        choices=[{"index": 0, "message": message, "finish_reason": "stop"}],
        metadata={"desk": "north"},
    )
    Answers(state).add(answer)
    Feedback(state).give(answer, 0, Opinion(rating=-1))
    with state.begin() as connection:
        connection.execute(update(FEEDBACK).values(id=FEEDBACK_ID))


@pytest.mark.parametrize("example", list(examples()))
def test_a_curl_of_the_documentation_answers_as_it_says(
    example: re.Match[str], url: str, tmp_path: Path
):
    strictness = "" if '"error"' in (example["answer"] or "") else "--fail-with-body"
    curl = f"curl -sS -N {strictness} "
    command = example["command"].replace(EXAMPLE, url).replace("curl ", curl)
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"LORA_CHAT_KEY": "none-needed"},
    )
    assert done.returncode == 0, done.stderr + done.stdout
    if example["kind"] == "json":
        assert_resembles(json.loads(done.stdout), json.loads(example["answer"]))
    elif example["kind"] == "text":
        for line in example["answer"].splitlines():
            assert_has_line(done.stdout.splitlines(), line)


def test_every_endpoint_has_a_curl(build: Callable[[Engine], FastAPI]):
    found = [match for text in TEXTS.values() for match in BLOCK.finditer(text)]
    asked = [_asked(example["command"]) for example in found]
    for path, methods in build(ScriptedEngine()).openapi()["paths"].items():
        pattern = re.sub(r"\{[^}]*\}", "[^/]+", path)
        for method in methods:
            assert any(verb == method and re.fullmatch(pattern, at) for verb, at in asked), (
                f"no page has a curl for {method} {path}"
            )


def _asked(command: str) -> tuple[str, str]:
    """The method and the path of a curl."""
    named = re.search(r"-X (\w+)", command)
    method = named[1].lower() if named else "post" if re.search(r" -[dF] ", command) else "get"
    return method, re.split(r"[\s?']", command.partition(EXAMPLE)[2])[0]


def assert_resembles(answer: Any, documented: Any) -> None:
    """Everything documented is there and of that type; numbers and texts may differ."""
    match documented:
        case dict():
            assert isinstance(answer, dict)
            for key, value in documented.items():
                assert key in answer, f"{key} is not in {answer}"
                assert_resembles(answer[key], value)
        case list():
            assert isinstance(answer, list)
            assert len(answer) >= len(documented)
            for one, other in zip(answer, documented, strict=False):
                assert_resembles(one, other)
        case int() | float() if not isinstance(documented, bool):
            assert isinstance(answer, int | float)
        case _:
            assert type(answer) is type(documented), f"{answer!r} is not like {documented!r}"


def assert_has_line(lines: list[str], documented: str) -> None:
    """An event like the documented one, or a line that begins with the same word."""
    if not documented.startswith(EVENT + "{"):
        assert any(line.split()[:1] == documented.split()[:1] for line in lines), documented
        return
    wanted = json.loads(documented.removeprefix(EVENT))
    events = [json.loads(line[len(EVENT) :]) for line in lines if line.startswith(EVENT + "{")]
    for event in events:
        try:
            assert_resembles(event, wanted)
        except AssertionError:
            continue
        return
    raise AssertionError(f"no event is like {documented}")
