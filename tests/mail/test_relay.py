"""The relay as a real server sees it: STARTTLS, TLS, AUTH, a connection closed while idle, addresses in other scripts, and
Postfix's smtp-sink."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from mail_world import ScriptedRelay

from syndication.errors import BadInput
from syndication.mail.smtp import Relay
from syndication.mail.transport import Parcel, TransportTrouble, open_transport, send_one
from syndication.settings import Settings

DATA = b"Subject: x\r\n\r\n.dot\r\n..two\r\nend\r\n"


def parcel(recipient: str = "p@example.org") -> Parcel:
    return Parcel("1.delivery", "series@tideway.example", recipient, DATA)


class Keeper:
    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.secure: list[bool] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        self.secure.append(session.ssl is not None)
        return "250 2.0.0 kept"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", context


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth: object) -> AuthResult:
    assert isinstance(auth, LoginPassword)
    return AuthResult(success=(auth.login, auth.password) == (b"us", b"p@ss/word"))


@pytest.fixture
def secure(certificate: tuple[Path, ssl.SSLContext]) -> Iterator[tuple[Keeper, str, Path]]:
    keeper = Keeper()
    server = Controller(
        keeper, hostname="127.0.0.1", port=free_port(), tls_context=certificate[1], require_starttls=True,
        authenticator=_check, auth_required=True, enable_SMTPUTF8=True,
    )  # fmt: skip
    server.start()
    yield keeper, f"127.0.0.1:{server.port}", certificate[0]
    server.stop()


def test_starttls_and_auth_then_the_message_as_it_is(secure: tuple[Keeper, str, Path]) -> None:
    keeper, place, cert = secure
    relay = Relay(f"smtp://us:p%40ss%2Fword@{place}?starttls=required&cafile={cert}", timeout=5)
    assert send_one(relay, parcel()).state == "sent"
    assert send_one(relay, parcel("añil@example.org")).state == "sent"
    relay.close()
    assert keeper.secure == [True, True]
    assert keeper.envelopes[0].content == DATA
    assert keeper.envelopes[0].mail_from == "series@tideway.example"


@pytest.mark.parametrize(
    "change",
    [
        lambda url, cert: url.replace("word@", "wrong@"),
        lambda url, cert: url.replace(f"&cafile={cert}", ""),
        lambda url, cert: url.replace("starttls=required", "starttls=no"),
    ],
)
def test_a_wrong_password_certificate_or_no_tls_is_trouble_and_nobody_fails(secure, change) -> None:  # type: ignore[no-untyped-def]
    keeper, place, cert = secure
    url = f"smtp://us:p%40ss%2Fword@{place}?starttls=required&cafile={cert}"
    with pytest.raises(TransportTrouble):
        send_one(Relay(change(url, cert), timeout=5), parcel())
    assert keeper.envelopes == []


def test_tls_from_the_start(certificate: tuple[Path, ssl.SSLContext]) -> None:
    keeper = Keeper()
    server = Controller(keeper, hostname="127.0.0.1", port=free_port(), ssl_context=certificate[1])
    server.start()
    try:
        relay = Relay(f"smtps://127.0.0.1:{server.port}?cafile={certificate[0]}", timeout=5)
        assert send_one(relay, parcel()).state == "sent"
        relay.close()
    finally:
        server.stop()


def test_starttls_that_is_required_and_not_offered_sends_nothing(relay: ScriptedRelay) -> None:
    with pytest.raises(TransportTrouble):
        send_one(Relay(f"{relay.url}?starttls=required", timeout=5), parcel())
    assert relay.received == []


def test_an_address_in_another_script_fails_where_the_relay_cannot_take_it(relay: ScriptedRelay) -> None:
    way = Relay(relay.url, timeout=5)
    receipt = send_one(way, parcel("añil@example.org"))
    way.close()
    assert receipt.state == "failed"
    assert "SMTPUTF8" in receipt.reply


def test_a_silent_relay_is_given_up_after_the_time_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TransportTrouble):
        send_one(Relay(f"smtp://127.0.0.1:{silent.getsockname()[1]}", timeout=0.3), parcel())


@pytest.mark.parametrize("url", ["smtp://h?starttls=perhaps", "smtp://h?pipelining=1"])
def test_a_wrong_address_of_the_relay_is_told_with_what_is_known(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="MAIL_URL"):
        open_transport(Settings(data_dir=tmp_path, mail_url=url))


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_authority_that_cannot_be_read_is_trouble_and_named(
    relay: ScriptedRelay, tmp_path: Path, content: str | None
) -> None:
    cafile = tmp_path / "authority.pem"
    if content is not None:
        cafile.write_text(content)
    relay.offers = ("STARTTLS",)
    with pytest.raises(TransportTrouble, match=r"authority\.pem cannot be read"):
        send_one(Relay(f"{relay.url}?starttls=required&cafile={cafile}", timeout=5), parcel())
    assert relay.received == []


def test_postfixs_sink_takes_it() -> None:
    sink = shutil.which("smtp-sink") or shutil.which("smtp-sink", path="/usr/sbin")
    if sink is None:
        pytest.fail("there is no smtp-sink: apt-get install -y postfix", pytrace=False)
    port = free_port()
    server = subprocess.Popen([sink, *(["-u", "nobody"] if os.geteuid() == 0 else []), f"127.0.0.1:{port}", "10"])
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        relay = Relay(f"smtp://127.0.0.1:{port}", timeout=5)
        assert [send_one(relay, parcel()).state for _ in range(20)] == ["sent"] * 20
        relay.close()
    finally:
        server.terminate()
        server.wait()
