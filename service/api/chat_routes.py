"""/v1/chat/completions."""

from fastapi import APIRouter, Request, Response

from service.http.connection import answer_streamed, answer_whole
from service.http.endpoints import CHAT
from service.http.replies import REFUSALS
from service.http.strict_json import StrictRoute

from .chat.completions import ChatCompletions
from .chat.request import ChatRequest
from .protocol import ChatCompletion


def chat_routes(completions: ChatCompletions) -> APIRouter:
    router = APIRouter(responses=REFUSALS, route_class=StrictRoute)

    @router.post(CHAT.path, response_model=ChatCompletion)
    async def create(chat: ChatRequest, request: Request) -> ChatCompletion | Response:
        if chat.stream:
            return await answer_streamed(request, completions.stream(chat))
        return await answer_whole(request, completions.answer(chat))

    _ = create
    return router
