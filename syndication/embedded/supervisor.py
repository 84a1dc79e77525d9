"""Keeps a set of processes running: one that ends is started again, sooner or later; all end together.

Each child leads a session of its own, so that Ctrl-C reaches the supervisor alone and it ends them in order, their children
with them: the broker last, for the others work to the end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import structlog

from syndication import clock
from syndication.embedded.place import Children

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.25
END_SECONDS = 2.0  # for SIGTERM; then SIGKILL: everything is gone within five seconds
BROKER_END_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
STEADY_SECONDS = 30.0
LOG_BYTES = 20_000_000


@dataclass
class Child:
    """A process to keep running. Its output goes to `log_file`, which is set aside when it has grown large."""

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    log_file: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = 0.5
    due: float = field(default=0.0)

    def start(self) -> int:
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        with self.log_file.open("ab") as out:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        self.started = clock.monotonic()
        return self.process.pid

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def family(self) -> list[psutil.Process]:
        """Itself, if it lives, and everything below it."""
        if self.process is None or self.process.poll() is not None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            whole = psutil.Process(self.process.pid)
            return [whole, *whole.children(recursive=True)]
        return []

    def kill_group(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Supervisor:
    """`broker`, where there is one of ours, is started first and ended last. `held` keeps a signal from coming between a
    process's start and its being known."""

    def __init__(
        self,
        broker: Child | None,
        children: Sequence[Child],
        known: Children,
        held: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._held = held
        self._broker = broker
        self._children = children
        self._known = known

    def start_broker(self, answers: Callable[[], bool], wait: Callable[[float], object]) -> None:
        """Until it takes commands. Raises TimeoutError; what it said is in its log."""
        if self._broker is None:
            return
        self._start(self._broker)
        deadline = clock.monotonic() + 10.0
        while not answers():
            if self._broker.ended() or clock.monotonic() > deadline:
                raise TimeoutError(f"the embedded broker does not answer; see {self._broker.log_file}")
            wait(0.02)

    def start(self) -> None:
        for child in self._children:
            self._start(child)

    def _start(self, child: Child) -> None:
        with self._held():
            self._known.remember(child.name, child.start())

    def look(self) -> None:
        """Starts again what has ended: at once after a long life, else after a pause that doubles."""
        now = clock.monotonic()
        for child in (*([self._broker] if self._broker else []), *self._children):
            if not child.ended():
                continue
            if not child.due:
                steady = now - child.started > STEADY_SECONDS
                child.pause = 0.5 if steady else min(child.pause * 2, LONGEST_PAUSE_SECONDS)
                child.due = now + (0 if steady else child.pause / 2)
                code = child.process.returncode if child.process else None
                log.warning(
                    "a process ended; it is started again", process=child.name, status=code, see=str(child.log_file)
                )
                child.kill_group()  # what it left
            if now >= child.due:
                child.due = 0.0
                self._start(child)

    def run(self, wait: Callable[[float], object]) -> None:
        """For ever; a signal ends it by an exception. `wait` sleeps."""
        while True:
            self.look()
            wait(LOOK_SECONDS)

    def end(self) -> None:
        """All of them and their children, within five seconds."""
        _end(self._children, END_SECONDS)
        if self._broker is not None:
            _end([self._broker], BROKER_END_SECONDS)
        self._known.forget()


def _end(children: Sequence[Child], seconds: float) -> None:
    family = [process for child in children for process in child.family()]
    for child in children:
        if child.process is not None:
            child.process.terminate()  # itself alone: a worker lets its own children finish what they do
    _, alive = psutil.wait_procs(family, timeout=seconds)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    for child in children:
        child.kill_group()
        if child.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(1)
