"""Who fetches one feed again and again without saying what they have already, or saying it wrong: they wait, and nobody else.

Guarantees: a poll that is answered 304 is never counted; what is counted is one client (address and program) at one document,
and of one that sends validators at one version of it, so that a hosted reader with thousands of feeds, or an office behind one
address, is nobody's single client; memory is bounded, and what falls out of it only loosens a limit; addresses are kept in
memory alone.

Counted in each process on its own: a poll has no time to ask the broker.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from math import ceil

from limits import parse

from syndication.web.limits import visitor

MOST = 20_000  # clients at documents that are remembered, twice over
_WORTH_KEEPING = 64  # characters of an address


class Politeness:
    """`rate` as in "120/hour": so many at once, then one at a time as the hour goes on. Empty: everybody is admitted."""

    def __init__(self, rate: str) -> None:
        limit = parse(rate) if rate else None
        self._whole = float(limit.get_expiry()) if limit else 0.0
        self._each = self._whole / limit.amount if limit else 0.0
        self._young: dict[int, float] = {}
        self._old: dict[int, float] = {}

    def wait(self, address: str, agent: bytes, path: str, now: float, version: str = "") -> int:
        """0, and this one is counted; or for how many seconds the client should wait. `now` in seconds of any clock;
        `version`: of the document that is about to be sent, to one who said to have another."""
        if not self._each:
            return 0
        who = counted_as(address)
        if not who:
            return 0
        key = hash((who, agent, path, version))
        used_until = max(now, self._young.get(key) or self._old.get(key) or 0.0)
        early = used_until + self._each - self._whole - now
        if early > 0.0:
            return ceil(early)
        if len(self._young) >= MOST:
            self._old, self._young = self._young, {}
        self._young[key] = used_until + self._each
        return 0


def counted_as(address: str) -> str:
    """Whom an address stands for; empty where it says nothing: a proxy of this network that `trusted_proxies` does not name
    would else be everybody behind it."""
    return _counted_as(address) if len(address) <= _WORTH_KEEPING else address[:_WORTH_KEEPING]


@lru_cache(maxsize=4096)
def _counted_as(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    mapped = getattr(found, "ipv4_mapped", None) or found
    return visitor(address) if mapped.is_global else ""
