"""The two ways that are compared differ, and the page has what each has shown."""

from benchmarks.beginnings.__main__ import WAYS, Trained, page_of, shared_from
from data.chat import Rendered
from finetune.kernels.beginnings import common_beginnings

ROWS = [Rendered((*range(20), end), (False,) * 20 + (True,)) for end in (21, 22)]


def test_a_way_says_whether_beginnings_are_shared():
    found: dict[str, int] = {}
    for way, shortest in WAYS.items():
        with shared_from(shortest):
            found[way] = common_beginnings(ROWS, [1, 2])[0].length
    assert found == {"for each row": 0, "once": 20}


def test_the_page_has_a_row_for_each_way():
    shown = page_of(
        [
            Trained(has_persona, way, seed, 100.0 + 10 * seed, 1.5 + seed / 10)
            for has_persona in (False, True)
            for way in WAYS
            for seed in (1, 2, 3)
        ]
    )
    assert shown.count("| 120 (110–130) | 1.7000 | 0.1000 |") == 4
