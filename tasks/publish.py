"""Hints about publishing."""

from __future__ import annotations

from syndication import publishing
from syndication.feeds.artifacts import render_owed
from tasks.app import app, wiring


@app.task(name="publish.publish_due")  # type: ignore[untyped-decorator]  # Celery has no types
def publish_due() -> None:
    """Scheduled entries whose time has come."""
    publishing.publish_due(wiring().db, wiring().base_url)


@app.task(name="publish.render_owed")  # type: ignore[untyped-decorator]
def render() -> None:
    """Feeds that are behind, until none is."""
    while render_owed(wiring().db, wiring().base_url):
        pass
