"""What a worker has put on the wire, in a file that outlives it: one file a process, held by `flock`.

Three kinds of lines. "begun": a flight of deliveries that may be sent next, synced before the first of them goes. "went": those
whose bytes go to the wire now, written before and not synced: it outlives the process, not the machine. And the answers,
synced with the next flight. Any worker on the host replays a file whose lock is free: answered → that; went without an answer
→ looked up in the maildir, else unknown; the rest → pending. After a crash of the machine (its boot id tells), "begun" counts
as "went". Replaying twice changes nothing, for a fold moves only rows that carry the lease.

So `unknown` is at most what was on the wire when a worker is killed, and at most two flights when the machine loses power.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import socket
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson
import structlog

from syndication.digests.control import settle
from syndication.ledger import claims
from syndication.ledger.claims import LOST, Outcome
from syndication.ledger.db import Database
from syndication.mail.folding import write_down
from syndication.mail.transport import Transport

log = structlog.get_logger(__name__)

_SUFFIX = ".journal"
_LONG = 8_000_000  # bytes
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_datasync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync
_ours: dict[tuple[int, Path], Journal] = {}
_opening = threading.Lock()


class Journal:
    """The file of this process. `name` is what a lease records; `host` the machine it lies on."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.host = socket.gethostname()
        self.left: set[int] = set()  # leases that are not folded yet
        self.working: set[int] = set()  # leases that some thread is sending just now
        self._lock = threading.Lock()
        self._size = 0
        while True:
            self.name = f"{self.host}-{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
            self.path = directory / self.name
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            if self._is_ours():
                break
            os.close(self._fd)  # somebody replays and removes the new, empty file: take another name
        try:
            self._begin_anew()
            _sync_directory(directory)
        except OSError:
            self.path.unlink(missing_ok=True)
            os.close(self._fd)
            raise

    def _is_ours(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.stat(self.path).st_ino == os.fstat(self._fd).st_ino
        except (BlockingIOError, FileNotFoundError):
            return False

    def take(self, lease_id: int) -> None:
        """A lease is ours, before its claim is committed."""
        self.working.add(lease_id)  # first: whoever makes good what is left looks at both
        self.left.add(lease_id)

    def begun(self, lease_id: int, delivery_ids: Sequence[int]) -> None:
        """A flight. On disk before it returns, and with it every line before."""
        self._write([{"l": lease_id, "b": delivery_ids}])
        _datasync(self._fd)

    def went(self, lease_id: int, delivery_ids: Sequence[int]) -> None:
        """Their bytes go now. Safe with the process; with the machine it is `begun` that counts."""
        self._write([{"l": lease_id, "w": delivery_ids}])

    def answered(self, answers: Iterable[tuple[int, Outcome]]) -> None:
        """By lease. Safe with the process at once, with the machine at the next `begun`."""
        self._write([{"l": lease_id, "r": o.delivery_id, "s": o.state, "t": o.reply} for lease_id, o in answers])

    def folded(self, lease_id: int) -> None:
        """The ledger has it all: forget. The file starts anew when no other lease is left."""
        with self._lock:
            self.left.discard(lease_id)
            if not self.left:
                self._begin_anew()

    @property
    def is_long(self) -> bool:
        """Let every lease be folded before the next is claimed, so that it can start anew."""
        return self._size > _LONG

    def _write(self, lines: Sequence[dict[str, Any]]) -> None:
        data = b"".join([orjson.dumps(line) + b"\n" for line in lines])
        with self._lock:
            self._append(data)

    def _begin_anew(self) -> None:
        os.ftruncate(self._fd, 0)
        self._size = 0
        self._append(orjson.dumps({"m": boot_id()}) + b"\n")

    def _append(self, data: bytes) -> None:
        """All of it or, on a full disk, nothing: half a line would spoil the next one."""
        written = 0
        try:
            written = os.write(self._fd, data)
        finally:
            if written < len(data):
                os.ftruncate(self._fd, self._size)
        if written < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self._size += written


def boot_id() -> str:
    """Another one after each start of the machine; empty where the system does not tell."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def of_this_process(directory: Path) -> Journal:
    """Opened once in each process; a forked child opens its own."""
    key = (os.getpid(), directory.absolute())
    with _opening:
        if key not in _ours:
            _ours[key] = Journal(directory)
        return _ours[key]


def opened_by_this_process(directory: Path) -> Journal | None:
    """None where this process has sent nothing."""
    return _ours.get((os.getpid(), directory.absolute()))


def replay(db: Database, directory: Path, transport: Transport | None, ladder: Sequence[int]) -> int:
    """Folds what dead workers of this host left behind; the number of their deliveries that were settled.

    Another host's journal that lies here is left alone: whether its worker lives, a lock on this host does not tell.
    """
    settled = 0
    for path in sorted(directory.glob(f"*{_SUFFIX}")):
        if path.name.rsplit("-", 2)[0] != socket.gethostname():
            continue
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            continue  # its worker lives
        try:
            settled += fold_file(db, path, transport, ladder)
            path.unlink(missing_ok=True)
        finally:
            os.close(fd)
    return settled


def fold_file(
    db: Database, path: Path, transport: Transport | None, ladder: Sequence[int], only: Sequence[int] | None = None
) -> int:
    """Folds the leases that name this file (`only`: these of them) by what is written in it."""
    went, answers = _read(path)
    settled = 0
    with db.reading() as session:
        leases = claims.leases_of(session, socket.gethostname(), path.name)
    for lease_id in leases if only is None else set(leases) & set(only):
        with db.transaction() as session:
            outcomes = [
                answers.get((lease_id, id_)) or _without_answer(id_, id_ in went[lease_id], transport)
                for id_ in claims.under_lease(session, lease_id)
            ]
            for issue_id in sorted(write_down(session, lease_id, outcomes, ladder)):
                settle(session, issue_id)
            claims.retire(session, lease_id)
        settled += len(outcomes)
        log.info("journal.replayed", lease=lease_id, deliveries=len(outcomes))
    return settled


def file_name(delivery_id: int) -> str:
    """What a delivery is called where messages are files."""
    return f"{delivery_id}.delivery"


def _without_answer(delivery_id: int, went: bool, transport: Transport | None) -> Outcome:
    if not went:
        return Outcome(delivery_id, "pending")
    kept = transport.kept(file_name(delivery_id)) if transport else None
    if kept is None:
        return Outcome(delivery_id, "unknown", LOST)
    return (
        Outcome(delivery_id, "sent", "found in the outbox after a crash") if kept else Outcome(delivery_id, "pending")
    )


def _read(path: Path) -> tuple[defaultdict[int, set[int]], dict[tuple[int, int], Outcome]]:
    """(ids that may be on the wire by lease, answers). A torn last line was not synced, so what it tells had not happened."""
    begun: defaultdict[int, set[int]] = defaultdict(set)
    went: defaultdict[int, set[int]] = defaultdict(set)
    answers: dict[tuple[int, int], Outcome] = {}
    boot = ""
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            told = orjson.loads(line)
        except ValueError:
            continue
        if "m" in told:
            boot = told["m"]
        elif "b" in told:
            begun[told["l"]].update(told["b"])
        elif "w" in told:
            went[told["l"]].update(told["w"])
        else:
            answers[told["l"], told["r"]] = Outcome(told["r"], told["s"], told["t"])
    same_boot = boot != "" and boot == boot_id()
    return went if same_boot else begun, answers


def _sync_directory(directory: Path) -> None:
    """So that a new file's name outlives the machine too."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
