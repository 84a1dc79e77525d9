"""A soak: 100,000 mails, workers killed at 200 random instants, broker and PostgreSQL robbed. Nobody is lost or doubled.

    python bench/soak.py                 # about eight minutes on two cores
    python bench/soak.py --people 4000 --kills 8      # a minute and a half

Three Celery mail workers of two processes each, and beat, exactly as docker-compose.yml starts them, on PostgreSQL that syncs
its log. The relay answers slowly, refuses every tenth person for now at first, and counts what it accepts by `Message-ID`. At
instants drawn from `--seed` (numbers of messages accepted) one process of a worker's pool, or a whole worker with its
children, is killed with SIGKILL and started again (as is one that ends by itself); on the way the broker is wiped and
stopped, PostgreSQL's connections are cut and the server is restarted as after a crash. The shipped lease and grace hold
(minutes): recovery is the journals' work.

When nothing waits any more the account is taken: the equation, lost (told as sent, not at the relay), doubled (one Message-ID
or one person twice), unknown against its bound, and how long after each kill the last of the dead process's slices was
settled. `results/soak.json`; the course of it as a plot in `results/soak.svg`.
"""

from __future__ import annotations

import argparse
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sqlalchemy import func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from bench.mailing import fill
from bench.record import record
from bench.soak_crew import Crew, service
from bench.soak_plot import Course, plot
from syndication.ledger.db import Database
from syndication.ledger.tables import Delivery, Issue, Lease, Subscriber
from tests.faults.fault_relay import FaultRelay, answering
from tests.faults.servers import OwnBroker, OwnPostgresql, broker_of_ones_own, postgresql_of_ones_own

WHOLE, CONNECTIONS = 100_000, 3
WHOLE_EVERY = 4  # every fourth kill takes a worker with all its children
FOR_NOW = b"450 4.2.0 not now, come back"
LADDER_MINUTES = "0.5,1,2,4"
ANSWER_SECONDS = 0.04
LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 180.0


class SoakRelay(FaultRelay):
    """Every tenth person is refused for now, once."""

    def __init__(self) -> None:
        super().__init__(("PIPELINING",))
        self.refused: set[str] = set()

    def answer_to(self, recipient: str) -> bytes | None:
        number = int(recipient[1:].partition("@")[0])
        with self._lock:
            if number % 10 or recipient in self.refused:
                return None
            self.refused.add(recipient)
        return FOR_NOW


@dataclass
class Wake:
    """The dead processes whose slices are not all settled: when they were killed. `took`: seconds until they were."""

    open: dict[int, float] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)

    def look(self, db: Database) -> None:
        if not self.open:
            return
        pids = list(self.open)
        held = or_(*(Lease.journal.contains(f"-{pid}-") for pid in pids))
        with db.reading() as session:
            journals = session.scalars(
                select(Lease.journal)
                .join(Delivery, Delivery.lease_id == Lease.id)
                .where(Delivery.state == "sending", held)
                .distinct()
            ).all()
        now = time.monotonic()
        for pid in pids:
            if not any(f"-{pid}-" in journal for journal in journals):
                self.took.append(now - self.open.pop(pid))


