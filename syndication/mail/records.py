"""The DNS records that receivers want to see for a publication's mail, and whether they are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

import dns.exception
import dns.resolver

from syndication.errors import TryLater
from syndication.mail import headers, keys
from syndication.mail.relays import profile_of
from syndication.settings import LOOPBACK_HOSTS, Settings

RESOLVER_SECONDS = 3.0
LookUp = Callable[[str, str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Record:
    """`value` as it is to be published; `holds` has the words that a published one has to contain for it to do."""

    about: str
    name: str
    type: Literal["TXT", "MX"]
    value: str
    holds: str


@dataclass(frozen=True, slots=True)
class Standing:
    """`state`: there | different (what was found instead is in `found`) | missing | unanswered."""

    record: Record
    state: Literal["there", "different", "missing", "unanswered"]
    found: str = ""


def wanted(settings: Settings, mail_from: str, base_url: str) -> list[Record]:
    """What to publish. Raises NeedsHuman for keys that do not do."""
    domain = headers.ascii_domain(headers.parsed_mailbox(mail_from)[1]).rpartition("@")[2]
    returns = settings.bounce_domain or domain
    ours = urlsplit(base_url).hostname or "this.host.example"
    urls = [relay.url for relay in settings.relays] or [settings.resolved_mail_url]
    mechanisms = " ".join(dict.fromkeys(filter(None, (_sent_from(url, ours) for url in urls))))
    records = []
    if mechanisms:  # a maildir sends nothing: there is no server to name
        records.append(Record("SPF", returns, "TXT", f"v=spf1 {mechanisms} ~all", mechanisms))
    if settings.bounce_domain:
        records.append(Record("bounce domain", settings.bounce_domain, "MX", f"10 {ours}.", ""))
    for key in keys.listed(settings, domain):
        name, value = keys.record(key)
        records.append(Record("DKIM", name, "TXT", value, value.rpartition("p=")[2]))
    policy = f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}"
    return [*records, Record("DMARC", f"_dmarc.{domain}", "TXT", policy, "v=DMARC1")]


def _sent_from(url: str, ours: str) -> str:
    """SPF's mechanism for the servers of a relay; one on this machine sends from our own host."""
    host = urlsplit(url).hostname or ""
    if known := profile_of(url).spf:
        return known
    if host in LOOPBACK_HOSTS:
        host = ours
    try:
        return f"ip{ip_address(host).version}:{host}"
    except ValueError:
        return f"a:{host}" if host else ""


def standing(records: Sequence[Record], look_up: LookUp | None = None) -> list[Standing]:
    """Asks the DNS for each; after the first question without an answer no more are asked."""
    ask = look_up or resolved
    found: list[Standing] = []
    answering = True
    for record in records:
        try:
            texts = ask(record.name, record.type) if answering else None
        except TryLater:
            answering, texts = False, None
        if texts is None:
            found.append(Standing(record, "unanswered"))
            continue
        family = record.value.partition(" ")[0].rstrip(";") if record.type == "TXT" else ""
        alike = [text for text in texts if text.startswith(family)]
        if any(all(part in text.replace(" ", "") for part in record.holds.split()) for text in alike):
            found.append(Standing(record, "there"))
        else:
            found.append(Standing(record, "different" if alike else "missing", "; ".join(alike)))
    return found


def resolved(name: str, kind: str) -> list[str]:
    """The records of this name, empty for none. Raises TryLater where no resolver answers."""
    try:
        answer = dns.resolver.resolve(name, kind, lifetime=RESOLVER_SECONDS, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError) as error:
        raise TryLater(f"no resolver answers: {error}") from error
    if kind == "TXT":
        return [b"".join(data.strings).decode("utf-8", "replace") for data in answer]
    return [data.to_text() for data in answer]
