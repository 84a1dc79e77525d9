"""Hints about mail. All send what is due; confirmations, and mail at once, have queues, and so workers, that digests cannot
fill."""

from __future__ import annotations

from syndication.sweeping import do
from tasks.app import app, wiring


@app.task(name="mail.send_due")  # type: ignore[untyped-decorator]  # Celery has no types
def send_digests(*_ids: int) -> None:
    do(wiring(), "mail.send_due")


@app.task(name="mail.send_at_once")  # type: ignore[untyped-decorator]
def send_at_once(*_ids: int) -> None:
    do(wiring(), "mail.send_at_once")


@app.task(name="mail.send_transactional")  # type: ignore[untyped-decorator]
def send_letters(*_ids: int) -> None:
    do(wiring(), "mail.send_transactional")
