"""Hints about publishing."""

from __future__ import annotations

from syndication.sweeping import do
from tasks.app import app, wiring


@app.task(name="publish.publish_due")  # type: ignore[untyped-decorator]  # Celery has no types
def publish_due() -> None:
    """Scheduled entries whose time has come."""
    do(wiring(), "publish.publish_due")


@app.task(name="publish.render_owed")  # type: ignore[untyped-decorator]
def render() -> None:
    """Feeds that are behind, until none is."""
    do(wiring(), "publish.render_owed")


@app.task(name="publish.forget_unused")  # type: ignore[untyped-decorator]
def forget_unused() -> None:
    """Feeds made on demand that nobody asks for."""
    do(wiring(), "publish.forget_unused")
