"""A return path for each delivery (VERP), so that a bounce names it whatever it says: `b<id>-<mark>@<bounce domain>`.

The mark keeps strangers from forging bounces of deliveries that they never got. Pure.
"""

from __future__ import annotations

import re

from syndication.tokens import Signer

_PATH = re.compile(r"b([0-9]{1,19})-([0-9a-f]{16})", re.IGNORECASE)


def make(signer: Signer, delivery_id: int, domain: str) -> str:
    """The address; empty where there is no bounce domain."""
    return f"b{delivery_id}-{signer.mark('return path', str(delivery_id))}@{domain}" if domain else ""


def delivery_of(signer: Signer, address: str) -> int | None:
    """The delivery whose return path this is; None for what we did not make. Case does not matter: some hosts lose it."""
    found = _PATH.fullmatch(address.rpartition("@")[0])
    if found is None or not signer.is_mark("return path", found[1], found[2].lower()):
        return None
    return int(found[1])
