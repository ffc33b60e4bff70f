"""/v1/adapters/{name}/improve and /v1/adapters/{name}/ledger."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool

from service.accounts.caller import check_mine, current_caller
from service.errors import NotAllowed, said_of
from service.feedback.keeping import Keeping
from service.feedback.using import num_accepted
from service.http.endpoints import FIND_IMPROVEMENT, IMPROVE_ADAPTER, READ_LEDGER
from service.http.replies import REFUSALS
from service.http.strict_json import StrictRoute
from service.improving.improver import Improver
from service.improving.ledger import Ledger
from service.improving.overriding import override
from service.settings import ServiceSettings
from service.state.database import State
from serving.adapters.notation import Part
from serving.adapters.store import AdapterStore

from .protocol import ImprovementState, Improving, LedgerEntry, LedgerPage

NO_STATE = "This server has no database, so nothing that people say is kept, or learned from."


def improving_routes(
    keeping: Keeping, improver: Improver, store: AdapterStore, settings: ServiceSettings
) -> APIRouter:
    router = APIRouter(responses=REFUSALS, route_class=StrictRoute)

    def state_for(name: str) -> State:
        check_mine(name)
        store.entry(Part(name))
        if keeping.state is None:
            raise NotAllowed(NO_STATE)
        return keeping.state

    def described(name: str) -> ImprovementState:
        accepted = num_accepted(state_for(name), keeping.place)[name]
        running, said = improver.is_at(name), improver.said(name)
        return ImprovementState(adapter=name, running=running, accepted=accepted, said=said)

    @router.post(IMPROVE_ADAPTER.path)
    async def improve(name: str, asked: Improving) -> ImprovementState:
        with said_of("name"):
            state = await run_in_threadpool(state_for, name)
        if asked.override is not None:
            who = current_caller.get().owner
            place, home = keeping.place, settings.home
            await run_in_threadpool(override, home, state, place, name, asked.override, who)
        else:
            improver.begin(name, asked.share)
        return await run_in_threadpool(described, name)

    @router.get(FIND_IMPROVEMENT.path)
    def find(name: str) -> ImprovementState:
        return described(name)

    @router.get(READ_LEDGER.path)
    def read_ledger(name: str, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> LedgerPage:
        entries = Ledger(state_for(name), keeping.place).entries(name, limit)
        return LedgerPage(data=[*map(LedgerEntry.of, entries)])

    _ = (improve, find, read_ledger)
    return router
