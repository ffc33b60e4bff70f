"""A job is made as asked for, or refused by the field that is wrong."""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from openai import BadRequestError, NotFoundError, OpenAI, PermissionDeniedError, RateLimitError

from finetune.training.run import SERVED_FOLDER
from service.accounts.caller import ANYBODY, Limits
from service.api.fine_tuning.names import name_from
from service.jobs.desk import Desk
from service.jobs.job import JobError

Post = Callable[..., Any]
AUTO = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
NAN_BODY = '{"model": "base", "training_file": "file-1", "hyperparameters": %s}'

WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs", "from 1 to 50, not 0"),
    ({"hyperparameters": {"n_epochs": 51}}, "hyperparameters.n_epochs", "1 to 50"),
    ({"hyperparameters": {"n_epochs": 1.5}}, "hyperparameters.n_epochs", "1 to 50"),
    ({"hyperparameters": {"n_epochs": True}}, "hyperparameters.n_epochs", "1 to 50"),
    ({"hyperparameters": {"n_epochs": "3"}}, "hyperparameters.n_epochs", "1 to 50"),
    ({"hyperparameters": {"n_epochs": None}}, "hyperparameters.n_epochs", "1 to 50"),
    ({"hyperparameters": {"batch_size": 257}}, "hyperparameters.batch_size", "1 to 256"),
    ({"hyperparameters": {"batch_size": [1]}}, "hyperparameters.batch_size", "1 to 256"),
    (
        {"hyperparameters": {"learning_rate_multiplier": 0}},
        "hyperparameters.learning_rate_multiplier",
        "should be auto, or a number above 0, not 0",
    ),
    (
        {"hyperparameters": {"learning_rate_multiplier": 10**400}},
        "hyperparameters.learning_rate_multiplier",
        "above 0",
    ),
    ({"hyperparameters": {"learning_rate": 1}}, "hyperparameters.learning_rate", "not known"),
    ({"seed": -1}, "seed", "0 or more"),
    ({"seed": 2**31}, "seed", "2147483647 or less"),
    ({"seed": 1.0}, "seed", "should be"),
    ({"suffix": ""}, "suffix", "1 to 64 letters"),
    ({"suffix": "a" * 65}, "suffix", "1 to 64 letters"),
    ({"suffix": "../tcm"}, "suffix", "1 to 64 letters"),
    ({"suffix": "tcm:1"}, "suffix", "1 to 64 letters"),
    ({"suffix": "tcm\n"}, "suffix", "1 to 64 letters"),
    ({"suffix": "tcm\0"}, "suffix", "1 to 64 letters"),
    ({"suffix": "base"}, "suffix", "is the base model's name"),
    ({"suffix": "smollm2-135m"}, "suffix", "is the base model's name"),
    ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "16 items at most"),
    ({"metadata": {"a": "b" * 513}}, "metadata.a", "512"),
    ({"metadata": {"a": 1}}, "metadata.a", "should be a string"),
    ({"metadata": []}, "metadata", "JSON object"),
    ({"epochs": 3}, "epochs", "not known"),
    ({"training_file": None}, "training_file", "should be a string"),
    ({"promote": "yes"}, "promote", "should be"),
    ({"method": {}}, "method.type", "is missing"),
    ({"method": {"type": "sft"}}, "method.type", "should be"),
    ({"method": {"type": "supervised", "more": 1}}, "method.more", "not known"),
]


def refusal(response: Any, status: int = 400) -> tuple[str | None, str | None, str]:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error["param"], error["code"], error["message"]


