"""Ask, confirm, change: double opt-in, cursors, shields and starts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syndication import clock
from syndication.errors import BadInput, Conflict, NotFound
from syndication.ledger.tables import Consent, Delivery, Letter, SeriesStart, Subscriber, Subscription, Suppression

LATER = timedelta(days=2)


def wishes(town) -> dict[int, tuple[str, str, int]]:  # type: ignore[no-untyped-def]
    return {s.scope: (s.state, s.cadence, s.cursor) for s in town.rows(Subscription)}


def test_asking_posts_a_confirmation_and_confirming_starts_at_the_present(town) -> None:
    town.ask("anna@example.org", "ferries", cadence="weekly")
    (delivery,) = town.rows(Delivery)
    assert (delivery.kind, delivery.state, delivery.priority) == ("transactional", "pending", 0)
    assert wishes(town)[1][0] == "asked"
    town.confirm()
    assert wishes(town) == {1: ("active", "weekly", 10)}
    assert [(c.act, c.ip) for c in town.rows(Consent)] == [("asked", "192.0.2.1"), ("confirmed", "192.0.2.2")]


def test_at_most_one_confirmation_a_day_and_the_newest_request_counts(town) -> None:
    town.ask("anna@example.org", "ferries")
    town.ask("anna@example.org", "floods", "fog", cadence="at-once")
    assert len(town.rows(Letter)) == 1
    town.confirm()
    assert wishes(town) == {2: ("active", "at-once", 10), 3: ("active", "at-once", 10)}
    with clock.shifted(timedelta(hours=25)):
        town.ask()
    assert len(town.rows(Letter)) == 2


def test_asking_never_changes_an_active_person_who_may_confirm_it(town) -> None:
    town.join("anna@example.org", "ferries", cadence="weekly")
    before, zone = wishes(town), town.person().timezone
    town.published(20)
    with clock.shifted(LATER):
        town.ask("Anna@EXAMPLE.org", "floods", cadence="at-once", timezone="Asia/Tokyo", language="de")
        assert (wishes(town), town.person().timezone, town.person().language) == (before, zone, "en")
        assert town.confirm()
    assert wishes(town) == {1: ("active", "weekly", 10), 2: ("active", "at-once", 20)}


def test_a_link_works_once(town) -> None:
    town.join("anna@example.org", "ferries")
    town.change(cadences={1: "weekly"})
    assert not town.confirm()
    assert wishes(town)[1][1] == "weekly"


def test_who_left_comes_back_only_by_confirming_anew(town) -> None:
    town.join()
    old = town.letter()
    town.leave()
    town.published(30)
    with pytest.raises(Conflict):
        town.confirm(old)
    with clock.shifted(LATER):
        town.ask()
        assert town.rows(Suppression), "asking alone lifts nothing"
        assert town.confirm()
    assert wishes(town) == {0: ("active", "daily", 30)}
    assert not town.rows(Suppression)


def test_an_address_that_complained_hears_nothing_more(town) -> None:
    town.join()
    town.leave(reason="complained")
    with clock.shifted(LATER):
        town.ask()
    assert len(town.rows(Letter)) == 1
    with pytest.raises(Conflict):
        town.confirm()


def test_an_erased_number_is_nobody_elses(town) -> None:
    town.ask("anna@example.org")
    old = town.letter()
    town.erase("anna@example.org")
    town.ask("bo@example.org")
    with pytest.raises(NotFound):
        town.confirm(old)


@pytest.mark.parametrize(
    ("field", "form"),
    [("email", {"email": "nobody"}), ("series", {"series": "nonesuch"}), ("cadence", {"cadence": "hourly"}),
     ("timezone", {"timezone": "../../etc/passwd"}), ("language", {"language": "<b>"})],
)  # fmt: skip
def test_a_bad_field_is_named(town, field: str, form: dict[str, str]) -> None:
    more = {"email": "a@example.org", "series": "all", **form}
    email, series = more.pop("email"), more.pop("series")
    with pytest.raises(BadInput) as caught:
        town.ask(email, series, **more)
    assert caught.value.where == field
    assert not town.rows(Subscriber)


def test_a_series_out_of_all_inherits_its_cursor(town) -> None:
    town.join()
    town.published(25)
    town.change(cadences={1: "at-once"})
    rows = {s.scope: s for s in town.rows(Subscription)}
    assert (rows[1].cursor, rows[1].shields) == (10, True)


def test_all_asked_anew_starts_each_series_where_it_stood(town) -> None:
    town.join("anna@example.org", "ferries", "floods")
    town.leave(series_id=2)
    town.published(40)
    town.change(cadences={0: "weekly"})
    rows = {s.scope: s for s in town.rows(Subscription)}
    assert {k: (s.state, s.shields) for k, s in rows.items()} == {
        0: ("active", False), 1: ("ended", False), 2: ("ended", False),
    }  # fmt: skip
    assert rows[0].cursor == 40
    assert {s.series_id: s.cursor for s in town.rows(SeriesStart)} == {1: 10}
    town.change(cadences={1: "daily"})  # and out again: the start goes with it
    assert next(s.cursor for s in town.rows(Subscription) if s.scope == 1) == 10
    assert not town.rows(SeriesStart)


def test_all_that_was_active_gives_an_ended_series_the_present(town) -> None:
    town.join()
    town.leave(series_id=3)
    assert {s.scope: s.shields for s in town.rows(Subscription)} == {0: False, 3: True}
    town.published(50)
    with clock.shifted(LATER):
        town.ask()
        town.confirm()
    assert {s.series_id: s.cursor for s in town.rows(SeriesStart)} == {3: 50}
    assert wishes(town)[0][2] == 10


def test_a_change_of_cadence_or_zone_moves_no_cursor(town) -> None:
    town.join("anna@example.org", "ferries")
    town.published(33)
    assert town.change(cadences={1: "at-once"}, timezone="Pacific/Auckland", language="de")
    assert wishes(town) == {1: ("active", "at-once", 10)}
    assert not town.change(cadences={1: "at-once"}, timezone="Pacific/Auckland", language="de")
    town.leave()
    with pytest.raises(Conflict):
        town.change(cadences={0: "daily"})
