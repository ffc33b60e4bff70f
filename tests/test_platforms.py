"""What differs between systems is named in the code: encodings, and what is Linux's alone."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("data", "finetune", "serving", "service")
MODE = re.compile(r"[rwax][bt+]*")
OPENING = ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile")  # text by their mode
TEXTUAL = {"read_text": 1, "write_text": 2, "TextIOWrapper": 2}  # arguments with the encoding


def faults_of(path: Path) -> Iterator[str]:
    """Calls that would read or write text in whatever encoding the system has."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Call) and not is_named(node):
            yield f"{path.relative_to(ROOT)}:{node.lineno}"


def is_named(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if "encoding" in given:
        return True
    if isinstance(told := given.get("text"), ast.Constant) and told.value is True:
        return False  # a process's output
    words = [node.value for node in (*call.args, *given.values()) if isinstance(node, ast.Constant)]
    modes = [word for word in words if isinstance(word, str) and MODE.fullmatch(word)]
    if ast.unparse(call.func) == "archive.open":
        return True  # what is in a .zip is bytes
    if name in OPENING and isinstance(call.func, ast.Name):
        return any("b" in mode for mode in modes)
    if name in OPENING:
        return all("b" in mode for mode in modes)  # a gate is opened, too, without a mode
    is_own = isinstance(call.func, ast.Name)
    return is_own or name not in TEXTUAL or len(call.args) >= TEXTUAL[name]


def test_every_text_is_read_and_written_in_an_encoding_that_is_named():
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert [fault for path in files for fault in faults_of(path)] == []


def test_what_would_be_left_to_the_system_is_found():
    found = "\n".join(
        (
            "open(path)",
            "open(path, 'w')",
            "path.open('a')",
            "path.read_text()",
            "path.write_text('x')",
            "subprocess.run(command, text=True)",
        )
    )
    fine = "\n".join(
        (
            "open(path, 'rb')",
            "path.open('r', encoding='utf-8')",
            "gate.open()",
            "path.read_text(encoding='ascii')",
            "path.read_bytes()",
        )
    )
    calls = [
        [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
        for code in (found, fine)
    ]
    assert [len(group) for group in calls] == [6, 5]
    assert [is_named(call) for group in calls for call in group] == [False] * 6 + [True] * 5
