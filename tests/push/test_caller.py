"""The dangerous edge: where a stranger's address may lead, and how long and how much it may take."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from syndication.push.http import LONGEST_BODY, Caller
from tests.push.machine import Machine, running


@pytest.fixture
def caller():  # type: ignore[no-untyped-def]
    made = Caller(seconds=0.5)
    yield made
    made.close()


@pytest.fixture
def here():  # type: ignore[no-untyped-def]
    """May call loopback."""
    made = Caller(seconds=0.5, to_loopback=True)
    yield made
    made.close()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]", "0.0.0.0", "[::]", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254",
        "[fe80::1]", "[fd00:ec2::254]", "100.64.0.1", "224.0.0.1", "[ff02::1]", "[64:ff9b::7f00:1]", "192.0.0.192",
        "[::7f00:1]", "[::ffff:0:7f00:1]", "[fec0::1]", "[2002:7f00:1::]", "240.0.0.1", "0", "198.18.0.1",
    ],
)  # fmt: skip
def test_no_address_of_ours_is_called(caller: Caller, host: str) -> None:
    with running() as machine:
        port = machine.url.rpartition(":")[2]
        for scheme in ("http", "https"):
            answer = caller.call("GET", f"{scheme}://{host}:{port}/")
            assert answer.status == 0
            assert "not an address of the public internet" in answer.words or "resolve" in answer.words, answer
        assert machine.got == []


def test_a_name_that_leads_elsewhere_between_check_and_connect_is_not_followed(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is resolved once: the address that was checked is the one that is connected to."""
    real = socket.getaddrinfo
    answers = iter(["198.51.100.7", "127.0.0.1", "127.0.0.1"])
    asked = []

    def rebinding(host, port, *args, **kwargs):  # type: ignore[no-untyped-def]
        if host != "rebind.example":
            return real(host, port, *args, **kwargs)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with running() as machine:
        port = machine.url.rpartition(":")[2]
        caller.call("GET", f"http://rebind.example:{port}/")
        assert machine.got == []
    assert asked == ["rebind.example"]


def test_loopback_alone_is_opened_by_the_development_setting(here: Caller, machine: Machine) -> None:
    assert here.call("POST", machine.url, body=b"x").status == 204
    assert here.call("GET", "http://10.0.0.1/").status == 0


@pytest.mark.parametrize("does", ["hang", "drip"])
def test_the_whole_exchange_ends_at_its_time(here: Caller, machine: Machine, does: str) -> None:
    machine.does["/"] = does
    answer = here.call("POST", f"{machine.url}/", body=b"x")
    assert (answer.status, answer.words) == (0, "no answer within 0.5 s")
    assert machine.dripped < 60  # after a hundred headers it would have ended by itself


def test_one_that_drips_ends_at_its_time_also_after_a_pause(here: Caller, machine: Machine) -> None:
    assert here.call("POST", machine.url, body=b"x").status == 204
    for _ in range(1_000):  # nothing is watched any more
        if not here._deadlines._waiting:
            break
        time.sleep(0.01)
    machine.does["/"] = "drip"
    assert here.call("POST", f"{machine.url}/", body=b"x").words == "no answer within 0.5 s"
    assert machine.dripped < 60


def test_a_resolver_that_hangs_holds_nobody(here: Caller, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    real, goes_on, waited = socket.getaddrinfo, threading.Event(), threading.Event()

    def hanging(host: str, *args: Any, **kwargs: Any) -> Any:
        if host == "slow.example":
            goes_on.wait(20)
            waited.set()
            host = "127.0.0.1"
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    port = machine.url.rpartition(":")[2]
    answer = here.call("GET", f"http://slow.example:{port}/")
    assert (answer.status, answer.words) == (0, "no answer within 0.5 s")
    assert not waited.is_set()
    assert here.call("GET", f"http://localhost:{port}/").status == 200
    goes_on.set()
    assert waited.wait(20)
    assert here.call("GET", f"http://slow.example:{port}/").status == 200
    assert len(machine.got) == 2  # what was found too late is not called


def test_an_endless_answer_is_read_as_far_as_needed(here: Caller, machine: Machine) -> None:
    machine.does["/"] = "flood"
    answer = here.call("GET", f"{machine.url}/")
    assert answer.status == 200
    assert len(answer.body) == LONGEST_BODY
    assert here.call("POST", f"{machine.url}/", body=b"x").body == b""


def test_the_body_of_a_redirect_is_not_read(here: Caller, machine: Machine) -> None:
    machine.does["/"] = "away-flood"
    for method, body in (("GET", None), ("POST", b"x")):
        assert here.call(method, f"{machine.url}/", body=body).status == 302
    assert machine.poured < 40_000_000  # what lies in buffers on the way, not what half a second brings


def test_words_that_no_ledger_can_keep_are_not_kept(here: Caller, machine: Machine) -> None:
    machine.does["/"] = "nul"
    assert here.call("POST", f"{machine.url}/", body=b"x").said == "500 O [31mK"


def test_a_server_that_says_nonsense_is_an_answer_not_an_error(here: Caller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"\x00\xff nonsense\r\n\r\n")

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        answer = here.call("POST", f"http://127.0.0.1:{server.getsockname()[1]}/", body=b"x")
        thread.join(5)
    assert answer.status == 0
    assert answer.words


def test_nothing_of_ours_goes_along(here: Caller, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        for _ in range(2):
            assert here.call("GET", f"{machine.url}/cb?hub.challenge=x").status == 200  # which sets a cookie
        assert proxy.got == []
    assert len(machine.got) == 2
    assert not any({"cookie", "authorization"} & set(got.headers) for got in machine.got)


def test_the_answer_is_read_as_it_comes_and_no_connection_is_kept(here: Caller, machine: Machine) -> None:
    """A packed challenge could not be compared; a connection kept for each callback would use up our own."""
    here.call("GET", machine.url)
    (got,) = machine.got
    assert (got.headers["accept-encoding"], got.headers["connection"]) == ("identity", "close")


def test_a_drip_ends_under_tls_too(here: Caller, tmp_path: Path) -> None:
    authority, drips = certificate(tmp_path), []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    here._session().verify = str(authority)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            connection, _ = server.accept()
            with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
                secure.recv(65_536)
                secure.sendall(b"HTTP/1.1 200 OK\r\n")
                while True:
                    secure.sendall(b"X-Drip: drop\r\n")
                    drips.append(1)
                    time.sleep(0.05)

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        answer = here.call("POST", f"https://127.0.0.1:{server.getsockname()[1]}/", body=b"x")
        thread.join(5)
    assert answer.words == "no answer within 0.5 s"
    assert len(drips) < 60


def certificate(place: Path) -> Path:
    """One for 127.0.0.1, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = place / "tls.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*form))
    return file


def test_nothing_is_left_open(machine: Machine) -> None:
    here = Caller(seconds=60, to_loopback=True)  # so that it is not the deadline that closes

    def opened() -> int:
        import psutil

        return psutil.Process().num_fds()

    here.call("POST", machine.url, body=b"x")
    before = opened()
    for _ in range(20):
        here.call("POST", machine.url, body=b"x")
    for _ in range(100):  # the machine's side closes in its own threads
        if opened() <= before:
            break
        time.sleep(0.02)
    assert opened() <= before
    here.close()
