"""Hints about people."""

from __future__ import annotations

from syndication.sweeping import do
from tasks.app import app, wiring


@app.task(name="audience.forget_unconfirmed")  # type: ignore[untyped-decorator]  # Celery has no types
def forget_unconfirmed() -> None:
    """People who asked long ago and never confirmed."""
    do(wiring(), "audience.forget_unconfirmed")
