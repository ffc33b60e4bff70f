"""`lora-chat finetune`, as a person calls it."""

from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner

from finetune.adapter import list_names
from service.cli import app

DIALOGUE = "\n".join(f"患者：问题{i}，怎么办？\n医生：宜多休息{i}天。\n" for i in range(6))


def test_a_dialogue_in_gb18030_is_trained_on_with_nothing_said_of_it(
    tmp_path: Path, make_base: Callable[..., Path]
):
    data, home = tmp_path / "医案.txt", tmp_path / "home"
    data.write_bytes(DIALOGUE.encode("gb18030"))
    given = ["finetune", str(data), "--base", str(make_base("llama")), "--home", str(home)]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    assert list_names(home / "adapters") == ["医案"]
    assert "Adapter 医案@1" in result.output
    report = (home / "adapters" / "医案" / "1" / "report.html").read_text(encoding="utf-8")
    assert "怎么办？" in report
