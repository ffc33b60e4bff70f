"""Stored completions: listed, found, marked with metadata, removed."""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Query, Request

from service.accounts.caller import current_caller
from service.api.metadata_query import NO_METADATA, wanted_metadata
from service.errors import AnswerNotFound, OfField
from service.feedback.answers import Order
from service.feedback.keeping import Keeping
from service.feedback.stored_answer import StoredAnswer
from service.http.endpoints import (
    FIND_ANSWER,
    LIST_ANSWER_MESSAGES,
    LIST_ANSWERS,
    MARK_ANSWER,
    REMOVE_ANSWER,
)
from service.http.replies import REFUSALS
from service.http.strict_json import StrictRoute
from service.improving.effects import Effects

from .protocol import (
    NewMetadata,
    StoredCompletion,
    StoredList,
    StoredMessage,
    StoredMessages,
    StoredRemoved,
)

Limit = Annotated[int, Query(ge=1, le=100)]


def stored_routes(keeping: Keeping, effects: Effects) -> APIRouter:
    router = APIRouter(responses=REFUSALS, route_class=StrictRoute)

    def find(completion_id: str) -> StoredAnswer:
        return keeping.answers.find(completion_id, current_caller.get())

    @router.get(LIST_ANSWERS.path)
    def list_stored(
        request: Request,
        after: str | None = None,
        limit: Limit = 20,
        order: Order = "asc",
        model: str | None = None,
    ) -> StoredList:
        pairs = parse_qsl(request.url.query, keep_blank_values=True)
        try:
            found = keeping.answers.page(
                current_caller.get(),
                after=after,
                limit=limit + 1,
                order=order,
                model=model,
                metadata=wanted_metadata(pairs),
                without_metadata=NO_METADATA in pairs,
            )
        except AnswerNotFound as error:
            raise OfField("after", error) from error
        return StoredList.of([*map(StoredCompletion.of, found)], limit)

    @router.get(FIND_ANSWER.path)
    def find_stored(completion_id: str) -> StoredCompletion:
        return StoredCompletion.of(find(completion_id))

    @router.post(MARK_ANSWER.path)
    def mark(completion_id: str, new: NewMetadata) -> StoredCompletion:
        caller = current_caller.get()
        return StoredCompletion.of(keeping.answers.mark(completion_id, caller, new.metadata))

    @router.delete(REMOVE_ANSWER.path)
    def remove(completion_id: str) -> StoredRemoved:
        caller = current_caller.get()
        with effects.removing_answer(find(completion_id).id, caller.owner):
            keeping.answers.remove(completion_id, caller)
        return StoredRemoved(id=completion_id)

    @router.get(LIST_ANSWER_MESSAGES.path)
    def list_messages(
        completion_id: str, after: str | None = None, limit: Limit = 20, order: Order = "asc"
    ) -> StoredMessages:
        messages = [
            StoredMessage(id=f"{completion_id}-{number}", **message)
            for number, message in enumerate(find(completion_id).messages)
        ]
        if order == "desc":
            messages.reverse()
        ids = [message.id for message in messages]
        if after is not None and after not in ids:
            raise OfField("after", AnswerNotFound(after))
        behind = messages if after is None else messages[ids.index(after) + 1 :]
        return StoredMessages.of(behind, limit)

    _ = (list_stored, find_stored, mark, remove, list_messages)
    return router
