"""/v1/me: programs with a key, and the page, learn here what it may do."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from service.accounts.caller import SCOPES, Scope, StoreAnswers, current_caller
from service.feedback.keeping import Keeping
from service.http.endpoints import DESCRIBE_CALLER
from service.http.replies import REFUSALS


class CallerInfo(BaseModel):
    """Who asks, and what they may do."""

    object: Literal["caller"] = "caller"
    name: str | None  # the key's; None: nobody needs one here
    scopes: list[Scope]  # admin includes the others
    store_answers: StoreAnswers  # whether the caller's answers can be stored, and so rated


def me_routes(keeping: Keeping) -> APIRouter:
    router = APIRouter(responses=REFUSALS)

    @router.get(DESCRIBE_CALLER.path)
    def describe_caller() -> CallerInfo:
        caller = current_caller.get()
        return CallerInfo(
            name=caller.name,
            scopes=[scope for scope in SCOPES if caller.has(scope)],
            store_answers=keeping.usual(caller),
        )

    _ = describe_caller
    return router
