"""What `digest watch` shows, wide and narrow."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from syndication.cli.accounts import _panel
from syndication.digests.progress import Destination, Progress
from syndication.ledger.states import DELIVERY_STATES

NOW = datetime(2026, 3, 1, 10, 32, tzinfo=UTC)


@pytest.mark.parametrize("width", [60, 160])
def test_why_mail_stands_still_is_to_be_read_on_every_terminal(width: int) -> None:
    held = Destination(
        domain="gmail.example", waiting=1_200, held=1_150, next_at=NOW + timedelta(minutes=9), reply="421 [red] unusual rate",
        meaning="rate limited", provider="google", state="stopped", paused_until=NOW + timedelta(minutes=9),
    )  # fmt: skip
    seen = Progress(
        at=NOW, issue=7, cadence="daily", slot="s", state="frozen", paused=False, eligible=2_000,
        counts={**dict.fromkeys(DELIVERY_STATES, 0), "pending": 1_200, "sent": 800}, rate_per_s=12.0, left_s=0.0,
        next_try_at=held.next_at, slowest=(held,),
    )  # fmt: skip
    out = io.StringIO()
    Console(file=out, width=width).print(_panel(seen, narrow=width < 110))
    lines = out.getvalue().splitlines()
    assert any("gmail.example" in line and "1,200" in line and "google: stopped until 10:41" in line for line in lines)
    assert ("421 [red] unusual rate" in out.getvalue()) == (width == 160)
    assert max(map(len, lines)) <= width
