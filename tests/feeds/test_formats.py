"""The gate on a format's final bytes, and each format through parsers that are not ours."""

from __future__ import annotations

from dataclasses import replace
from email.utils import parsedate_to_datetime

import atoma
import feedparser
import orjson
import pytest
from lxml import etree

from syndication.content import Image
from syndication.errors import DisclaimerBreach
from syndication.feeds.formats import FORMATS, gate
from syndication.feeds.opml import Outline, opml_bytes
from tests.feeds.feed_world import BASE, DAY, NOTICE, VIEW, breaks, feed, hard_view, item

HTML = NOTICE.html


@pytest.mark.parametrize("name", FORMATS)
def test_a_channel_that_forgot_the_notice_and_one_that_has_it_twice_are_stopped(name: str) -> None:
    fmt = FORMATS[name]
    for wrong in ("", HTML + HTML):
        bad = replace(VIEW.items[0], content_html=VIEW.items[0].content_html.replace(HTML, wrong))
        view = replace(VIEW, items=(bad, *VIEW.items[1:]))
        with pytest.raises(DisclaimerBreach) as caught:
            gate(fmt, fmt.render(view), view)
        assert caught.value.channel == name
        assert caught.value.template == fmt.template
        assert VIEW.items[0].title in str(caught.value)


@pytest.mark.parametrize("name", FORMATS)
def test_bytes_that_lost_an_item_are_stopped(name: str) -> None:
    fmt = FORMATS[name]
    with pytest.raises(DisclaimerBreach):
        gate(fmt, fmt.render(replace(VIEW, items=VIEW.items[:2])), VIEW)


@pytest.mark.parametrize("name", ["rss", "atom"])
def test_two_other_parsers_read_the_same(name: str) -> None:
    body = FORMATS[name].render(VIEW)
    hard = hard_view()
    for view in (VIEW, hard):
        parsed = feedparser.parse(FORMATS[name].render(view))
        assert not parsed.bozo
        assert [e.id for e in parsed.entries] == [i.id for i in view.items]
        assert [e.link for e in parsed.entries] == [i.url for i in view.items]
        assert [[a.get("name") for a in e.get("authors", [])] for e in parsed.entries if e.id != VIEW.items[2].id] == [
            [a.name for a in i.authors] for i in view.items if i.id != VIEW.items[2].id
        ]
    if name == "rss":
        rss = atoma.parse_rss_bytes(body)
        assert [i.guid for i in rss.items] == [i.id for i in VIEW.items]
        assert rss.items[0].pub_date == VIEW.items[0].published.replace(microsecond=0)
    else:
        atom = atoma.parse_atom_bytes(body)
        assert [e.updated for e in atom.entries] == [i.updated for i in VIEW.items]
        assert atom.entries[0].title.value == "Ferries & <fares> 3"


def test_opml_lists_feeds_with_both_addresses() -> None:
    body = opml_bytes("Tide", DAY, (Outline("All & more", "https://n.example/feeds/all.atom", "https://n.example/"),))
    assert breaks("opml", body) == []
    root = etree.fromstring(body)
    (outline,) = root.findall("body/outline")
    assert (outline.get("type"), outline.get("xmlUrl"), outline.get("htmlUrl"), outline.get("text")) == (
        "rss", "https://n.example/feeds/all.atom", "https://n.example/", "All & more",
    )  # fmt: skip
    assert parsedate_to_datetime(root.findtext("head/dateCreated") or "") == DAY.replace(microsecond=0)


IMAGE = Image(
    sha256="ab" * 32, ext="jpg", width=900, height=600, alt="A boat & a quay", credit="Ana Ré", caption="At <low> tide"
)


def test_an_image_carries_its_description_credit_and_licence() -> None:
    view = feed(item(1, images=(IMAGE,), licence_url="https://cc.example/by"), item(2))
    address = f"{BASE}/media/{'ab' * 32}.jpg"
    for fmt in ("rss", "atom"):
        body = FORMATS[fmt].render(view)
        assert breaks(fmt, body) == []
        media = "{http://search.yahoo.com/mrss/}"
        [found] = etree.fromstring(body).iter(f"{media}content")
        assert dict(found.attrib) == {
            "url": address, "type": "image/jpeg", "medium": "image", "width": "900", "height": "600"
        }  # fmt: skip
        assert found.findtext(f"{media}description") == "At <low> tide"
        assert found.findtext(f"{media}credit") == "Ana Ré"
        licence = found.find(f"{media}license")
        assert licence is not None
        assert licence.get("href") == "https://cc.example/by"
    body = FORMATS["json"].render(view)
    assert breaks("json", body) == []
    [one] = orjson.loads(body)["items"][0]["_media"]["images"]
    assert (one["url"], one["credit"], one["alt"]) == (address, "Ana Ré", "A boat & a quay")
    assert b"mrss" not in FORMATS["rss"].render(feed(item(2)))
