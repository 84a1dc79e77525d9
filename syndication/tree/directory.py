"""A directory that belongs to the export: files replaced as a whole, each change a second younger than the one before it.

Guarantees: a file is its old or its new bytes, never half of them; one whose bytes are the same is not touched; its date
(Last-Modified of a server that reads it) never lies ahead and grows with every change; nothing is removed that this tree
did not write; of two exports at a time one is refused.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from syndication import clock
from syndication.errors import BadInput, Conflict
from syndication.tree.asking import CODINGS

OWN = ".syndication"  # what is kept beside the documents; a server must not show it
_STATE, _PLANNED, _LOCK, _FRESH = "state.json", "planned.json", "lock", "fresh"


def file_of(path: str, *, gone: bool = False) -> str:
    """The file of a path, relative to the directory. Raises BadInput where a path would leave it."""
    name = path.removeprefix("/") + ("index.html" if path.endswith("/") else "")
    if any(part in ("", ".", "..") or part == OWN for part in name.split("/")) or "\x00" in name:
        raise BadInput("no file can stand for this address;", where=path, remedy="rename what it names.")
    return f"{OWN}/gone/{name}" if gone else name


class Directory:
    """`state`: path → what the last whole export recorded of it."""

    def __init__(self, root: Path, state: dict[str, dict[str, Any]], planned: list[str]) -> None:
        self.root = root
        self.state = state
        self._own = root / OWN
        self._before = {name for record in state.values() for name in record["files"]} | set(planned)

    def plan(self, files: Iterator[str]) -> None:
        """Notes what may be written from here on, so that the next export knows it if this one does not end."""
        names = sorted({name + twin for name in files for twin in ("", *CODINGS.values())} - self._before)
        self._before |= set(names)
        self._keep(_PLANNED, names)

    def put(self, name: str, body: bytes, twins: dict[str, bytes], changed: datetime | None) -> list[str]:
        """Writes a document and its twins where they differ; the names of those that were written or removed."""
        wanted = {name + CODINGS[coding]: data for coding, data in twins.items()} | {name: body}
        stale = [name + twin for twin in CODINGS.values() if name + twin not in wanted]
        touched = [one for one in stale if self.remove(one)]
        fresh = {one: data for one, data in wanted.items() if not self._is(one, data)}
        if fresh:
            when = self._date(list(fresh), changed)
            for one, data in fresh.items():
                self._replace(one, data, when)
        return touched + list(fresh)

    def whole(self, record: dict[str, Any]) -> bool:
        """Whether the files of a record stand as they were written."""
        for name, (size, date) in record["files"].items():
            try:
                found = (self.root / name).stat()
            except OSError:
                return False
            if (found.st_size, int(found.st_mtime)) != (size, date):
                return False
        return True

    def described(self, name: str, twins: dict[str, bytes]) -> dict[str, tuple[int, int]]:
        """name → (size, date) of a document's files."""
        names = [name, *(name + CODINGS[coding] for coding in twins)]
        return {one: (found.st_size, int(found.st_mtime)) for one in names if (found := (self.root / one).stat())}

    def remove(self, name: str) -> bool:
        """A file, and the directories that are empty without it."""
        file = self.root / name
        try:
            file.unlink()
        except FileNotFoundError:
            return False
        for folder in list(Path(name).parents)[:-1]:
            try:
                (self.root / folder).rmdir()
            except OSError:  # something stands in it still
                break
        return True

    def remove_others(self, files: set[str]) -> int:
        """Removes what earlier exports wrote and is not among `files`; how many."""
        return sum(self.remove(name) for name in sorted(self._before - files))

    def finish(self, state: dict[str, dict[str, Any]], headers: dict[str, Any], texts: dict[str, str]) -> None:
        """Keeps the record of a whole export, once its files are on the disk."""
        os.sync()
        for name, text in texts.items():
            self._replace(f"{OWN}/{name}", text.encode(), int(clock.now().timestamp()))
        self._keep("headers.json", headers)
        self._keep(_STATE, state)
        (self._own / _PLANNED).unlink(missing_ok=True)

    def _keep(self, name: str, value: Any) -> None:
        data = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
        self._replace(f"{OWN}/{name}", data, int(clock.now().timestamp()))

    def _is(self, name: str, data: bytes) -> bool:
        file = self.root / name
        try:
            return file.stat().st_size == len(data) and file.read_bytes() == data
        except OSError:
            return False

    def _date(self, names: list[str], changed: datetime | None) -> int:
        """A second later than each of them was, or when the ledger says; it is waited for where it has not come."""
        now = int(clock.now().timestamp())
        when = min(now, int(changed.timestamp())) if changed else now
        for name in names:
            try:
                when = max(when, int((self.root / name).stat().st_mtime) + 1)
            except OSError:
                continue
        if when > now:
            time.sleep(max(0.0, min(2.0, when - clock.now().timestamp())))
        return when

    def _replace(self, name: str, data: bytes, when: int) -> None:
        file = self.root / name
        fresh = self._own / _FRESH
        fresh.write_bytes(data)
        fresh.chmod(0o644)
        os.utime(fresh, (when, when))
        file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh.replace(file)


@contextmanager
def opened(root: Path) -> Iterator[Directory]:
    """The directory, made where it is not there, for one export alone. Raises Conflict where it is somebody else's."""
    own = root / OWN
    if root.exists() and not root.is_dir():
        raise Conflict("this is no directory;", where=str(root), remedy="name a new or an empty one.")
    if root.is_dir() and not (own / _LOCK).exists() and any(root.iterdir()):
        raise Conflict(
            "there are files here that no export wrote, and an export removes what is out of date;",
            where=str(root),
            remedy="name a new or an empty directory.",
        )
    own.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (own / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("another export writes here;", where=str(root), remedy="wait until it has ended.") from None
        yield Directory(root, _read(own / _STATE, {}), _read(own / _PLANNED, []))


def _read(file: Path, empty: Any) -> Any:
    try:
        found = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        return empty
    except ValueError:
        found = None
    if not isinstance(found, type(empty)):
        raise Conflict(
            "the record of the last export is damaged;",
            where=str(file),
            remedy="export into an empty directory and put that in this one's place.",
        )
    return found
