"""What a process says of the machine and of itself."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HELD = 400 << 20  # [bytes]
CHILD = "from finetune.hardware import peak_memory; print(peak_memory('cpu'))"
PARENT = f"""
import subprocess, sys
held = b"x" * {HELD}
subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
print(len(held))
"""


def test_the_memory_of_whoever_started_a_process_is_not_its_own():
    command = [sys.executable, "-c", PARENT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    own, held = map(int, done.stdout.split())
    assert held == HELD
    assert 1 << 20 < own < HELD
