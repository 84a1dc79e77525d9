"""Lay out a feed's newest document: what it shows, within the budget of size, and what becomes a page of its archive.

Where there is no archive (or its pages are cut by `archives.even_out`), what does not fit is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from syndication.feeds.archives import PAGE, Key
from syndication.feeds.formats import FORMATS
from syndication.feeds.view import FeedView, briefer

FEWEST = 5  # items of a feed, however long: the longest are then shown by their beginnings
MAX_BYTES = 512_000  # some readers stop there

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Laid(Generic[T]):
    """`bodies`: format → its bytes; `shown` of what was given; `cuts` the bounds of pages that the rest becomes."""

    view: FeedView
    bodies: dict[str, bytes]
    shown: Sequence[T]
    cuts: tuple[Key, ...]


def lay_out(
    tail: Sequence[T],
    key_of: Callable[[T], Key],
    show: Callable[[Sequence[T], Sequence[Key]], FeedView],
    *,
    pages: bool,
) -> Laid[T]:
    """`tail` is the newest first; `show` makes the view of some of it and of the cuts before it; `pages`: cut what does not fit
    into pages."""
    cuts: list[Key] = []
    while pages and len(tail) >= 2 * PAGE:
        cuts.append(key_of(tail[-PAGE]))
        tail = tail[:-PAGE]
    while True:
        view = show(tail, cuts)
        bodies = {name: fmt.render(view) for name, fmt in FORMATS.items()}
        if len(tail) <= FEWEST or max(map(len, bodies.values())) <= MAX_BYTES:
            break
        left = max(FEWEST, len(tail) * 3 // 4)
        if pages:
            cuts.append(key_of(tail[left]))
        tail = tail[:left]
    view, bodies = fitting(view, bodies)
    return Laid(view, bodies, tail, tuple(cuts))


def fitting(view: FeedView, bodies: dict[str, bytes]) -> tuple[FeedView, dict[str, bytes]]:
    """The view with the longest texts by their beginnings only, as far as size demands, and its bytes."""
    while max(map(len, bodies.values())) > MAX_BYTES:
        longest = max(view.items, key=lambda item: len(item.content_html), default=None)
        if longest is None or longest.content_html == longest.brief_html:
            break
        view = replace(view, items=tuple(briefer(item) if item is longest else item for item in view.items))
        bodies = {name: FORMATS[name].render(view) for name in bodies}
    return view, bodies
