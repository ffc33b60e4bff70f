"""The shape of feedback by topic."""

from dataclasses import asdict
from typing import Literal, Self

from pydantic import BaseModel

from service.feedback.topics import Overview, VersionTopics


class TallyAnswer(BaseModel):
    answers: int
    bad: int


class WrongAnswer(BaseModel):
    what: str  # a reason in a person's words, or the name of a fault
    by: Literal["person", "rule"]
    answers: int


class TopicAnswer(TallyAnswer):
    label: str
    before: TallyAnswer
    recent: TallyAnswer  # of the last four weeks
    corrections: int
    wrong: list[WrongAnswer]  # the most frequent first
    examples: list[str]  # questions


class VersionTopicsAnswer(TallyAnswer):
    object: Literal["feedback.topics"] = "feedback.topics"
    version: str
    topics: list[TopicAnswer]  # those with most bad answers first
    more_topics: int  # beyond the limit

    @classmethod
    def of(cls, version: VersionTopics, limit: int) -> Self:
        told = asdict(version)
        told["topics"], more = told["topics"][:limit], told["topics"][limit:]
        return cls(**told, more_topics=len(more))


class TopicsList(BaseModel):
    object: Literal["list"] = "list"
    data: list[VersionTopicsAnswer]
    left_out: int  # older feedback that was not looked at

    @classmethod
    def of(cls, overview: Overview, limit: int) -> Self:
        data = [VersionTopicsAnswer.of(each, limit) for each in overview.versions]
        return cls(data=data, left_out=overview.left_out)
