"""The data benchmark, with little data."""

import json
from pathlib import Path

from benchmarks.data.__main__ import SHARE, check, write_rows


def test_a_file_is_made_and_checked_in_a_process_of_its_own(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    num_rows = write_rows(path, 2_000_000)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == num_rows
    assert 2_000_000 <= path.stat().st_size < 2_010_000
    checked = check(path, num_rows)
    assert checked.rows == num_rows
    assert checked.megabytes_per_second > 0
    assert checked.peak_megabytes > 10
    for kind in ("duplicate", "near duplicate"):
        assert 0.3 * SHARE < checked.counts[kind] / num_rows < 3 * SHARE


def test_the_same_rows_are_made_every_time(tmp_path: Path):
    paths = tmp_path / "a", tmp_path / "b"
    for path in paths:
        write_rows(path, 50_000)
    assert paths[0].read_bytes() == paths[1].read_bytes()
