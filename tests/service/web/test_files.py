"""The page's files: small, whole, of nobody else's but those in lib, and told as what they are."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest

from service.web.files import FOLDER, INDEX, KINDS, read_files
from tests.service.web.parts import (
    IMPORT,
    LANGUAGES,
    PATHS,
    VIEWS,
    closure,
    folders_in,
    folders_of,
    imports_of,
    linked,
    loaded_by,
    text_of,
    words,
)

MOST_SHOWN = 150 * 1024  # [bytes] of all that comes with one view, before any compression
MOST = 320 * 1024  # [bytes] of all files: five views in two languages, one of which is shown
LONGEST = 200  # [lines] of a module
LIBRARY = {  # byte for byte as npm's package htm 3.1.1 has it
    "lib/htm-preact.js": "72284e8e9079c87817145df1110f74e8a2aa040b2fc384922e18dfcb46fc1fd7"
}
LICENSES = {"lib/LICENSE-htm.txt": "Apache License", "lib/LICENSE-preact.txt": "MIT License"}
SVG = "http://www.w3.org/2000/svg"  # a name, which nothing asks for
OWN = [path for path in PATHS if not path.startswith("lib/")]
MODULES = [path for path in OWN if path.endswith(".js")]
LOADERS = {
    "views.js": r"\./\w+/view\.js",
    "shared/i18n.js": r"\.\./\$\{folder\}/words\.\$\{spoken\}\.js",
}
FRAME = closure(*linked())
SHARED = "shared"  # the folder whose words are everybody's


def test_every_file_is_sent_and_all_are_small_together():
    files = read_files()
    assert sorted(files) == PATHS
    assert sum(len(file.content) for file in files.values()) <= MOST
    assert {Path(path).suffix for path in PATHS} <= set(KINDS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_small_with_all_that_comes_with_it(view: str, language: str):
    loaded = loaded_by(view, language)
    assert loaded <= {*PATHS}
    assert sum(len((FOLDER / path).read_bytes()) for path in loaded) <= MOST_SHOWN


def test_every_file_is_of_the_frame_or_of_a_view():
    loaded = {path for view in VIEWS for each in LANGUAGES for path in loaded_by(view, each)}
    assert {*PATHS} - loaded == LICENSES.keys()


def test_every_view_is_a_folder_of_its_own_that_nothing_loads_before():
    assert len(VIEWS) == text_of("views.js").count("load:")
    assert {path.partition("/")[0] for path in PATHS if path.endswith("/view.js")} == VIEWS.keys()
    assert folders_in(FRAME).isdisjoint(VIEWS)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_says_whose_parts_it_shows(view: str):
    needed = folders_in(closure(f"{view}/view.js")) & VIEWS.keys()
    assert {*folders_of(view)} == needed


def test_the_library_is_the_one_that_was_read_and_its_licences_are_there():
    for path, digest in LIBRARY.items():
        assert hashlib.sha256((FOLDER / path).read_bytes()).hexdigest() == digest
    for path, name in LICENSES.items():
        assert name in text_of(path)
    assert {path for path in PATHS if path.startswith("lib/")} == LIBRARY.keys() | LICENSES.keys()


@pytest.mark.parametrize("path", [*OWN, *LIBRARY])
def test_nothing_comes_from_elsewhere(path: str):
    found = re.findall(r"(?:https?:)?//[\w-]+\.[\w.-]+[^\s\"'`)]*", text_of(path).replace(SVG, ""))
    assert found == []


@pytest.mark.parametrize("path", MODULES)
def test_a_module_is_short_and_what_it_imports_is_there(path: str):
    text = text_of(path)
    assert text.startswith("// "), "it says what it is"
    assert text.count("\n") <= LONGEST
    assert text.count(' from "') == len(IMPORT.findall(text))
    assert imports_of(path) <= {*PATHS}
    later = re.findall(r"\bimport\([\"`]?(.*?)[\"`]?\)", text)
    assert all(re.fullmatch(LOADERS[path], target) for target in later)


@pytest.mark.parametrize("path", MODULES)
def test_no_module_makes_html_or_code_of_a_text(path: str):
    makers = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerously|\beval\b|Function\("
    )
    assert re.findall(makers, text_of(path)) == []


def test_the_page_has_no_inline_style_or_script_and_asks_for_files_beside_it():
    index = text_of(INDEX)
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", index)
    asked = re.findall(r'(?:href|src)="(.+?)"', index)
    assert all(path.startswith("web/") for path in asked), "so that it works below a prefix"
    assert {*linked()} <= {*PATHS}


@pytest.mark.parametrize("folder", [SHARED, *VIEWS])
def test_both_languages_have_the_same_words_with_the_same_gaps(folder: str):
    english, chinese = words(folder, "en"), words(folder, "zh")
    assert english.keys() == chinese.keys()
    for key, sentence in english.items():
        assert set(re.findall(r"\{\w+\}", sentence)) == set(re.findall(r"\{\w+\}", chinese[key]))
        assert re.search(r"[一-鿿]", chinese[key]), key


def test_no_word_is_said_by_two():
    keys = Counter(key for folder in (SHARED, *VIEWS) for key in words(folder, "en"))
    assert keys.total() == len(keys) > 100
    assert {f"view.{view}" for view in VIEWS} == {key for key in keys if key.startswith("view.")}


@pytest.mark.parametrize("view", VIEWS)
def test_every_word_that_a_view_asks_for_is_loaded_with_it(view: str):
    known = {key for folder in (SHARED, *folders_of(view)) for key in words(folder, "en")}
    modules = [path for path in loaded_by(view, "en") if path in MODULES]
    asked = {key for path in modules for key in re.findall(r'\bt\(\s*"([\w.]+)"', text_of(path))}
    assert len(asked) > 20
    assert asked <= known


def test_the_frame_asks_for_shared_words_alone():
    asked = {key for path in FRAME for key in re.findall(r'\bt\(\s*"([\w.]+)"', text_of(path))}
    assert asked <= words(SHARED, "en").keys()
