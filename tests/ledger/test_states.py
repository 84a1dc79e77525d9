"""Every state can be reached, and a move that is not listed is refused in words."""

from __future__ import annotations

import pytest

from syndication.errors import Conflict
from syndication.ledger import states


@pytest.mark.parametrize(
    ("table", "start"),
    [(states.ENTRY, "draft"), (states.ISSUE, "cut"), (states.DELIVERY, "pending"), (states.SUBSCRIPTION, "asked")],
)
def test_every_state_is_reachable(table: dict[str, set[str]], start: str) -> None:
    seen, todo = set(), {start}
    while todo:
        state = todo.pop()
        seen.add(state)
        todo |= table[state] - seen
    assert seen == set(table)


def test_an_unlisted_move_names_what_may_be_done() -> None:
    with pytest.raises(
        Conflict, match=r"delivery 7 is sent and cannot become pending; from sent it may become nothing"
    ):
        states.move("delivery", states.DELIVERY, "7", "sent", "pending")
