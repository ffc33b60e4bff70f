"""Jobs and events in OpenAI's shapes."""

from dataclasses import asdict

from service.jobs.events import Event
from service.jobs.job import FineTuningJob, NewJob
from service.jobs.planning import Plan

from .protocol import (
    EventAnswer,
    JobAnswer,
    JobFailure,
    JobHyperparameters,
    JobMethod,
    PlanAnswer,
    SupervisedMethod,
)


def job_answer(job: FineTuningJob) -> JobAnswer:
    numbers = hyperparameters_of(job)
    return JobAnswer(
        id=job.id,
        created_at=job.created,
        error=None if job.error is None else JobFailure(**asdict(job.error)),
        estimated_finish=job.estimated_finish,
        fine_tuned_model=job.fine_tuned_model,
        finished_at=job.finished,
        hyperparameters=numbers,
        metadata=job.metadata,
        method=JobMethod(supervised=SupervisedMethod(hyperparameters=numbers)),
        model=job.model,
        result_files=list(job.result_files),
        seed=job.seed,
        status=job.status,
        trained_tokens=job.trained_tokens,
        training_file=job.training_file,
        user_provided_suffix=job.suffix,
        validation_file=job.validation_file,
    )


def hyperparameters_of(job: FineTuningJob) -> JobHyperparameters:
    asked = job.method.get("supervised", {}).get("hyperparameters", {})
    return JobHyperparameters.model_validate(asked | (job.hyperparameters or {}))


def plan_answer(new: NewJob, plan: Plan) -> PlanAnswer:
    numbers = JobHyperparameters.model_validate(plan, from_attributes=True)
    known = plan.model_dump(exclude=set(JobHyperparameters.model_fields))
    return PlanAnswer(model=new.model, name=new.name, hyperparameters=numbers, **known)


def event_answer(event: Event) -> EventAnswer:
    return EventAnswer(
        id=event.id,
        created_at=event.created,
        level=event.level,
        message=event.message,
        type=event.kind,
        data=event.data,
    )
