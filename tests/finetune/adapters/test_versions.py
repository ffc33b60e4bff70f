"""Names, versions and the promoted one."""

import os
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier

import pytest

from finetune.adapters.files import CONFIG_FILE, WEIGHTS_FILE
from finetune.adapters.versions import (
    check_name,
    find_version,
    install,
    list_names,
    list_versions,
    promote,
    promoted_version,
    remove_name,
    remove_version,
    rollback,
    staging_folder,
    version_folder,
)
from finetune.errors import AdapterInvalid
from tests.disk_calls import record_disk

NUM_AT_ONCE = 8


def add(adapters: Path, name: str = "tcm", *, promoted: bool = True, content: str = "") -> None:
    with staging_folder(adapters) as folder:
        (folder / WEIGHTS_FILE).write_text(content)
        install(adapters, name, folder, promoted=promoted)


def add_tagged(adapters: Path, tag: str) -> None:
    add(adapters, content=tag)


def contents(adapters: Path) -> list[str]:
    return sorted(
        (version_folder(adapters, "tcm", version) / WEIGHTS_FILE).read_text()
        for version in list_versions(adapters, "tcm")
    )


def test_versions_count_up_and_the_newest_is_promoted(tmp_path: Path):
    for number in range(1, 12):
        add(tmp_path)
        newest = list_versions(tmp_path, "tcm")[-1]
        assert promoted_version(tmp_path, "tcm") == newest == str(number)
    assert list_versions(tmp_path, "tcm") == [str(number) for number in range(1, 12)]
    assert list_names(tmp_path) == ["tcm"]


def test_a_version_kept_back_leaves_the_old_one_promoted(tmp_path: Path):
    add(tmp_path)
    add(tmp_path, promoted=False)
    assert list_versions(tmp_path, "tcm")[-1] == "2"
    assert promoted_version(tmp_path, "tcm") == "1"


def test_a_version_kept_back_leaves_a_pointer_less_older_one_promoted(tmp_path: Path):
    add(tmp_path)
    (tmp_path / "tcm" / "promoted").unlink()
    add(tmp_path, promoted=False)
    assert promoted_version(tmp_path, "tcm") == "1"


@pytest.mark.parametrize("lost", ["3", f"3/{WEIGHTS_FILE}"], ids=["folder", "weights"])
def test_a_version_kept_back_is_not_meant_where_the_promoted_one_is_lost(tmp_path: Path, lost: str):
    for _ in range(3):
        add(tmp_path)
    (tmp_path / "tcm" / lost).rename(tmp_path / "lost")
    add(tmp_path, promoted=False)
    assert promoted_version(tmp_path, "tcm") == "2"


def test_a_version_kept_back_never_means_the_name_even_if_nothing_follows_its_appearance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    add(tmp_path)
    (tmp_path / "tcm" / "promoted").unlink()
    calls = record_disk(monkeypatch, tmp_path)
    add(tmp_path, promoted=False)
    assert calls.index("tcm/.promoted.? -> tcm/promoted") < calls.index(".new-? -> tcm/2")


def test_a_version_is_written_through_before_it_appears_and_where_it_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    add(tmp_path)
    calls = record_disk(monkeypatch, tmp_path)
    add(tmp_path)
    appears = calls.index(".new-? -> tcm/2")
    assert calls[:appears] == [f"fsync .new-?/{WEIGHTS_FILE}", "fsync .new-?"]
    assert calls[appears + 1 :] == [
        *("fsync tcm", "fsync ."),
        *("fsync tcm/.promoted.?", "tcm/.promoted.? -> tcm/promoted", "fsync tcm"),
    ]


def test_the_first_version_is_promoted_even_if_kept_back(tmp_path: Path):
    add(tmp_path, promoted=False)
    assert promoted_version(tmp_path, "tcm") == "1"


def test_promoting_moves_the_name_back_and_forth(tmp_path: Path):
    add(tmp_path)
    add(tmp_path)
    for version in ("1", "2", "1"):
        promote(tmp_path, "tcm", version)
        assert promoted_version(tmp_path, "tcm") == version
    assert sorted(path.name for path in (tmp_path / "tcm").iterdir()) == ["1", "2", "promoted"]


def test_promoting_removes_what_a_promotion_left_that_was_killed_long_ago(tmp_path: Path):
    add(tmp_path)
    (tmp_path / "tcm" / ".promoted.1").touch()
    os.utime(tmp_path / "tcm" / ".promoted.1", (0, 0))
    promote(tmp_path, "tcm", "1")
    assert sorted(path.name for path in (tmp_path / "tcm").iterdir()) == ["1", "promoted"]


