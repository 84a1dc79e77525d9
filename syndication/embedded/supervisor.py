"""Keeps a set of processes running: one that ends is started again, sooner or later; all end together.

Children lead process groups of their own, so that Ctrl-C reaches the supervisor alone and it ends them in order, their
children with them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import psutil
import structlog

from syndication import clock
from syndication.embedded.broker import Broker
from syndication.embedded.place import Children

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.25
END_SECONDS = 3.5  # for SIGTERM; then SIGKILL: everything is gone within five seconds
LONGEST_PAUSE_SECONDS = 15.0
STEADY_SECONDS = 30.0


@dataclass
class Child:
    """A process to keep running. Its output goes to `log_file`."""

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    log_file: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = 0.5
    due: float = field(default=0.0)

    def start(self) -> int:
        with self.log_file.open("ab") as out:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        self.started = clock.monotonic()
        return self.process.pid

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


class Supervisor:
    def __init__(self, broker: Broker | None, children: Sequence[Child], known: Children) -> None:
        self._broker = broker
        self._children = children
        self._known = known
        self.stopping = False

    def take_signals(self) -> None:
        """SIGINT, SIGTERM and SIGHUP ask for the end; `run` sees to it."""

        def end(_number: int, _frame: FrameType | None) -> None:
            self.stopping = True

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, end)

    def start(self) -> None:
        for child in self._children:
            self._known.remember(child.name, child.start())

    def look(self) -> None:
        """Starts again what has ended: at once after a long life, else after a pause that doubles."""
        if self._broker is not None and not self._broker.alive():
            log.warning("the broker ended; it is started again")
            self._known.remember("broker", self._broker.start())
        now = clock.monotonic()
        for child in self._children:
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
                child.signal(signal.SIGKILL)  # what it left of its group
            if now >= child.due:
                child.due = 0.0
                self._known.remember(child.name, child.start())

    def run(self, wait: Callable[[float], object]) -> None:
        """Until a signal asks for the end. `wait` sleeps."""
        while not self.stopping:
            self.look()
            wait(LOOK_SECONDS)

    def end(self) -> None:
        """All of them and their children, within five seconds."""
        family: list[psutil.Process] = []
        for child in self._children:
            if child.process is not None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    whole = psutil.Process(child.process.pid)
                    family += [whole, *whole.children(recursive=True)]
                child.process.terminate()  # itself alone: a worker lets its own children finish what they do
        _, alive = psutil.wait_procs(family, timeout=END_SECONDS)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for child in self._children:
            child.signal(signal.SIGKILL)
            if child.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.process.wait(1)
        if self._broker is not None:
            self._broker.stop()
        self._known.forget()
