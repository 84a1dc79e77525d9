"""Hints about machines: fan out what changed, and send."""

from __future__ import annotations

from syndication.sweeping import do
from tasks.app import app, wiring


@app.task(name="push.send")  # type: ignore[untyped-decorator]  # Celery has no types
def send(*_ids: int) -> None:
    do(wiring(), "push.send")
