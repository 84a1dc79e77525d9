"""What a setting's value may be: each function gives the value as it is kept, or raises ValueError with what to write. Pure."""

from __future__ import annotations

import re
from ipaddress import ip_network
from math import isfinite
from urllib.parse import urlsplit

import idna

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
LONGEST_WAIT_MINUTES = 60 * 24 * 30
_WHOLE = "give a whole address such as https://news.example.org"


def base_address(value: str) -> str:
    """A web address without query and fragment, its host in ASCII, without the last slash."""
    value = value.rstrip("/")
    if not value:
        return value
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise ValueError(_WHOLE)
    if (
        parts.query
        or parts.fragment
        or "?" in value
        or "#" in value
        or not (parts.path.isascii() and parts.path.isprintable())
    ):
        raise ValueError(f"{_WHOLE}, with nothing but a path behind the host")
    return value if parts.hostname.isascii() else value.replace(parts.netloc, _netloc(parts.hostname, parts.port), 1)


def whole_addresses(value: str) -> str:
    """A comma list of web addresses."""
    for address in filter(None, map(str.strip, value.split(","))):
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname or not address.isascii() or " " in address:
            raise ValueError("give whole addresses such as https://hub.example.org/, with commas between them")
    return value


def domain(value: str) -> str:
    """A domain's name in ASCII."""
    if not value:
        return value
    try:
        name = value if value.isascii() else idna.encode(value, uts46=True).decode("ascii")
    except idna.IDNAError:
        name = ""
    folded = name.lower().rstrip(".")
    if len(folded) > 253 or "." not in folded or not all(_LABEL.fullmatch(label) for label in folded.split(".")):
        raise ValueError("give a domain such as mail.example.org")
    return folded


def networks(value: str) -> str:
    """A comma list of addresses and networks."""
    for one in filter(None, map(str.strip, value.split(","))):
        try:
            ip_network(one)
        except ValueError:
            raise ValueError(
                "give addresses or networks such as 10.0.0.7 or 10.0.0.0/8, with commas between them"
            ) from None
    return value


def minutes(value: str) -> str:
    """A comma list of waits."""
    try:
        steps = [float(step) for step in value.split(",") if step.strip()]
    except ValueError:
        steps = [-1.0]
    if not all(isfinite(step) and 0 < step <= LONGEST_WAIT_MINUTES for step in steps):
        raise ValueError("give minutes with commas between them, such as 5,30,120, each at most thirty days")
    return value


def _netloc(host: str, port: int | None) -> str:
    try:
        name = idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise ValueError(_WHOLE) from None
    return name if port is None else f"{name}:{port}"
