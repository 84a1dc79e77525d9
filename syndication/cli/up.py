"""`syndicate up`: the whole service on this machine, until interrupted.

Broker, web, workers and beat are processes of their own, watched and started again; the sample series is imported here and
published by the workers. `/readyz` says ready when all of it can be fetched. SIGINT, SIGTERM or SIGHUP end it at any moment,
also while it starts.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import requests
import typer

from syndication.cli.output import say, settings
from syndication.errors import NeedsHuman
from syndication.settings import Settings
from syndication.wiring import Wiring, announce, make_data_dir

if TYPE_CHECKING:
    from syndication.embedded.supervisor import Child, Supervisor

PACKAGES = Path(__file__).resolve().parents[2]
AGAIN_SECONDS = 1.0
PATIENCE_SECONDS = 30.0
NICE = {
    "digest-worker": 15,
    "mail-worker": 15,
    "push-worker": 10,
}  # they yield the processors to who publishes and serves
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PREPARING = "the publication is being prepared"


def up(
    seeds: Annotated[
        str, typer.Option(help="A publication's tree to import and publish at the start; empty: none.")
    ] = "",
) -> None:
    """Run everything here until interrupted: broker, web, workers and beat.

    The address, the port and the data directory are settings: SYNDICATION_HOST, SYNDICATION_PORT, SYNDICATION_DATA_DIR.
    The same directory again goes on where it was. A document of the tree that cannot be imported is told and left out.
    """
    from syndication.embedded import broker
    from syndication.embedded.place import Children, runtime_dir, sole
    from syndication.embedded.supervisor import Supervisor

    here = settings()
    tree = _tree(seeds)
    make_data_dir(here.data_dir)
    interrupt = _Interrupt()
    with sole(here.data_dir), runtime_dir(here.data_dir) as runtime:
        known = Children(runtime)
        for name in known.stop_orphans():
            say(f"stopped {name}, which an earlier run left behind")
        _need_port(here)
        wiring = Wiring(here, here.resolved_base_url, here.broker_url or broker.url(runtime))
        ours = None if here.broker_url else _child(wiring, "broker", broker.command(runtime))
        supervisor = Supervisor(ours, [_child(wiring, *made) for made in _commands(here)], known, interrupt.held)
        try:
            interrupt.take()
            supervisor.start_broker(lambda: broker.answers(runtime), time.sleep)
            _run(wiring, tree, supervisor)
        except KeyboardInterrupt:
            interrupt.heard()
            say("stopping")
        finally:
            interrupt.heard()
            supervisor.end()
            (here.data_dir / "service.json").unlink(missing_ok=True)


def _run(wiring: Wiring, tree: Path | None, supervisor: Supervisor) -> None:
    from syndication.cli.preparing import prepare
    from syndication.ledger import schema
    from syndication.publishing import readdress

    def tell(preparing: str) -> None:
        announce(wiring.settings.data_dir, base_url=wiring.base_url, broker_url=wiring.broker_url, preparing=preparing)

    schema.upgrade(wiring.db)
    readdress(wiring.db, wiring.base_url, wiring.settings.other_hubs)
    tell(PREPARING)
    supervisor.start()
    prepare(wiring, tree, supervisor.look)
    tell("")
    _until_ready(wiring, supervisor)
    say(f"\nOpen {wiring.base_url}/{'workbench' if wiring.settings.shows_workbench else ''}")
    supervisor.run(time.sleep)


def _until_ready(wiring: Wiring, supervisor: Supervisor) -> None:
    """Our own `/readyz` says so; what keeps it from that is told when it takes long."""
    here = wiring.settings
    local = here.model_copy(update={"base_url": ""}).resolved_base_url
    patience = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            answer = requests.get(f"{local}/readyz", timeout=5)
            if answer.status_code == 200:
                return
            why = "; ".join(answer.json()["reasons"])
        except (requests.RequestException, ValueError, KeyError):
            why = f"the web process does not answer; see {here.data_dir / 'log' / 'web.log'}"
        if time.monotonic() > patience:
            say(f"not ready yet: {why}")
            patience = time.monotonic() + PATIENCE_SECONDS
        supervisor.look()
        time.sleep(0.05)


class _Interrupt:
    """A signal raises KeyboardInterrupt wherever the process is, and again until `heard`: a library's callback may swallow
    one. Signals that come later find the end under way and are left aside."""

    def __init__(self) -> None:
        self._held = False
        self._came = False

    def take(self) -> None:
        for number in (*_ENDING, signal.SIGALRM):
            signal.signal(number, self._raise)

    def heard(self) -> None:
        for number in (*_ENDING, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        # CPython notes an interrupt that passed through `exec` of a text (a named tuple's class, say), and ends the process
        # by SIGINT though it was caught; the next such `exec` wipes the note.
        exec("")  # noqa: S102

    @contextmanager
    def held(self) -> Iterator[None]:
        """A signal waits for the end of the block: while a process is started, lest nobody knows it."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._came:
            raise KeyboardInterrupt

    def _raise(self, _number: int, _frame: FrameType | None) -> None:
        self._came = True
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        if not self._held:
            raise KeyboardInterrupt


