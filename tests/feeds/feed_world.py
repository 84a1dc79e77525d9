"""A feed as plain data, with everything a judge may trip over, and the schemas that documents are held against."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import orjson
from jsonschema import Draft202012Validator
from lxml import etree

from syndication.content import Author, EntryContent, PublishedNotice, Related
from syndication.feeds.disclaimers import STANDARD, render_notice
from syndication.feeds.formats import FORMATS
from syndication.feeds.view import FeedView, ItemView, item_view
from syndication.intake.sanitise import sanitised

SCHEMAS = Path(__file__).parent / "schemas"
DAY = datetime(2026, 3, 1, 7, 30, 0, 5, tzinfo=UTC)
BASE = "https://n.example"


def notice(language: str) -> PublishedNotice:
    text, html = render_notice(STANDARD[language], name="Tide", supporters_url="https://t.example/s", language=language)
    return PublishedNotice(id=1, language=language, version=1, text=text, html=html)


NOTICE = notice("en")


def item(n: int, **content: object) -> ItemView:
    """Entry `n`; `body` is sanitised as a document's is, `body_html` is taken as it stands."""
    fields: dict[str, object] = {
        "title": f"Ferries & <fares> {n}",
        "standfirst": "Who pays?",
        "body_html": '<p>Boats <img src="media:ab.png" alt="A boat"></p>',
        "authors": (Author(name="Ana Ré"), Author(name="Bo", url="https://t.example/bo")),
        "related": (Related(title="Tides", url="https://t.example/tides"), Related(title="Only a title")),
        "topics": ("ferries",),
        **content,
    }
    if isinstance(body := fields.pop("body", None), str):
        fields["body_html"] = sanitised(body, "https://t.example/texts/one")
    language = str(fields.get("language") or "en")
    return item_view(
        EntryContent.model_validate(fields), notice(language) if language in STANDARD else NOTICE, entry_id=n,
        tag_uri=f"tag:t.example,2026-01-01:{n}", base_url=BASE, language=language, series_slug="ferries",
        series_title="Ferries", series_note="", slug=f"e{n}", part=n, published=DAY + timedelta(days=n),
        updated=DAY + timedelta(days=n, microseconds=n),
    )  # fmt: skip


def feed(*items: ItemView) -> FeedView:
    return FeedView(
        id="tag:t.example,2026-01-01:feed:all", title="Tide", description="Every new entry of Tide.", language="en",
        home_url=f"{BASE}/", self_urls={f: f"{BASE}/feeds/all.{f}" for f in FORMATS},
        updated=DAY + timedelta(days=9), publisher="Tide", publisher_url="https://t.example", items=items,
        hubs=(f"{BASE}/hub", "https://hub.example/"),
    )  # fmt: skip


VIEW = feed(
    item(3), item(2, language="ar", title="مد"), item(1, authors=(), licence_url="https://cc.example/by", related=())
)

HARD_BODY = """
<h1 onclick="x()">Head</h1><script>alert(1)</script><style>p{color:red}</style>
<p style="color:red" class="c" onmouseover="x()">Text<sup><a href="#fn1" id="ref1">1</a></sup> and
<a href="/rel">relative</a>, <a href="javascript:x()">bad</a>, <a href="//other.example/x">bare</a>.</p>
<img src="media:ab.png" srcset="a.png 1x, b.png 2x" alt="]]&gt; &lt;b&gt; src=&quot;media:no&quot; href=&quot;#no&quot;"
 loading="lazy" onerror="x()">
<video poster="p.png" src="v.mp4" controls></video><picture><source srcset="c.webp"><img src="media:cd.png" alt=""></picture>
<blockquote cite="../source">Quote</blockquote><p><bdo dir="rtl">turned</bdo> <q cite="q">q</q></p>
<pre><code>&lt;img src="media:ab.png"&gt; &lt;a href="#x"&gt; ]]&gt;</code></pre>
<table><tr><td>1</td></tr></table><ol><li id="fn1">Note <a href="#ref1">back</a></li></ol>
<form action="/x"><input name="a"><button>b</button></form><iframe src="/f"></iframe><svg><script>1</script></svg>
"""
TITLES = (
    "[Brackets] (all) {of} <them>", "Quotes \"double\" 'single' “curly” «French» ‘one’", "Ampersand & entity &amp; &#60;",
    "]]> ends CDATA", "🛳️ Emoji 👩‍👩‍👧‍👦", "渡輪與潮汐", "عبّارات بطيئة", "x" * 600, "a\tb\u2028c\u00a0d", "-",
)  # fmt: skip


def hard_view() -> FeedView:
    """Hostile markup, long and strange titles, dates at the ends of time, five hundred authors, addresses beyond ASCII."""
    hard = [item(n, title=title, body=HARD_BODY, standfirst="") for n, title in enumerate(TITLES, start=10)]
    hard.append(item(30, authors=tuple(Author(name=f"Author {n}, née “Ö”") for n in range(500))))
    hard.append(
        item(
            31,
            canonical_url="https://é.example/fähre?q=ü&b=%20#ß",
            licence_url="https://cc.example/läw",
            authors=(Author(name="Ü", url="https://é.example/ü"),),
            related=(Related(title="Ä", url="https://é.example/ä b"),),
        )
    )
    old = datetime(1955, 7, 1, 12, tzinfo=UTC)
    hard.append(replace(item(32), published=old, updated=old))
    late = datetime(2061, 7, 28, 1, 2, 3, 4, tzinfo=UTC)
    hard.append(replace(item(33), published=late, updated=late))
    hard += [item(40 + n, language=language) for n, language in enumerate(("de", "fr", "es", "ar", "zh-Hant"))]
    return feed(*hard)


@cache
def _relax_ng(name: str) -> etree.RelaxNG:
    return etree.RelaxNG(etree.parse(SCHEMAS / f"{name}.rng"))


@cache
def _json_schema() -> Draft202012Validator:
    schema = json.loads((SCHEMAS / "jsonfeed.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def breaks(name: str, body: bytes) -> list[str]:
    """What the schema of a format (rss, atom, json, opml) finds wrong in a document."""
    if name == "json":
        found = _json_schema().iter_errors(orjson.loads(body))
        return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in found]
    schema = _relax_ng(name)
    return [] if schema.validate(etree.fromstring(body)) else [str(line) for line in schema.error_log]  # type: ignore[attr-defined]
