"""What is wrong with a value, told by the type of the error."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pytest
from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ErrorType

from finetune.wrong_values import OTHERWISE, place, sentence, told

NAMED = (  # in sentences
    *("gt", "ge", "lt", "le", "multiple_of", "expected", "pattern", "max_length"),
    *("tag", "expected_tags"),
)


def _refuse_seven(value: object) -> object:
    if value == 7:
        raise ValueError("seven is taken")
    if value == 8:
        raise PydanticCustomError("ours", "Eight of {all} are taken", {"all": 9})
    return value


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    top: float = 1


class Sample(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    count: int = Field(1, ge=1, le=5)
    share: float = Field(0.5, gt=0, lt=1)
    is_on: bool = True
    name: str = Field("x", min_length=1, max_length=3, pattern="^x*$")
    how: Literal["a", "b"] = "a"
    many: list[int] = Field([1], min_length=1, max_length=2)
    pair: list[int] = Field([1, 2], min_length=2)
    inner: Inner = Inner()
    roles: dict[str, Literal["user"]] = {}
    path: Path = Path()
    size: ByteSize = ByteSize(1)
    taken: Annotated[int, BeforeValidator(_refuse_seven)] = 1


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("count", "many", "count: should be a whole number"),
        ("count", 1.5, "count: should be a whole number"),
        ("count", [], "count: should be a whole number"),
        ("count", 0, "count: should be 1 or more"),
        ("count", 6, "count: should be 5 or less"),
        ("share", "half", "share: should be a number"),
        ("share", 0, "share: should be more than 0"),
        ("share", 1, "share: should be less than 1"),
        ("share", float("nan"), "share: should be a finite number"),
        ("is_on", "perhaps", "is_on: should be true or false"),
        ("name", 5, "name: should be a text"),
        ("name", "", "name: should not be empty"),
        ("name", "xxxx", "name: should have 3 characters at most"),
        ("name", "y", "name: does not have the form that is expected here (^x*$)"),
        ("how", "c", "how: should be 'a' or 'b'"),
        ("many", 1, "many: should be a list"),
        ("many", [], "many: should not be empty"),
        ("many", [1, 2, 3], "many: should have 2 items at most"),
        ("many", [1, "x"], "many.1: should be a whole number"),
        ("pair", [1], "pair: should have 2 items at least"),
        ("inner", 1, "inner: should hold names and their values"),
        ("inner", {"tip": 1}, "inner.tip: is not known here"),
        ("roles", {5: "user"}, "roles.5: should be a text"),
        ("path", 5, "path: should be the path of a file or folder"),
        (
            "size",
            "4 houses",
            "size: should be a size, such as 4MiB, with a unit like KB, MiB or GB",
        ),
        ("size", "many", "size: should be a size, such as 4MiB"),
        ("taken", 7, "taken: seven is taken"),
        ("taken", 8, "taken: Eight of 9 are taken"),
    ],
)
def test_a_fault_is_told_in_our_words(key: str, value: Any, said: str):
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate({key: value})
    assert told(caught.value) == said


def test_what_is_missing_is_said():
    class Needy(BaseModel):
        name: str

    with pytest.raises(ValidationError) as caught:
        Needy.model_validate({})
    assert told(caught.value) == "name: is missing"


@pytest.mark.parametrize("kind", get_args(ErrorType))
def test_no_kind_of_error_is_told_in_pydantics_words(kind: str):
    item = {
        "type": kind,
        "loc": ("key", "[key]"),
        "msg": "pydantic's own",
        "ctx": dict.fromkeys(NAMED, "so much") | {"error": ValueError("ours"), "min_length": 3},
    }
    said = sentence(item)
    assert place(item) == "key"
    assert said
    assert "pydantic" not in said
    assert "{" not in said


def test_an_unknown_kind_of_pydantics_gets_a_sentence_of_ours():
    item = {"type": "complex_str_parsing", "loc": ("x",), "msg": "pydantic's own"}
    assert sentence(item) == OTHERWISE


def test_other_errors_say_what_they_say():
    assert told(OSError("no such file")) == "no such file"
