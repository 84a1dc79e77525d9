"""Relay profiles, return paths, and the DNS records that mail needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from syndication.errors import BadInput, TryLater
from syndication.mail import keys, verp
from syndication.mail.records import standing, wanted
from syndication.mail.relays import PLAIN, PROFILES, mark, profile_for, queue_id
from syndication.mail.smtp import Relay
from syndication.settings import RelaySettings, Settings
from syndication.tokens import Signer

MAIL_FROM = "Tideway <series@tideway.example>"


@pytest.mark.parametrize(
    ("host", "name"),
    [("email-smtp.eu-west-1.amazonaws.com", "ses"), ("smtp-broadcasts.postmarkapp.com", "postmark"),
     ("smtp.eu.mailgun.org", "mailgun"), ("smtp.sendgrid.net", "sendgrid"), ("smtp-relay.gmail.com", "gmail"),
     ("smtp.office365.com", "microsoft365"), ("mx.tideway.example", "plain"), ("notgmail.com.example", "plain"),
     ("evilgmail.com", "plain"), ("127.0.0.1", "plain")],
)  # fmt: skip
def test_a_host_tells_its_profile(host: str, name: str) -> None:
    assert profile_for(host).name == name
    relay = Relay(f"smtp://{host}", timeout=1, connections=50)
    assert relay.port == (25 if name == "plain" else 587)
    assert relay.wish.starttls == ("optional" if host == "127.0.0.1" else "required")
    assert relay._habits.most == {"microsoft365": 3, "gmail": 20}.get(name, 50)


def test_a_profile_by_name_and_one_that_is_not_known() -> None:
    assert profile_for("mx.example", "ses").rewrites == {"Date", "Message-ID"}
    with pytest.raises(BadInput, match="postmark"):
        Relay("smtp://mx.example?profile=sess", timeout=1)


@pytest.mark.parametrize(
    ("name", "reply", "number"),
    [
        ("postfix", "250 2.0.0 Ok: queued as 4WxYz123", "4WxYz123"),
        (
            "ses",
            "250 Ok 0102018f3a2b-7c1d-4e5f-9a8b-1234567890ab-000000",
            "0102018f3a2b-7c1d-4e5f-9a8b-1234567890ab-000000",
        ),
        ("gmail", "250 2.0.0 OK  1717171717 a1-20020a05.12 - gsmtp", "a1-20020a05.12"),
        ("microsoft365", "250 2.0.0 OK <AB1@EURP.PROD.OUTLOOK.COM> [Hostname=x]", "AB1@EURP.PROD.OUTLOOK.COM"),
        ("sendgrid", "250 Ok: queued as kX8dqJ1ZQ", "kX8dqJ1ZQ"),
        ("plain", "250 great success", ""),
    ],
)
def test_the_relays_own_number_is_found_in_its_answer(name: str, reply: str, number: str) -> None:
    assert queue_id(PROFILES[name], reply) == number


def test_marks_are_whole_header_lines() -> None:
    for profile in PROFILES.values():
        line = mark(profile, 12)
        assert line == b"" or (line.endswith(b"\r\n") and line.count(b"\r\n") == 1 and b"12" in line)
        assert not profile.rewrites & {"From", "Subject", "List-Unsubscribe"}
    assert mark(PROFILES["sendgrid"], 7) == b'X-SMTPAPI: {"unique_args": {"delivery": "7"}}\r\n'
    assert mark(PLAIN, 7) == b""


def test_a_return_path_names_its_delivery_and_cannot_be_forged() -> None:
    old, new = Signer(("old" * 15,)), Signer(("new" * 15, "old" * 15))
    path = verp.make(old, 4_711, "bounce.tideway.example")
    assert len(path.partition("@")[0]) <= 64
    assert verp.delivery_of(new, path) == verp.delivery_of(new, path.upper()) == 4_711
    for forged in (path.replace("4711", "4712"), path.replace("-", "-0", 1), "b1@x", "", "series@tideway.example"):
        assert verp.delivery_of(new, forged) is None
    assert verp.make(old, 1, "") == ""


def test_the_records_to_publish_and_how_they_stand(tmp_path: Path) -> None:
    keys.make(tmp_path, "s1", "ed25519")
    settings = Settings(
        data_dir=tmp_path, mail_url="smtp://email-smtp.eu-west-1.amazonaws.com", dkim_keys="s1=s1.pem",
        bounce_domain="bounce.tideway.example",
    )  # fmt: skip
    records = wanted(settings, MAIL_FROM, "https://news.tideway.example")
    by_about = {record.about: record for record in records}
    assert list(by_about) == ["SPF", "bounce domain", "DKIM", "DMARC"]
    assert by_about["SPF"].name == "bounce.tideway.example"
    assert "include:amazonses.com" in by_about["SPF"].value
    assert by_about["DKIM"].name == "s1._domainkey.tideway.example"
    published = {
        "bounce.tideway.example TXT": ["google-site-verification=x", "v=spf1 include:other.example -all"],
        "bounce.tideway.example MX": ["10 news.tideway.example."],
        "s1._domainkey.tideway.example TXT": [by_about["DKIM"].value.replace("p=", "p = ").replace("; k", ";k")],
    }

    def look_up(name: str, kind: str) -> Sequence[str]:
        return published.get(f"{name} {kind}", [])

    assert {one.record.about: one.state for one in standing(records, look_up)} == {
        "SPF": "different", "bounce domain": "there", "DKIM": "there", "DMARC": "missing",
    }  # fmt: skip

    def nobody(name: str, kind: str) -> Sequence[str]:
        raise TryLater("no resolver")

    assert {one.state for one in standing(records, nobody)} == {"unanswered"}


@pytest.mark.parametrize(
    ("urls", "mechanisms"),
    [
        (["smtp://mx.tideway.example:25"], "a:mx.tideway.example"),
        (["smtp://192.0.2.7:25"], "ip4:192.0.2.7"),
        (["smtp://[2001:db8::7]:25"], "ip6:2001:db8::7"),
        (["smtp://127.0.0.1:25"], "a:news.tideway.example"),
        (["smtp://u:p@smtp.sendgrid.net", "smtp://localhost"], "include:sendgrid.net a:news.tideway.example"),
    ],
)
def test_spf_names_every_server_that_sends(tmp_path: Path, urls: list[str], mechanisms: str) -> None:
    relays = tuple(RelaySettings(url=url) for url in urls)
    found = wanted(Settings(data_dir=tmp_path, relays=relays), MAIL_FROM, "https://news.tideway.example")
    assert found[0].value == f"v=spf1 {mechanisms} ~all"
    turned = "v=spf1 mx " + " ".join(reversed(mechanisms.split())) + " -all"
    assert standing(found[:1], lambda _name, _kind: [turned])[0].state == "there"
    assert standing(found[:1], lambda _name, _kind: ["v=spf1 mx -all"])[0].state == "different"


def test_a_maildir_needs_no_server_named(tmp_path: Path) -> None:
    kinds = {record.about for record in wanted(Settings(data_dir=tmp_path), MAIL_FROM, "https://news.example")}
    assert kinds == {"DMARC"}
