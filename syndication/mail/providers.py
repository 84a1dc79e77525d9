"""Which provider an address is at: the group of its MX host, as one table; else the host itself; else the mail domain.

Guarantees: a question to the DNS waits a second at most, all of a slice together; what is not known by then counts as its own
domain and is asked again later; where no resolver answers none is asked for a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock
from typing import Final

import dns.exception
import dns.resolver

PATIENCE_SECONDS = 1.0
KEPT_SECONDS, QUIET_SECONDS = 3_600.0, 60.0
MOST_KEPT = 50_000
_THREADS = 16
_DOMAINS: Final = {
    "google": ("gmail.com", "googlemail.com"),
    "microsoft": ("outlook.com", "hotmail.com", "live.com", "msn.com", "hotmail.co.uk", "hotmail.fr"),
    "yahoo": ("yahoo.com", "ymail.com", "aol.com", "yahoo.co.uk", "yahoo.fr", "yahoo.de", "rocketmail.com"),
    "apple": ("icloud.com", "me.com", "mac.com"),
    "gmx": ("gmx.de", "gmx.net", "gmx.at", "gmx.ch", "web.de", "gmx.com", "mail.com"),
    "proton": ("proton.me", "protonmail.com", "pm.me"),
    "t-online": ("t-online.de",),
}
_HOSTS: Final = (  # suffixes of MX hosts
    ("google", ("google.com", "googlemail.com")),
    ("microsoft", ("outlook.com", "hotmail.com", "office365.us")),
    ("yahoo", ("yahoodns.net",)),
    ("apple", ("icloud.com", "apple.com")),
    ("gmx", ("gmx.net", "gmx.com", "web.de", "mail.com")),
    ("proton", ("protonmail.ch",)),
    ("ionos", ("kundenserver.de", "ionos.com", "1and1.com", "1and1.co.uk")),
    ("fastmail", ("messagingengine.com",)),
    ("zoho", ("zoho.com", "zoho.eu")),
    ("yandex", ("yandex.ru", "yandex.net")),
    ("mail.ru", ("mail.ru",)),
    ("tencent", ("qq.com",)),
    ("netease", ("163.com", "netease.com")),
    ("proofpoint", ("pphosted.com", "ppe-hosted.com")),
    ("mimecast", ("mimecast.com", "mimecast.co.za")),
    ("barracuda", ("barracudanetworks.com",)),
    ("godaddy", ("secureserver.net",)),
    ("ovh", ("ovh.net",)),
    ("t-online", ("t-online.de",)),
)
_BY_DOMAIN: Final = {domain: name for name, domains in _DOMAINS.items() for domain in domains}
_NO_DNS = ("example", "test", "invalid", "localhost", "example.com", "example.net", "example.org")  # RFC 2606
LookUp = Callable[[str], list[str]]


def group_of(hosts: list[str], domain: str) -> str:
    """The provider of these MX hosts, the best first; `domain` where there is none."""
    if not hosts or not hosts[0]:
        return domain
    for name, suffixes in _HOSTS:
        if any(hosts[0] == suffix or hosts[0].endswith("." + suffix) for suffix in suffixes):
            return name
    return hosts[0]


def mx_hosts(domain: str) -> list[str]:
    """The MX hosts, the best first; none: []. Raises OSError or DNSException where nobody answers."""
    try:
        answer = dns.resolver.resolve(domain, "MX", lifetime=3.0, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    records = sorted((record.preference, record.exchange.to_text().rstrip(".").lower()) for record in answer)
    return [host for _, host in records]


class Providers:
    """Asks and remembers; one for a process, shared by its threads."""

    def __init__(self, look_up: LookUp = mx_hosts) -> None:
        self._look_up = look_up
        self._kept: dict[str, tuple[float, str]] = {}
        self._asked: dict[str, Future[None]] = {}
        self._quiet_until = 0.0
        self._lock = Lock()
        self._pool: ThreadPoolExecutor | None = None

    def names(self, domains: Collection[str]) -> dict[str, str]:
        """Domain → destination, for each."""
        now = time.monotonic()
        found, asked = {}, []
        with self._lock:
            for domain in domains:
                kept = self._kept.get(domain)
                if domain in _BY_DOMAIN:
                    found[domain] = _BY_DOMAIN[domain]
                elif kept is not None and now < kept[0]:
                    found[domain] = kept[1]
                elif not any(domain == name or domain.endswith("." + name) for name in _NO_DNS):
                    asked += self._ask(domain, now)
        if asked:
            wait(asked, PATIENCE_SECONDS)
        with self._lock:
            return {
                domain: found.get(domain) or (self._kept[domain][1] if domain in self._kept else domain)
                for domain in domains
            }

    def _ask(self, domain: str, now: float) -> list[Future[None]]:
        if now < self._quiet_until:
            return []
        if domain not in self._asked:
            self._pool = self._pool or ThreadPoolExecutor(_THREADS, thread_name_prefix="mx")
            self._asked[domain] = self._pool.submit(self._learn, domain)
        return [self._asked[domain]]

    def _learn(self, domain: str) -> None:
        name = None
        try:
            if time.monotonic() >= self._quiet_until:
                name = group_of(self._look_up(domain), domain)
        except (dns.exception.DNSException, OSError, ValueError):
            self._quiet_until = time.monotonic() + QUIET_SECONDS
        with self._lock:
            self._asked.pop(domain, None)
            if name is not None:
                if len(self._kept) >= MOST_KEPT:
                    self._kept.clear()
                self._kept[domain] = (time.monotonic() + KEPT_SECONDS, name)


PROVIDERS: Final = Providers()