def test_a_job_has_every_field_of_openais(service: Any, openai: OpenAI):
    file_id = service.add_file()
    job = openai.fine_tuning.jobs.create(model="base", training_file=file_id)
    assert re.fullmatch("ftjob-[0-9a-f]{12}", job.id)
    expected = {
        "id": job.id,
        "object": "fine_tuning.job",
        "created_at": job.created_at,
        "error": None,
        "estimated_finish": None,
        "fine_tuned_model": None,
        "finished_at": None,
        "hyperparameters": AUTO,
        "integrations": [],
        "metadata": None,
        "method": {"type": "supervised", "supervised": {"hyperparameters": AUTO}},
        "model": "base",
        "organization_id": "org-lora-chat",
        "result_files": [],
        "seed": job.seed,
        "status": "validating_files",
        "trained_tokens": None,
        "training_file": file_id,
        "user_provided_suffix": None,
        "validation_file": None,
    }
    assert (
        job.to_dict(exclude_unset=False, exclude_none=False) | {"method": expected["method"]}
        == expected
    )
    assert 0 <= job.seed < 2**31


def test_what_is_asked_becomes_the_runs_options(service: Any, openai: OpenAI):
    training, validation = service.add_file(), service.add_file()
    job = openai.fine_tuning.jobs.create(
        model="base",
        training_file=training,
        validation_file=validation,
        suffix="中医",
        seed=7,
        metadata={"诊所": "甲"},
        integrations=[],
        method={
            "type": "supervised",
            "supervised": {"hyperparameters": {"n_epochs": 3, "learning_rate_multiplier": 0.5}},
        },
    )
    found = service.jobs.find(job.id)
    assert found.options == {
        "base": "smollm2-135m",
        "epochs": 3,
        "learning_rate_multiplier": 0.5,
        "method": "sft",
        "promote": False,
        "seed": 7,
    }
    assert (found.name, found.suffix, found.place, found.run) == (
        "中医",
        "中医",
        Desk(service.home).place,
        f"runs/{job.id}",
    )
    assert (job.validation_file, job.metadata, job.seed) == (validation, {"诊所": "甲"}, 7)
    assert job.hyperparameters.n_epochs == 3
    assert job.hyperparameters.batch_size == "auto"
    assert service.num_woken == 1


def test_resolved_numbers_are_told_once_they_are_known(service: Any, openai: OpenAI):
    job = openai.fine_tuning.jobs.create(
        model="base", training_file=service.add_file(), hyperparameters={"n_epochs": 2}
    )
    resolved = {"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 1.0}
    service.jobs.move(job.id, ["validating_files"], "running", hyperparameters=resolved)
    found = openai.fine_tuning.jobs.retrieve(job.id)
    assert found.hyperparameters.to_dict() == resolved
    assert found.method is not None
    assert found.method.supervised is not None
    assert found.method.supervised.hyperparameters is not None
    assert found.method.supervised.hyperparameters.to_dict() == resolved


def test_a_failed_job_says_why(service: Any, openai: OpenAI):
    job = openai.fine_tuning.jobs.create(model="base", training_file=service.add_file())
    error = JobError("invalid_n_examples", "Training file has 7 example(s)", "training_file")
    service.jobs.move(job.id, ["validating_files"], "failed", error=error)
    found = openai.fine_tuning.jobs.retrieve(job.id)
    assert found.error is not None
    assert (found.error.code, found.error.param) == ("invalid_n_examples", "training_file")
    assert found.finished_at is not None


def test_the_first_events_name_the_job_and_its_files(service: Any, openai: OpenAI):
    files = [service.add_file(), service.add_file()]
    job = openai.fine_tuning.jobs.create(
        model="base", training_file=files[0], validation_file=files[1]
    )
    told = [event.message for event in openai.fine_tuning.jobs.list_events(job.id)]
    assert told == [
        f"Validating training file: {files[0]} and validation file: {files[1]}",
        f"Created fine-tuning job: {job.id}",
    ]


def test_what_cannot_be_is_refused_by_its_field(service: Any, post: Post):
    service.add_file()
    for fields, param, told in WRONG:
        where, _, message = refusal(post(**fields))
        assert (where, told in message) == (param, True), (fields, where, message)
    assert service.jobs.newest() == []
    assert service.num_woken == 0


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"method": {"type": "reinforcement", "reinforcement": {}}}, "method.type"),
        ({"method": {"type": "supervised", "dpo": {"hyperparameters": {}}}}, "method.dpo"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "x"}}]}, "integrations"),
        ({"integrations": "wandb"}, "integrations"),
    ],
)
def test_what_is_not_built_is_refused_by_name(
    service: Any, post: Post, fields: dict[str, Any], param: str
):
    service.add_file()
    where, code, message = refusal(post(**fields))
    assert (where, code) == (param, "unsupported_parameter")
    assert "is supported here" in message


