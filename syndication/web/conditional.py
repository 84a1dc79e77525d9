"""What a conditional request asks: which encoding to send, and whether the client has these bytes already. Pure.

RFC 9110 §12.5.3 (Accept-Encoding), §13.1 (the conditions), §13.2.2 (their order).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache

ENCODINGS = ("br", "gzip")  # the better one first
SUFFIX = {"br": "-br", "gzip": "-gz", "": ""}  # each encoding's bytes have a strong validator of their own
_SKEW = timedelta(seconds=2)
_WORTH_KEEPING = 100  # characters of a header that is remembered; longer ones come from nobody we know
_LONGEST_DATE = 64


def chosen_encoding(accept: str) -> str:
    """`br`, `gzip` or `""` (identity): the one the client likes best, the smaller of equals.

    Who refuses every coding and identity too gets identity: a client that cannot read it loses nothing by it (§12.5.3 lets
    a server send 406, and no reader was ever helped by one).
    """
    return _chosen(accept) if len(accept) <= _WORTH_KEEPING else _weighed(accept)


def _weighed(accept: str) -> str:
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, *parameters = part.split(";")
        weights[name.strip()] = _weight(parameters)
    if "x-gzip" in weights:
        weights.setdefault("gzip", weights["x-gzip"])
    best, liking = "", weights.get("identity", 0.0)
    for name in reversed(ENCODINGS):
        weight = weights.get(name, weights.get("*", 0.0))
        if weight > 0 and weight >= liking:
            best, liking = name, weight
    return best


_chosen = lru_cache(maxsize=512)(_weighed)


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def http_date(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def parsed_date(value: str) -> datetime | None:
    """An HTTP date, or None where it is none (it is ignored then)."""
    return _parsed(value) if len(value) <= _LONGEST_DATE else None


@lru_cache(maxsize=512)
def _parsed(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def names_tag(if_none_match: str, etag: str) -> bool:
    """Whether the list names `etag` (given without quotes); weak comparison, as the header wants it."""
    quoted = f'"{etag}"'
    if if_none_match == quoted or if_none_match.strip() == "*":
        return True
    # Our tags have no comma, so that splitting at one never makes or unmakes one of them.
    return any(tag.strip().removeprefix("W/") == quoted for tag in if_none_match.split(","))


def names_tag_strongly(if_match: str, etag: str) -> bool:
    """Whether `If-Match` names `etag`; a weak tag names nothing (§13.1.1)."""
    return if_match.strip() == "*" or any(tag.strip() == f'"{etag}"' for tag in if_match.split(","))


def said(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by name; those that came several times are one list (§5.3)."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        found[name] = value if name not in found else found[name] + b"," + value
    return found


def is_conditional(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the client says what it has already."""
    return b"if-none-match" in headers or b"if-modified-since" in headers


def judged(etag: str, last_modified: datetime | None, headers: Mapping[bytes, bytes], now: datetime) -> int:
    """304 or 412, or 0 where the document is the answer: the conditions in the order of §13.2.2. A date that is none is
    ignored, and so are dates while the document has none to say."""
    match, unmodified = headers.get(b"if-match"), headers.get(b"if-unmodified-since")
    if match is not None:
        if not names_tag_strongly(match.decode("latin-1"), etag):
            return 412
    elif unmodified is not None and last_modified is not None:
        until = parsed_date(unmodified.decode("latin-1"))
        if until is not None and last_modified > until:
            return 412
    none_match, since = headers.get(b"if-none-match"), headers.get(b"if-modified-since")
    if none_match is None and since is None:
        return 0
    return 304 * not_modified(
        etag,
        last_modified,
        none_match.decode("latin-1") if none_match is not None else None,
        since.decode("latin-1") if since is not None else None,
        now,
    )


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
