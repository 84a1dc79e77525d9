"""The workers of a soak: started as docker-compose.yml starts them, killed, and started again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
WORKERS, PROCESSES = 3, 2


@dataclass
class Crew:
    """Workers and beat as processes of our own."""

    environment: dict[str, str]
    logs: Path
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    beat: subprocess.Popen[bytes] | None = None
    ended_by_themselves: int = 0

    def start(self) -> None:
        self.workers = [self._worker(n) for n in range(WORKERS)]
        self.beat = self._run("beat", "beat", "-S", "tasks.schedule:Scheduler", "--pidfile=")

    def kill(self, chance: random.Random, whole: bool) -> list[int]:
        """SIGKILL to one process of a pool or to a worker with its children; the ids of those that send."""
        place = chance.randrange(WORKERS)
        worker = self.workers[place]
        children = self._children(worker)
        if whole or not children:
            with suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait(10)
            self.workers[place] = self._worker(place)
            return [child.pid for child in children]
        victim = chance.choice(children)
        with suppress(psutil.NoSuchProcess):
            victim.kill()
        return [victim.pid]

    def look(self) -> None:
        """A worker that ended by itself is started again, as an init system, a container's restart policy or `up` does."""
        for place, worker in enumerate(self.workers):
            if worker.poll() is not None:
                with suppress(ProcessLookupError):
                    os.killpg(worker.pid, signal.SIGKILL)
                self.workers[place] = self._worker(place)
                self.ended_by_themselves += 1

    def end(self) -> None:
        for process in (*self.workers, self.beat):
            if process is not None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)

    def _children(self, worker: subprocess.Popen[bytes]) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return sorted(psutil.Process(worker.pid).children(), key=lambda child: child.pid)
        return []

    def _worker(self, place: int) -> subprocess.Popen[bytes]:
        return self._run(
            f"worker{place}", "worker", "-n", f"soak{place}@%h", "-Q", "mail", "--concurrency", str(PROCESSES)
        )

    def _run(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "tasks.app", *arguments, "--loglevel", "warning"],
                cwd=ROOT, env=os.environ | self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip


@contextmanager
def service(crew: Crew) -> Iterator[Crew]:
    crew.start()
    try:
        yield crew
    finally:
        crew.end()
