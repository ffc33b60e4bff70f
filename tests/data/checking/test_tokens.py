"""What a base's tokenizer makes of data."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from data.chat import ChatRenderer
from data.checking.check import check
from data.checking.tokens import TokenCheck
from data.conversation import Conversation, Message
from service.cli import app

PAIR = (Message("user", "头晕怎么办？"), Message("assistant", "先量血压。"))


@pytest.fixture
def tokenizer(make_tokenizer: Any, templates: dict[str, str]) -> Any:
    return make_tokenizer(templates["chatml"])


def tokens_of(tokenizer: Any, *conversations: Conversation, max_tokens: int = 2048) -> TokenCheck:
    tokens = TokenCheck(ChatRenderer(tokenizer), tokenizer.decode, max_tokens)
    check(conversations, tokens)
    return tokens


def test_lengths_are_those_of_training(tokenizer: Any):
    rendered = ChatRenderer(tokenizer).render(Conversation(PAIR))
    tokens = tokens_of(tokenizer, Conversation(PAIR))
    assert tokens.lengths.largest == len(rendered.token_ids)
    assert tokens.trained.largest == rendered.num_trained
    assert tokens.num_cut == 0


def test_what_is_shown_as_trained_is_the_answers(tokenizer: Any):
    [segments] = tokens_of(tokenizer, Conversation((*PAIR, *PAIR))).shown
    assert [text for text, is_trained in segments if is_trained] == ["先量血压。<|im_end|>"] * 2
    assert "头晕怎么办？" in segments[0][0]


def test_only_the_first_ones_are_shown(tokenizer: Any):
    assert len(tokens_of(tokenizer, *[Conversation(PAIR)] * 9).shown) == 3


def test_long_conversations_are_cut_and_too_long_answers_refused(tokenizer: Any):
    size = len(ChatRenderer(tokenizer).render(Conversation(PAIR)).token_ids)
    long_one = Conversation((*PAIR, *PAIR), "a.txt", 1)
    too_long = Conversation((PAIR[0], Message("assistant", "好" * 500)), "a.txt", 7)
    tokens = TokenCheck(ChatRenderer(tokenizer), tokenizer.decode, size + 5)
    findings = check([Conversation(PAIR), long_one, too_long], tokens)
    assert tokens.num_cut == 2
    errors = [(f.line, f.kind) for f in findings.faults if f.severity == "error"]
    assert errors == [(7, "too long")]


def test_what_a_template_refuses_is_an_error_with_its_line(tokenizer: Any):
    system = Message("system", "b")
    bad = Conversation((*PAIR, system, *PAIR), "a.txt", 4)
    template = "{% if messages[2:] %}{{ raise_exception('one turn only') }}{% endif %}" + str(
        tokenizer.chat_template
    )
    tokens = TokenCheck(ChatRenderer(tokenizer, template), tokenizer.decode, 2048)
    findings = check([bad], tokens)
    assert [(f.line, f.kind) for f in findings.faults] == [(4, "template")]


def test_a_base_on_the_command_line_counts_its_tokens(make_base: Any, tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("问：头晕怎么办？\n答：先量血压。\n")
    report = tmp_path / "report.html"
    words = ["data", "check", str(path), "--base", str(make_base("llama")), "--max-tokens", "16"]
    result = CliRunner().invoke(app, [*words, "--json", "--report", str(report)])
    assert result.exit_code == 1
    tokens = json.loads(result.stdout)["tokens"]
    assert tokens["cut_conversations"] == 1
    assert any(part["trained"] and "先量血压" in part["text"] for part in tokens["rendered"][0])
    assert "<b>先量血压。" in report.read_text(encoding="utf-8")
    printed = CliRunner().invoke(app, words).output
    assert "As training sees them" in printed


def test_what_a_base_spends_on_chinese_is_said_and_warned_of(make_base: Any, tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text(
        "\n\n".join(f"问：头晕{i}天了怎么办？\n答：先量血压，多多休息。" for i in range(9))
    )
    words = ["data", "check", str(path), "--base", str(make_base("llama"))]
    found = CliRunner().invoke(app, [*words, "--json"])
    assert json.loads(found.stdout)["tokens"]["tokens_per_chinese_character"] > 1.5
    assert "Warning: tiny-llama spends" in found.stderr
    assert "Qwen2.5-0.5B-Instruct" in found.stderr
    assert "tokens for a character" in CliRunner().invoke(app, words).stdout


def test_what_a_template_refuses_is_a_fault_that_names_its_place_once(tokenizer: Any):
    bare = Conversation(PAIR[1:], source="a.txt", line=7)
    tokens = TokenCheck(ChatRenderer(tokenizer), tokenizer.decode, 2048)
    [fault] = tokens.take(bare)
    assert (fault.source, fault.line) == ("a.txt", 7)
    assert fault.seen == "it begins with an answer; put a question before it"
