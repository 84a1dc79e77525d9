"""`python -m MODULE` for tests of commands, without a second of imports for each: `[*warm(), MODULE, *ARGUMENTS]`.

One process has imported what the program's modules import from elsewhere, and none of the program's own. Each command is a
process of its own that it forks: with the environment, the directory and the streams of who calls, the program's modules
fresh, and the status with which it ends. Who is killed takes its command along. Servers are started without it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_prefix: list[str] = []


def warm() -> list[str]:
    """The beginning of a command. What stands ready ends with this process, whose end closes its standard input."""
    import subprocess

    if not _prefix:
        address = f"warm-{os.getpid()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(f"\0{address}")
            listener.listen(64)
            command = [sys.executable, __file__, "stand-ready", str(listener.fileno())]
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, pass_fds=[listener.fileno()])
        _prefix[:] = [sys.executable, "-I", "-S", __file__, address]
    return _prefix


def _ask(address: str, command: list[str]) -> None:
    """Hands our streams over and ends as the command ends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked:
        asked.connect(f"\0{address}")
        said = json.dumps({"command": command, "directory": os.getcwd(), "environment": dict(os.environ)})
        socket.send_fds(asked, [said.encode()], [0, 1, 2])
        status = int(asked.recv(20) or 70)
    if status < 0:
        os.kill(os.getpid(), -status)
    sys.exit(status)


def _stand_ready(number: int) -> list[str]:
    """Forks a process for each command; there, what to run."""
    import gc
    from contextlib import suppress
    from importlib import import_module

    for name in _imported_from_elsewhere():
        with suppress(ImportError):
            import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a keeper ended
    listener = socket.socket(fileno=number)
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        asked, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            return _keep(asked)
        asked.close()
    sys.exit(0)


def _keep(asked: socket.socket) -> list[str]:
    """Forks the command's own process, waits for its end and tells it; kills it when nobody waits for it any more."""
    import io
    import time

    said, streams, _, _ = socket.recv_fds(asked, 1 << 20, 3)
    child = os.fork()
    if child:
        for stream in streams:
            os.close(stream)
        ended = os.pidfd_open(child)
        if ended not in select.select([asked, ended], [], [])[0]:
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if not select.select([asked], [], [], 0)[0]:
            asked.send(str(status).encode())
        os._exit(0)
    asked.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    told = json.loads(said)
    os.environ.clear()
    os.environ.update(told["environment"])
    time.tzset()
    os.chdir(told["directory"])
    sys.path[0] = told["directory"]
    files = [io.FileIO(number, mode, closefd=False) for number, mode in enumerate(("r", "w", "w"))]
    sys.stdin = io.TextIOWrapper(io.BufferedReader(files[0]), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(files[1]), encoding="utf-8")
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(files[2]), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )
    return list(told["command"])


def _imported_from_elsewhere() -> list[str]:
    import ast
    from pathlib import Path

    names: dict[str, None] = {}
    for file in sorted(Path(ROOT, "syndication").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= dict.fromkeys(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= dict.fromkeys([node.module])
    return [name for name in names if name.partition(".")[0] not in {"syndication", "tasks"}]


if __name__ == "__main__":
    if sys.argv[1] != "stand-ready":
        _ask(sys.argv[1], sys.argv[2:])
    import runpy

    module, *sys.argv[1:] = _stand_ready(int(sys.argv[2]))
    runpy.run_module(module, run_name="__main__", alter_sys=True)
