"""Which addresses are taken, and which are one person's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndication.audience.addresses import key_of, parse
from syndication.audience.handles import handle_bytes, handle_token
from syndication.errors import BadInput


def test_ways_to_write_one_address() -> None:
    assert parse("Anna@Example.ORG").key == "anna@example.org"
    assert parse("x@münchen.example").key == parse("X@xn--mnchen-3ya.example").key
    assert len({parse(a).key for a in ("a.b@example.org", "ab@example.org", "ab+c@example.org")}) == 3
    assert parse("info@bücher.example").domain == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    "text", ["", "anna", "anna@", "a@b@c.de", "a b@example.org", "a@localhost", "x" * 700, "a\r\nBcc: b@example.org"]
)
def test_what_is_no_address_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(text)
    assert caught.value.where == "email"
    assert caught.value.remedy


@given(st.text(max_size=60), st.binary(min_size=16, max_size=16))
def test_keys_and_handles_of_anything(text: str, handle: bytes) -> None:
    assert key_of(text) == key_of(text)
    assert handle_bytes(handle_token(handle)) == handle


@pytest.mark.parametrize("token", ["", "x", "é" * 22, "A" * 21, "A" * 23, "A" * 21 + "=", "A" * 21 + "B"])
def test_what_is_no_handle(token: str) -> None:
    assert handle_bytes(token) is None
