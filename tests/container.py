"""What the Containerfile says, by its instructions."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def instructions() -> list[tuple[str, str]]:
    """Each instruction's name and the rest of it, lines that go on joined."""
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [
        (name, rest.strip()) for line in lines if line for name, _, rest in [line.partition(" ")]
    ]


def copied_paths() -> list[str]:
    """Files and folders of the project that get into the image."""
    return [path for name, rest in instructions() if name == "COPY" for path in rest.split()[:-1]]
