"""Limits: counted once for all web processes where there is a broker, and still counted where it is away."""

from __future__ import annotations

import pytest

from syndication.web.limits import Limit, visitor


def test_two_processes_count_together_and_two_limits_apart(valkey: str) -> None:
    first, second = (Limit("asks", "2/hour", valkey) for _ in range(2))
    assert [first.admits("x"), second.admits("x"), first.admits("x"), second.admits("x")] == [True, True, False, False]
    assert first.admits("y")
    assert Limit("other", "2/hour", valkey).admits("x")


@pytest.mark.parametrize("broker", ["", "redis+socket:///nowhere/at/all.sock", "filesystem://", "amqp://x"])
def test_without_a_broker_each_process_counts_for_itself(broker: str) -> None:
    limit = Limit("asks", "2/minute;3/hour", broker)
    assert [limit.admits("x") for _ in range(4)] == [True, True, False, False]
    assert limit.wait_seconds == 3600


@pytest.mark.parametrize(
    ("ip", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"), ("testclient", "testclient"),
    ],
)  # fmt: skip
def test_who_is_one_visitor(ip: str, counted: str) -> None:
    assert visitor(ip) == counted
