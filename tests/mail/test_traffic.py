"""Several connections at once, against relays that offer much or little, close when they like, refuse, stall and drip."""

from __future__ import annotations

import smtplib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import pytest
from mail_world import ScriptedRelay

from syndication.mail.smtp import Relay
from syndication.mail.transport import Answer, Parcel, Receipt, TransportTrouble

OFFERS = [(), ("PIPELINING",), ("CHUNKING",), ("PIPELINING", "CHUNKING"), ("PIPELINING", "8BITMIME", "SMTPUTF8")]


class Batch:
    """An `Outgoing` of so many messages; `refuses` at the door; what became of each by recipient."""

    def __init__(self, count: int, *, size: int = 300, refuses: Sequence[int] = ()) -> None:
        body = b"Subject: x\r\n\r\n" + b".line of a message\r\n" * (size // 20)
        self.waiting = [
            Parcel(f"{n}.delivery", "s@tideway.example", f"p{n}@example.org", b"X-N: %d\r\n" % n + body)
            for n in range(1, count + 1)
        ]
        self.data = {parcel.recipient: parcel.data for parcel in self.waiting}
        self.refuses = {f"{n}.delivery" for n in refuses}
        self.told: dict[str, Receipt] = {}
        self.refused: list[str] = []
        self.doubled: list[str] = []

    def next(self, most: int) -> Sequence[Parcel]:
        taken, self.waiting = self.waiting[:most], self.waiting[most:]
        return taken

    def takes_time(self, most: int) -> bool:
        return len(self.waiting) % 2 == 0

    def going(self, parcels: Sequence[Parcel]) -> Sequence[bool]:
        may = [parcel.name not in self.refuses for parcel in parcels]
        self.refused += [parcel.recipient for parcel, allowed in zip(parcels, may, strict=True) if not allowed]
        return may

    def done(self, answers: Sequence[Answer]) -> None:
        for parcel, receipt in answers:
            if parcel.recipient in self.told:
                self.doubled.append(parcel.recipient)
            self.told[parcel.recipient] = receipt

    @property
    def states(self) -> Counter[str]:
        return Counter(receipt.state for receipt in self.told.values())


def carried(batch: Batch, relay: ScriptedRelay, *, connections: int = 3, window: int = 4, timeout: float = 10) -> Relay:
    way = Relay(relay.url, timeout=timeout, connections=connections, window=window)
    way.carry(batch)
    assert batch.doubled == []
    return way


@pytest.mark.parametrize("offers", OFFERS)
def test_everything_arrives_once_and_as_it_is_whatever_the_relay_offers(
    relay: ScriptedRelay, offers: tuple[str, ...]
) -> None:
    relay.offers = offers
    batch = Batch(150)
    carried(batch, relay).close()
    assert dict(relay.received) == batch.data
    assert len(relay.received) == 150
    assert batch.states == {"sent": 150}
    assert len(relay.talks) <= 3
    with_mail = [talk for talk in relay.talks if any(line.startswith(b"MAIL") for line in talk)]
    deadline = time.monotonic() + 20
    while not all(talk[-1] == b"QUIT" for talk in with_mail):
        assert time.monotonic() < deadline, "it left without QUIT"
        time.sleep(0.01)
    assert {any(line.startswith(b"BDAT") for line in talk) for talk in with_mail} == {"CHUNKING" in offers}


@pytest.mark.parametrize("offers", OFFERS)
@pytest.mark.parametrize(
    ("step", "line", "state"),
    [
        ("rcpt", b"550 5.1.1 nobody", "failed"),
        ("rcpt", b"451 4.7.1 later", "deferred"),
        ("end", b"452 4.3.1 full", "deferred"),
        ("end", b"250-2.0.0 kept\r\n250 2.0.0 queued as Y", "sent"),
        ("end", b"421 4.3.2 away", "deferred"),
        ("end", None, "unknown"),
        ("rcpt", None, "deferred"),
    ],
)
def test_one_answer_in_the_midst_of_a_flight_concerns_one_message(
    relay: ScriptedRelay, offers: tuple[str, ...], step: str, line: bytes | None, state: str
) -> None:
    relay.offers, relay.script, relay.only = offers, {step: line}, {"p20@example.org"}
    batch = Batch(60)
    carried(batch, relay)
    windowed = {"PIPELINING", "CHUNKING"} <= set(offers)
    if windowed and line is None:
        state = "unknown"  # its bytes were under way already, and the answers may be what was lost
    assert batch.told["p20@example.org"].state == state
    others = Counter(receipt.state for name, receipt in batch.told.items() if name != "p20@example.org")
    if line is None and windowed:  # what was handed over behind it is unknown too
        assert 0 <= others.pop("unknown", 0) < 4
        assert set(others) == {"sent"}
    else:
        assert others == {"sent": 59}
    assert max(Counter(name for name, _ in relay.received).values()) == 1


@pytest.mark.parametrize("offers", OFFERS)
def test_a_relay_that_closes_without_a_word_after_some_messages(relay: ScriptedRelay, offers: tuple[str, ...]) -> None:
    relay.offers, relay.closes_after = offers, 7
    batch = Batch(120)
    carried(batch, relay, connections=2)
    copies = Counter(name for name, _ in relay.received)
    assert max(copies.values()) == 1
    unknown = batch.states["unknown"]
    assert batch.states == Counter({"sent": 120 - unknown, "unknown": unknown} if unknown else {"sent": 120})
    windowed = {"PIPELINING", "CHUNKING"} <= set(offers)
    assert unknown <= (2 * 4 if windowed else 0), "a connection's window, and only until the habit was seen"
    by_talk = [sum(line.startswith((b"DATA", b"BDAT")) for line in talk) for talk in relay.talks]
    assert len(by_talk) <= 120 // 7 + 3, "each connection is used as far as it goes"


def test_a_relay_that_takes_two_connections_only(relay: ScriptedRelay) -> None:
    relay.most_talks = 2
    batch = Batch(80)
    carried(batch, relay, connections=6)
    assert batch.states == {"sent": 80}


def test_what_may_not_go_when_the_relay_is_ready_does_not_go(relay: ScriptedRelay) -> None:
    for offers in OFFERS:
        relay.offers = offers
        relay.received.clear()
        batch = Batch(20, refuses=(5, 6, 20))
        carried(batch, relay)
        assert sorted(batch.refused) == ["p20@example.org", "p5@example.org", "p6@example.org"]
        assert len(relay.received) == 17
        assert not set(batch.refused) & {name for name, _ in relay.received}


def test_a_large_message_to_a_relay_that_reads_slowly(relay: ScriptedRelay) -> None:
    relay.pause = 0.002
    batch = Batch(2, size=300_000)
    carried(batch, relay, connections=1)
    assert dict(relay.received) == batch.data


@contextmanager
def server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A relay that does with each connection what `talk` says, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=20)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=hold, args=(connection,), daemon=True).start()

    def hold(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            talk(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"smtp://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def drip(connection: socket.socket) -> None:
    for byte in b"220 " + b"x" * 2_000:
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


def greets_and_stalls(connection: socket.socket) -> None:
    connection.sendall(b"220 hello\r\n")
    connection.recv(1_000)
    time.sleep(30)


def takes_and_stalls(connection: socket.socket) -> None:
    connection.sendall(b"220 hello\r\n")
    for answer in (b"250-x\r\n250 PIPELINING\r\n", b"250 ok\r\n250 ok\r\n354 go\r\n"):
        connection.recv(100_000)
        connection.sendall(answer)
    time.sleep(30)


def speaks_http(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def hangs_up(_: socket.socket) -> None:
    """Without a greeting."""


@pytest.mark.parametrize("talk", [drip, greets_and_stalls, speaks_http, hangs_up])
def test_a_relay_that_does_not_get_as_far_as_a_mail_blocks_and_fails_nobody(
    talk: Callable[[socket.socket], None],
) -> None:
    batch = Batch(3)
    with server(talk) as url, pytest.raises(TransportTrouble):
        Relay(url, timeout=0.4, connections=2).carry(batch)
    assert batch.told == {}


def test_a_relay_that_takes_a_mail_and_says_nothing_leaves_it_unknown() -> None:
    batch = Batch(1)
    with server(takes_and_stalls) as url:
        Relay(url, timeout=0.4).carry(batch)
    assert batch.states == {"unknown": 1}


def test_when_the_time_is_up_what_is_on_the_wire_is_unknown_and_the_rest_is_not_begun() -> None:
    batch = Batch(30)
    with server(takes_and_stalls) as url, pytest.raises(TransportTrouble, match="the time there was"):
        Relay(url, timeout=20, connections=2).carry(batch, patience=0.5)
    assert set(batch.states) == {"unknown"}
    assert batch.states["unknown"] <= 2


def test_the_bytes_are_those_that_smtplib_sends(relay: ScriptedRelay) -> None:
    batch = Batch(3)
    carried(batch, relay).close()
    ours = dict(relay.received)
    relay.received.clear()
    with smtplib.SMTP("127.0.0.1", relay.server_address[1]) as reference:
        for recipient, data in batch.data.items():
            reference.sendmail("s@tideway.example", [recipient], data)
    assert dict(relay.received) == ours


def test_an_idle_connection_that_was_closed_costs_nobody_a_try(relay: ScriptedRelay) -> None:
    relay.closes_after = 5
    first, second = Batch(5), Batch(5)
    way = carried(first, relay, connections=1)
    time.sleep(0.1)
    way.carry(second)
    assert (first.states, second.states) == ({"sent": 5}, {"sent": 5})
