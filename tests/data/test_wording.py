"""Both languages say everything, and the right one is chosen."""

import gettext
import re
from collections.abc import Generator
from contextvars import Context
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from data.wording import FOLDER, LANGUAGES, _, environment_language, language, prefer, speak

ROOT = Path(__file__).parents[2]
PACKAGES = ("data", "finetune", "serving", "service")
FIELD = re.compile(r"\{[^{}]*\}")


@pytest.fixture(scope="module")
def said() -> set[str]:
    """Every sentence of the code that is marked for translation."""
    with (FOLDER / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    keywords = {"_": None, "N_": None}
    return {
        message
        for package in PACKAGES
        for _file, _line, message, *_rest in extract_from_dir(
            ROOT / package, methods, options, keywords, strip_comment_tags=True
        )
        if isinstance(message, str)
    }


@pytest.fixture(params=[each for each in LANGUAGES if each != "en"])
def catalogue(request: pytest.FixtureRequest) -> Generator[Catalog]:
    path = FOLDER / f"{request.param}.po"
    with path.open("rb") as file:
        yield read_po(file, locale=request.param)


def translated(catalogue: Catalog) -> dict[str, str]:
    return {str(each.id): str(each.string) for each in catalogue if each.id}


def test_every_sentence_is_translated_and_nothing_else(catalogue: Catalog, said: set[str]):
    found = translated(catalogue)
    assert len(said) > 100
    assert set(found) == said, "make words"
    assert [each for each, text in found.items() if not text] == []


def test_translations_have_the_same_numbers_to_fill_in(catalogue: Catalog):
    for sentence, text in translated(catalogue).items():
        names, others = (sorted(set(FIELD.findall(each))) for each in (sentence, text))
        assert names == others, sentence


def test_the_place_at_the_head_is_the_same(catalogue: Catalog):
    """It is taken off again where it is told otherwise."""
    headed = {
        sentence: text
        for sentence, text in translated(catalogue).items()
        if sentence.startswith("{source}: ")
    }
    assert len(headed) > 3
    assert [text for text in headed.values() if not text.startswith("{source}: ")] == []


def test_what_is_compiled_is_what_stands_in_the_text(catalogue: Catalog):
    with (FOLDER / f"{catalogue.locale}.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for sentence, text in translated(catalogue).items():
        assert compiled.gettext(sentence) == text, "make words"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"LANG": "C.UTF-8"}, None),
        ({"LANG": "POSIX"}, None),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW.Big5"}, "zh"),
        ({"LANG": "zh"}, "zh"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "de_DE@euro"}, "en"),
        ({"LANG": "zh_CN.GB18030", "LC_ALL": "en_GB"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_CN", "LANG": "en_US"}, "zh"),
    ],
)
def test_the_terminal_says_which_language(variables: dict[str, str], expected: str | None):
    assert environment_language(variables) == expected


def test_a_language_that_was_asked_for_is_not_changed_by_the_data():
    def asked() -> str:
        speak("en")
        prefer("zh")
        return _("Better.")

    def unasked() -> tuple[str, str]:
        prefer("zh")
        return language(), _("Better.")

    assert Context().run(asked) == "Better."
    assert Context().run(unasked) == ("zh", "有提升。")
    assert language() == "en"
