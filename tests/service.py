"""The service as it stands on a host: the very commands of docker-compose.yml as processes of our own, killed at will."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.sink import free_port
from tests.warm import warm

ROOT = Path(__file__).parents[1]
COMMANDS: dict[str, list[str]] = {
    name: service["command"]
    for name, service in yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"].items()
    if service.get("build")
}

PUBLICATION = """[publication]
slug = "harbour"
name = "Harbour Office"
url = "https://h.example"
supporters_url = "https://h.example/s"
postal_address = "1 Quay"
default_series = "boats"
"""


class Service:
    """`start` and `kill` processes by their name in the compose file (`beat.2` is another beat); `cli` types a command.
    Ends all on leaving."""

    def __init__(self, place: Path, *, database: str, broker: str, mail: str, **settings: object) -> None:
        self.place = place
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        said = {"data_dir": place / "data", "database_url": database, "broker_url": broker, "mail_url": mail,
                "base_url": self.base, "secret_keys": "k" * 40, "sweep_seconds": 1, **settings}  # fmt: skip
        self.environment = os.environ | {f"SYNDICATION_{name.upper()}": str(value) for name, value in said.items()}
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.running):
            self.signal(name, signal.SIGTERM)
        ends = time.monotonic() + 4
        for name, process in list(self.running.items()):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, ends - time.monotonic()))
            self.kill(name)

    def start(self, *names: str) -> None:
        for name in names:
            command = list(COMMANDS[name.partition(".")[0]])
            if "--port" in command:
                command[command.index("--host") + 1], command[command.index("--port") + 1] = "127.0.0.1", str(self.port)
            command[0] = str(Path(sys.executable).parent / command[0])
            with (self.place / f"{name}.log").open("ab") as log:
                self.running[name] = subprocess.Popen(
                    command, env=self.environment, cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )  # fmt: skip

    def pids(self, name: str) -> list[int]:
        """The process and its children."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.running[name].pid)
            return [process.pid, *(child.pid for child in process.children(recursive=True))]
        return []

    def signal(self, name: str, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.running[name].pid, number)

    def kill(self, name: str) -> None:
        """kill -9 of the process and its children, at once."""
        self.signal(name, signal.SIGKILL)
        self.running.pop(name).wait(5)

    def cli(self, *arguments: str) -> Any:
        """What the command prints as JSON. A failure fails the test with what it said."""
        done = subprocess.run(
            [*warm(), "syndication", *arguments, "--json"], env=self.environment, cwd=ROOT,
            capture_output=True, text=True, timeout=90,
        )  # fmt: skip
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout else None

    def until(self, what: Callable[[], Any], why: str, seconds: float = 45.0) -> Any:
        """The first truthy answer of `what`; else fails with `why` and the ends of all logs."""
        return until(what, why, seconds, logs=self.place)


def until(what: Callable[[], Any], why: str, seconds: float = 45.0, logs: Path | None = None) -> Any:
    """The first truthy answer of `what`; else fails with `why` and the ends of the logs in a folder."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with contextlib.suppress(OSError):  # requests' errors are such too
            if found := what():
                return found
        time.sleep(0.05)
    files = sorted(logs.glob("*.log")) if logs else []
    told = [f"== {log.name}\n{log.read_text('utf-8')[-1_500:]}" for log in files]
    return pytest.fail("\n".join([f"not in {seconds} s: {why}", *told]), pytrace=False)
