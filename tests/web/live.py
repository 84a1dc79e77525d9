"""A real web process over a ledger, and what it was asked."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

import requests

ROOT = Path(__file__).parents[2]
_marks = count()
_LINE = re.compile(r"asked: (\d{3}) (\w+) (\S+)")


class Asked(NamedTuple):
    status: int
    method: str
    path: str


class Live:
    def __init__(self, base: str, log: Path) -> None:
        self.base = base
        self._log = log

    def asked(self, path: str) -> list[Asked]:
        """The requests for a path so far. The log is written a moment after the answer: a request of our own that has come
        to stand in it says that all earlier ones do."""
        mark = f"/mark-{next(_marks)}"
        requests.get(self.base + mark, timeout=5)
        for _ in range(200):
            found = [Asked(int(s), m, p) for s, m, p in _LINE.findall(self._log.read_text("utf-8"))]
            if found and found[-1].path == mark:
                break
            time.sleep(0.02)
        return [one for one in found if one.path == path]


@contextmanager
def serving(database_url: str, data_dir: Path, port: int, **settings: object) -> Iterator[Live]:
    """granian with the app, as an operator starts it, at the port of 127.0.0.1; ended on leaving."""
    base = f"http://127.0.0.1:{port}"
    command = [
        str(Path(sys.executable).parent / "granian"), "--interface", "asgi", "--factory", "--host", "127.0.0.1", "--port",
        str(port), "--workers", "1", "--no-ws", "--access-log", "--access-log-fmt", "asked: %(status)d %(method)s %(path)s",
        "syndication.web.app:application",
    ]  # fmt: skip
    said = {"data_dir": data_dir, "database_url": database_url, "base_url": base, "secret_keys": "k" * 40, **settings}
    environment = os.environ | {f"SYNDICATION_{name.upper()}": str(value) for name, value in said.items()}
    log = data_dir / f"web-{port}.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, stderr=output)
    try:
        for _ in range(300):
            try:
                requests.get(f"{base}/healthz", timeout=2)
                break
            except requests.RequestException:
                assert server.poll() is None, log.read_text("utf-8")
                time.sleep(0.1)
        yield Live(base, log)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(10)
