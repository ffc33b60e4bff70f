"""From the shipped samples to answers over HTTP, on the real default base."""

import os
import re
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from openai import OpenAI

from data.chat import ChatRenderer
from data.conversation import Message
from finetune.adapter import version_folder
from finetune.base import Base, find_base, load_model
from finetune.config import TrainConfig
from finetune.job import Job
from finetune.peft_model import load_adapter
from finetune.train import StepMetrics
from service.server import ServeOptions, serving_in_background

ROOT = Path(__file__).parent.parent
SAMPLES = {
    "tcm": ROOT / "data" / "samples" / "tcm_consultation.txt",
    "bike": ROOT / "data" / "samples" / "bike_workshop.txt",
}
QUESTION = "My brakes squeal in the rain. What should I do?"
NUM_TOKENS = 24
# Two float32 implementations of this base differ by less than 1e-3 in a logit; where the two
# best are closer than that, either may win.
MARGIN = 5e-3


class Silent:
    def on_stage(self, text: str) -> None: ...

    def on_step(self, metrics: StepMetrics) -> None: ...

    def should_stop(self) -> bool:
        return False


@dataclass(frozen=True)
class Served:
    home: Path
    base: Base
    client: OpenAI

    def ask(self, model: str) -> str:
        answer = self.client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": QUESTION}],
            temperature=0,
            max_tokens=NUM_TOKENS,
        )
        return answer.choices[0].message.content or ""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """Two briefly trained adapters on the default base, served."""
    home = tmp_path_factory.mktemp("home")
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    for name, path in SAMPLES.items():
        values = {"data": path, "name": name, "max_training_tokens": 1200, "report_samples": 0}
        result = Job(TrainConfig.model_validate(values), home, Silent()).execute()
        assert result.adapter_loss < result.base_loss
    with serving_in_background(
        ServeOptions("smollm2-135m", home, "fp32", is_compiled=False)
    ) as url:
        client = OpenAI(base_url=f"{url}/v1", api_key="none-needed", max_retries=0)
        yield Served(home, find_base("smollm2-135m", home), client)
        client.close()
    torch.set_num_threads(threads)


def peft_reference(served: Served, weights: dict[str, float]) -> tuple[str, int]:
    """PEFT's greedy answer up to the first close call, and how many tokens that is."""
    model = load_model(served.base, "fp32", "cpu")
    if weights:
        folders = {name: version_folder(served.home / "adapters", name, "1") for name in weights}
        (first, folder), *rest = folders.items()
        model = load_adapter(model, folder)
        for name, other in rest:
            model.load_adapter(str(other), adapter_name=name)
        names = ["default", *(name for name, _ in rest)]
        scales = [weights[first], *(weights[name] for name, _ in rest)]
        model.add_weighted_adapter(names, scales, "blend", combination_type="cat")
        model.set_adapter("blend")
    renderer = ChatRenderer(served.base.tokenizer)
    prompt = list(renderer.prompt_ids([Message("user", QUESTION)]))
    ids = list(prompt)
    with torch.no_grad():
        while len(ids) < len(prompt) + NUM_TOKENS:
            best = model(torch.tensor([ids]), logits_to_keep=1).logits[0, -1].topk(2)
            if best.values[0] - best.values[1] < MARGIN or int(best.indices[0]) in renderer.end_ids:
                break
            ids.append(int(best.indices[0]))
    answer: Any = served.base.tokenizer.decode(ids[len(prompt) :])
    return answer, len(ids) - len(prompt)


@pytest.mark.parametrize(
    ("model", "weights"),
    [
        ("smollm2-135m", {}),
        ("tcm", {"tcm": 1.0}),
        ("bike", {"bike": 1.0}),
        ("tcm:0.4+bike:0.6", {"tcm": 0.4, "bike": 0.6}),
    ],
)
def test_the_server_says_what_peft_says(model: str, weights: dict[str, float], served: Served):
    expected, num_tokens = peft_reference(served, weights)
    assert num_tokens >= 8
    assert served.ask(model).startswith(expected)


def test_the_models_differ_and_are_listed(served: Served):
    assert [model.id for model in served.client.models.list()] == ["smollm2-135m", "bike", "tcm"]
    answers = {served.ask(model) for model in ("smollm2-135m", "tcm", "bike")}
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
@pytest.mark.timeout(1500)
def test_the_demo_does_the_whole_job(tmp_path: Path):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-m", "service.demo", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "word for word like its original" in done.stdout
