"""What a conditional request asks, with plain values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from syndication.web.conditional import chosen_encoding, http_date, judged, names_tag, not_modified, said

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
OLD = NOW - timedelta(days=1)


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("", ""),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, deflate, br", "br"),
        ("br;q=0.5, gzip;q=0.9", "gzip"),
        ("gzip;q=0, br;q=0", ""),
        ("gzip;q=0", ""),
        ("*", "br"),
        ("*;q=0", ""),
        ("identity, gzip;q=0.5", ""),
        ("GZIP;Q=1", "gzip"),
        ("gzip;q=nonsense", ""),
        ("deflate, zstd", ""),
        ("gzip;q=0, *", "br"),
        ("br;q=0, *;q=0.1", "gzip"),
        ("identity;q=0, gzip", "gzip"),
        ("identity;q=0, *", "br"),
        ("identity;q=0, *;q=0.5, br;q=0", "gzip"),
        ("*;q=0, gzip;q=0.1", "gzip"),
        ("identity;q=0.5, gzip;q=0.4", ""),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("gzip;foo=1;q=0", ""),
        (" gzip ; q = 0.3 , br ; q=0.2", "gzip"),
        ("gzip;q=-1, br;q=nan", ""),
        # refused altogether: it gets what every client can read
        ("identity;q=0", ""),
        ("*;q=0, identity;q=0", ""),
        ("gzip" + ", deflate" * 500, "gzip"),
    ],
)
def test_encoding(accept: str, encoding: str) -> None:
    assert chosen_encoding(accept) == encoding


@pytest.mark.parametrize(
    "header",
    [
        '"a"',
        'W/"a"',
        '"b", "a"',
        "*",
        " * ",
        '"b",W/"a" ',
        '"x,y", "a"',
        ",".join(f'"{n}"' for n in range(9_999)) + ',"a"',
    ],
)
def test_tag_is_named(header: str) -> None:
    assert names_tag(header, "a")


@pytest.mark.parametrize("header", ['"ab"', '"A"', "", '"b", "c"', "a", '"a', 'w/"a"', '"*"', "W/*"])
def test_tag_is_not_named(header: str) -> None:
    assert not names_tag(header, "a")


def test_tags_go_before_dates() -> None:
    assert not not_modified("a", OLD, '"b"', http_date(NOW), NOW)
    assert not_modified("a", OLD, '"a"', http_date(OLD - timedelta(days=9)), NOW)


def asked(**headers: str) -> dict[bytes, bytes]:
    return {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 0),
        ({"if_match": '"a"'}, 0),
        ({"if_match": "*"}, 0),
        ({"if_match": '"x", "a"'}, 0),
        ({"if_match": '"x"'}, 412),
        ({"if_match": 'W/"a"'}, 412),  # the comparison is strong here
        ({"if_match": ""}, 412),
        ({"if_unmodified_since": http_date(OLD)}, 0),
        ({"if_unmodified_since": http_date(NOW)}, 0),
        ({"if_unmodified_since": http_date(OLD - timedelta(seconds=1))}, 412),
        ({"if_unmodified_since": "yesterday"}, 0),
        # If-Match goes before If-Unmodified-Since, both before the others, If-None-Match before If-Modified-Since
        ({"if_match": '"a"', "if_unmodified_since": http_date(OLD - timedelta(days=1))}, 0),
        ({"if_match": '"x"', "if_none_match": '"a"'}, 412),
        ({"if_match": '"a"', "if_none_match": '"a"'}, 304),
        ({"if_match": '"a"', "if_none_match": '"x"'}, 0),
        ({"if_unmodified_since": http_date(OLD - timedelta(days=1)), "if_none_match": '"a"'}, 412),
        ({"if_unmodified_since": http_date(OLD), "if_modified_since": http_date(OLD)}, 304),
        ({"if_none_match": '"x"', "if_modified_since": http_date(NOW)}, 0),
        ({"if_none_match": '"a"', "if_modified_since": "nonsense"}, 304),
        ({"if_none_match": "", "if_modified_since": http_date(NOW)}, 0),
        ({"if_modified_since": http_date(OLD)}, 304),
        ({"if_none_match": '"\xe9", W/"a"'}, 304),
    ],
)
def test_the_order_of_the_conditions(headers: dict[str, str], status: int) -> None:
    assert judged("a", OLD, asked(**headers), NOW) == status


def test_dates_prove_nothing_where_none_is_said() -> None:
    assert judged("a", None, asked(if_unmodified_since=http_date(OLD - timedelta(days=9))), NOW) == 0
    assert judged("a", None, asked(if_modified_since=http_date(NOW)), NOW) == 0


def test_headers_that_came_twice_are_one_list() -> None:
    assert said([(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]) == {b"a": b"1,3", b"b": b"2"}


def test_dates_alone() -> None:
    assert not_modified("a", OLD, None, http_date(OLD), NOW)
    assert not_modified("a", OLD, None, http_date(NOW), NOW)
    assert not not_modified("a", OLD, None, http_date(OLD - timedelta(seconds=1)), NOW)
    assert not not_modified("a", None, None, http_date(NOW), NOW)
    assert not_modified("a", OLD, None, http_date(OLD).replace("GMT", "-0000"), NOW)  # a zone of no meaning is UTC
    assert http_date(OLD).endswith(" GMT")
    for odd in (
        "Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
        "yesterday",
        "0",
        "",
        "-1",
        "Thu, 99 Jan 2026 00:00:00 GMT",
        "x" * 100_000,
    ):
        assert not not_modified("a", OLD, None, odd, NOW)
    assert not not_modified("a", OLD, None, http_date(NOW + timedelta(days=400)), NOW)
