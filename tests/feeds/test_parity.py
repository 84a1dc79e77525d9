"""RSS, Atom, JSON Feed and the mail say the same of an entry: id, dates, title, authors, topics, text, links, images."""

from __future__ import annotations

import email
import email.policy
import gzip
import re
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree
from lxml import html as lxml_html
from sqlalchemy import select

from syndication.content import Author, EntryContent, Related
from syndication.feeds.disclaimers import count_html, visible_text
from syndication.feeds.formats import FORMATS
from syndication.feeds.view import as_uri, clean
from syndication.intake.importer import import_paths
from syndication.intake.sanitise import sanitised
from syndication.ledger import notices
from syndication.ledger.content import Artifact, Entry, Feed, Publication, Revision, Series
from syndication.ledger.db import Database
from syndication.ledger.lookup import the_publication
from syndication.mail.blocks import compile_block
from syndication.mail.loading import Press, frame_of, text_of
from syndication.mail.splice import fill
from syndication.publishing import catch_up, publish
from syndication.rendering import Renderer
from syndication.settings import Settings
from tests.feeds.feed_world import BASE, DAY, NOTICE, feed, item
from tests.mail.hard_mail import FILLED

ATOM = "{http://www.w3.org/2005/Atom}"
CREATOR = "{http://purl.org/dc/elements/1.1/}creator"
ENCODED = "{http://purl.org/rss/1.0/modules/content/}encoded"
SEEDS = Path(__file__).parents[2] / "seeds"


class Said(NamedTuple):
    """What one format says of an entry. Dates to the second, which is as far as RSS goes."""

    id: str
    url: str
    published: datetime
    title: str
    authors: tuple[str, ...]
    topics: tuple[str, ...]
    summary: str
    text: str
    links: tuple[str, ...]
    images: tuple[tuple[str, str], ...]


def body_of(markup: str) -> tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]]:
    """(words, links, images with their descriptions)."""
    root = lxml_html.fragment_fromstring(markup, create_parent="div")
    links = tuple(a.get("href", "") for a in root.iter("a"))
    images = tuple((i.get("src", ""), i.get("alt", "")) for i in root.iter("img"))
    return " ".join(visible_text(markup).split()), links, images


def said_in(fmt: str, body: bytes) -> list[Said]:
    if fmt == "json":
        return [
            Said(
                one["id"], one["url"], datetime.fromisoformat(one["date_published"]).replace(microsecond=0), one["title"],
                tuple(a["name"] for a in one.get("authors", ())), tuple(one.get("tags", ())), one["summary"],
                *body_of(one["content_html"]),
            )
            for one in orjson.loads(body)["items"]
        ]  # fmt: skip
    root = etree.fromstring(body)
    if fmt == "rss":
        return [
            Said(
                one.findtext("guid") or "", one.findtext("link") or "", parsedate_to_datetime(one.findtext("pubDate") or ""),
                one.findtext("title") or "", tuple(c.text or "" for c in one.findall(CREATOR)),
                tuple(c.text or "" for c in one.findall("category")), one.findtext("description") or "",
                *body_of(one.findtext(ENCODED) or ""),
            )
            for one in root.iter("item")
        ]  # fmt: skip
    return [
        Said(
            one.findtext(f"{ATOM}id") or "",
            next(link.get("href", "") for link in one.iter(f"{ATOM}link") if link.get("rel", "alternate") == "alternate"),
            datetime.fromisoformat(one.findtext(f"{ATOM}published") or "").replace(microsecond=0),
            one.findtext(f"{ATOM}title") or "", tuple(a.text or "" for a in one.findall(f"{ATOM}author/{ATOM}name")),
            tuple(c.get("term", "") for c in one.findall(f"{ATOM}category")), one.findtext(f"{ATOM}summary") or "",
            *body_of(one.findtext(f"{ATOM}content") or ""),
        )
        for one in root.iter(f"{ATOM}entry")
    ]  # fmt: skip


def mail_says_it_too(said: Said, block_html: str, own_links: set[str]) -> None:
    """What a feed says, the mail's block says: its words in their order, its links, its images."""
    words, links, images = body_of(block_html)
    assert " ".join(said.title.split()) in words
    for author in said.authors:
        assert " ".join(author.split()) in words
    ours, theirs = (
        {link for link in found if not link.startswith(f"{said.url}#")}
        - own_links
        - {said.url}  # notes are within a mail
        for found in (links, said.links)
    )
    assert ours == theirs
    assert images == said.images


