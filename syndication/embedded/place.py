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
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from syndication.errors import Conflict, NeedsHuman

STOP_SECONDS = 3.0


def runtime_path(data_dir: Path) -> Path:
    """Where the runtime files of the service in `data_dir` lie while it runs."""
    name = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"syndication-{os.getuid()}-{name}"


@contextmanager
def runtime_dir(data_dir: Path) -> Iterator[Path]:
    """Made, ours and closed to others; gone at the end. Raises NeedsHuman where somebody else has it."""
    path = runtime_path(data_dir)
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if path.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise NeedsHuman(
            "the runtime directory is not ours alone;", where=str(path), remedy="remove it and start again."
        )
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


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
    """The processes a service started, kept in a file so that the next start finds orphans.

    Each leads a session of its own, so its pid (with its start time, for numbers come back) names its whole family, also
    when it died and left its children behind.
    """

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
        families = {name: family(pid, started) for name, (pid, started) in left.items()}
        stop([process for members in families.values() for process in members])
        self.forget()
        return [name for name, members in families.items() if members]

    def forget(self) -> None:
        self._file.unlink(missing_ok=True)
        self._known = {}


def family(leader: int, started: float) -> list[psutil.Process]:
    """Every living process of the session that `leader` opened at `started` (seconds since the epoch)."""
    with contextlib.suppress(psutil.NoSuchProcess):
        if abs(psutil.Process(leader).create_time() - started) > 1:
            return []  # the number went to somebody else, so nothing of that session is left
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return members


def stop(processes: Sequence[psutil.Process]) -> None:
    """SIGTERM to all, a moment, then SIGKILL."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=STOP_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=1)
