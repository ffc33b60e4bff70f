"""Fields of other servers that would change an answer: refused by name, not passed over.

A field is foreign that no model here knows and whose name contains one of the words below. So are
those that were found in
- vLLM, vllm/entrypoints/openai/chat_completion/protocol.py and sampling_params.py: guided_json,
  guided_regex, guided_choice, guided_grammar, structural_tag, structured_outputs,
  allowed_token_ids, bad_words, logits_processors
- SGLang, python/sglang/srt/entrypoints/openai/protocol.py: lora_path, json_schema, regex, ebnf,
  stop_regex, custom_logit_processor
- TGI and LoRAX, router/src/lib.rs of each: adapter_id, adapter_source, adapter_parameters, grammar,
  and the same within parameters
- llama-server, tools/server/server-task.cpp: grammar, grammar_lazy, grammar_triggers, json_schema,
  reasoning_format, chat_format
- Ollama, api/types.go: format
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from service.http.fields import UNSUPPORTED

TO_MODEL = 'name the adapter in model, as in "model": "tcm"'
TO_FORMAT = "a chat's response_format takes a JSON schema"
TO_BIAS = "logit_bias takes token ids"
ADAPTERS = {"lora": TO_MODEL, "adapter": TO_MODEL}  # words, and what to do instead
CONSTRAINTS = {
    "stop_regex": "stop takes texts",
    "grammar": TO_FORMAT,
    "schema": TO_FORMAT,
    "regex": TO_FORMAT,
    "guided": TO_FORMAT,
    "constraint": TO_FORMAT,
    "format": TO_FORMAT,
    "ebnf": TO_FORMAT,
    "structural": TO_FORMAT,
    "structured": TO_FORMAT,
    "allowed_token": TO_BIAS,
    "bad_words": TO_BIAS,
    "logit_processor": TO_BIAS,
    "logits_processor": TO_BIAS,
}
AS_TEXT = {"type": "text"}  # a format that is none
SCHEMAS = ("schema", "json", "format")  # an empty object here is a schema, of any JSON
WORDS = ADAPTERS | CONSTRAINTS
AS_HERE = {"reasoning_format": ("auto", "none")}  # values that ask for what is done anyway
MAX_SHOWN = 60  # [characters] of a name in a message
MAX_TOLD = 10  # fields in one


def check_foreign(sent: object, known: Collection[str], words: Mapping[str, str] = WORDS) -> None:
    """Look through what a client sent, and through the objects in unknown fields of it.

    Raises ValidationError with the path of every foreign field that asks for something.
    """
    if not isinstance(sent, dict):
        return
    unknown = {name: value for name, value in sent.items() if name not in known}
    faults = [
        InitErrorDetails(type=_refusal(advice), loc=path, input=value)
        for path, value, advice in islice(_foreign(unknown, words), MAX_TOLD)
    ]
    if faults:
        raise ValidationError.from_exception_data("request", faults)


def _foreign(
    fields: Mapping[str, Any], words: Mapping[str, str]
) -> Iterator[tuple[tuple[str, ...], Any, str]]:
    """The path, the value and what to do instead."""
    waiting: deque[tuple[tuple[str, ...], Mapping[str, Any]]] = deque([((), fields)])
    while waiting:
        above, inner = waiting.popleft()
        for name, value in inner.items():
            path = (*above, _printable(name))
            advice = next((words[word] for word in words if word in name.casefold()), None)
            if advice is not None and not _asks_nothing(name.casefold(), value):
                yield path, value, advice
            elif isinstance(value, dict):
                waiting.append((path, value))


def _asks_nothing(name: str, value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_empty, value))
    if isinstance(value, dict) and value != AS_TEXT:
        is_schema = any(word in name for word in SCHEMAS)
        return not is_schema and all(map(_is_empty, value.values()))
    return _is_empty(value) or value == AS_TEXT or value in AS_HERE.get(name, ())


def _is_empty(value: Any) -> bool:
    """Zero is not: it may number an adapter."""
    return value is None or value is False or value in ("", [])


def _refusal(advice: str) -> PydanticCustomError:
    return PydanticCustomError(
        UNSUPPORTED, "This field is not supported here; {advice}", {"advice": advice}
    )


def _printable(name: str) -> str:
    return name[:MAX_SHOWN].encode(errors="backslashreplace").decode()
