"""What is said of an adapter version that is looked at closely, and of the machine."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from service.recommendation import Amount, BaseEstimate, Recommendation
from serving.engine import ServerState, ServerStats
from serving.verification import Verdict

STATUSES: dict[bool | None, Literal["ok", "failed", "skipped"]] = {
    True: "ok",
    False: "failed",
    None: "skipped",
}


class CheckResult(BaseModel):
    check: str
    status: Literal["ok", "warning", "failed", "skipped"]  # skipped: it builds on one that failed
    message: str
    fix: str | None = None  # of a warning or failure

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        status = STATUSES[verdict.passed]
        return cls(
            check=verdict.check,
            status="warning" if verdict.is_doubtful else status,
            message=verdict.said,
            fix=verdict.fix or None,
        )


class Verification(BaseModel):
    """Whether a version's files are whole, unchanged, and can be served here."""

    id: str  # name@version
    object: Literal["adapter.verification"] = "adapter.verification"
    passed: bool
    checks: list[CheckResult]
    left_out: list[str]  # of what `lora-chat adapters verify` checks: they compute too much here


class ComputingServer(BaseModel):
    """A server that computes for this one."""

    object: Literal["engine"] = "engine"
    url: str
    state: ServerState
    reason: str | None  # why it is away
    running: int  # requests that have not ended
    requests: int  # so far, like all that follow
    failures: int
    restarts: int  # that were noticed
    adapter_loads: int
    adapter_evictions: int
    adapters: list[str]  # that it has proven to answer with: name, or names of a blend, and a hash

    @classmethod
    def of(cls, stats: ServerStats) -> Self:
        return cls(
            url=stats.url,
            state=stats.state,
            reason=stats.reason,
            running=stats.num_running,
            requests=stats.num_requests,
            failures=stats.num_failures,
            restarts=stats.num_restarts,
            adapter_loads=stats.num_adapter_loads,
            adapter_evictions=stats.num_adapter_evictions,
            adapters=[*stats.adapters],
        )


class ComputingServers(BaseModel):
    object: Literal["list"] = "list"
    engine: str  # which one asks them
    data: list[ComputingServer]  # none where the engine computes by itself


class NamedServer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: str  # as it is listed


class TrainingHere(BaseModel):
    device: str
    precision: str  # that it computes in


class ServingHere(BaseModel):
    model: str  # the base
    precision: str  # that its weights are held in
    kernel: str  # that computes their products; "": none of our own
    threads: int  # that compute a step
    cores_elsewhere: float  # that other programs use
    compiled: bool


class EstimatedBase(BaseModel):
    """What one of the known bases takes here; all of it is reckoned, and may be off by half."""

    base: str  # what a server's --base takes
    licence: str
    is_gated: bool
    training_bytes: int
    training_hours: float
    serving_bytes: int
    tokens_per_second: float  # for one reader

    @classmethod
    def of(cls, estimate: BaseEstimate) -> Self:
        return cls(
            base=estimate.base.spec,
            licence=estimate.base.licence,
            is_gated=estimate.base.is_gated,
            training_bytes=estimate.run_bytes,
            training_hours=round(estimate.hours, 2),
            serving_bytes=estimate.serving_bytes,
            tokens_per_second=round(estimate.serving_rate, 1),
        )


class RecommendedBases(BaseModel):
    """What `lora-chat bases recommend` says where no data is named."""

    num_conversations: int  # that it is reckoned for
    best: EstimatedBase | None  # None: nothing fits
    others: list[EstimatedBase]  # that fit, the largest first
    num_too_large: int

    @classmethod
    def of(cls, found: Recommendation, amount: Amount) -> Self:
        return cls(
            num_conversations=amount.num_conversations,
            best=None if found.best is None else EstimatedBase.of(found.best),
            others=[EstimatedBase.of(each) for each in found.others],
            num_too_large=found.num_too_large,
        )


class MachineInfo(BaseModel):
    """What `lora-chat doctor` knows, as far as it is a client's business."""

    object: Literal["machine"] = "machine"
    system: str
    cpu: str
    num_cores: int
    cpu_features: list[str]  # that matter to speed here
    memory_bytes: int
    gpu: str | None
    gpu_memory_bytes: int
    free_disk_bytes: int  # where the server keeps what is trained
    has_compiler: bool  # of C++
    versions: dict[str, str | None]  # of packages; None: not installed
    training: TrainingHere
    serving: ServingHere
    recommended: RecommendedBases | None  # None: the machine could not be timed