def test_a_pointer_to_a_deleted_or_senseless_version_means_the_newest(tmp_path: Path):
    add(tmp_path)
    add(tmp_path)
    for pointer in ("3", "../2", "", "one"):
        (tmp_path / "tcm" / "promoted").write_text(pointer)
        assert promoted_version(tmp_path, "tcm") == "2"


def test_an_exception_leaves_nothing_behind(tmp_path: Path):
    def fail() -> None:
        with staging_folder(tmp_path) as folder:
            (folder / WEIGHTS_FILE).touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_nothing_can_be_seen_before_it_is_installed(tmp_path: Path):
    with staging_folder(tmp_path) as folder:
        (folder / WEIGHTS_FILE).touch()
        assert list_names(tmp_path) == list_versions(tmp_path, "tcm") == []
        assert promoted_version(tmp_path, "tcm") is None
        install(tmp_path, "tcm", folder)
    assert list_names(tmp_path) == ["tcm"]


def test_versions_that_end_together_are_told_apart(tmp_path: Path):
    with staging_folder(tmp_path) as one, staging_folder(tmp_path) as other:
        for folder in (one, other):
            (folder / WEIGHTS_FILE).write_text(folder.name)
        names = [one.name, other.name]
        versions = [install(tmp_path, "tcm", folder) for folder in (one, other)]
    assert [str(version) for version in versions] == ["tcm@1", "tcm@2"]
    assert [(version.folder / WEIGHTS_FILE).read_text() for version in versions] == names


def test_threads_at_once_get_different_versions(tmp_path: Path):
    barrier = Barrier(NUM_AT_ONCE)

    def run(number: int) -> str:
        with staging_folder(tmp_path) as folder:
            (folder / WEIGHTS_FILE).write_text(str(number))
            barrier.wait(timeout=30)
            return (install(tmp_path, "tcm", folder).folder / WEIGHTS_FILE).read_text()

    numbers = [str(number) for number in range(NUM_AT_ONCE)]
    with ThreadPoolExecutor(NUM_AT_ONCE) as pool:
        assert list(pool.map(run, range(NUM_AT_ONCE))) == numbers
    assert contents(tmp_path) == numbers
    assert promoted_version(tmp_path, "tcm") in list_versions(tmp_path, "tcm")


def test_threads_promoting_at_once_do_not_disturb_each_other(tmp_path: Path):
    add(tmp_path)
    with ThreadPoolExecutor(NUM_AT_ONCE) as pool:
        list(pool.map(lambda _: promote(tmp_path, "tcm", "1"), range(400)))
    assert sorted(path.name for path in (tmp_path / "tcm").iterdir()) == ["1", "promoted"]


def test_processes_at_once_get_different_versions(tmp_path: Path):
    context = get_context("forkserver")
    tags = [str(number) for number in range(4)]
    processes = [context.Process(target=add_tagged, args=(tmp_path, tag)) for tag in tags]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert contents(tmp_path) == tags


@pytest.mark.parametrize("name", ["中医", "tcm", "_", "1", "a.b-c_d", "x" * 64, "Ünïcode"])
def test_a_name_may_be_of_any_letters(name: str):
    assert check_name(name, "smollm2-135m") == name


@pytest.mark.parametrize(
    "name",
    ["", "../x", "a/b", "a\\b", "a:b", "a@b", ".a", "-a", "a b", "a\n", "x" * 65, "<lora>", "a+b"],
)
def test_a_name_that_a_path_or_the_notation_would_misread_is_refused(name: str):
    with pytest.raises(AdapterInvalid, match="--name"):
        check_name(name, "smollm2-135m")


def test_the_name_of_the_base_is_refused():
    with pytest.raises(AdapterInvalid, match=r"base model's id.*--name"):
        check_name("smollm2-135m", "smollm2-135m")


def test_a_bare_peft_folder_is_a_name_with_version_1(tmp_path: Path):
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / WEIGHTS_FILE).touch()
    assert list_names(tmp_path) == ["bare"]
    assert list_versions(tmp_path, "bare") == ["1"]
    assert promoted_version(tmp_path, "bare") == "1"
    assert version_folder(tmp_path, "bare", "1") == tmp_path / "bare"


def test_a_bare_peft_folder_takes_no_further_version(tmp_path: Path):
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / WEIGHTS_FILE).touch()
    with pytest.raises(AdapterInvalid, match="bare adapter folder"):
        add(tmp_path, "bare")
    assert [path.name for path in tmp_path.iterdir()] == ["bare"]


