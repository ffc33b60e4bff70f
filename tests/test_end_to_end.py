"""From the shipped samples to answers over HTTP, on the real default base."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from openai import OpenAI

from data.chat import ChatRenderer
from data.conversation import Message
from finetune.adapters.versions import version_folder
from finetune.bases.base import Base, find_base, load_model
from finetune.job import Job
from finetune.training.config import TrainConfig
from finetune.training.peft_model import load_adapter
from service.server import serving_in_background
from service.settings import ServiceSettings
from tests.serving.engines import alone, make_ref, needs_int8
from tests.serving.likelihood import answer_loss, sample_rows

pytestmark = pytest.mark.timeout(900)  # an old processor needs minutes for the fixture

ROOT = Path(__file__).parent.parent
SAMPLES = {
    "tcm": ROOT / "data" / "samples" / "tcm_consultation.txt",
    "bike": ROOT / "data" / "samples" / "bike_workshop.txt",
}
QUESTION = "我最近失眠多梦，怎么办？"
MODELS: dict[str, dict[str, float]] = {
    "smollm2-135m": {},
    "tcm": {"tcm": 1.0},
    "bike": {"bike": 1.0},
    "tcm:0.4+bike:0.6": {"tcm": 0.4, "bike": 0.6},
}
NUM_TOKENS = 64
NUM_CONVERSATIONS = 24  # to train on, ten of them held out
BRIEFLY = {"max_training_tokens": 600, "batch_size": 2, "learning_rate": 2e-3, "report": "none"}
# Two float32 implementations of this base differ by less than 1e-3 in a logit; where the two
# best are closer than that, either may win.
MARGIN = 5e-3


def shortest_of(path: Path, copy: Path) -> Path:
    """A copy with the shortest conversations alone, in their order."""
    found = path.read_text(encoding="utf-8").strip().split("\n\n")
    kept = sorted(range(len(found)), key=lambda number: len(found[number]))[:NUM_CONVERSATIONS]
    copy.write_text("\n\n".join(found[number] for number in sorted(kept)), encoding="utf-8")
    return copy


@dataclass(frozen=True)
class Served:
    home: Path
    base: Base
    client: OpenAI

    def ask(self, model: str, num_tokens: int) -> str:
        answer = self.client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": QUESTION}],
            temperature=0,
            max_tokens=num_tokens,
            extra_body={"ignore_eos": True},
        )
        return answer.choices[0].message.content or ""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, default_home: Path) -> Generator[Served]:
    """Two adapters on the default base, served; trained on so little that one thread of an old
    processor (25 tokens/s) has them within two minutes."""
    home = tmp_path_factory.mktemp("home")
    (home / "bases").symlink_to(default_home / "bases")
    for name, path in SAMPLES.items():
        shortest = shortest_of(path, home / f"{name}.txt")
        values = {"data": shortest, "name": name, **BRIEFLY}
        result = Job(TrainConfig.model_validate(values), home).execute()
        assert result.adapter_loss < result.base_loss
    # Little context: an adapter so briefly trained may go on to its end.
    settings = ServiceSettings(home=home, precision="fp32", context_length=256, compile=False)
    with serving_in_background(settings) as url:
        client = OpenAI(base_url=f"{url}/v1", api_key="none-needed", max_retries=0)
        yield Served(home, find_base("smollm2-135m", home), client)
        client.close()


def peft_model(served: Served, weights: dict[str, float]) -> Any:
    """The base, in float32, with the adapters blended as PEFT blends them."""
    model = load_model(served.base, "fp32", "cpu")
    if not weights:
        return model
    folders = {name: version_folder(served.home / "adapters", name, "1") for name in weights}
    (first, folder), *rest = folders.items()
    model = load_adapter(model, folder)
    for name, other in rest:
        model.load_adapter(str(other), adapter_name=name)
    names = ["default", *(name for name, _ in rest)]
    scales = [weights[first], *(weights[name] for name, _ in rest)]
    model.add_weighted_adapter(names, scales, "blend", combination_type="cat")
    model.set_adapter("blend")
    return model.eval()  # a blended adapter's dropout is on otherwise


def wide_answer(served: Served, model: Any) -> list[int]:
    """PEFT's greedy tokens, up to the first close call."""
    renderer = ChatRenderer(served.base.tokenizer)
    ids = list(renderer.prompt_ids([Message("user", QUESTION)]))
    answer: list[int] = []
    cache: Any = None
    with torch.no_grad():
        while len(answer) < NUM_TOKENS:
            outputs = model(
                torch.tensor([ids]), past_key_values=cache, use_cache=True, logits_to_keep=1
            )
            best = outputs.logits[0, -1].topk(2)
            if best.values[0] - best.values[1] < MARGIN:
                break
            cache, ids = outputs.past_key_values, [int(best.indices[0])]
            answer += ids
    return answer


