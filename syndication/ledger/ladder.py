"""When a deferred delivery is tried again: the ladder's step, or the answer's own wait, and a little later. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import blake2b

JITTER = 0.2  # of the wait, at most; never sooner, since a greylist counts the seconds


def wait(ladder: Sequence[int], tries: int, delivery_id: int, own_seconds: int | None = None) -> timedelta:
    """The time from try number `tries` to the next one.

    `own_seconds`, the wait that the answer asks for, counts instead of the first step; later on the longer of the two, so that
    who asks for minutes again and again does not use up days. The same delivery and try always wait equally long; a
    million that were refused at once do not come back at once.
    """
    step = ladder[min(tries, len(ladder)) - 1] if ladder else 0
    if own_seconds is not None:
        step = own_seconds if tries <= 1 else max(step, own_seconds)
    return timedelta(seconds=step * (1 + JITTER * _share(delivery_id, tries)))


def whole(ladder: Sequence[int]) -> timedelta:
    """How long the ladder lasts."""
    return timedelta(seconds=sum(ladder))


def _share(delivery_id: int, tries: int) -> float:
    """Even over 0…1, from the two numbers alone."""
    return int.from_bytes(blake2b(b"%d:%d" % (delivery_id, tries), digest_size=4).digest(), "big") / 2**32
