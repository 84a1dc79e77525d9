"""The sweep: finds what every lost hint was about."""

from __future__ import annotations

from syndication import sweeping
from tasks.app import app, wiring


@app.task(name="sweeps.sweep")  # type: ignore[untyped-decorator]  # Celery has no types
def sweep() -> None:
    sweeping.sweep(wiring())