@pytest.mark.parametrize("kind", ["dpo", "kto"])
def test_a_job_may_learn_from_preferences(service: Any, client: TestClient, post: Post, kind: str):
    service.add_file()
    numbers = {"n_epochs": 2, "batch_size": "auto", "learning_rate_multiplier": 1.5, "beta": 0.2}
    job = post(method={"type": kind, kind: {"hyperparameters": numbers}}).json()
    assert job["method"] == {"type": kind, kind: {"hyperparameters": numbers}}
    assert job["hyperparameters"] is None
    options = service.jobs.find(job["id"]).options
    asked = {"method": kind, "beta": 0.2, "epochs": 2, "learning_rate_multiplier": 1.5}
    assert {key: options[key] for key in asked} == asked
    resolved = {"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 1.5, "beta": 0.2}
    service.jobs.move(job["id"], ["validating_files"], "running", hyperparameters=resolved)
    [found] = client.get("/v1/fine_tuning/jobs").json()["data"]
    assert found["method"][kind]["hyperparameters"] == resolved


def test_a_new_adapters_rank_can_be_chosen(service: Any, post: Post):
    service.add_file()
    assert service.jobs.find(post(rank=64).json()["id"]).options["rank"] == 64
    for wrong in (0, 513, "auto"):
        where, _, message = refusal(post(rank=wrong))
        assert (where, "rank" in message) == ("rank", True)


def test_the_sdk_reads_a_job_that_learns_from_preferences(service: Any, openai: OpenAI):
    job = openai.fine_tuning.jobs.create(
        model="base", training_file=service.add_file(), method={"type": "dpo"}
    )
    assert job.method is not None
    assert job.method.dpo is not None
    assert job.method.dpo.hyperparameters is not None
    assert job.method.dpo.hyperparameters.to_dict() == {**AUTO, "beta": "auto"}
    assert "beta" not in service.jobs.find(job.id).options


@pytest.mark.parametrize(
    ("fields", "param", "told"),
    [
        ({"beta": 0}, "method.dpo.hyperparameters.beta", "above 0 and up to 2, not 0"),
        ({"beta": 2.5}, "method.dpo.hyperparameters.beta", "up to 2"),
        ({"beta": True}, "method.dpo.hyperparameters.beta", "up to 2"),
        ({"beta": "high"}, "method.dpo.hyperparameters.beta", "should be auto"),
        ({"n_epochs": 0}, "method.dpo.hyperparameters.n_epochs", "from 1 to 50"),
    ],
)
def test_numbers_of_preferences_are_checked_too(
    service: Any, post: Post, fields: dict[str, Any], param: str, told: str
):
    service.add_file()
    method = {"type": "dpo", "dpo": {"hyperparameters": fields}}
    where, _, message = refusal(post(method=method))
    assert (where, told in message) == (param, True), message


def test_the_old_form_of_numbers_is_of_examples_alone(service: Any, post: Post):
    service.add_file()
    answer = post(method={"type": "dpo"}, hyperparameters={"n_epochs": 3})
    assert refusal(answer)[0] == "hyperparameters"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-0.0", "1e-999"])
def test_a_multiplier_that_is_no_number_above_zero_is_refused(
    service: Any, client: TestClient, number: str
):
    service.add_file()
    body = NAN_BODY % f'{{"learning_rate_multiplier": {number}}}'
    headers = {"Content-Type": "application/json"}
    refusal(client.post("/v1/fine_tuning/jobs", content=body, headers=headers))


def test_the_old_form_of_numbers_may_be_said_beside_the_new_one_if_it_is_the_same(
    service: Any, post: Post
):
    service.add_file()
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}}
    assert post(method=method, hyperparameters={"n_epochs": 3}).status_code == 200
    param, _, message = refusal(post(method=method, hyperparameters={"n_epochs": 4}))
    assert param == "hyperparameters"
    assert "method.supervised.hyperparameters" in message


