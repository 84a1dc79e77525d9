"""A `syndicate up` of our own: started on a free port with its own data directory, its words collected, ended for sure."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.warm import warm

ROOT = Path(__file__).parents[2]
PUBLICATION = """[publication]
slug = "harbour"
name = "Harbour Office"
url = "https://h.example"
supporters_url = "https://h.example/s"
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first truthy answer of `what`; fails loudly when none comes."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            if found := what():
                return found
        except (requests.RequestException, OSError):
            pass
        time.sleep(0.05)
    pytest.fail(f"{what} did not come true in {seconds} s")


def new_tree(place: Path) -> Path:
    (place / "boats").mkdir(parents=True)
    (place / "publication.toml").write_text(PUBLICATION)
    (place / "boats/series.toml").write_text('title = "Boats"')
    (place / "boats/slow.md").write_text("---\ntitle: Slow boats\n---\nThe ferry is late.")
    return place


class Service:
    def __init__(self, data: Path, seeds: str = "", port: int | None = None, **settings: str) -> None:
        self.port = port or free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.data = data
        self.environment = {
            **os.environ, "SYNDICATION_PORT": str(self.port), "SYNDICATION_DATA_DIR": str(data),
            "SYNDICATION_SWEEP_SECONDS": "1", **settings,
        }  # fmt: skip
        self.words = data.parent / f"{data.name}.{self.port}.out"
        with self.words.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "syndication", "up", "--seeds", seeds], env=self.environment, cwd=ROOT, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(20)

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.base}{path}", timeout=5)

    def ready(self) -> bool:
        if self.process.poll() is not None:
            pytest.fail(f"it ended with {self.process.returncode}: {self.said()}")
        return self.get("/readyz").status_code == 200

    def said(self) -> str:
        return self.words.read_text()

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, word: str) -> psutil.Process | None:
        """The process directly below with this word in its command; a worker is `worker@`."""
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):
                if any(part.startswith(word) or f"/{word}" in part for part in child.cmdline()):
                    return child
        return None

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*warm(), "syndication", *arguments],
            env=self.environment,
            cwd=ROOT,
            text=True,
            capture_output=True,
            timeout=90,
        )

    def interrupt(self) -> list[psutil.Process]:
        """Ctrl-C: SIGINT to the whole group; who is still there when it has ended."""
        family = self.family()
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(20)
        return psutil.wait_procs(family, timeout=1)[1]
