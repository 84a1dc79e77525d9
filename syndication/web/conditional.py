"""What a conditional request asks: which encoding to send, and whether the client has these bytes already. Pure.

RFC 9110 §12.5.3 (Accept-Encoding), §13.1.2 (If-None-Match goes before) and §13.1.3 (If-Modified-Since alone is honoured).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache

ENCODINGS = ("br", "gzip")  # the better one first
SUFFIX = {"br": "-br", "gzip": "-gz", "": ""}  # each encoding's bytes have a strong validator of their own
_SKEW = timedelta(seconds=2)


@lru_cache(maxsize=512)
def chosen_encoding(accept: str) -> str:
    """`br`, `gzip` or `""` (identity): the one the client likes best, the smaller of equals."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, _, parameters = part.strip().partition(";")
        weights[name.strip()] = _weight(parameters)
    if "x-gzip" in weights:
        weights.setdefault("gzip", weights["x-gzip"])
    best, liking = "", weights.get("identity", 0.0)
    for name in reversed(ENCODINGS):
        weight = weights.get(name, weights.get("*", 0.0))
        if weight > 0 and weight >= liking:
            best, liking = name, weight
    return best


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def http_date(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True)


@lru_cache(maxsize=512)
def parsed_date(value: str) -> datetime | None:
    """An HTTP date, or None where it is none (it is ignored then)."""
    try:
        parsed = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


@lru_cache(maxsize=4096)
def names_tag(if_none_match: str, etag: str) -> bool:
    """Whether the list names `etag` (given without quotes); weak comparison, as the header wants it."""
    if if_none_match.strip() == "*":
        return True
    return any(tag.strip().removeprefix("W/").strip('"') == etag for tag in if_none_match.split(","))


def not_modified(
    etag: str, last_modified: datetime | None, if_none_match: str | None, if_modified_since: str | None, now: datetime
) -> bool:
    """Whether 304 is the answer. `last_modified` None: it is not said yet, so dates prove nothing."""
    if if_none_match is not None:
        return names_tag(if_none_match, etag)
    if if_modified_since is None or last_modified is None:
        return False
    since = parsed_date(if_modified_since)
    # A date ahead of our clock was never ours; believed, it would hide every change until then.
    return since is not None and last_modified <= since <= now + _SKEW
