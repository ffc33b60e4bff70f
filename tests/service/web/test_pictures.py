"""The pictures in the pages for people are those that `make pictures` takes, and small."""

import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.pages import ROOT
from tests.service.web.parts import VIEWS
from tests.service.web.pictures import FOLDER, PICTURES, SIZE, take_pictures

LARGEST = 120_000  # [bytes] of a picture
PAGES = ("docs/page.md", "README.md", "README.zh-CN.md")
SHOWN = re.compile(r"!\[[^\]]+\]\(([^)]+\.png)\)")
TAKEN = {f"{picture.name}.png" for picture in PICTURES}


def shown() -> Iterator[Path]:
    for page in map(ROOT.joinpath, PAGES):
        found = SHOWN.findall(page.read_text(encoding="utf-8"))
        assert found, f"{page.name} shows none"
        yield from ((page.parent / path).resolve() for path in found)


def test_what_the_pages_show_is_taken_and_kept_and_nothing_else():
    kept = {*FOLDER.iterdir()}
    assert {*shown()} == kept == {FOLDER / name for name in TAKEN}


def test_every_view_is_shown():
    assert {picture.view for picture in PICTURES} == VIEWS.keys()


@pytest.mark.slow
def test_pictures_are_taken_whole_and_small(browser: Browser, tmp_path: Path):
    for path in take_pictures(browser, tmp_path):
        for each in (path, FOLDER / path.name):
            content = each.read_bytes()
            assert len(content) <= LARGEST, f"{each.name}: {len(content)} bytes"
            assert content.startswith(b"\x89PNG")
            assert struct.unpack(">2I", content[16:24]) == (SIZE["width"], SIZE["height"])
