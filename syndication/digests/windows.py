"""What one subscriber is owed by one issue: which entries lie in their windows. Pure.

A window is `start < mail_seq ≤ upto`. A subscription to a series has one; `all` has one for each series that no
subscription of the same person shields, beginning at its own cursor or where `starts` says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class MailableEntry(NamedTuple):
    """A published entry as the freeze sees it, sorted by `mail_seq`; `anew`: published again after a withdrawal."""

    id: int
    series_id: int
    mail_seq: int
    revision_id: int
    anew: bool


class Wishes(NamedTuple):
    """What a subscriber follows at the issue's cadence. `cursors`: (scope, old cursor), scope 0 for all, else a series."""

    cursors: tuple[tuple[int, int], ...]
    shielded: frozenset[int] = frozenset()
    starts: tuple[tuple[int, int], ...] = ()  # (series, cursor) of the `all` subscription


def window(entries: Sequence[MailableEntry], wishes: Wishes) -> tuple[MailableEntry, ...]:
    """The entries owed, each once, in the order of `entries`. All of `entries` lie at or before the issue's `upto`."""
    starts = dict(wishes.starts)
    return tuple(entry for entry in entries if _owed(entry, wishes, starts))


def _owed(entry: MailableEntry, wishes: Wishes, starts: Mapping[int, int]) -> bool:
    for scope, cursor in wishes.cursors:
        if scope == entry.series_id:
            if entry.mail_seq > cursor:
                return True
        elif (
            scope == 0
            and entry.series_id not in wishes.shielded
            and entry.mail_seq > starts.get(entry.series_id, cursor)
        ):
            return True
    return False


def edition_key(language: str, notice_id: int, revision_ids: Iterable[int]) -> str:
    """What an edition pins: `<language>:<notice>:<revision>,<revision>…`."""
    return f"{language}:{notice_id}:{','.join(map(str, revision_ids))}"


def key_hash(key: str) -> str:
    """The hex SHA-256 of an edition's key."""
    return hashlib.sha256(key.encode()).hexdigest()