def _tree(seeds: str) -> Path | None:
    if not seeds.strip():
        return None
    tree = Path(seeds)
    if not tree.exists():
        raise NeedsHuman("there is no such tree;", where=f"--seeds {seeds}", remedy="name a tree, or nothing: SEEDS=.")
    return tree


def _need_port(here: Settings) -> None:
    with socket.socket(socket.AF_INET6 if ":" in here.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((here.host, here.port))
        except OSError as error:
            raise NeedsHuman(
                f"{here.host}:{here.port} cannot be used ({error.strerror});",
                where="SYNDICATION_PORT",
                remedy="name another, such as PORT=8001 make run (or SYNDICATION_PORT=8001 syndicate up).",
            ) from error


def _commands(here: Settings) -> list[tuple[str, list[str]]]:
    python = [sys.executable, "-m"]
    celery = [*python, "celery", "--quiet", "-A", "tasks.app"]
    web = [
        *python, "granian", "--interface", "asgi", "--factory", "--host", here.host, "--port", str(here.port),
        "--workers", str(here.web_workers), "--no-ws", "--respawn-failed-workers", "--log-level", "warning",
        "syndication.web.app:application",
    ]  # fmt: skip
    beat = [*celery, "beat", "-S", "tasks.schedule:Scheduler", "--pidfile=", "--loglevel", "warning"]
    alike = ["--without-gossip", "--without-mingle", "--loglevel", "warning"]
    nice = {name: ["nice", "-n", f"{steps}"] for name, steps in NICE.items()}
    workers = [
        (name, [
            *nice.get(name, []), *celery, "worker", "-n", f"{name}@%h", "-Q", queues, *pool, *alike,
        ])
        for name, queues, pool in _workers(here)
    ]  # fmt: skip
    return [("web", web), *workers, ("beat", beat)]


def _workers(here: Settings) -> list[tuple[str, str, list[str]]]:
    """(name, queues, pool). Mail and pushes wait for others' servers and a freeze takes its time: so each has a worker that
    cannot hold up the rest; a confirmation, and the first mail at once, find one that does nothing else. Most in one process
    each, for its memory's sake (a push worker has threads)."""
    several, one = ["--concurrency", str(here.worker_processes)], ["--pool", "solo"]
    return [
        ("worker", "publish", several),
        ("at-once-worker", "at-once", one),
        ("digest-worker", "digests,maintenance", several),
        ("mail-worker", "mail", several),
        ("push-worker", "push", one),
        ("transactional-worker", "transactional", one),
    ]


def _child(wiring: Wiring, name: str, command: Sequence[str]) -> Child:
    from syndication.embedded.supervisor import Child

    here = wiring.settings
    logs = here.data_dir / "log"
    logs.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(PACKAGES), os.environ.get("PYTHONPATH", "")])),
        "SYNDICATION_DATA_DIR": str(here.data_dir.resolve()),
        "SYNDICATION_BROKER_URL": wiring.broker_url,
        "SYNDICATION_BASE_URL": wiring.base_url,
        "PYTHONUNBUFFERED": "1",
    }
    return Child(name, command, environment, logs / f"{name}.log")