def test_what_is_no_adapter_is_not_listed(tmp_path: Path):
    (tmp_path / "empty" / "1").mkdir(parents=True)
    (tmp_path / ".new-x" / "1").mkdir(parents=True)
    (tmp_path / ".new-x" / "1" / WEIGHTS_FILE).touch()
    (tmp_path / "file").touch()
    add(tmp_path)
    (tmp_path / "tcm" / "latest").mkdir()
    (tmp_path / "tcm" / "latest" / WEIGHTS_FILE).touch()
    assert list_names(tmp_path) == ["tcm"]
    assert list_versions(tmp_path, "tcm") == ["1"]
    assert list_names(tmp_path / "missing") == list_versions(tmp_path, "missing") == []


def test_a_reference_means_the_promoted_version_or_the_one_it_names(tmp_path: Path):
    add(tmp_path)
    add(tmp_path, promoted=False)
    assert str(find_version(tmp_path, "tcm")) == "tcm@1"
    assert find_version(tmp_path, "tcm@2").folder == tmp_path / "tcm" / "2"


def test_a_damaged_version_can_be_found(tmp_path: Path):
    add(tmp_path)
    add(tmp_path)
    (tmp_path / "tcm" / "2" / WEIGHTS_FILE).unlink()
    assert str(find_version(tmp_path, "tcm")) == "tcm@1"
    assert find_version(tmp_path, "tcm@2").folder == tmp_path / "tcm" / "2"
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / CONFIG_FILE).touch()
    assert find_version(tmp_path, "bare").folder == tmp_path / "bare"


@pytest.mark.parametrize(
    "reference",
    ["tmc", "tcm@2", "tcm@", "tcm@.", "tcm@../tcm/1", "..", "../home/tcm", ".", "", "@1"],
)
def test_what_is_no_version_is_not_found(tmp_path: Path, reference: str):
    add(tmp_path / "home")
    with pytest.raises(AdapterInvalid, match="Adapters here: tcm"):
        find_version(tmp_path / "home", reference)


def test_rolling_back_goes_one_version_back_until_there_is_none(tmp_path: Path):
    for _ in range(3):
        add(tmp_path)
    assert [rollback(tmp_path, "tcm"), rollback(tmp_path, "tcm")] == ["2", "1"]
    with pytest.raises(AdapterInvalid, match="tcm@1 is the oldest"):
        rollback(tmp_path, "tcm")
    assert promoted_version(tmp_path, "tcm") == "1"


def test_a_removed_version_leaves_the_others(tmp_path: Path):
    for number in range(3):
        add(tmp_path, content=str(number))
    remove_version(tmp_path, find_version(tmp_path, "tcm@2"))
    assert contents(tmp_path) == ["0", "2"]
    assert sorted(path.name for path in (tmp_path / "tcm").iterdir()) == ["1", "3", "promoted"]


def test_a_removed_versions_heir_is_the_one_before_it_or_else_the_newest(tmp_path: Path):
    for _ in range(4):
        add(tmp_path)
    promote(tmp_path, "tcm", "2")
    for removed, heir in (("2", "1"), ("1", "4"), ("4", "3"), ("3", None)):
        remove_version(tmp_path, find_version(tmp_path, f"tcm@{removed}"))
        assert promoted_version(tmp_path, "tcm") == heir


def test_with_the_last_version_goes_the_name_but_nothing_that_a_person_keeps_there(tmp_path: Path):
    for name in ("tcm", "kept"):
        add(tmp_path, name)
    (tmp_path / "kept" / "notes.txt").touch()
    for name in ("tcm", "kept"):
        remove_version(tmp_path, find_version(tmp_path, name))
    assert list_names(tmp_path) == []
    assert [path.name for path in tmp_path.rglob("*")] == ["kept", "notes.txt"]


def test_a_removed_name_is_gone_with_what_an_earlier_removal_left(tmp_path: Path):
    add(tmp_path)
    add(tmp_path)
    (tmp_path / ".removed-earlier" / "1").mkdir(parents=True)
    remove_name(tmp_path, "tcm")
    assert list(tmp_path.iterdir()) == []


def test_removing_a_linked_adapter_leaves_what_the_link_leads_to(tmp_path: Path):
    add(tmp_path / "elsewhere")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "tcm").symlink_to(tmp_path / "elsewhere" / "tcm")
    remove_name(tmp_path / "home", "tcm")
    assert list((tmp_path / "home").iterdir()) == []
    assert list_versions(tmp_path / "elsewhere", "tcm") == ["1"]


def test_a_removed_bare_folder_is_gone(tmp_path: Path):
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / WEIGHTS_FILE).touch()
    remove_version(tmp_path, find_version(tmp_path, "bare@1"))
    assert list(tmp_path.iterdir()) == []
