"""How often a visitor, or a mailbox, may be served: counted in the broker for all web processes, else in this one.

A lost count only loosens a limit, so a broker that is away stops nobody; it is asked again after a minute.
"""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Final

import structlog
from limits import RateLimitItem, parse_many
from limits.errors import StorageError
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import FixedWindowRateLimiter

from syndication import clock

log = structlog.get_logger(__name__)

REST_SECONDS: Final = 60.0
_WAIT_SECONDS: Final = 0.3
_SHARED: Final = {
    "redis": "redis",
    "rediss": "rediss",
    "redis+socket": "redis+unix",
}  # Celery's scheme → that of `limits`


class Limit:
    """`rates` as in "20/minute;300/hour"; `name` keeps the counts of two limits apart; `broker_url` is Celery's."""

    def __init__(self, name: str, rates: str, broker_url: str = "") -> None:
        self._name = name
        self._rates = parse_many(rates)
        self._here = FixedWindowRateLimiter(MemoryStorage())
        self._shared = _shared(broker_url)
        self._again_at = 0.0

    def admits(self, who: str) -> bool:
        """Counts one more of `who` in every window; False where one is full. `who` is kept as a hash only."""
        key = hashlib.sha256(f"{self._name}\n{who}".encode()).hexdigest()[:32]
        counted = [self._hit(rate, key) for rate in self._rates]
        return all(counted)

    @property
    def wait_seconds(self) -> int:
        """After so long every window has begun anew."""
        return max(rate.get_expiry() for rate in self._rates)

    def _hit(self, rate: RateLimitItem, key: str) -> bool:
        if self._shared is not None and clock.monotonic() >= self._again_at:
            try:
                return self._shared.hit(rate, key)
            except StorageError as error:
                self._again_at = clock.monotonic() + REST_SECONDS
                log.warning("limits.counted_here", reason=str(error.storage_error))
        return self._here.hit(rate, key)


def visitor(ip: str) -> str:
    """Whom a limit counts: one IPv4 address, or the /64 that one IPv6 household has."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, ipaddress.IPv4Address):
        return ip
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))


def _shared(broker_url: str) -> FixedWindowRateLimiter | None:
    scheme, _, rest = broker_url.partition("://")
    if scheme not in _SHARED:
        return None
    storage = storage_from_string(
        f"{_SHARED[scheme]}://{rest}",
        wrap_exceptions=True,
        key_prefix="syndication-limits",
        socket_timeout=_WAIT_SECONDS,
        socket_connect_timeout=_WAIT_SECONDS,
    )
    return FixedWindowRateLimiter(storage)