def test_a_file_is_the_callers_own_and_meant_for_training(service: Any, openai: OpenAI):
    with pytest.raises(NotFoundError) as missing:
        openai.fine_tuning.jobs.create(model="base", training_file="file-\0")
    assert (missing.value.param, missing.value.code) == ("training_file", "file_not_found")
    training, result = service.add_file(), service.add_file(purpose="fine-tune-results")
    with pytest.raises(BadRequestError) as other:
        openai.fine_tuning.jobs.create(model="base", training_file=training, validation_file=result)
    assert other.value.param == "validation_file"
    assert "'fine-tune-results'" in other.value.message


@pytest.mark.parametrize("model", ["nobody", "tcm@9", "ft:base::tcm:123", "", "\0", "base@1"])
def test_an_unknown_model_is_not_found(
    service: Any, post: Post, add_adapter: Callable[..., Path], model: str
):
    add_adapter("tcm")
    service.add_file()
    param, code, _ = refusal(post(model=model), 404)
    assert (param, code) == ("model", "model_not_found")


@pytest.mark.parametrize("model", ["tcm:0.5", "tcm+style", "<lora:tcm:1>"])
def test_a_job_goes_on_from_one_adapter_alone(
    service: Any, post: Post, add_adapter: Callable[..., Path], model: str
):
    add_adapter("tcm")
    add_adapter("style")
    service.add_file()
    param, _, message = refusal(post(model=model))
    assert param == "model"
    assert model in message


@pytest.mark.parametrize(("model", "version"), [("tcm", "tcm@2"), ("tcm@1", "tcm@1")])
def test_training_goes_on_from_an_adapter_as_its_next_version(
    service: Any,
    openai: OpenAI,
    add_adapter: Callable[..., Path],
    model: str,
    version: str,
):
    add_adapter("tcm")
    add_adapter("tcm", "2")
    job = openai.fine_tuning.jobs.create(model=model, training_file=service.add_file())
    found = service.jobs.find(job.id)
    assert (found.model, found.name) == (version, "tcm")
    assert found.options["from_adapter"] == version


def test_training_goes_on_from_what_a_job_has_made_by_its_alias(
    service: Any, openai: OpenAI, add_adapter: Callable[..., Path]
):
    add_adapter("tcm", "4")
    jobs, file_id = openai.fine_tuning.jobs, service.add_file()
    made = jobs.create(model="base", training_file=file_id, suffix="tcm")
    alias = service.jobs.find(made.id).alias
    with pytest.raises(NotFoundError, match="has not made a model"):
        jobs.create(model=alias, training_file=file_id)
    service.jobs.move(made.id, ["validating_files"], "succeeded", fine_tuned_model="tcm@4")
    further = jobs.create(model=alias, training_file=file_id)
    assert service.jobs.find(further.id).options["from_adapter"] == "tcm@4"
    assert further.model == "tcm@4"


def test_a_checkpoint_of_a_job_that_goes_on_is_none_to_go_on_from(
    service: Any, post: Post, openai: OpenAI, add_adapter: Callable[..., Path], tmp_path: Path
):
    job_id = openai.fine_tuning.jobs.create(
        model="base", training_file=service.add_file(), suffix="tcm"
    ).id
    served = tmp_path / "runs" / job_id / SERVED_FOLDER
    served.mkdir(parents=True)
    add_adapter("making").rename(served / "step-2")
    service.jobs.move(job_id, ["validating_files"], "running")
    param, _, message = refusal(post(model=service.jobs.find(job_id).checkpoint(2)))
    assert param == "model"
    assert "one version of one adapter" in message


