"""A command that is begun warm is a process like one that is begun cold."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.warm import warm

PROBE = """
import atexit, os, signal, sys
atexit.register(print, "the end")
print(sys.argv[1:], os.getcwd() == sys.path[0], sorted(name for name in os.environ if name.startswith("PROBE")))
print(sys.stdin.read(), "syndication" in sys.modules, signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL)
print("ä".encode() == "ä".encode(sys.stdout.encoding), file=sys.stderr)
"""


@pytest.fixture(params=["cold", "warm"])
def begin(request: pytest.FixtureRequest) -> list[str]:
    return warm() if request.param == "warm" else [sys.executable, "-m"]


@pytest.mark.parametrize(
    ("ends", "status"),
    [("", 0), ("sys.exit(3)", 3), ("sys.exit('no')", 1), ("1 / 0", 1), ("os.kill(os.getpid(), 9)", -9)],
)
def test_it_has_what_it_is_given_and_tells_how_it_ends(
    tmp_path: Path, begin: list[str], ends: str, status: int
) -> None:
    (tmp_path / "probe.py").write_text(PROBE + "sys.stdout.flush()\n" + ends)
    ended = subprocess.run(
        [*begin, "probe", "a b", "ç"], cwd=tmp_path, env={"PROBE_1": "x", "PATH": ""}, input="heard", text=True,
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == status
    told = "['a b', 'ç'] True ['PROBE_1']\nheard False True\n"
    assert ended.stdout == told + ("the end\n" if status >= 0 else "")
    assert ended.stderr.startswith("True\n")
    assert ended.stderr.endswith(
        {"1 / 0": "ZeroDivisionError: division by zero\n", "sys.exit('no')": "no\n"}.get(ends, "\n")
    )


def test_who_is_killed_takes_its_command_along(tmp_path: Path, begin: list[str]) -> None:
    (tmp_path / "probe.py").write_text("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)")
    with subprocess.Popen([*begin, "probe"], cwd=tmp_path, stdout=subprocess.PIPE, env=os.environ.copy()) as process:
        assert process.stdout is not None
        number = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    ends = time.monotonic() + 20
    while psutil.pid_exists(number) and time.monotonic() < ends:
        time.sleep(0.02)
    assert not psutil.pid_exists(number)
