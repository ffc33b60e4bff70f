"""The page's files: small, whole, of nobody else's but those in lib, and told as what they are."""

import hashlib
import re
from pathlib import Path

import pytest

from service.web.files import FOLDER, INDEX, KINDS, read_files

MOST = 150 * 1024  # [bytes] of all files, before any compression
LONGEST = 200  # [lines] of a module
LIBRARY = {  # byte for byte as npm's package htm 3.1.1 has it
    "lib/htm-preact.js": "72284e8e9079c87817145df1110f74e8a2aa040b2fc384922e18dfcb46fc1fd7"
}
LICENSES = {"lib/LICENSE-htm.txt": "Apache License", "lib/LICENSE-preact.txt": "MIT License"}
SVG = "http://www.w3.org/2000/svg"  # a name, which nothing asks for
PATHS = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())
OWN = [path for path in PATHS if not path.startswith("lib/")]
IMPORT = re.compile(r'^(?:import|export) .*?from "([^"]+)";', re.MULTILINE | re.DOTALL)


def text_of(path: str) -> str:
    return (FOLDER / path).read_text(encoding="utf-8")


def test_every_file_is_sent_and_none_is_large():
    files = read_files()
    assert sorted(files) == PATHS
    assert sum(len(file.content) for file in files.values()) <= MOST
    assert {Path(path).suffix for path in PATHS} <= set(KINDS)


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


@pytest.mark.parametrize("path", [path for path in OWN if path.endswith(".js")])
def test_a_module_is_short_and_what_it_imports_is_there(path: str):
    text = text_of(path)
    assert text.startswith("// "), "it says what it is"
    assert text.count("\n") <= LONGEST
    imported = IMPORT.findall(text)
    assert text.count(' from "') == len(imported)
    for target in imported:
        assert target.startswith("."), "without a build step there are no bare names"
        assert (FOLDER / path).parent.joinpath(target).is_file()


@pytest.mark.parametrize("path", [path for path in OWN if path.endswith(".js")])
def test_no_module_makes_html_or_code_of_a_text(path: str):
    makers = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerously|\beval\b|Function\("
    )
    assert re.findall(makers, text_of(path)) == []


def test_the_page_has_no_inline_style_or_script_and_asks_for_files_beside_it():
    index = text_of(INDEX)
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", index)
    loaded = re.findall(r'(?:href|src)="([^"]+)"', index)
    assert loaded
    for path in loaded:
        assert path.startswith("web/"), "relative, so that it works below a proxy's prefix"
        assert path.removeprefix("web/") in PATHS


def words(language: str) -> dict[str, str]:
    lines = re.findall(r'^  "?([\w.]+)"?: "(.*)",$', text_of(f"words/{language}.js"), re.MULTILINE)
    assert len(lines) == len(dict(lines)), "a key stands twice"
    return dict(lines)


def test_both_languages_have_the_same_words_with_the_same_gaps():
    english, chinese = words("en"), words("zh")
    assert len(english) > 100
    assert english.keys() == chinese.keys()
    for key, sentence in english.items():
        assert set(re.findall(r"\{\w+\}", sentence)) == set(re.findall(r"\{\w+\}", chinese[key]))
        assert re.search(r"[一-鿿]", chinese[key]), key


def test_every_word_that_is_asked_for_is_there():
    known = words("en")
    code = "".join(text_of(path) for path in OWN if path.endswith(".js"))
    asked = set(re.findall(r'\bt\(\s*"([\w.]+)"', code))
    assert len(asked) > 80
    assert asked <= known.keys()
