"""OpenAI's shape: what a fine-tuning job is asked for."""

import sys
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from finetune.adapters.versions import NAME
from service.http.fields import UNSUPPORTED, Fields, Metadata, Text, only

from .protocol import Auto

AUTO: Auto = "auto"
MAX_EPOCHS = 50
MAX_BATCH = 256
MAX_BETA = 2
MAX_RANK = 512
MAX_SEED = 2**31 - 1
NOT_BUILT = "no other method is built yet"
NO_INTEGRATIONS = "the job's events and the run's TensorBoard files tell how it goes"


def _number_to(most: int) -> BeforeValidator:
    def check(value: object) -> object:
        if value != AUTO and not (type(value) is int and 1 <= value <= most):
            raise PydanticCustomError(
                "number", "should be auto, or a whole number from 1 to {most}", {"most": most}
            )
        return value

    return BeforeValidator(check)


def _positive(value: object) -> object:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    if value != AUTO and not 0 < number <= sys.float_info.max:
        raise PydanticCustomError("number", "should be auto, or a number above 0")
    return value


def _beta(value: object) -> object:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    if value != AUTO and not 0 < number <= MAX_BETA:
        raise PydanticCustomError(
            "number", "should be auto, or a number above 0 and up to {most}", {"most": MAX_BETA}
        )
    return value


def _can_be_a_name(suffix: str | None) -> str | None:
    if suffix is not None and not NAME.fullmatch(suffix):
        raise PydanticCustomError(
            "suffix",
            "should be 1 to 64 letters, digits, '_', '-' and '.', beginning with a letter, a digit "
            "or '_': it names the adapter",
        )
    return suffix


class Asked(Fields):
    """What is not known here is refused: a job runs for hours, and a misspelt field is found at
    once."""

    model_config = ConfigDict(extra="forbid")


class AskedHyperparameters(Asked):
    n_epochs: Annotated[
        Auto | Annotated[int, Field(ge=1, le=MAX_EPOCHS)], _number_to(MAX_EPOCHS)
    ] = AUTO
    batch_size: Annotated[
        Auto | Annotated[int, Field(ge=1, le=MAX_BATCH)], _number_to(MAX_BATCH)
    ] = AUTO
    learning_rate_multiplier: Annotated[
        Auto | Annotated[float, Field(gt=0)], BeforeValidator(_positive)
    ] = AUTO


class AskedPreferenceHyperparameters(AskedHyperparameters):
    beta: Annotated[Auto | Annotated[float, Field(gt=0, le=MAX_BETA)], BeforeValidator(_beta)] = (
        AUTO
    )


class AskedSupervised(Asked):
    hyperparameters: AskedHyperparameters | None = None


class AskedPreferences(Asked):
    hyperparameters: AskedPreferenceHyperparameters | None = None


def _of_type(given: object, info: ValidationInfo) -> object:
    if given is not None and info.data.get("type") not in (None, info.field_name):
        raise PydanticCustomError(
            UNSUPPORTED,
            "Only null is supported here (the type is {type})",
            {"type": info.data["type"]},
        )
    return given


class AskedMethod(Asked):
    type: Annotated[
        Literal["supervised", "dpo", "kto", "reinforcement"],
        only("supervised", "dpo", "kto", advice=NOT_BUILT),
    ]
    supervised: Annotated[AskedSupervised | None, AfterValidator(_of_type)] = None
    dpo: Annotated[AskedPreferences | None, AfterValidator(_of_type)] = None
    kto: Annotated[AskedPreferences | None, AfterValidator(_of_type)] = None  # ours
    reinforcement: Annotated[Any, only(None, advice=NOT_BUILT)] = None

    @property
    def hyperparameters(self) -> AskedHyperparameters | None:
        given = {"supervised": self.supervised, "dpo": self.dpo, "kto": self.kto}.get(self.type)
        return None if given is None else given.hyperparameters


def _same_as_method(
    given: AskedHyperparameters | None, info: ValidationInfo
) -> AskedHyperparameters | None:
    method: AskedMethod | None = info.data.get("method")
    other = None if method is None else method.hyperparameters
    is_other = method is not None and method.type != "supervised"
    if given is not None and (is_other or (other is not None and given != other)):
        raise PydanticCustomError(
            "same_numbers",
            "should be left out, or the same as method.supervised.hyperparameters, whose old form "
            "it is",
        )
    return given


class JobRequest(Asked):
    model: Text
    training_file: Text
    validation_file: Text | None = None
    suffix: Annotated[str | None, AfterValidator(_can_be_a_name)] = None
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = None
    metadata: Metadata | None = None
    integrations: Annotated[Any, only(None, [], advice=NO_INTEGRATIONS)] = None
    method: AskedMethod | None = None
    hyperparameters: Annotated[AskedHyperparameters | None, AfterValidator(_same_as_method)] = None

    rank: Annotated[int, Field(ge=1, le=MAX_RANK)] | None = None  # ours: of a new adapter
    promote: bool = False  # ours: the name means the new version from then on
    dry_run: bool = False  # ours: tell what the job would do, and train nothing

    @property
    def numbers(self) -> AskedHyperparameters:
        of_method = None if self.method is None else self.method.hyperparameters
        if self.type != "supervised":
            return of_method or AskedPreferenceHyperparameters()
        return of_method or self.hyperparameters or AskedHyperparameters()

    @property
    def type(self) -> str:
        return "supervised" if self.method is None else self.method.type
