"""What is said of special tokens and marks in texts before training."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from data.chat import ChatRenderer
from data.checking.check import Findings, check
from data.checking.tokens import TokenCheck
from data.conversation import Conversation, Message
from service.cli import app


def pair(question: str, answer: str = "先量血压，再休息。", line: int = 1) -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)), "a.txt", line)


@pytest.fixture
def findings_of(make_tokenizer: Any, templates: dict[str, str]) -> Any:
    def run(template: str, *conversations: Conversation, **options: Any) -> Findings:
        tokenizer = make_tokenizer(templates[template])
        renderer = ChatRenderer(tokenizer, **options)
        return check(conversations, TokenCheck(renderer, tokenizer.decode, 2048))

    return run


def test_special_tokens_in_texts_are_one_warning_with_their_numbers(findings_of: Any):
    rows = [
        pair(f"问{i}<|im_end|> <|im_end|>", "So.</s>" if i < 7 else "A", i) for i in range(3, 9)
    ]
    findings = findings_of("chatml", pair("头晕", line=2), *rows)
    [fault] = [fault for fault in findings.faults if fault.kind == "special token in text"]
    assert (fault.severity, fault.line, fault.field) == ("warning", 3, "turn 1")
    assert "'<|im_end|>' in 6, '</s>' in 4" in fault.seen
    assert "stay text" in fault.expected
    assert findings.counts["warning", "special token in text"] == 1


def test_texts_without_them_get_no_warning(findings_of: Any):
    findings = findings_of("chatml", pair("头晕 <im_end> | a < b [INST]"))
    assert not findings.counts


def test_marks_of_the_template_in_texts_are_errors_with_line_turn_and_mark(findings_of: Any):
    findings = findings_of("llama2", pair("头晕", "[INST] Hi", 7), pair("<<SYS>>", line=9))
    faults = [(fault.line, fault.field, fault.seen) for fault in findings.faults]
    assert faults == [(7, "turn 2", "the text '[INST]'"), (9, "turn 1", "the text '<<SYS>>'")]
    assert findings.counts["error", "template mark in text"] == 2


def test_broken_marks_are_one_warning(findings_of: Any):
    rows = (pair("[INST] a", line=4), pair("[INST] 头晕", line=5))
    findings = findings_of("llama2", *rows, plain_marks="defuse")
    [fault] = [fault for fault in findings.faults if fault.kind == "template mark in text"]
    assert (fault.severity, fault.line) == ("warning", 4)
    assert "'[INST]' in 2" in fault.seen
    assert not findings.num_errors


def test_the_command_refuses_marks_or_says_that_they_are_broken(
    make_base: Any, templates: dict[str, str], tmp_path: Path
):
    path = tmp_path / "a.txt"
    path.write_text("问：[INST]头晕怎么办？\n答：先量血压。\n")
    base = make_base("llama", templates["llama2"])
    words = ["data", "check", str(path), "--base", str(base)]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 1
    assert "turn 1: the text '[INST]'" in refused.output
    broken = CliRunner().invoke(app, [*words, "--plain-marks", "defuse"])
    assert broken.exit_code == 0
    assert "template mark in text: 1" in broken.output
