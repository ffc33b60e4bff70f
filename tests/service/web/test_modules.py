"""The page's modules that need no browser, run by Node."""

import shutil
import subprocess
from pathlib import Path

import pytest

from service.web.files import FOLDER


def test_modules_do_what_they_are_for(tmp_path: Path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node here")
    shutil.copytree(FOLDER, tmp_path / "static")
    shutil.copy(Path(__file__).with_name("modules.js"), tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    command = [node, "--test", "--test-reporter=spec", "modules.js"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass 13" in done.stdout
