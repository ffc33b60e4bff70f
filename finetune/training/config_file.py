"""Configurations as people write them: a YAML file, and `key=value` on the command line."""

import difflib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from data.wording import _
from finetune.errors import ConfigError

Pair = tuple[str, Any]


def read_pairs(path: Path) -> tuple[list[Pair], list[str]]:
    """The file's keys and values, and the keys that stand in it twice, as faults.

    Raises ConfigError for a file that cannot be read at all.
    """
    try:
        text = path.read_text(encoding="utf-8")
        loaded, node = yaml.safe_load(text), yaml.compose(text)
    except FileNotFoundError:
        raise ConfigError(str(path), [_("there is no such file")]) from None
    except (OSError, UnicodeDecodeError) as error:
        fault = _("cannot be read: {error}").format(error=error)
        raise ConfigError(str(path), [fault]) from error
    except yaml.YAMLError as error:
        fault = _("cannot be read as YAML: {error}").format(error=_what(error))
        raise ConfigError(str(path), [fault]) from error
    if not isinstance(loaded, dict) or not isinstance(node, yaml.MappingNode):
        raise ConfigError(str(path), [_("holds no 'key: value' lines")])
    # YAML itself would let the last one win.
    counts = Counter(str(key.value) for key, _value in node.value)
    told = _("{key}: set {count} times")
    repeated = [told.format(key=key, count=count) for key, count in counts.items() if count > 1]
    return [(str(key), value) for key, value in loaded.items()], repeated


def parse_assignments(
    assignments: Iterable[str], example: str = "epochs=3"
) -> tuple[list[Pair], list[str]]:
    """What `--set key=value` says, and the faults in it."""
    pairs: list[Pair] = []
    faults: list[str] = []
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            told = _("--set {assignment!r} is not key=value, such as {example}")
            faults.append(told.format(assignment=assignment, example=example))
            continue
        try:
            pairs.append((key.strip(), yaml.safe_load(text)))
        except yaml.YAMLError as error:
            told = _("--set {assignment!r} cannot be read as YAML: {error}")
            faults.append(told.format(assignment=assignment, error=_what(error)))
    return pairs, faults


def _what(error: yaml.YAMLError) -> str:
    """What is wrong with the YAML, on one line, and where."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        mark = error.problem_mark
        told = _("line {line}, column {column}: {problem}")
        return told.format(line=mark.line + 1, column=mark.column + 1, problem=error.problem)
    return " ".join(str(error).split())


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The fault of a key that is not known, with the nearest that is."""
    near = difflib.get_close_matches(key, list(known), n=1, cutoff=0.5)
    if not near:
        return _("{key}: unknown key").format(key=key)
    return _("{key}: unknown key; did you mean {near!r}?").format(key=key, near=near[0])
