"""Each relay that is known, played by one that changes what its profile says it changes: signatures hold all the same, and an
event that it reports leads back to the delivery, by our mark and by its own number."""

from __future__ import annotations

import re

import pytest
from mail_world import ScriptedRelay, new_issue, parsed
from sqlalchemy import select
from test_dkim import DOMAIN, dkimpy_says, records

from syndication.ledger.tables import Delivery
from syndication.mail import keys
from syndication.mail.relays import PROFILES, Profile, queue_id
from syndication.mail.sender import send_due
from syndication.mail.transport import open_transport
from syndication.wiring import Wiring

ANSWERS = {
    "ses": (b"250 Ok 0102018f3a2b7c1d-4e5f9a8b-1234-000000", "0102018f3a2b7c1d-4e5f9a8b-1234-000000"),
    "gmail": (b"250 2.0.0 OK  1717171717 a1-20020a05.12 - gsmtp", "a1-20020a05.12"),
    "microsoft365": (b"250 2.0.0 OK <AB1@EURP.PROD.OUTLOOK.COM> [Hostname=x]", "AB1@EURP.PROD.OUTLOOK.COM"),
}
QUEUED = (b"250 2.0.0 Ok: queued as 4WxYz123", "4WxYz123")


def passed_on(message: bytes, profile: Profile) -> bytes:
    """As a recipient gets it: fields replaced, a trace line above, and for one that changes bodies a line more below."""
    for name in profile.rewrites:
        value = b"<0100@relay.example>" if name == "Message-ID" else b"Fri, 02 Jan 2026 00:00:00 +0000"
        message, changed = re.subn(
            rb"(?m)^%s: .*?\r\n(?!\s)" % name.encode(), b"%s: %s\r\n" % (name.encode(), value), message
        )
        assert changed == 1, name
    if profile.signs_alone:
        message += b"<img src=3D'https://relay.example/opened'>\r\n"
    return b"Received: from us by relay.example\r\n" + message


@pytest.mark.parametrize("name", sorted(PROFILES))
@pytest.mark.sqlite_only
def test_signatures_hold_and_events_come_home(wiring: Wiring, relay: ScriptedRelay, name: str) -> None:
    profile = PROFILES[name]
    answer, number = ANSWERS.get(name, QUEUED)
    relay.script["end"] = answer
    new_issue(wiring.db, 3)
    keys.make(wiring.settings.data_dir, "r1", "rsa")
    ours = {"dkim_keys": "r1=r1.pem", "mail_url": f"{relay.url}?profile={name}&starttls=no"}
    settings = wiring.settings.model_copy(update=ours)
    here = Wiring(settings, wiring.base_url, "")
    here.__dict__["db"] = wiring.db
    send_due(here, open_transport(settings))
    assert len(relay.received) == 3
    published = records(keys.listed(settings, DOMAIN))
    with wiring.db.reading() as session:
        deliveries = {d.id: d for d in session.scalars(select(Delivery))}
    for _, message in relay.received:
        verdicts = dkimpy_says(passed_on(message, profile), published)
        assert verdicts == ([] if profile.signs_alone else [True])
        if profile.mark:
            field, _, pattern = profile.mark.partition(": ")
            told = str(parsed(passed_on(message, profile))[field])
            delivery = deliveries.pop(int(re.findall(r"\d+", told)[-1]))
            assert told == pattern.format(id=delivery.id)
        else:
            delivery = deliveries.pop(min(deliveries))
        assert delivery.state == "sent"
        assert queue_id(profile, delivery.reply) == number
    assert not deliveries
