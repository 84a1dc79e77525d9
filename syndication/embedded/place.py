"""Where a service keeps what it must not share: a lock on its data directory, a short runtime directory, its children's names.

A Unix socket's path may have about a hundred characters and Valkey's configuration takes no spaces, so runtime files live in
a 0700 directory named by a hash of the data directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from syndication.errors import Conflict, NeedsHuman

STOP_SECONDS = 3.0


def runtime_dir(data_dir: Path) -> Path:
    """Made, ours and closed to others. Raises NeedsHuman where somebody else has it."""
    name = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]
    path = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"syndication-{os.getuid()}-{name}"
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if path.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise NeedsHuman(
            "the runtime directory is not ours alone;", where=str(path), remedy="remove it and start again."
        )
    return path


@contextmanager
def sole(data_dir: Path) -> Iterator[None]:
    """Only one service works in a data directory; the lock ends with the process, however it ends."""
    with (data_dir / "up.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            who = file.read().strip()
            raise Conflict(
                f"a service works in this data directory already{f' ({who})' if who else ''};",
                where=str(data_dir),
                remedy="stop it, or name another with DATA_DIR=.",
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield


class Children:
    """The processes a service started, by pid *and* start time, kept in a file so that the next start finds orphans."""

    def __init__(self, runtime: Path) -> None:
        self._file = runtime / "children.json"
        self._known: dict[str, tuple[int, float]] = {}

    def remember(self, name: str, pid: int) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            self._known[name] = (pid, psutil.Process(pid).create_time())
            fresh = self._file.with_suffix(".new")
            fresh.write_text(json.dumps(self._known), "utf-8")
            fresh.replace(self._file)

    def stop_orphans(self) -> list[str]:
        """Stops what an earlier service left behind (it was killed outright); their names."""
        try:
            left = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return []
        stopped = []
        for name, (pid, started) in left.items():
            try:
                process = psutil.Process(pid)
                if abs(process.create_time() - started) > 1:
                    continue  # the number went to somebody else
                family = [process, *process.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
            stop(family)
            stopped.append(name)
        self.forget()
        return stopped

    def forget(self) -> None:
        self._file.unlink(missing_ok=True)
        self._known = {}


def stop(processes: list[psutil.Process]) -> None:
    """SIGTERM, a moment, then SIGKILL."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=STOP_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=1)
