"""/v1/completions."""

from fastapi import APIRouter, Request, Response

from service.http.connection import answer_streamed, answer_whole
from service.http.endpoints import COMPLETE
from service.http.replies import REFUSALS
from service.http.strict_json import StrictRoute

from .protocol import TextCompletion
from .text.completions import TextCompletions
from .text.request import TextRequest


def text_routes(completions: TextCompletions) -> APIRouter:
    router = APIRouter(responses=REFUSALS, route_class=StrictRoute)

    @router.post(COMPLETE.path, response_model=TextCompletion)
    async def create(text: TextRequest, request: Request) -> TextCompletion | Response:
        if text.stream:
            return await answer_streamed(request, completions.stream(text))
        return await answer_whole(request, completions.answer(text))

    _ = create
    return router
