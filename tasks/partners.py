"""Hints about partners."""

from __future__ import annotations

from syndication.sweeping import do
from tasks.app import app, wiring


@app.task(name="partners.forget_polls")  # type: ignore[untyped-decorator]  # Celery has no types
def forget_polls() -> None:
    """Old requests that carried no text, off the record."""
    do(wiring(), "partners.forget_polls")
