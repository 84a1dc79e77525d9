"""Hints about issues."""

from __future__ import annotations

from syndication.sweeping import do
from tasks.app import app, wiring


@app.task(name="digests.cut_due")  # type: ignore[untyped-decorator]  # Celery has no types
def cut_due() -> None:
    """Issues whose slot has come; freezing follows by its own hint."""
    do(wiring(), "digests.cut_due")


@app.task(name="digests.freeze")  # type: ignore[untyped-decorator]
def freeze(issue_id: int) -> None:
    """One issue, chunk by chunk."""
    do(wiring(), "digests.freeze", issue_id)


@app.task(name="digests.freeze_at_once")  # type: ignore[untyped-decorator]
def freeze_at_once(issue_id: int) -> None:
    """An issue of mail at once, until its first people are owed something: they wait for no digest."""
    do(wiring(), "digests.freeze_at_once", issue_id)


@app.task(name="digests.look_through")  # type: ignore[untyped-decorator]
def look_through() -> None:
    """Issues finished long ago, into bundles and then into numbers."""
    do(wiring(), "digests.look_through")
