"""What is known of the relays that people use, as one table: how to reach them, how much they take, what they change in a mail,
and how an event that they report later is matched to its delivery.

A limit here is what the service documents for everybody; an account's own quota may be smaller and is told by its replies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from syndication.errors import BadInput
from syndication.settings import Settings


@dataclass(frozen=True, slots=True)
class Profile:
    """`hosts`: suffixes of the host's name that mean this relay. `connections` at most, `per_minute` messages; 0: any number.
    `rewrites`: header fields that it replaces, which must not be signed. `signs_alone`: it changes the body or signs in our
    name anyway, so a signature of ours would only break. `mark`: a header field that it gives back in its events, with
    `{id}` for the delivery. `queue_id`: finds its own number in the answer to a message. `spf`: the mechanism that names
    its servers, empty where the envelope's domain is its own."""

    name: str
    port: int
    starttls: str = "required"
    hosts: tuple[str, ...] = ()
    connections: int = 0
    per_minute: int = 0
    rewrites: frozenset[str] = frozenset()
    signs_alone: bool = False
    mark: str = ""
    queue_id: re.Pattern[str] = re.compile(r"queued as <?([^\s<>]+)>?", re.IGNORECASE)
    spf: str = ""


PLAIN: Final = Profile("plain", 25)
PROFILES: Final = {
    profile.name: profile
    for profile in (
        PLAIN,
        Profile("postfix", 25, queue_id=re.compile(r"queued as ([0-9A-Za-z]+)")),
        Profile(
            "ses", 587, hosts=("amazonaws.com",), rewrites=frozenset({"Date", "Message-ID"}),
            mark="X-SES-MESSAGE-TAGS: delivery={id}", queue_id=re.compile(r"^250 (?:2\.\d\.\d )?Ok ([0-9a-f-]{20,})"),
            spf="include:amazonses.com",
        ),
        Profile(
            "postmark", 587, hosts=("postmarkapp.com",), rewrites=frozenset({"Date", "Message-ID"}), signs_alone=True,
            mark="X-PM-Metadata-delivery: {id}", spf="include:spf.mtasv.net",
        ),
        Profile(
            "mailgun", 587, hosts=("mailgun.org",), mark='X-Mailgun-Variables: {{"delivery": "{id}"}}',
            spf="include:mailgun.org",
        ),
        Profile(
            "sendgrid", 587, hosts=("sendgrid.net",), signs_alone=True,
            mark='X-SMTPAPI: {{"unique_args": {{"delivery": "{id}"}}}}', spf="include:sendgrid.net",
        ),
        Profile(
            "gmail", 587, hosts=("gmail.com", "google.com"), connections=20, rewrites=frozenset({"Message-ID"}),
            queue_id=re.compile(r"OK\s+\d+ (\S+)"), spf="include:_spf.google.com",
        ),
        Profile(
            "microsoft365", 587, hosts=("office365.com", "outlook.com"), connections=3, per_minute=30, signs_alone=True,
            queue_id=re.compile(r"<([^>]+)>"), spf="include:spf.protection.outlook.com",
        ),
    )
}  # fmt: skip


def profile_for(host: str, wanted: str = "") -> Profile:
    """The profile named, else the one that the host's name tells, else the plain one. Raises BadInput for a wrong name."""
    if wanted:
        if wanted not in PROFILES:
            raise BadInput(
                f"{wanted!r} is no relay that is known;",
                where="SYNDICATION_MAIL_URL, profile=",
                remedy=f"write one of {', '.join(PROFILES)}.",
            )
        return PROFILES[wanted]
    folded = host.lower().rstrip(".")
    for profile in PROFILES.values():
        if any(folded == suffix or folded.endswith("." + suffix) for suffix in profile.hosts):
            return profile
    return PLAIN


def queue_id(profile: Profile, reply: str) -> str:
    """The relay's own number of an accepted message, empty where its answer names none."""
    found = profile.queue_id.search(reply)
    return found[1] if found else ""


def mark(profile: Profile, delivery_id: int) -> bytes:
    """The header line that brings an event back to its delivery; empty where the relay gives none back."""
    return f"{profile.mark.format(id=delivery_id)}\r\n".encode("ascii") if profile.mark else b""


def relay_of(settings: Settings) -> Profile:
    """The profile of the relay that `mail_url` names; a maildir is a plain one. Of several relays what any of them needs:
    a message is made before it is known which one takes it."""
    urls = [relay.url for relay in settings.relays] or [settings.resolved_mail_url]
    profiles = list(dict.fromkeys(map(profile_of, urls)))
    if len(profiles) == 1:
        return profiles[0]
    return Profile(
        "several", profiles[0].port,
        rewrites=frozenset().union(*(profile.rewrites for profile in profiles)),
        signs_alone=all(profile.signs_alone for profile in profiles),
        mark="\r\n".join(profile.mark for profile in profiles if profile.mark),
    )  # fmt: skip


def profile_of(url: str) -> Profile:
    """The profile of the relay at this address."""
    parts = urlsplit(url)
    if parts.scheme not in {"smtp", "smtps"}:
        return PLAIN
    return profile_for(parts.hostname or "", parse_qs(parts.query).get("profile", [""])[-1])
