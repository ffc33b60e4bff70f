"""/v1/chat/completions."""

from fastapi import APIRouter, Request, Response

from service.errors import REFUSALS

from .chat_request import ChatRequest
from .completions import ChatCompletions
from .connection import answer_streamed, answer_whole
from .protocol import ChatCompletion
from .strict_json import StrictRoute


def chat_routes(completions: ChatCompletions) -> APIRouter:
    router = APIRouter(responses=REFUSALS, route_class=StrictRoute)

    @router.post("/v1/chat/completions", response_model=ChatCompletion)
    async def create(chat: ChatRequest, request: Request) -> ChatCompletion | Response:
        if chat.stream:
            return await answer_streamed(request, completions.stream(chat))
        return await answer_whole(request, completions.answer(chat))

    _ = create
    return router
