"""The process between this program and a vLLM of its own, which ends that with all its children.

vLLM's children hold the GPU's memory. They outlive a vLLM that is killed, and vLLM outlives this
program where that is killed. So this process leads the group that they are all in, and ends it as
soon as its standard input closes: because the program wants it, or because there is none any more.
A pipe closes on every system, whatever ends the program; Linux's PR_SET_PDEATHSIG would tell vLLM's
first process alone, and would tell it already when the thread has ended that has started it.

It is run as a script and imports nothing of ours, so that it is there at once and stays small.
"""

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

GRACE = 10.0  # [seconds] to end by itself, before it is killed
INTERVAL = 0.2  # [seconds]
NOT_STARTED = 126  # exit codes as shells have them: this one, and 128 + the number of a signal
BY_SIGNAL = 128


def main(command: list[str]) -> int:
    """Run a command until it ends or nobody wants it any more; its exit code."""
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be run: {error.strerror}.\n")
        return NOT_STARTED
    while child.poll() is None and not _is_closed(INTERVAL):
        pass
    if _is_closed(0):
        _end_group(child)
    code = child.wait()
    return code if code >= 0 else BY_SIGNAL - code


def _is_closed(patience: float) -> bool:
    """Whether standard input is; nothing is ever written to it."""
    return bool(select.select([sys.stdin], [], [], patience)[0])


def _end_group(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()  # vLLM's first process ends the others, in order
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)
    if sys.platform != "win32":  # where there is no vLLM
        os.killpg(0, signal.SIGKILL)  # whatever is left, and this process


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