def test_the_base_may_be_called_as_the_server_was_told_it(service: Any, openai: OpenAI):
    job = openai.fine_tuning.jobs.create(model="smollm2-135m", training_file=service.add_file())
    assert job.model == "base"


def test_without_a_suffix_the_files_name_names_the_adapter(service: Any, openai: OpenAI):
    file_id = service.add_file(name="我的 医案(new).txt.gz")
    job = openai.fine_tuning.jobs.create(model="base", training_file=file_id)
    assert service.jobs.find(job.id).name == "我的-医案-new"


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("clinic.jsonl", "clinic"),
        ("my clinic.v2.txt.gz", "my-clinic.v2"),
        ("...", "adapter"),
        ("-.-.txt", "adapter"),
        ("x" * 200 + ".txt", "x" * 64),
        ("x" * 63 + "..txt", "x" * 63),
    ],
)
def test_a_name_is_made_of_any_files_name(filename: str, name: str):
    assert name_from(filename) == name


def test_a_file_that_another_server_has_cannot_be_trained_on_here(service: Any, post: Post):
    service.files.place = "elsewhere"
    service.add_file()
    param, _, message = refusal(post())
    assert param == "training_file"
    assert "another server" in message


def test_two_jobs_may_make_versions_of_one_name(service: Any, openai: OpenAI):
    file_id = service.add_file()
    jobs = [
        openai.fine_tuning.jobs.create(model="base", training_file=file_id, suffix="tcm")
        for _ in range(2)
    ]
    assert [service.jobs.find(job.id).name for job in jobs] == ["tcm", "tcm"]


def test_a_bare_adapters_name_takes_no_version(
    service: Any, post: Post, add_adapter: Callable[..., Path], adapters: Path
):
    add_adapter("tcm").rename(adapters / "moved")
    service.add_file()
    (adapters / "tcm").rmdir()
    (adapters / "moved").rename(adapters / "tcm")
    assert refusal(post(suffix="tcm"))[0] == "suffix"


def test_a_key_makes_new_names_and_versions_of_its_own_alone(
    service: Any, connect: Callable[..., OpenAI], add_adapter: Callable[..., Path]
):
    add_adapter("tcm")
    add_adapter("other")
    anna, secret = service.add_key("anna", "train", adapters=["base", "tcm"])
    jobs = connect(secret).fine_tuning.jobs
    file_id = service.add_file(key=anna)
    for suffix in ("tcm", "new"):
        jobs.create(model="base", training_file=file_id, suffix=suffix)
    assert service.keys.find(anna.id).adapters == ("base", "tcm", "new")
    with pytest.raises(BadRequestError) as taken:
        jobs.create(model="base", training_file=file_id, suffix="other")
    assert (taken.value.param, taken.value.code) == ("suffix", "name_taken")
    with pytest.raises(NotFoundError):
        jobs.create(model="other", training_file=file_id)


def test_a_new_name_that_another_key_has_or_is_about_to_make_is_taken(
    service: Any, connect: Callable[..., OpenAI]
):
    service.add_key("boss", "train", adapters=["base", "reserved"])
    keys = [service.add_key(name, "train", adapters=["base"]) for name in ("anna", "ben")]
    files = [service.add_file(key=key) for key, _ in keys]
    anna, ben = (connect(secret).fine_tuning.jobs for _, secret in keys)
    anna.create(model="base", training_file=files[0], suffix="new")
    for name in ("new", "reserved"):
        with pytest.raises(BadRequestError, match="is taken"):
            ben.create(model="base", training_file=files[1], suffix=name)


def test_a_key_may_not_train_a_base_that_it_may_not_use(
    service: Any, connect: Callable[..., OpenAI]
):
    key, secret = service.add_key("anna", "train", adapters=["tcm"])
    with pytest.raises(NotFoundError) as refused:
        connect(secret).fine_tuning.jobs.create(
            model="base", training_file=service.add_file(key=key)
        )
    assert refused.value.code == "model_not_found"


