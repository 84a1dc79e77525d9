"""`syndicate digest watch` and `syndicate digest report`: how an issue is getting on, and how it went."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from syndication.cli.output import AsJson, emit, say, state

if TYPE_CHECKING:
    from rich.console import RenderableType

    from syndication.digests.progress import Progress
    from syndication.wiring import Wiring

IssueId = Annotated[int, typer.Argument(metavar="ISSUE", help="An issue's id.")]
CsvFile = Annotated[
    str, typer.Option("--csv", metavar="FILE", help="A row for each delivery into a file; - is stdout.")
]
_WIDE = 110  # columns, for all of the table
_SHARE = 10  # looking takes at most a tenth of the time, however large the issue


def watch(
    issue: IssueId,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = 1.0,
    follow: Annotated[
        bool, typer.Option("--follow", help="With --json: a line a look, until the issue is over.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """An issue being sent, live: counts, rate, time left, slowest destinations. Ends when the issue is over."""
    wiring = state()
    if as_json and not follow:
        emit(_record(_look(wiring, issue)), True)
    elif as_json:
        import orjson

        for seen in _looks(wiring, issue, every):
            sys.stdout.buffer.write(orjson.dumps(_record(seen)) + b"\n")
            sys.stdout.buffer.flush()
    else:
        _show(wiring, issue, every)


def report(
    issue: IssueId,
    csv_file: CsvFile = "",
    in_state: Annotated[str, typer.Option("--state", help="Of the CSV: only these, as sent,unknown.")] = "",
    html_file: Annotated[str, typer.Option("--html", metavar="FILE", help="The report as a page of its own.")] = "",
    as_json: AsJson = False,
) -> None:
    """The account of an issue: on the screen, as a page, or everybody in a CSV with the relay's words and what they mean."""
    from syndication.digests.account import account
    from syndication.digests.issues import issue_named
    from syndication.mail.bounds import bounds

    wiring = state()
    if csv_file:
        count = write_csv(wiring, issue, csv_file, states_of(in_state))
        if csv_file != "-":
            say(f"{count:,} {'delivery' if count == 1 else 'deliveries'} of issue {issue} in {csv_file}.")
    if html_file:
        Path(html_file).write_text(_page(wiring, issue), "utf-8")
        say(f"The report of issue {issue} in {html_file}.")
    if csv_file or html_file:
        return
    with wiring.db.reading() as session:
        found = account(session, issue_named(session, issue))
    if as_json:
        emit({**found.model_dump(mode="json"), "equation": found.report.equation}, True)
        return
    say(f"Issue {issue}: {found.report.cadence}, slot {found.report.slot}, {found.report.state}")
    say(found.report.equation)
    emit([{"domain": domain, "all": sum(states.values()), **states} for domain, states in found.domains],
         columns=("domain", "all", *(s for s, n in found.report.counts.items() if n)))  # fmt: skip
    if found.other_domains:
        say(f"and {found.other_domains:,} smaller domains")
    if found.reasons:
        emit(found.reasons, columns=("state", "count", "meaning", "reply", "otherwise"))
    for sentence in found.report.advice:
        say(sentence)
    if found.report.counts["unknown"]:
        say(bounds(wiring.settings).sentence)


def states_of(text: str) -> tuple[str, ...]:
    """States in a comma list; BadInput for one that is none."""
    from syndication.errors import BadInput
    from syndication.ledger.states import DELIVERY_STATES

    wanted = tuple(part.strip() for part in text.split(",") if part.strip())
    for one in wanted:
        if one not in DELIVERY_STATES:
            raise BadInput(f"{one!r} is no state of a delivery;", remedy=f"write some of {', '.join(DELIVERY_STATES)}.")
    return wanted


def write_csv(wiring: Wiring, issue_id: int, to: str, states: tuple[str, ...] = ()) -> int:
    """Everybody (in one of the states) into a file, or onto stdout for `-`; how many."""
    from syndication.digests.account import COLUMNS, everybody
    from syndication.digests.issues import issue_named

    with wiring.db.reading() as session, _written(to) as out:
        issue_named(session, issue_id)
        table = csv.DictWriter(out, COLUMNS)
        table.writeheader()
        return _write(table, everybody(session, issue_id, states))


def _write(table: csv.DictWriter[str], rows: Iterable[dict[str, str]]) -> int:
    count = 0
    for row in rows:
        table.writerow(row)
        count += 1
    return count


