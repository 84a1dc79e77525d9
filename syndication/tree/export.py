"""`syndicate export`: all that the public can fetch as a tree of files, for nginx or an object store.

An export after a publish asks for and writes what that changed and nothing else. Killed in the middle it leaves a tree of
whole documents, old ones and new ones; the next export goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syndication.errors import NeedsHuman
from syndication.feeds.showing import hubs_of
from syndication.ledger.lookup import the_publication
from syndication.tree.asking import CODINGS, Asker
from syndication.tree.directory import Directory, file_of, opened
from syndication.tree.standing import Standing, moved_patterns, standing
from syndication.web.app import create_app
from syndication.web.shelf import Shelf
from syndication.wiring import Wiring

Progress = Callable[[int, int], None]
MAP = "nginx.map"
MOVED_FOR = "public, max-age=3600"  # as the service says with a 301


@dataclass(frozen=True)
class Exported:
    """`documents` stand in the tree; `asked` of them were looked at anew; `written` and `removed` count files, twins too;
    `withdrawn` addresses answer 410."""

    directory: str
    documents: int
    asked: int
    written: int
    removed: int
    withdrawn: int


def export(
    wiring: Wiring, root: Path, progress: Progress = lambda _done, _total: None, *, anew: bool = False
) -> Exported:
    """Brings the tree in `root` up to date; `anew` looks at every document. Raises Conflict where `root` is not its own,
    NeedsHuman where the feeds were made for another base address."""
    with wiring.db.reading() as session:
        publication = the_publication(session)
        made_for, hubs = publication.base_url, hubs_of(publication, wiring.base_url)
    if made_for != wiring.base_url:
        raise NeedsHuman(
            f"the feeds were made for {made_for or 'no address yet'};",
            where=f"base address {wiring.base_url}",
            remedy="run `syndicate init` and let the workers make them anew, then export.",
        )
    shelf = Shelf(wiring.db, wiring.base_url)
    shelf.compare()
    with wiring.db.reading() as session:
        wanted = standing(session, wiring, shelf.documents)
        moved = moved_patterns(session)
    with opened(root) as directory:
        if anew:
            directory.state.clear()
        with ThreadPoolExecutor(1) as apart:  # a thread that surely runs no loop yet
            return apart.submit(
                asyncio.run, _Run(wiring, directory, nginx_map(wiring.base_url, hubs, moved)).go(wanted, progress)
            ).result()


class _Run:
    """One export: what was there, what was asked, what was written."""

    def __init__(self, wiring: Wiring, directory: Directory, nginx: str) -> None:
        self._base_url = wiring.base_url
        self._nginx = nginx
        self._asker = Asker(create_app(wiring), wiring.base_url)
        self._directory = directory
        self._state: dict[str, dict[str, Any]] = {}
        self._asked = self._written = self._removed = 0

    async def go(self, wanted: list[Standing], progress: Progress) -> Exported:
        self._directory.plan(file_of(one.path, gone=one.gone) for one in wanted if not one.moved)
        for done, one in enumerate(wanted):
            progress(done, len(wanted))
            await self._document(one)
        files = {name for record in self._state.values() for name in record["files"]}
        self._removed += self._directory.remove_others(files)
        if self._written or self._removed or self._state != self._directory.state:
            self._directory.finish(self._state, self._headers(), {MAP: self._nginx})
        progress(len(wanted), len(wanted))
        return Exported(
            directory=str(self._directory.root),
            documents=sum(record["status"] == 200 for record in self._state.values()),
            asked=self._asked,
            written=self._written,
            removed=self._removed,
            withdrawn=sum(record["status"] == 410 for record in self._state.values()),
        )

    async def _document(self, one: Standing) -> None:
        if one.moved:
            headers = {"location": one.moved, "cache-control": MOVED_FOR}
            self._state[one.path] = {"key": one.key, "status": 301, "headers": headers, "files": {}}
            return
        before = self._directory.state.get(one.path)
        if before is not None and before["key"] == one.key and self._directory.whole(before):
            self._state[one.path] = before
            return
        self._asked += 1
        answer = await self._asker.ask(one.path)
        record: dict[str, Any] = {"key": one.key, "status": answer.status, "headers": answer.headers, "files": {}}
        if answer.status in (200, 410):
            name = file_of(one.path, gone=answer.status == 410)
            touched = self._directory.put(name, answer.body, answer.twins, one.changed)
            self._written += len(touched)
            record["files"] = self._directory.described(name, answer.twins)
        if answer.status == 410:  # taken back: not a moment longer than needed
            live = file_of(one.path)
            self._removed += sum(self._directory.remove(live + twin) for twin in ("", *CODINGS.values()))
        if answer.status in (200, 301, 302, 410):
            self._state[one.path] = record

    def _headers(self) -> dict[str, Any]:
        """path → what a server says with it; `file` and its `twins` hold the bytes."""
        shown = {}
        for path, record in sorted(self._state.items()):
            names = sorted(record["files"], key=len)
            twins = {coding: names[0] + end for coding, end in CODINGS.items() if names and names[0] + end in names}
            shown[path] = {"status": record["status"], "headers": record["headers"]}
            if names:
                shown[path] |= {"file": names[0], "twins": twins}
        return {"base_url": self._base_url, "paths": shown}


def nginx_map(base_url: str, hubs: tuple[str, ...], moved: Sequence[tuple[str, str]] = ()) -> str:
    """Variables for docs/nginx.conf that change with the settings and with slugs. `moved`: pattern of a path → path."""
    links = "".join(f', <{hub}>; rel="hub"' for hub in hubs)
    return (
        "# Written by `syndicate export`.\n"
        f"map '' $syndication_base {{ default '{_quoted(base_url)}'; }}\n"
        f"map '' $syndication_hub_links {{ default '{_quoted(links)}'; }}\n"
        "map $uri $syndication_moved {\n"
        "    default '';\n"
        + "".join(f"    '~^{pattern}$' '{_quoted(base_url)}{path}';\n" for pattern, path in moved)
        + "}\n"
    )


def _quoted(text: str) -> str:
    """For single quotes of nginx, where `$` begins a variable."""
    for sign, code in (("\\", "%5C"), ("'", "%27"), ("$", "%24"), ("\n", ""), ("\r", "")):
        text = text.replace(sign, code)
    return text