def test_promoting_needs_an_admin(service: Any, connect: Callable[..., OpenAI]):
    anna, secret = service.add_key("anna", "train")
    file_id = service.add_file(key=anna)
    with pytest.raises(PermissionDeniedError) as refused:
        connect(secret).fine_tuning.jobs.create(
            model="base", training_file=file_id, extra_body={"promote": True}
        )
    assert refused.value.param == "promote"
    _, admin = service.add_key("boss", "admin")
    job = connect(admin).fine_tuning.jobs.create(
        model="base", training_file=file_id, extra_body={"promote": True}
    )
    assert service.jobs.find(job.id).options["promote"] is True


def test_a_key_that_may_not_train_is_told_so(service: Any, connect: Callable[..., OpenAI]):
    _, secret = service.add_key("anna", "chat")
    with pytest.raises(PermissionDeniedError, match="scope train"):
        connect(secret).fine_tuning.jobs.list()


def test_a_key_has_so_many_jobs_at_once(service: Any, connect: Callable[..., OpenAI]):
    key, secret = service.add_key("anna", "train", limits=Limits(max_jobs=1))
    jobs, file_id = connect(secret).fine_tuning.jobs, service.add_file(key=key)
    first = jobs.create(model="base", training_file=file_id)
    with pytest.raises(RateLimitError) as refused:
        jobs.create(model="base", training_file=file_id)
    assert refused.value.code == "limit_reached"
    jobs.cancel(first.id)
    jobs.create(model="base", training_file=file_id)


def test_a_key_trains_on_so_many_tokens_a_day(service: Any, connect: Callable[..., OpenAI]):
    key, secret = service.add_key("anna", "train", limits=Limits(training_tokens_per_day=100))
    jobs, file_id = connect(secret).fine_tuning.jobs, service.add_file(key=key)
    for _ in range(2):
        job = jobs.create(model="base", training_file=file_id)
        service.jobs.move(job.id, ["validating_files"], "succeeded", trained_tokens=50)
    with pytest.raises(RateLimitError, match="have trained on 100"):
        jobs.create(model="base", training_file=file_id)


def test_a_dry_run_tells_what_a_job_would_do_and_makes_none(service: Any, post: Post):
    service.add_file()
    answer = post(dry_run=True, suffix="tcm", hyperparameters={"n_epochs": 4}).json()
    assert answer == {
        "object": "fine_tuning.job.plan",
        "model": "base",
        "name": "tcm",
        "hyperparameters": {"n_epochs": 4, "batch_size": 8, "learning_rate_multiplier": 1.0},
        "num_conversations": 90,
        "num_held_out": 10,
        "num_steps": 45,
        "trained_tokens": 9000,
        "answer_tokens": 4000,
        "seconds": 12.5,
        "report_seconds": 3.0,
        "memory_bytes": 1 << 30,
    }
    assert [new.options["epochs"] for new in service.planner.asked] == [4]
    assert service.jobs.newest() == []
    assert refusal(post(dry_run=True, training_file="file-9"), 404)[0] == "training_file"


@pytest.mark.parametrize("field", ["training_file", "validation_file"])
def test_a_dry_run_reads_no_file_that_was_not_checked(service: Any, post: Post, field: str):
    service.add_file()
    with closing(service.files.arrival(ANYBODY, 100, 100)) as arrival:
        arrival.begin("new.jsonl")
        arrival.write(b"{}")
        arrival.end()
        file_id = service.files.add(arrival, ANYBODY, purpose="fine-tune", most=100).id
    param, _, told = refusal(post(dry_run=True, **{field: file_id}))
    assert (param, "still being checked" in told) == (field, True)
    service.files.settle(file_id, "error", "new.jsonl:1: x: nothing; expected text", None)
    param, _, told = refusal(post(dry_run=True, **{field: file_id}))
    assert (param, told.endswith("new.jsonl:1: x: nothing; expected text")) == (field, True)
    assert service.planner.asked == []
    assert post(**{field: file_id}).status_code == 200  # the job itself tells of it when it fails
