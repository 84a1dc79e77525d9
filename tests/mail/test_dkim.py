"""Signatures as receivers see them: dkimpy and OpenDKIM verify each, and neither verifies what was changed."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mail_world import ScriptedRelay, new_issue, parsed
from test_edition import IMPRINT, VALUES, compiled, entry

from syndication import clock
from syndication.errors import NeedsHuman
from syndication.mail import headers, keys
from syndication.mail.dkim import SIGNED, Key
from syndication.mail.sender import send_due
from syndication.mail.smtp import Relay
from syndication.mail.splice import Form
from syndication.settings import Settings
from syndication.wiring import Wiring

DOMAIN = "tideway.example"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[Key]:
    folder = tmp_path_factory.mktemp("dkim")
    pairs = [f"{name}={keys.make(folder, name, kind)}" for name, kind in (("r1", "rsa"), ("e1", "ed25519"))]  # type: ignore[arg-type]
    return keys.signing(Settings(data_dir=folder, dkim_keys=",".join(pairs)), DOMAIN)


def records(signing: list[Key]) -> dict[str, str]:
    return dict(keys.record(key) for key in signing)


def dkimpy_says(data: bytes, published: Mapping[str, str]) -> list[bool]:
    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        text = published.get(name.decode().rstrip("."))
        return text.encode() if text else None

    count = len(parsed(data).get_all("DKIM-Signature", []))
    verdicts = []
    for index in range(count):
        try:
            verdicts.append(dkim.DKIM(data).verify(idx=index, dnsfunc=look_up))
        except dkim.DKIMException:
            verdicts.append(False)
    return verdicts


def opendkim_says(data: bytes, published: Mapping[str, str], folder: Path) -> list[str]:
    """algorithm verdict, by signature, as a mail server with OpenDKIM would write it into Authentication-Results."""
    program = shutil.which("opendkim", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        pytest.fail("there is no opendkim: apt-get install -y opendkim", pytrace=False)
    (folder / "keys").write_text("".join(f"{name} {text}\n" for name, text in published.items()))
    (folder / "message").write_bytes(data)
    (folder / "conf").write_text(
        f"Mode v\nTestPublicKeys {folder / 'keys'}\nSyslog no\nAuthservID us\nAlwaysAddARHeader yes\n"
    )
    command = [program, "-x", str(folder / "conf"), "-t", str(folder / "message"), "-vv"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
    return [f"{algorithm} {verdict}" for verdict, algorithm in re.findall(r"dkim=(\w+)[^;]*?header\.a=([\w-]+)", told)]


def test_both_signatures_hold_with_two_verifiers(both: list[Key], tmp_path: Path) -> None:
    data = Form(compiled(entry(1), entry(2)), both).message(VALUES)
    assert dkimpy_says(data, records(both)) == [True, True]
    assert opendkim_says(data, records(both), tmp_path) == ["rsa-sha256 pass", "ed25519-sha256 pass"]
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert data.isascii()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Water", b"Wader"),
        (b"List-Unsubscribe: <https://news", b"List-Unsubscribe: <https://evil"),
        (b"U" * 22, b"V" * 22),
        (b"\r\nFrom:", b"\r\nFrom: Other <x@evil.example>\r\nFrom:"),
        (b"Feedback-ID: ", b"Feedback-ID: x"),
        (b"Reply-To: ", b"Reply-To: x"),
        (b"Message-ID: <1", b"Message-ID: <2"),
        (b"charset=utf-8", b"charset=utf-7"),
    ],
)
def test_what_is_changed_on_the_way_breaks_both(both: list[Key], old: bytes, new: bytes, tmp_path: Path) -> None:
    data = Form(compiled(entry()), both).message(VALUES)
    assert old in data
    broken = data.replace(old, new)
    assert dkimpy_says(broken, records(both)) == [False, False]
    assert not any("pass" in line for line in opendkim_says(broken, records(both), tmp_path))


def test_what_the_relay_rewrites_is_not_signed_and_may_change(both: list[Key]) -> None:
    data = Form(compiled(entry()), both, unsigned={"Date", "Message-ID"}).message(VALUES)
    rewritten = data.replace(b"Message-ID: <1.a@tideway.example>", b"Message-ID: <0100@email.amazonses.com>")
    assert rewritten != data
    assert dkimpy_says(rewritten, records(both)) == [True, True]
    tags = dict(tag.strip().split("=", 1) for tag in parsed(data)["DKIM-Signature"].split(";"))
    signed = "".join(tags["h"].split()).split(":")
    assert signed.count("From") == 2
    assert set(SIGNED) - set(signed) == {"Date", "Message-ID", "Content-Transfer-Encoding"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(max_size=60).filter(lambda text: text == text.encode("utf-8", "ignore").decode()),
    token=st.text("abcXYZ019._~-", min_size=1, max_size=200),
    body=st.text(" \t\n.=x<>é李", max_size=400),
)
def test_every_signature_holds_whatever_the_body_and_the_values(
    both: list[Key], name: str, token: str, body: str
) -> None:
    text = body.replace("<", "&lt;").replace(">", "&gt;")
    form = Form(compiled(entry(body_html=f"<pre>{text}</pre><p>..</p>")), both)
    values = VALUES | {"to": headers.mailbox(name, "p@example.org")} | dict.fromkeys(("unsubscribe", "browser"), token)
    assert dkimpy_says(form.message(values), records(both)) == [True, True]


def test_the_hash_of_what_all_share_is_not_taken_again(both: list[Key], monkeypatch: pytest.MonkeyPatch) -> None:
    form = Form(compiled(entry()), both[1:])
    real, begun = hashlib.sha256, []
    monkeypatch.setattr(hashlib, "sha256", lambda data=b"": begun.append(len(data)) or real(data))
    form.message(VALUES)
    assert sum(begun) < 3_000, "only what is signed is hashed from its first byte"


def _write(path: Path, private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> Path:
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    path.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden))
    return path


@pytest.mark.parametrize("wrong", ["missing", "text", "curve", "locked", "pair", "twice", "domain"])
def test_a_key_that_does_not_do_is_named_with_what_to_do(tmp_path: Path, wrong: str) -> None:
    good = keys.make(tmp_path, "s1", "ed25519")
    (tmp_path / "text.pem").write_text("hello")
    big = rsa.generate_private_key(65_537, 2_048)
    paths = {
        "missing": "s2=nowhere.pem",
        "text": "s2=text.pem",
        "curve": f"s2={_write(tmp_path / 'b', ec.generate_private_key(ec.SECP256R1()))}",
        "locked": f"s2={_write(tmp_path / 'c', big, b'secret')}",
        "pair": "just-a-path.pem",
        "twice": f"s1={good}",
        "domain": "",
    }
    setting = Settings(
        data_dir=tmp_path, dkim_keys=f"s1={good},{paths[wrong]}",
        dkim_domain="other.example" if wrong == "domain" else "",
    )  # fmt: skip
    with pytest.raises(NeedsHuman, match="DKIM") as told:
        keys.listed(setting, DOMAIN)
    assert told.value.remedy


def test_rotation_signs_with_the_first_of_each_kind_and_publishes_all(tmp_path: Path) -> None:
    for name, kind in (("new", "rsa"), ("old", "rsa"), ("e", "ed25519")):
        keys.make(tmp_path, name, kind)  # type: ignore[arg-type]
    setting = Settings(data_dir=tmp_path, dkim_keys="new=new.pem, old=old.pem, e=e.pem", dkim_domain="mail." + DOMAIN)
    assert [key.selector for key in keys.signing(setting, DOMAIN)] == ["new", "e"]
    assert [keys.record(key)[0] for key in keys.listed(setting, DOMAIN)] == [
        f"{name}._domainkey.mail.{DOMAIN}" for name in ("new", "old", "e")
    ]
    assert oct((tmp_path / "new.pem").stat().st_mode)[-3:] == "600"


@pytest.mark.sqlite_only
def test_mail_that_goes_out_is_signed_and_a_wrong_key_holds_it_back(wiring: Wiring, relay: ScriptedRelay) -> None:
    new_issue(wiring.db, 2)
    folder = wiring.settings.data_dir
    keys.make(folder, "r1", "rsa")
    wrong = wiring.settings.model_copy(update={"dkim_keys": "r1=gone.pem"})
    send_due(Wiring(wrong, wiring.base_url, ""), Relay(relay.url, timeout=5))
    assert relay.received == [], "nothing goes unsigned because a key is wrong"
    right = wiring.settings.model_copy(update={"dkim_keys": "r1=r1.pem"})
    with clock.shifted(timedelta(minutes=6)):
        send_due(Wiring(right, wiring.base_url, ""), Relay(relay.url, timeout=5))
    published = records(keys.listed(right, DOMAIN))
    assert [dkimpy_says(data, published) for _, data in relay.received] == [[True], [True]]
    assert parsed(relay.received[0][1])["From"].endswith(f"@{DOMAIN}>")
    assert IMPRINT.mail_from.endswith(f"@{DOMAIN}>")
