"""`syndicate up`: the whole service on this machine, until interrupted.

Broker, web, worker and beat are processes of their own, watched and started again; the sample series is imported here and
published by the workers. `/readyz` says ready when all of it can be fetched.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import select

from syndication.cli.output import progress, say, settings
from syndication.errors import NeedsHuman, SyndicationError
from syndication.ledger.operations import Fact
from syndication.settings import Settings
from syndication.wiring import Wiring, open_wiring

WORKER_SECONDS = 20.0  # how long the first worker may take to be seen
PACKAGES = Path(__file__).resolve().parents[2]


def up(
    seeds: Annotated[
        str, typer.Option(help="A publication's tree to import and publish at the start; empty: none.")
    ] = "",
) -> None:
    """Run everything here until interrupted: broker, web, worker and beat."""
    from syndication.embedded.broker import Broker
    from syndication.embedded.place import Children, runtime_dir, sole
    from syndication.embedded.supervisor import Supervisor
    from syndication.ledger import schema

    here = settings()
    here.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with sole(here.data_dir):
        runtime = runtime_dir(here.data_dir)
        known = Children(runtime)
        for name in known.stop_orphans():
            say(f"stopped {name}, which an earlier run left behind")
        _need_port(here)
        (here.data_dir / "service.json").unlink(missing_ok=True)
        broker = None if here.broker_url else Broker(runtime)
        if broker is not None:
            known.remember("broker", broker.start())
        wiring = _wiring(here, broker.url if broker else here.broker_url)
        supervisor = Supervisor(broker, _children(wiring), known)
        supervisor.take_signals()
        try:
            schema.upgrade(wiring.db)
            _preparing(wiring, "the publication is being prepared")
            _announce(wiring)
            supervisor.start()
            _prepare(wiring, Path(seeds) if seeds else None, supervisor)
            if not supervisor.stopping:
                say(f"\nOpen {wiring.base_url}/{'workbench' if wiring.settings.shows_workbench else ''}")
                sys.stdout.flush()
            supervisor.run(time.sleep)
        finally:
            supervisor.end()
            (here.data_dir / "service.json").unlink(missing_ok=True)


def _wiring(here: Settings, broker_url: str) -> Wiring:
    wiring = open_wiring(here)
    return Wiring(settings=wiring.settings, base_url=here.resolved_base_url, broker_url=broker_url)


def _need_port(here: Settings) -> None:
    with socket.socket(socket.AF_INET6 if ":" in here.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((here.host, here.port))
        except OSError as error:
            raise NeedsHuman(
                f"{here.host}:{here.port} cannot be used ({error.strerror});",
                where="SYNDICATION_PORT",
                remedy="name another: PORT=8001 make run.",
            ) from error


def _announce(wiring: Wiring) -> None:
    """Commands typed beside us find the address and the broker here; the broker's socket is ours alone."""
    file = wiring.settings.data_dir / "service.json"
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    service = {"base_url": wiring.base_url, "broker_url": wiring.broker_url, "pid": os.getpid()}
    fresh.write_text(json.dumps(service), "utf-8")
    fresh.replace(file)


def _children(wiring: Wiring) -> list:  # type: ignore[type-arg]  # Child is imported late, for a quick --help
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
    python = [sys.executable, "-m"]
    granian = str(Path(sys.executable).parent / "granian")
    commands = {
        "web": [
            granian, "--interface", "asgi", "--factory", "--host", here.host, "--port", str(here.port),
            "--workers", str(here.web_workers), "--no-ws", "--respawn-failed-workers", "--log-level", "warning",
            "syndication.web.app:application",
        ],
        "worker": [
            *python, "celery", "-A", "tasks.app", "worker", "--concurrency", str(here.worker_processes),
            "--without-gossip", "--without-mingle", "--loglevel", "warning",
        ],
        "beat": [*python, "celery", "-A", "tasks.app", "beat", "-S", "tasks.schedule:Scheduler", "--pidfile=",
                 "--loglevel", "warning"],
    }  # fmt: skip
    return [Child(name, command, environment, logs / f"{name}.log") for name, command in commands.items()]


def _prepare(wiring: Wiring, seeds: Path | None, supervisor) -> None:  # type: ignore[no-untyped-def]  # see _children
    from syndication.embedded.demo import make_demo_people
    from syndication.intake.importer import import_paths
    from syndication.publishing import rerender_all

    ids: list[int] = []
    if seeds is not None:
        with progress(f"importing {seeds}") as moved:
            report = import_paths(wiring.db, [seeds], settings=wiring.settings, progress=moved)
        for failure in report.failures:
            sys.stderr.write(f"not imported: {failure.source}: {failure.reason}; {failure.remedy}\n")
        ids = [e.entry_id for e in report.entries]
        say(
            f"imported {seeds}: {len(report.created)} new, {len(report.changed)} changed, {len(report.unchanged)} unchanged"
        )
    if not _has_publication(wiring):
        _preparing(wiring, "")
        return
    if wiring.settings.shows_workbench:
        for line in make_demo_people(wiring):
            say(line)
    _publish(wiring, ids, supervisor)
    rerender_all(wiring.db, wiring.base_url, wiring.settings.other_hubs)
    _preparing(wiring, "")


def _publish(wiring: Wiring, ids: list[int], supervisor) -> None:  # type: ignore[no-untyped-def]  # see _children
    from syndication.cli.publishing import publish_through_workers, workers_seen
    from syndication.ledger.content import Entry

    with wiring.db.reading() as session:
        drafts = list(session.scalars(select(Entry.id).where(Entry.id.in_(ids), Entry.state == "draft")))
    if not drafts:
        return
    deadline = time.monotonic() + WORKER_SECONDS
    while not workers_seen(wiring.db) and time.monotonic() < deadline and not supervisor.stopping:
        supervisor.look()
        time.sleep(0.1)
    try:
        with progress("publishing") as moved:
            publish_through_workers(wiring, drafts, mail=True, progress=moved)
    except SyndicationError as error:
        sys.stderr.write(f"not published: {error}\n")
        return
    say(f"published {len(drafts)} entries")


def _has_publication(wiring: Wiring) -> bool:
    from syndication.ledger.content import Publication

    with wiring.db.reading() as session:
        return session.scalars(select(Publication.id).limit(1)).first() is not None


def _preparing(wiring: Wiring, words: str) -> None:
    """Keeps `/readyz` at 503 with these words; none: ready as far as we are concerned."""
    from syndication.web.health import PREPARING

    with wiring.db.transaction() as session:
        fact = session.get(Fact, PREPARING)
        if fact is not None and not words:
            session.delete(fact)
        elif fact is None and words:
            session.add(Fact(name=PREPARING, value=words))
