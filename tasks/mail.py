"""Hints about mail. Both send what is due; confirmations have a queue, and so a worker, that digests cannot fill."""

from __future__ import annotations

from syndication.sweeping import do
from tasks.app import app, wiring


@app.task(name="mail.send_due")  # type: ignore[untyped-decorator]  # Celery has no types
def send_digests(*_ids: int) -> None:
    do(wiring(), "mail.send_due")


@app.task(name="mail.send_transactional")  # type: ignore[untyped-decorator]
def send_letters(*_ids: int) -> None:
    do(wiring(), "mail.send_transactional")
