"""A version that answers a share of the requests, recorded beside the promoted one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from finetune.adapters.share import SHARED_FILE, Share
from finetune.adapters.versions import (
    end_share,
    find_version,
    promote,
    remove_version,
    rollback,
    share,
    share_of,
)
from finetune.errors import AdapterInvalid

Give = Callable[[str, int], Share]


@pytest.fixture
def adapters(tmp_path: Path) -> Path:
    for number in "123":
        folder = tmp_path / "tcm" / number
        folder.mkdir(parents=True)
        for file in ("adapter_config.json", "adapter_model.safetensors"):
            (folder / file).write_bytes(b"{}")
    promote(tmp_path, "tcm", "1")
    return tmp_path


@pytest.fixture
def give(adapters: Path) -> Give:
    return lambda reference, percent: share(adapters, find_version(adapters, reference), percent)


def test_a_share_is_kept_beside_the_promoted_version(adapters: Path, give: Give):
    assert share_of(adapters, "tcm") is None
    give("tcm@2", 10)
    assert share_of(adapters, "tcm") == Share("2", "1", 10)
    give("tcm@3", 25)
    assert share_of(adapters, "tcm") == Share("3", "1", 25)
    end_share(adapters, "tcm")
    assert share_of(adapters, "tcm") is None


def test_any_promotion_ends_it_for_good(adapters: Path, give: Give):
    for move in (
        lambda: promote(adapters, "tcm", "2"),
        lambda: promote(adapters, "tcm", "1"),
        lambda: rollback(adapters, "tcm"),
    ):
        promote(adapters, "tcm", "2")
        give("tcm@3", 10)
        move()
        promote(adapters, "tcm", "2")
        assert share_of(adapters, "tcm") is None


def test_it_goes_with_its_version_alone(adapters: Path, give: Give):
    give("tcm@3", 10)
    remove_version(adapters, find_version(adapters, "tcm@2"))
    assert share_of(adapters, "tcm") == Share("3", "1", 10)
    remove_version(adapters, find_version(adapters, "tcm@3"))
    assert not (adapters / "tcm" / SHARED_FILE).exists()
    remove_version(adapters, find_version(adapters, "tcm@1"))
    assert not (adapters / "tcm").exists()


def test_the_name_means_what_it_meant_where_nothing_was_promoted(adapters: Path, give: Give):
    (adapters / "tcm" / "promoted").unlink()  # the newest counts: 3
    give("tcm@1", 10)
    (adapters / "tcm" / "3").rename(adapters / "tcm" / "4")
    assert share_of(adapters, "tcm") is None  # 3 is gone, and 4 was never beside it


@pytest.mark.parametrize("percent", [-1, 0, 100])
def test_a_share_is_some_and_not_all(give: Give, percent: int):
    with pytest.raises(AdapterInvalid, match="1 to 99 percent"):
        give("tcm@2", percent)


def test_the_promoted_version_has_none(give: Give):
    with pytest.raises(AdapterInvalid, match="promoted and answers all"):
        give("tcm@1", 10)


@pytest.mark.parametrize(
    "record", ["", "2", "2 1", "2 1 x", "2 1 ٣", "2 1 0", "2 1 100", "2 1 10 4", "9 1 10", "2 3 10"]
)
def test_a_record_that_says_something_else_is_none(adapters: Path, record: str):
    (adapters / "tcm" / SHARED_FILE).write_text(record, encoding="utf-8")
    assert share_of(adapters, "tcm") is None


def test_the_share_is_as_large_as_it_says_and_the_same_for_the_same_request():
    given = Share("2", "1", 10)
    taken = [given.takes("key_1", f"question {number}") for number in range(10_000)]
    assert 850 < sum(taken) < 1150  # five standard deviations
    assert taken == [given.takes("key_1", f"question {number}") for number in range(10_000)]
    others = [given.takes("key_2", f"question {number}") for number in range(10_000)]
    assert sum(map(bool.__and__, taken, others)) < 200  # independent: 100
