"""What is wrong with a value, in our words: by the type of pydantic's error, never by its text.

A sentence goes behind the name of a field: `rank: should be a whole number (found 'many')`.
"""

from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core.core_schema import ErrorType

from data.wording import N_, _

WHOLE = N_("should be a whole number")
NUMBER = N_("should be a number")
TEXT = N_("should be a text")
LIST = N_("should be a list")
PAIRS = N_("should hold names and their values")
DATE = N_("should be a date, such as 2026-01-31")
TIME = N_("should be a date and a time, such as 2026-01-31T12:00:00Z")
YES_OR_NO = N_("should be true or false")
ONE_OF = N_("should be {expected}")
SENTENCES = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), WHOLE),
    **dict.fromkeys(("float_type", "float_parsing", "decimal_type", "decimal_parsing"), NUMBER),
    "finite_number": N_("should be a finite number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), YES_OR_NO),
    "string_type": TEXT,
    "string_unicode": N_("should be a text of whole characters"),
    "string_too_long": N_("should have {max_length} characters at most"),
    "string_pattern_mismatch": N_("does not have the form that is expected here ({pattern})"),
    "bytes_type": TEXT,
    "path_type": N_("should be the path of a file or folder"),
    "byte_size": N_("should be a size, such as 4MiB"),
    "byte_size_unit": N_("should be a size, such as 4MiB, with a unit like KB, MiB or GB"),
    "greater_than": N_("should be more than {gt}"),
    "greater_than_equal": N_("should be {ge} or more"),
    "less_than": N_("should be less than {lt}"),
    "less_than_equal": N_("should be {le} or less"),
    "multiple_of": N_("should be a multiple of {multiple_of}"),
    **dict.fromkeys(("literal_error", "enum"), ONE_OF),
    "none_required": N_("should be left out"),
    "missing": N_("is missing"),
    "extra_forbidden": N_("is not known here"),
    "too_long": N_("should have {max_length} items at most"),
    "too_short": N_("should have {min_length} items at least"),
    "string_too_short": N_("should have {min_length} characters at least"),
    "bytes_too_short": N_("should have {min_length} bytes at least"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "iterable_type"), LIST),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), PAIRS),
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing"), DATE),
    **dict.fromkeys(("datetime_type", "datetime_parsing", "datetime_object_invalid"), TIME),
    "datetime_from_date_parsing": TIME,
    **dict.fromkeys(("json_invalid", "json_type"), N_("is not valid JSON")),
    "recursion_loop": N_("is nested too deeply"),
    "union_tag_not_found": N_("does not say which kind it is"),
    "union_tag_invalid": N_("is of an unknown kind: {tag}; known are {expected_tags}"),
}
EMPTY = N_("should not be empty")
OTHERWISE = N_("is not what is expected here")
OF_PYDANTIC = frozenset(get_args(ErrorType)) | {"path_type", "byte_size", "byte_size_unit"}


def sentence(item: Any) -> str:
    """What is wrong, of one of `ValidationError.errors()`; what our own checks say, as it is."""
    kind, context = item["type"], item.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        return str(context["error"])
    if context.get("min_length") == 1:
        return _(EMPTY)
    if kind not in OF_PYDANTIC:
        return str(item["msg"])
    values = {name: f"{v:g}" if isinstance(v, float) else v for name, v in context.items()}
    if "expected" in values:  # pydantic's list: 'a', 'b' or 'c'
        values["expected"] = str(values["expected"]).replace(" or ", _(" or "))
    return _(SENTENCES.get(kind, OTHERWISE)).format(**values)


def place(item: Any) -> str:
    """Where in the value it is: sampling.top_p."""
    return ".".join(str(part) for part in item["loc"] if part != "[key]")


def told(error: Exception) -> str:
    """What is wrong with a file's content, on one line; of other errors what they say."""
    if not isinstance(error, ValidationError):
        return str(error)
    faults = [(place(item), sentence(item)) for item in error.errors()]
    return _("; ").join(f"{where}: {what}" if where else what for where, what in faults)
