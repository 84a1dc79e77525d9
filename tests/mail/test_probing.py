"""The doctor's look at a relay, against real servers: without TLS, with a certificate of its own, with names it knows."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from syndication import clock
from syndication.mail.probing import probe
from tests.embedded.service import free_port

Serve = Callable[..., int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a relay with aiosmtpd's options; its port."""
    with ExitStack() as ends:

        def serve(**options: Any) -> int:
            port = free_port()
            controller = Controller(Sink(), hostname="127.0.0.1", port=port, **options)
            controller.start()
            ends.callback(controller.stop)
            return port

        yield serve


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for localhost that nobody signed but itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - timedelta(days=1))
        .not_valid_after(clock.now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "relay.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_one_that_is_not_there() -> None:
    what, remedy = probe(f"smtp://me:s3cret@127.0.0.1:{free_port()}")
    assert "does not answer" in what
    assert "firewall" in remedy
    assert "s3cret" not in what
    assert "starttls=maybe" in probe("smtp://127.0.0.1:25?starttls=maybe")[0]


def test_one_without_tls(serve: Serve) -> None:
    port = serve()
    assert probe(f"smtp://127.0.0.1:{port}") == ("", "")
    assert "offers no STARTTLS" in probe(f"smtp://127.0.0.1:{port}?starttls=required")[0]


def test_one_whose_certificate_nobody_signed(serve: Serve, certificate: Path) -> None:
    port = serve(tls_context=tls(certificate))
    assert "certificate" in probe(f"smtp://localhost:{port}?starttls=required")[0]
    assert probe(f"smtp://localhost:{port}?starttls=required&cafile={certificate}") == ("", "")
    assert "cafile" in probe(f"smtp://localhost:{port}?cafile=/nowhere.pem")[0]


def test_one_that_asks_for_a_name(serve: Serve, certificate: Path) -> None:
    def known(*args: Any) -> AuthResult:
        return AuthResult(success=args[4].password == b"right", handled=False)

    port = serve(tls_context=tls(certificate), authenticator=known, auth_require_tls=True)
    there = f"localhost:{port}?starttls=required&cafile={certificate}"
    assert probe(f"smtp://me:right@{there}") == ("", "")
    what, _ = probe(f"smtp://me:s3cret@{there}")
    assert "refuses the name and password (535" in what
    assert "s3cret" not in what