def troubles(people: int, kills: int, chance: random.Random) -> dict[int, list[str]]:
    """What happens after how many messages: kills anywhere, the rest spread over the first nine tenths."""
    plan: dict[int, list[str]] = {}
    for number, at in enumerate(sorted(chance.sample(range(people // 200, int(people * 0.97)), kills))):
        plan.setdefault(at, []).append("kill whole" if number % WHOLE_EVERY == 0 else "kill")
    for what, times in (("cut", 5), ("wipe", 4), ("stop broker", 3), ("restart", 2)):
        for at in sorted(chance.sample(range(people // 20, int(people * 0.9)), times)):
            plan.setdefault(at, []).append(what)
    return plan


def act(what: str, crew: Crew, chance: random.Random, server: OwnPostgresql, broker: OwnBroker) -> list[int]:
    """Does it; the ids of processes that were killed."""
    if what.startswith("kill"):
        return crew.kill(chance, what.endswith("whole"))
    if what == "cut":
        server.cut()
    elif what == "restart":
        server.restart()
    elif what == "wipe":
        broker.wipe()
    else:
        broker.stop()
        time.sleep(3)
        broker.start()
    return []


def states(db: Database) -> Counter[str]:
    with db.reading() as session:
        return Counter(dict(session.execute(select(Delivery.state, func.count()).group_by(Delivery.state)).all()))


def soak(people: int, kills: int, seed: int) -> tuple[dict[str, float], Course]:
    chance = random.Random(seed)
    course, wake, killed = Course(), Wake(), 0
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        postgresql_of_ones_own() as server,
        broker_of_ones_own() as broker,
        answering(SoakRelay()) as relay,
    ):
        db = Database(server.url)
        fill(db, people, sentences=40)
        relay.seen.delay = lambda: time.sleep(ANSWER_SECONDS)
        said = {
            "DATA_DIR": folder, "DATABASE_URL": server.url, "BROKER_URL": broker.url, "MAIL_URL": relay.url,
            "BASE_URL": "https://news.tideway.example", "SECRET_KEYS": "k" * 40, "SWEEP_SECONDS": "1",
            "SMTP_CONNECTIONS": str(CONNECTIONS), "RETRY_LADDER_MINUTES": LADDER_MINUTES,
        }  # fmt: skip
        plan = troubles(people, kills, chance)
        crew = Crew({f"SYNDICATION_{name}": value for name, value in said.items()}, Path(folder))
        over = threading.Event()
        with service(crew):
            began = time.monotonic()
            watcher = threading.Thread(target=watch, args=(db, relay, course, wake, began, over), daemon=True)
            watcher.start()
            for at, acts in sorted(plan.items()):
                reach(at, relay, db, crew)
                for what in acts:
                    now = time.monotonic()
                    dead = act(what, crew, chance, server, broker)
                    course.acts.append((now - began, what))
                    killed += len(dead)
                    wake.open.update(dict.fromkeys(dead, now))
            until(lambda: not set(states(db)) & {"pending", "sending", "deferred"}, "the issue settled", db, crew)
            took = time.monotonic() - began
            over.set()
            watcher.join()
        figures = account(db, relay) | {
            "people": people,
            "kills": kills,
            "processes_killed": killed,
            "seed": seed,
            "unknown_bound": killed * CONNECTIONS,
            "soak_s": round(took, 1),
            "recovery_median_s": round(statistics.median(wake.took), 2),
            "recovery_p99_s": round(sorted(wake.took)[int(len(wake.took) * 0.99) - 1], 2),
            "recovery_max_s": round(max(wake.took), 2),
            "never_recovered": len(wake.open),
            "workers_ended_by_themselves": crew.ended_by_themselves,
            **{what.replace(" ", "_"): n for what, n in Counter(what for _, what in course.acts).items()},
        }
        db.close()
    return figures, course


def watch(db: Database, relay: FaultRelay, course: Course, wake: Wake, began: float, over: threading.Event) -> None:
    """Notes how it goes; the ledger may be away just now."""
    shown = 0.0
    while not over.is_set():
        with suppress(SQLAlchemyError):
            counted = states(db)
            at = time.monotonic() - began
            course.points.append((at, relay.seen.messages, counted["deferred"], counted["sending"]))
            wake.look(db)
            if at - shown > 15:
                shown = at
                print(
                    f"{at:4.0f} s  {relay.seen.messages:,} accepted  {dict(counted)}  {len(wake.open)} open", flush=True
                )
        over.wait(LOOK_SECONDS)
    wake.look(db)


def reach(at: int, relay: FaultRelay, db: Database, crew: Crew) -> None:
    """So many messages have been accepted, or all that will be for the moment wait for their next try."""
    until(lambda: relay.seen.messages >= at, f"{at} messages", db, crew)


def until(true: Callable[[], bool], what: str, db: Database, crew: Crew) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    last = None
    while True:
        crew.look()
        with suppress(SQLAlchemyError):
            if true():
                return
            now = states(db) if time.monotonic() > ends - 1 else None
            if now is not None and now != last:
                last, ends = now, time.monotonic() + PATIENCE_SECONDS  # it goes on, if slowly
        if time.monotonic() > ends:
            raise SystemExit(f"not in {PATIENCE_SECONDS:.0f} s: {what}; {states(db)}")
        time.sleep(0.01)


def account(db: Database, relay: FaultRelay) -> dict[str, float]:
    """Who is where, by the ledger and by the relay."""
    kept = Counter(relay.seen.recipients.values())
    with db.reading() as session:
        told = dict(
            session.execute(
                select(Subscriber.address, Delivery.state).join(Subscriber, Subscriber.id == Delivery.subscriber_id)
            ).all()
        )
        eligible = session.scalar(select(Issue.eligible)) or 0
    found = Counter(told.values())
    return {
        "sent": found["sent"],
        "unknown": found["unknown"],
        "unknown_that_arrived": sum(1 for address, state in told.items() if state == "unknown" and kept[address]),
        "failed": found["failed"],
        "equation_off_by": eligible - sum(found.values()),
        "lost": sum(1 for address, state in told.items() if state == "sent" and not kept[address]),
        "untold": sum(1 for address in kept if told.get(address) not in {"sent", "unknown"}),
        "doubled_by_message_id": sum(1 for copies in relay.seen.accepted.values() if copies > 1),
        "doubled_by_person": sum(1 for copies in kept.values() if copies > 1),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=WHOLE, help=f"only {WHOLE:,} are written into results/")
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # by way of `finally`: nothing is left running
    figures, course = soak(chosen.people, chosen.kills, chosen.seed)
    whole = chosen.people == WHOLE
    file = record("soak", figures, whole=whole)
    if whole:
        file.with_suffix(".svg").write_text(plot(course, figures), "utf-8")
    never = (
        "equation_off_by",
        "lost",
        "untold",
        "doubled_by_message_id",
        "doubled_by_person",
        "failed",
        "never_recovered",
    )
    wrong = [name for name in never if figures[name]]
    if wrong or figures["unknown"] > figures["unknown_bound"]:
        raise SystemExit(f"wrong: {', '.join(wrong) or 'more unknown than the bound'}")


if __name__ == "__main__":
    main()