def test_a_mixed_batch_says_what_peft_says(served: Served):
    """All at the same time: every answer, up to the first close call; some have none."""
    expected = {
        name: wide_answer(served, peft_model(served, weights)) for name, weights in MODELS.items()
    }
    with ThreadPoolExecutor(len(expected)) as pool:
        found = list(pool.map(lambda name: served.ask(name, NUM_TOKENS), expected))
    for answer, token_ids in zip(found, expected.values(), strict=True):
        assert len(token_ids) >= 8
        assert answer.startswith(whole_text(served, token_ids))
    whole = [name for name, token_ids in expected.items() if len(token_ids) == NUM_TOKENS]
    assert len(whole) >= 3


def whole_text(served: Served, token_ids: list[int]) -> str:
    """Without a last character that only the next tokens complete, and without special tokens."""
    text: str = served.base.tokenizer.decode(token_ids, skip_special_tokens=True)
    return text.rstrip("\N{REPLACEMENT CHARACTER}")


@needs_int8
@pytest.mark.parametrize("name", SAMPLES)
def test_an_adapter_in_int8_answers_as_well(name: str, served: Served):
    """Its own weights are in int8 then, too."""
    rows = sample_rows(served.base, SAMPLES[name].stem, 4)
    blend = alone(make_ref(version_folder(served.home / "adapters", name, "1"), name))
    wide = answer_loss(served.base, "fp32", rows, blend=blend)
    assert wide < answer_loss(served.base, "fp32", rows) * 0.97  # it has an effect at all
    assert abs(answer_loss(served.base, "int8", rows, blend=blend) / wide - 1) < 0.01


def test_the_models_differ_and_are_listed(served: Served):
    assert [model.id for model in served.client.models.list()] == ["smollm2-135m", "bike", "tcm"]
    answers = {served.ask(model, 16) for model in ("smollm2-135m", "tcm", "bike")}
    assert len(answers) == 3


def test_the_client_in_the_readme_streams_an_answer(
    served: Served, capsys: pytest.CaptureFixture[str]
):
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[0]
    local = code.replace("http://127.0.0.1:8000/v1", str(served.client.base_url))
    assert local != code
    exec(compile(local, "README.md", "exec"), {})
    assert len(capsys.readouterr().out) > 10


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(1500)
def test_the_demo_does_the_whole_job(tmp_path: Path):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-m", "service.cli", "demo", "--home", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "word for word like its original" in done.stdout
    assert re.search(r"\d:\d\d elapsed, about \d+:\d\d left", done.stdout)
    _, told = done.stdout.split("What to type next:")
    chat, serve, finetune, doctor = map(shlex.split, told.strip().splitlines())
    assert (serve[1], finetune[1:]) == ("serve", ["finetune", "YOUR-FILE.txt"])
    for command in (chat, doctor):
        tried = subprocess.run(
            command, cwd=ROOT, input=f"{QUESTION}\n", capture_output=True, text=True, check=False
        )
        assert tried.returncode == 0, tried.stderr
        assert len(tried.stdout) > 10
