"""What is wrong with a value, in our words: by the type of pydantic's error, never by its text.

A sentence goes behind the name of a field: `rank: should be a whole number (found 'many')`.
"""

from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core.core_schema import ErrorType

WHOLE = "should be a whole number"
NUMBER = "should be a number"
TEXT = "should be a text"
LIST = "should be a list"
PAIRS = "should hold names and their values"
DATE = "should be a date, such as 2026-01-31"
TIME = "should be a date and a time, such as 2026-01-31T12:00:00Z"
SENTENCES = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), WHOLE),
    **dict.fromkeys(("float_type", "float_parsing", "decimal_type", "decimal_parsing"), NUMBER),
    "finite_number": "should be a finite number",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "string_type": TEXT,
    "string_unicode": "should be a text of whole characters",
    "string_too_long": "should have {max_length} characters at most",
    "string_pattern_mismatch": "does not have the form that is expected here ({pattern})",
    "bytes_type": TEXT,
    "path_type": "should be the path of a file or folder",
    "byte_size": "should be a size, such as 4MiB",
    "byte_size_unit": "should be a size, such as 4MiB, with a unit like KB, MiB or GB",
    "greater_than": "should be more than {gt}",
    "greater_than_equal": "should be {ge} or more",
    "less_than": "should be less than {lt}",
    "less_than_equal": "should be {le} or less",
    "multiple_of": "should be a multiple of {multiple_of}",
    "literal_error": "should be {expected}",
    "enum": "should be {expected}",
    "none_required": "should be left out",
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "too_long": "should have {max_length} items at most",
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "iterable_type"), LIST),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), PAIRS),
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing"), DATE),
    **dict.fromkeys(("datetime_type", "datetime_parsing", "datetime_object_invalid"), TIME),
    "datetime_from_date_parsing": TIME,
    **dict.fromkeys(("json_invalid", "json_type"), "is not valid JSON"),
    "recursion_loop": "is nested too deeply",
    "union_tag_not_found": "does not say which kind it is",
    "union_tag_invalid": "is of an unknown kind: {tag}; known are {expected_tags}",
}
UNITS = {"too_short": "items", "string_too_short": "characters", "bytes_too_short": "bytes"}
OTHERWISE = "is not what is expected here"
OF_PYDANTIC = frozenset(get_args(ErrorType)) | {"path_type", "byte_size", "byte_size_unit"}


def sentence(item: Any) -> str:
    """What is wrong, of one of `ValidationError.errors()`; what our own checks say, as it is."""
    kind, context = item["type"], item.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        return str(context["error"])
    if kind in UNITS:
        least = context["min_length"]
        return (
            "should not be empty" if least == 1 else f"should have {least} {UNITS[kind]} at least"
        )
    if kind not in OF_PYDANTIC:
        return str(item["msg"])
    values = {name: f"{v:g}" if isinstance(v, float) else v for name, v in context.items()}
    return SENTENCES.get(kind, OTHERWISE).format(**values)


def place(item: Any) -> str:
    """Where in the value it is: sampling.top_p."""
    return ".".join(str(part) for part in item["loc"] if part != "[key]")


def told(error: Exception) -> str:
    """What is wrong with a file's content, on one line; of other errors what they say."""
    if not isinstance(error, ValidationError):
        return str(error)
    faults = [(place(item), sentence(item)) for item in error.errors()]
    return "; ".join(f"{where}: {what}" if where else what for where, what in faults)
