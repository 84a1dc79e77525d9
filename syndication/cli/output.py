"""What every command shares: the wiring, tables or JSON on stdout, logs and errors on stderr, progress for a person.

With `--json`, stdout carries JSON alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from syndication.settings import Settings
    from syndication.wiring import Wiring

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of a table.")]


def state() -> Wiring:
    """Settings, database and the service's address. An empty ledger gets its schema; an old one is refused.

    Raises NeedsHuman where the schema is not this version's.
    """
    from syndication.errors import NeedsHuman
    from syndication.ledger import schema
    from syndication.wiring import at_home, open_wiring

    wiring = open_wiring(settings())
    standing = schema.standing(wiring.db)
    if standing == "empty":
        schema.upgrade(wiring.db)
    elif standing != "current":
        raise NeedsHuman(
            f"the ledger's schema is {standing} of this version;",
            where="SYNDICATION_DATABASE_URL",
            remedy="run `syndicate init`." if standing == "behind" else "install the newer version.",
        )
    return at_home(wiring)


def settings() -> Settings:
    """The settings, and logs set up by them: warnings alone, where nobody asked for more. Raises BadInput that names each
    wrong setting."""
    from syndication.logs import log_to_stderr
    from syndication.settings import read_settings

    found = read_settings()
    asked = "log_level" in found.model_fields_set
    log_to_stderr(found if asked else found.model_copy(update={"log_level": "warning"}), os.environ)
    return found


def emit(found: Any, as_json: bool = False, columns: Sequence[str] | None = None) -> None:
    """A record (mapping, pydantic record, dataclass) or rows of them, as JSON or as a table of `columns` (default: all)."""
    if as_json:
        import orjson

        shown = [plain(row) for row in found] if _is_rows(found) else plain(found)
        sys.stdout.write(orjson.dumps(shown, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode() + "\n")
        return
    from rich import box
    from rich.table import Table

    if not _is_rows(found):
        record = plain(found)
        table = Table(show_header=False, box=None, pad_edge=False)
        for name in columns or record:
            table.add_row(str(name), _cell(record.get(name)))
        _console().print(table)
        return
    rows = [plain(row) for row in found]
    names = list(columns or (rows[0] if rows else ()))
    if not rows:
        sys.stdout.write("nothing\n")
        return
    table = Table(*names, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in names))
    _console().print(table)


def plain(record: Any) -> dict[str, Any]:
    """A record as a dictionary that JSON can say."""
    from pydantic import BaseModel

    if isinstance(record, BaseModel):
        return record.model_dump(mode="json")
    if is_dataclass(record) and not isinstance(record, type):
        return asdict(record)
    return dict(record)


def say(sentence: str) -> None:
    """One sentence for a person, on stdout, at once: also where that is a file that somebody watches."""
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


def fail(error: Exception) -> NoReturn:
    """Tells on stderr what is wrong and what to do, and ends the process with 1."""
    sys.stderr.write(f"syndicate: {error}\n")
    raise SystemExit(1)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr while a person is watching; `(done, total)` moves it."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def moment(text: str, zone: str) -> datetime:
    """A time that a person typed, in UTC: ISO 8601; without an offset it is local time of `zone`, as in a document."""
    from syndication.dates import in_zone, parsed
    from syndication.errors import BadInput

    try:
        return in_zone(parsed(text), zone)
    except ValueError as error:
        raise BadInput(
            f"{error};", where="TIME", remedy=f"without an offset it is taken as the time in {zone}."
        ) from error


def _is_rows(found: Any) -> bool:
    from pydantic import BaseModel

    return isinstance(found, Iterable) and not isinstance(found, Mapping | BaseModel | str)


def _cell(value: Any) -> str:
    from rich.markup import escape

    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M %Z").strip()
    return escape(_words(value))


def _words(value: Any) -> str:
    """`{"scopes": [0], "cadence": "daily"}` is “scopes 0, cadence daily”."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_words(one) for one in value)
    return str(value)


def _console() -> Any:
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, 160))