@contextmanager
def _written(to: str) -> Iterator[IO[str]]:
    if to == "-":
        yield sys.stdout
        return
    with Path(to).open("w", encoding="utf-8", newline="") as out:
        yield out


def _page(wiring: Wiring, issue_id: int) -> str:
    from syndication.digests.account import account
    from syndication.digests.issues import issue_named
    from syndication.ledger.lookup import the_publication
    from syndication.mail.bounds import bounds

    with wiring.db.reading() as session:
        return wiring.renderer.render(
            "web/issue_report.html",
            publication=the_publication(session),
            account=account(session, issue_named(session, issue_id)),
            bounds=bounds(wiring.settings),
            alone=True,
        )


def _look(wiring: Wiring, issue_id: int) -> Progress:
    from syndication.digests.issues import issue_named
    from syndication.digests.progress import progress

    with wiring.db.reading() as session:
        return progress(session, issue_named(session, issue_id))


def _looks(wiring: Wiring, issue_id: int, every: float) -> Iterator[Progress]:
    """Until the issue is over; the last one shows that it is."""
    while True:
        began = monotonic()
        seen = _look(wiring, issue_id)
        took = monotonic() - began
        yield seen
        if seen.over:
            return
        sleep(max(every, _SHARE * took))


def _record(seen: Progress) -> dict[str, Any]:
    return {**seen.model_dump(mode="json"), "waiting": seen.waiting, "over": seen.over}


def _show(wiring: Wiring, issue_id: int, every: float) -> None:
    """Live on a terminal; elsewhere one look."""
    from rich.console import Console
    from rich.live import Live

    console = Console()
    if not console.is_terminal:
        Console(width=max(console.width, 160)).print(_panel(_look(wiring, issue_id)))
        return
    looks = _looks(wiring, issue_id, every)
    with Live(_panel(next(looks), console.width < _WIDE), console=console, auto_refresh=False) as live:
        try:
            for seen in looks:
                live.update(_panel(seen, console.width < _WIDE), refresh=True)
        except KeyboardInterrupt:
            return  # the person has seen enough; the issue goes on


def _panel(seen: Progress, narrow: bool = False) -> RenderableType:
    from rich.console import Group
    from rich.markup import escape
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    done = seen.eligible - seen.waiting
    head = (
        f"Issue {seen.issue}: {seen.cadence}, slot {escape(seen.slot)}, {seen.state}{', paused' if seen.paused else ''}"
    )
    counted = " · ".join(f"{name} [b]{count:,}[/b]" for name, count in seen.counts.items() if count or name == "sent")
    pace = f"{seen.rate_per_s:,.1f} a second"
    bar = Table.grid()
    bar.add_row(ProgressBar(total=max(1, seen.eligible), completed=done, width=30 if narrow else 60))
    lines: list[Any] = [
        head,
        bar,
        f"{done:,} of {seen.eligible:,} settled: {counted}",
        pace if seen.over else f"{pace}, {_left(seen)}",
    ]
    if seen.slowest:
        lines.append(_slowest(seen, narrow))
    return Group(*lines)


def _slowest(seen: Progress, narrow: bool) -> RenderableType:
    """`narrow`: what does not fit beside the rest is left out."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    more = () if narrow else ("told to wait", "next try")
    table = Table(
        "destination", "waiting", *more, "means", *(() if narrow else ("the last answer",)), box=box.SIMPLE_HEAD
    )
    for one in seen.slowest:
        means = escape(one.standing or one.meaning or (one.reply if narrow else ""))
        times = () if narrow else (f"{one.held:,}", f"{one.next_at:%H:%M:%S}")
        said = () if narrow else (Text(one.reply, no_wrap=True, overflow="ellipsis"),)
        table.add_row(escape(one.domain), f"{one.waiting:,}", *times, means, *said)
    return table


def _left(seen: Progress) -> str:
    if seen.paused:
        return "held: `syndicate digest resume` lets it go on"
    if seen.left_s is None:
        return "nothing goes just now"
    if seen.left_s:
        return f"{_clock(seen.left_s)} left"
    return f"what is left waits until {seen.next_try_at:%H:%M:%S} UTC" if seen.next_try_at else "nearly done"


def _clock(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def add_to(app: typer.Typer) -> None:
    """The two commands, under `digest`."""
    commands: tuple[Callable[..., None], ...] = (watch, report)
    for command in commands:
        app.command()(command)
