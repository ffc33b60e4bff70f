"""The README, in both languages: short, and the same in what matters."""

import re
from collections import Counter

import pytest
import yaml

from finetune.bases.catalogue import read_catalogue
from service.home import VARIABLE
from tests.data.reading.items import conversations_of, dialogue_items
from tests.pages import ROOT, blocks, commands

DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
TRAINING = (DOCS / "training.md").read_text(encoding="utf-8")
LINES_OF_A_SCREEN = 15

in_both_languages = pytest.mark.parametrize("page", [README, CHINESE], ids=["en", "zh"])


@in_both_languages
def test_both_are_read_in_two_minutes(page: str):
    lines = page.splitlines()
    assert len(lines) <= 150
    assert any(line.startswith("make demo") for line in lines[:25])
    assert any("base_url=" in line for line in lines[: 80 if page is README else None])
    assert len(commands(page)) >= 5


@in_both_languages
def test_the_example_dialogue_reads_as_two_conversations(page: str):
    conversations = conversations_of(dialogue_items(blocks("text", page)[0]))
    assert [len(conversation.messages) for conversation in conversations] == [2, 4]


def test_chinese_has_every_command_for_a_file_of_ones_own_perhaps_with_more_options():
    own = README.partition("## Your own file\n")[2].partition("\n## ")[0]
    section = own + TRAINING.partition("\n## LLaMA-2")[0]
    assert len(commands(section)) >= 10
    known = [Counter(words) for words in commands(CHINESE)]
    missing = [
        " ".join(words)
        for words in commands(section)
        if not any(Counter(words) <= each for each in known)
    ]
    assert missing == []


def test_chinese_has_its_first_command_on_the_first_screen():
    assert "```bash" in CHINESE.splitlines()[: LINES_OF_A_SCREEN - 1]


def test_chinese_begins_with_a_base_that_speaks_it():
    first = next(words for words in commands(CHINESE) if words[1] == "finetune")
    config = yaml.safe_load((ROOT / first[first.index("--config") + 1]).read_text("utf-8"))
    known = {base.hub_id: base for base in read_catalogue().bases}
    assert known[config["base_model"]].speaks_chinese


def test_chinese_has_no_figures_of_its_own():
    pages = [README, *(path.read_text("utf-8") for path in DOCS.glob("*.md"))]
    pages += [path.read_text("utf-8") for path in (ROOT / "configs").glob("qwen*.yaml")]
    assert figures(CHINESE) <= figures("\n".join(pages))


def figures(page: str) -> set[str]:
    return set(re.findall(r"\d+(?:[.,]\d+)*", page))


def test_each_language_links_to_the_other_at_its_top():
    assert "](README.zh-CN.md)" in README.splitlines()[2]
    assert "](README.md)" in CHINESE.splitlines()[2]


@pytest.mark.parametrize("target", ["setup", "demo", "test", "test-all", "check"])
def test_the_makefile_has_what_is_promised(target: str):
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_the_variable_for_the_home_is_named():
    assert VARIABLE in (DOCS / "adapters.md").read_text("utf-8")
