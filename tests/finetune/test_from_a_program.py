"""docs/architecture.md shows how a program trains an adapter: the lines run as they stand."""

from pathlib import Path
from typing import Any

import pytest

from finetune.adapters.versions import find_version
from tests.pages import ROOT, blocks

TURNS = "患者：问题{number}，怎么办？\n医生：宜多休息{number}天。\n"


def test_a_program_trains_an_adapter_in_five_lines(
    make_base: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data = tmp_path / "my-clinic.txt"
    turns = [TURNS.format(number=number) for number in range(12)]
    data.write_text("\n".join(turns), encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    (shown,) = blocks("python", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    options = f', "base": {str(make_base("llama"))!r}, "epochs": 1, "report": "none", "rank": 2}}'
    code = shown.replace('"my-clinic.txt"', repr(str(data))).replace("}", options, 1)
    statements = [line for line in shown.splitlines() if line and not line.startswith("from ")]
    assert len(statements) <= 5
    found: dict[str, Any] = {}
    exec(code, found)
    assert str(found["result"].version) == "tcm@1"
    assert find_version(tmp_path / ".lora-chat" / "adapters", "tcm").number == "1"
