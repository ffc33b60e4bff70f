"""/v1/adapters/{name}/improve and /v1/adapters/{name}/ledger."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool

from service.accounts.caller import current_caller
from service.adapters.adapters import Adapters
from service.api.languages import SPOKEN
from service.errors import said_of
from service.feedback.keeping import Keeping
from service.feedback.using import num_accepted
from service.http.endpoints import FIND_IMPROVEMENT, IMPROVE_ADAPTER, READ_LEDGER
from service.http.replies import REFUSALS
from service.http.strict_json import StrictRoute
from service.improving.improver import Improver
from service.improving.ledger import Ledger
from service.improving.overriding import override
from service.improving.under_way import training_of
from service.state.database import State

from .protocol import ImprovementState, Improving, LedgerEntry, LedgerPage


def improving_routes(
    keeping: Keeping, improver: Improver, adapters: Adapters, home: Path
) -> APIRouter:
    router = APIRouter(responses=REFUSALS, route_class=StrictRoute, dependencies=SPOKEN)

    def state_for(name: str) -> State:
        with said_of("name"):
            adapters.entry(name)
        return keeping.database

    def described(name: str, state: State) -> ImprovementState:
        accepted = num_accepted(state, keeping.place)[name]
        return ImprovementState(
            adapter=name,
            running=improver.is_at(name),
            job=training_of(home, state, keeping.place, name),
            accepted=accepted,
            said=improver.said(name),
        )

    @router.post(IMPROVE_ADAPTER.path)
    async def improve(name: str, asked: Improving) -> ImprovementState:
        state = await run_in_threadpool(state_for, name)
        if asked.override is not None:
            who = current_caller.get().owner
            place = keeping.place
            await run_in_threadpool(
                override, home, state, place, name, asked.override, who, asked.version
            )
        else:
            await improver.begin(name, asked.share)
        return await run_in_threadpool(described, name, state)

    @router.get(FIND_IMPROVEMENT.path)
    def find(name: str) -> ImprovementState:
        return described(name, state_for(name))

    @router.get(READ_LEDGER.path)
    def read_ledger(name: str, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> LedgerPage:
        entries = Ledger(state_for(name), keeping.place).entries(name, limit)
        return LedgerPage(data=[*map(LedgerEntry.of, entries)])

    _ = (improve, find, read_ledger)
    return router