LETTERS = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp", "Co"))
WORDS = st.text(LETTERS, min_size=1, max_size=40).filter(lambda text: bool(text.strip()))
ADDRESS = st.sampled_from([
    "https://t.example/a?b=1&c=2", "https://é.example/ü", "mailto:desk@t.example", "https://t.example/%20x#y", "../near",
])  # fmt: skip
PIECE = st.one_of(
    WORDS.map(lambda text: f"<p>{escape(text)}</p>"),
    st.tuples(ADDRESS, WORDS).map(lambda pair: f'<p><a href="{escape(pair[0])}">{escape(pair[1])}</a></p>'),
    st.tuples(st.sampled_from("abc"), WORDS).map(
        lambda pair: f'<p><img src="media:{pair[0]}.png" width="90" height="60" alt="{escape(pair[1])}"></p>'
    ),
    WORDS.map(lambda text: f"<table><tr><td>{escape(text)}</td></tr></table>"),
    WORDS.map(lambda text: f"<blockquote><p>{escape(text)}</p></blockquote><ul><li>{escape(text)}</li></ul>"),
)
ENTRY = st.fixed_dictionaries({
    "title": WORDS, "standfirst": st.one_of(st.just(""), WORDS),
    "body": st.lists(PIECE, min_size=1, max_size=5).map("".join),
    "authors": st.lists(WORDS.map(lambda name: Author(name=name)), max_size=3).map(tuple),
    "topics": st.lists(WORDS, max_size=3, unique=True).map(tuple),
    "related": st.lists(st.builds(Related, title=WORDS, url=st.just("https://t.example/r")), max_size=2).map(tuple),
})  # fmt: skip


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def transient(content: EntryContent) -> tuple[Revision, Entry, Publication]:
    publication = Publication(name="Tide", language="en", timezone="UTC")
    entry = Entry(
        series=Series(slug="ferries", title="Ferries", note=""), slug="e1", part=1, published_at=DAY + timedelta(days=1)
    )
    return Revision(id=1, content=content.model_dump(mode="json")), entry, publication


@settings(max_examples=60, deadline=None)
@given(ENTRY)
@example({"title": "0", "standfirst": "", "body": '<p><img src="media:a.png" width="90" height="60" alt="0"></p>',
          "authors": (), "topics": (), "related": ()})  # fmt: skip
def test_the_four_say_the_same_of_any_entry(content: dict[str, object]) -> None:
    shown = item(1, **content)
    view = feed(shown)
    found = {fmt: said_in(fmt, FORMATS[fmt].render(view)) for fmt in FORMATS}
    assert found["rss"] == found["atom"] == found["json"]
    [said] = found["json"]
    assert said.images == body_of(shown.content_html)[2]
    assert count_html(shown.content_html, NOTICE.text) == 1
    body = sanitised(str(content["body"]), "https://t.example/texts/one")
    stored = EntryContent.model_validate({**{k: v for k, v in content.items() if k != "body"}, "body_html": body})
    text = text_of(*transient(stored), BASE)
    block = compile_block(Renderer().render, text).html["full"]
    own = {f"{BASE}/series/ferries/", *body_of(NOTICE.html)[1]}
    mail_says_it_too(said, block, own)
    assert visible_words(text.body_html) <= visible_words(block)


def visible_words(markup: str) -> set[str]:
    return set(visible_text(markup).split())


def without_notes_links(markup: str) -> str:
    """Without the links to notes, which are numbers in brackets in a mail, and without the ways back, which it has not."""
    root = lxml_html.fragment_fromstring(markup, create_parent="div")
    for link in root.xpath("//a[starts-with(@href, '#')]"):
        link.drop_tree()
    return lxml_html.tostring(root, encoding="unicode")


@pytest.mark.sqlite_only
def test_the_four_say_the_same_of_the_seeds(db: Database, tmp_path: Path) -> None:
    report = import_paths(db, [SEEDS], settings=Settings(data_dir=tmp_path, database_url=db.url))
    assert not report.failures
    publish(db, BASE, [one.entry_id for one in report.entries])
    catch_up(db, BASE)
    with db.reading() as session:
        stored = (
            select(Artifact.format, Artifact.gzip).join(Feed, Feed.id == Artifact.feed_id).where(Feed.name == "all")
        )
        found = {fmt: said_in(fmt, gzip.decompress(data)) for fmt, data in session.execute(stored)}
        assert found["rss"] == found["atom"] == found["json"]
        assert len(found["json"]) == len(report.entries)
        publication = the_publication(session)
        press = Press(Renderer().render, BASE, 10**6)
        for said in found["json"]:
            entry = session.scalars(select(Entry).where(Entry.tag_uri == said.id)).one()
            assert entry.revision is not None
            text = text_of(entry.revision, entry, publication, BASE)
            notice = notices.current(session, publication.id, text.language)
            block = compile_block(Renderer().render, text).html["full"]
            mail_says_it_too(said, block, {f"{BASE}/series/{entry.series.slug}/", *body_of(notice.html)[1]})
            assert visible_words(without_notes_links(text.body_html)) <= visible_words(re.sub(r"\[\d+\]", "", block))
            source = frame_of(session, publication, [text], BASE, text.language, notice.id, "i1:daily")
            message = email.message_from_bytes(fill(press.compile(source, [text]), FILLED), policy=email.policy.default)
            part = message.get_body(("html",))  # type: ignore[attr-defined]
            assert count_html(part.get_content(), notice.text) == 1
            assert (clean(text.title), as_uri(text.url)) == (said.title, said.url)
