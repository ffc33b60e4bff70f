"""Jobs and events in OpenAI's shapes."""

from dataclasses import asdict

from data.retelling import retell
from service.jobs.events import Event
from service.jobs.job import FineTuningJob, JobError, NewJob
from service.jobs.planning import Plan

from .protocol import (
    DpoMethod,
    EventAnswer,
    JobAnswer,
    JobFailure,
    JobHyperparameters,
    JobMethod,
    KtoMethod,
    OnPreferences,
    PlanAnswer,
    PreferenceHyperparameters,
    Supervised,
    SupervisedMethod,
)


def job_answer(job: FineTuningJob) -> JobAnswer:
    method = method_of(job)
    return JobAnswer(
        id=job.id,
        created_at=job.created,
        error=None if job.error is None else _failure(job.error),
        estimated_finish=job.estimated_finish,
        fine_tuned_model=job.fine_tuned_model,
        finished_at=job.finished,
        hyperparameters=(
            method.supervised.hyperparameters if isinstance(method, SupervisedMethod) else None
        ),
        metadata=job.metadata,
        method=method,
        model=job.model,
        result_files=list(job.result_files),
        seed=job.seed,
        status=job.status,
        trained_tokens=job.trained_tokens,
        training_file=job.training_file,
        user_provided_suffix=job.suffix,
        validation_file=job.validation_file,
    )


def _failure(error: JobError) -> JobFailure:
    return JobFailure(**asdict(error) | {"message": retell(error.message)})


def method_of(job: FineTuningJob) -> JobMethod:
    """The method with its numbers: as they were asked for, and as they were resolved."""
    name = job.method.get("type", "supervised")
    numbers = job.method.get(name, {}).get("hyperparameters", {}) | (job.hyperparameters or {})
    if name == "supervised":
        own = JobHyperparameters.model_validate(numbers)
        return SupervisedMethod(supervised=Supervised(hyperparameters=own))
    preferences = OnPreferences(hyperparameters=PreferenceHyperparameters.model_validate(numbers))
    return DpoMethod(dpo=preferences) if name == "dpo" else KtoMethod(kto=preferences)


def plan_answer(new: NewJob, plan: Plan) -> PlanAnswer:
    numbers = JobHyperparameters.model_validate(plan, from_attributes=True)
    known = plan.model_dump(exclude=set(JobHyperparameters.model_fields))
    return PlanAnswer(model=new.model, name=new.name, hyperparameters=numbers, **known)


def event_answer(event: Event) -> EventAnswer:
    return EventAnswer(
        id=event.id,
        created_at=event.created,
        level=event.level,
        message=retell(event.message),
        type=event.kind,
        data=event.data,
    )
