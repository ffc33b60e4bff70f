"""Checks a file on one core, and says on stdout what that found and how much memory it took."""

import json
import os
import resource
import sys

from data.checking.check import check
from data.reading.reader import read_items


def main(path: str) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    findings = check(read_items(path))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {
        "conversations": findings.num_conversations,
        "counts": {kind: count for (_, kind), count in findings.counts.items()},
        # [KiB] but on macOS, where it is in bytes
        "peak_megabytes": peak * (1 if sys.platform == "darwin" else 1024) / 1e6,
    }
    print(json.dumps(found, ensure_ascii=False))  # noqa: T201 - its answer


if __name__ == "__main__":
    main(sys.argv[1])
