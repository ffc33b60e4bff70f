"""/v1/feedback: given, listed, sorted by topic, found, changed, removed."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Query

from service.accounts.caller import current_caller
from service.errors import AnswerNotFound, FeedbackNotFound, OfField
from service.feedback.answers import Order
from service.feedback.feedback import check_says_something
from service.feedback.item import FeedbackItem, Opinion, State
from service.feedback.keeping import Keeping
from service.http.endpoints import (
    CHANGE_FEEDBACK,
    FIND_FEEDBACK,
    GIVE_FEEDBACK,
    LIST_FEEDBACK,
    LIST_FEEDBACK_TOPICS,
    REMOVE_FEEDBACK,
    REVIEW_FEEDBACK,
)
from service.http.replies import REFUSALS
from service.http.strict_json import StrictRoute
from service.improving.effects import Effects

from .protocol import (
    FeedbackAnswer,
    FeedbackList,
    FeedbackRemoved,
    NewFeedback,
    OpinionFields,
    ReviewFields,
)
from .topics import TopicsList

Limit = Annotated[int, Query(ge=1, le=100)]


@contextmanager
def _of_field(name: str) -> Generator[None]:
    try:
        yield
    except (AnswerNotFound, FeedbackNotFound) as error:
        raise OfField(name, error) from error


def feedback_routes(keeping: Keeping, effects: Effects) -> APIRouter:
    router = APIRouter(responses=REFUSALS, route_class=StrictRoute)

    def check_siblings(siblings: Iterable[str]) -> None:
        with _of_field("siblings"):
            for sibling in siblings:
                keeping.answers.find(sibling, current_caller.get())

    def told(item: FeedbackItem) -> FeedbackAnswer:
        return FeedbackAnswer.of(*keeping.findings.of([item], current_caller.get()))

    @router.post(GIVE_FEEDBACK.path)
    def give(new: NewFeedback) -> FeedbackAnswer:
        said = new.model_dump(include=set(OpinionFields.model_fields))
        opinion = Opinion(**keeping.as_kept(said))
        check_says_something(opinion)
        caller = current_caller.get()
        with _of_field("completion_id"):
            answer = keeping.answers.find(new.completion_id, caller)
        check_siblings(opinion.siblings)
        with _of_field("completion_id"):
            given = keeping.feedback.give(answer, new.choice, opinion)
        effects.given(given)
        return told(given)

    @router.get(LIST_FEEDBACK.path)
    def list_feedback(
        after: str | None = None,
        limit: Limit = 20,
        order: Order = "desc",
        model: str | None = None,
        adapter: str | None = None,
        completion_id: str | None = None,
        rating: Annotated[int | None, Query(ge=-1, le=1)] = None,
        state: State | None = None,
    ) -> FeedbackList:
        caller = current_caller.get()
        with _of_field("after"):
            found = keeping.feedback.page(
                caller,
                after=after,
                limit=limit + 1,
                order=order,
                model=model,
                adapter=adapter,
                completion_id=completion_id,
                rating=rating,
                state=state,
            )
        shown = [FeedbackAnswer.of(each) for each in keeping.findings.of(found, caller)]
        return FeedbackList.of(shown, limit)

    # Before what has the same path but for an id in the place of a word.
    @router.get(LIST_FEEDBACK_TOPICS.path)
    def list_topics(adapter: str | None = None, limit: Limit = 20) -> TopicsList:
        return TopicsList.of(keeping.topics.of(current_caller.get(), adapter), limit)

    @router.get(FIND_FEEDBACK.path)
    def find(feedback_id: str) -> FeedbackAnswer:
        return told(keeping.feedback.find(feedback_id, current_caller.get()))

    @router.patch(CHANGE_FEEDBACK.path)
    def change(feedback_id: str, new: OpinionFields) -> FeedbackAnswer:
        said = keeping.as_kept(new.model_dump(exclude_unset=True))
        check_siblings(said.get("siblings", ()))
        caller = current_caller.get()
        changed = keeping.feedback.change(feedback_id, caller, said)
        effects.given(changed)
        return told(changed)

    @router.post(REVIEW_FEEDBACK.path)
    def review(feedback_id: str, new: ReviewFields) -> FeedbackAnswer:
        answer = new.answer and keeping.as_kept({"correction": new.answer})["correction"]
        caller = current_caller.get()
        decided = keeping.review.decide(
            feedback_id, caller, new.decision, answer, critical=new.critical
        )
        return told(decided)

    @router.delete(REMOVE_FEEDBACK.path)
    def remove(feedback_id: str) -> FeedbackRemoved:
        caller = current_caller.get()
        with effects.removing(keeping.feedback.find(feedback_id, caller), caller.owner):
            keeping.feedback.remove(feedback_id, caller)
        return FeedbackRemoved(id=feedback_id)

    _ = (give, list_feedback, list_topics, find, change, review, remove)
    return router
