"""OpenAI's shapes: what is told of fine-tuning jobs, their events and their checkpoints."""

from typing import Any, Literal

from pydantic import BaseModel

from service.api.protocol import Listed, Page
from service.jobs.events import Level
from service.jobs.job import Status

Auto = Literal["auto"]


class JobHyperparameters(BaseModel):
    """What was asked for; the resolved numbers, once they are known."""

    n_epochs: Auto | int = "auto"
    batch_size: Auto | int = "auto"
    learning_rate_multiplier: Auto | float = "auto"


class PreferenceHyperparameters(JobHyperparameters):
    beta: Auto | float = "auto"


class Supervised(BaseModel):
    hyperparameters: JobHyperparameters


class OnPreferences(BaseModel):
    hyperparameters: PreferenceHyperparameters


class SupervisedMethod(BaseModel):
    type: Literal["supervised"] = "supervised"
    supervised: Supervised


class DpoMethod(BaseModel):
    type: Literal["dpo"] = "dpo"
    dpo: OnPreferences


class KtoMethod(BaseModel):
    """Ours: learning from single answers that people call good or bad."""

    type: Literal["kto"] = "kto"
    kto: OnPreferences


JobMethod = SupervisedMethod | DpoMethod | KtoMethod


class JobFailure(BaseModel):
    code: str
    message: str
    param: str | None


class JobAnswer(BaseModel):
    id: str
    object: Literal["fine_tuning.job"] = "fine_tuning.job"
    created_at: int
    error: JobFailure | None
    estimated_finish: int | None
    fine_tuned_model: str | None  # None until it has answered
    finished_at: int | None
    hyperparameters: JobHyperparameters | None  # None, as OpenAI has it: they are the method's
    integrations: list[Any] = []
    metadata: dict[str, str] | None
    method: JobMethod
    model: str
    organization_id: Literal["org-lora-chat"] = "org-lora-chat"
    result_files: list[str]
    seed: int
    status: Status
    trained_tokens: int | None
    training_file: str
    user_provided_suffix: str | None
    validation_file: str | None


class JobList(BaseModel):
    object: Literal["list"] = "list"
    data: list[JobAnswer]
    has_more: bool


class PlanAnswer(BaseModel):
    """What a job would do, and what it would take here and now. Nothing is trained."""

    object: Literal["fine_tuning.job.plan"] = "fine_tuning.job.plan"
    model: str
    name: str  # of the adapter
    hyperparameters: JobHyperparameters
    num_conversations: int  # that are trained on
    num_held_out: int
    num_steps: int
    trained_tokens: int  # over all steps, prompts included
    answer_tokens: int  # of them, those of answers
    seconds: float  # without the report at the end
    report_seconds: float
    memory_bytes: int


class EventAnswer(BaseModel):
    id: str
    object: Literal["fine_tuning.job.event"] = "fine_tuning.job.event"
    created_at: int
    level: Level
    message: str
    type: Literal["message", "metrics"]
    data: dict[str, Any] | None


class EventList(BaseModel):
    object: Literal["list"] = "list"
    data: list[EventAnswer]
    has_more: bool


class CheckpointMetrics(BaseModel):
    step: int
    train_loss: float | None = None
    train_mean_token_accuracy: float | None = None
    valid_loss: float | None = None
    valid_mean_token_accuracy: float | None = None
    full_valid_loss: float | None = None
    full_valid_mean_token_accuracy: float | None = None


class CheckpointAnswer(Listed):
    object: Literal["fine_tuning.job.checkpoint"] = "fine_tuning.job.checkpoint"
    created_at: int
    fine_tuned_model_checkpoint: str  # a model's name
    fine_tuning_job_id: str
    metrics: CheckpointMetrics
    step_number: int


class CheckpointList(Page[CheckpointAnswer]):
    pass
