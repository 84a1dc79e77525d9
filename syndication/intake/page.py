"""HTML, as an editor writes it or a browser saves it: the text of the page, what it says of itself, what was left out. Pure.

The text is the `<article>` (or what is marked as the article's body, or `<main>`) whole, less the furniture that systems put
into it; a page of nothing but a text is taken whole; elsewhere trafilatura finds the text, and a warning says so. What the
page says of itself is read from `<meta>` in our own words, then from JSON-LD and Open Graph.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from lxml import html as lxml_html

from syndication.dates import parsed
from syndication.feeds.disclaimers import possible_text
from syndication.intake.blocks import Block, from_tree
from syndication.intake.document import Read
from syndication.intake.front import ALSO, LANGUAGE, Front, front
from syndication.intake.hidden import without_hidden
from syndication.intake.markup import document, inner, outer
from syndication.intake.notices import comes_close, named_in

_LISTS = ("authors", "topics", "notes")
_PROPERTIES = {"article:published_time": "published", "article:tag": "topics"}
_ARTICLES = "//article[not(ancestor::article)]|//*[@role='article'][not(ancestor::article)]"
_FURNITURE = ".//nav|.//form|.//button|.//*[@role='navigation' or @role='search']"
# Class names that content systems give to what stands in an article and is not its text.
_WIDGETS = frozenset({
    "addtoany_share_save_container", "breadcrumb", "breadcrumbs", "byline", "comments", "comments-area",
    "cookie-notice", "entry-footer", "entry-meta", "jp-relatedposts", "newsletter-signup", "post-meta",
    "post-navigation", "posted-on", "related-posts", "screen-reader-text", "sd-sharing", "share-buttons",
    "sharedaddy", "sharing", "social-links", "social-share", "tags-links",
})  # fmt: skip
_ARTICLE = re.compile(r"(?:Article|Posting|Report|Review)\b")
_COMMENT = frozenset({"comment", "comments", "comment-list", "commentlist", "comments-area", "respond"})
_PAGE = "//nav|//aside|//form|//header|//footer|//*[@role='navigation']"


def read_html(text: str, source: str) -> Read:
    """Raises BadInput as `markup.document` and `front` do."""
    root = document(text, source)
    fields, warnings = _said(root)
    main = _main(root)
    if main is None:
        without_hidden(root)  # what is guessed has no attributes any more
        main = _guessed(outer(root), source)
        warnings.append(
            "the page has neither <article> nor <main>: its text was guessed; look at the draft before you publish it"
        )
    if main is None:
        main = next(iter(_all(root, "//body")), root)
    if main.get("lang"):
        fields["language"] = main.get("lang", "")
    warnings += without_hidden(main)
    _unlazy(main)
    left_out = _without_furniture(main)
    if left_out:
        warnings.append(f"left out as furniture of the page: {'; '.join(left_out)}")
    heading = next(iter(_all(main, ".//h1")), None)
    title = " ".join(heading.text_content().split()) if heading is not None else ""
    if heading is not None and title and fields.setdefault("title", title) == title:
        heading.drop_tree()
    known = _said_to_machines(root)
    headings = [" ".join(one.text_content().split()) for one in _all(root, "//h1")]
    fields.setdefault("title", headings[0] if len(headings) == 1 else known.pop("title", ""))
    fields = {**known, **fields}
    if not fields["title"]:
        fields["title"] = " ".join((root.findtext(".//title") or "").split())
    if (language := str(fields.get("language", "")).replace("_", "-")) and re.match(LANGUAGE, language):
        fields["language"] = language
    elif fields.pop("language", None):
        warnings.append(f"the page's language {language!r} is no language tag; it was left out")
    said, more = front(fields, source)
    blocks = from_tree(main)
    if notice := _notice_elsewhere(root, main):
        blocks.append(notice)
    return Read(said, tuple(blocks), (*warnings, *more))


def _main(root: lxml_html.HtmlElement) -> lxml_html.HtmlElement | None:
    """The element that is the text, where the page says which; the body where there is nothing else on the page."""
    if bodies := _all(root, "//*[contains(concat(' ', @itemprop, ' '), ' articleBody ')]"):
        return bodies[0]
    articles = [one for one in _all(root, _ARTICLES) if not _is_comment(one)]
    headed = [one for one in articles if _all(one, ".//h1")]
    if articles:
        return max(
            headed or articles, key=lambda one: len(one.text_content())
        )  # teasers of other entries are articles too
    if mains := _all(root, "//main|//*[@role='main']"):
        return mains[0]
    return None if _all(root, _PAGE) else next(iter(_all(root, "//body")), None)


def _guessed(text: str, source: str) -> lxml_html.HtmlElement | None:
    import trafilatura  # half a second to import, and most documents have an <article>

    markup = trafilatura.extract(
        text,
        output_format="html",
        include_links=True,
        include_tables=True,
        include_formatting=True,
        include_images=True,
    )
    return next(iter(_all(document(markup, source), "//body")), None) if markup else None


def _said(root: lxml_html.HtmlElement) -> tuple[dict[str, Any], list[str]]:
    """What the page says of itself in our own words, and warnings."""
    fields: dict[str, Any] = {}
    warnings: list[str] = []
    for meta in _all(root, "//meta[@content]"):
        written = (meta.get("name") or meta.get("property") or "").strip().lower()
        name = _PROPERTIES.get(written) or ALSO.get(written, written)
        value = (meta.get("content") or "").strip()
        if name not in Front.model_fields or not value:
            continue
        if name == "published" and written != "published" and not _is_date(value):
            warnings.append(f"the page's date {value[:40]!r} cannot be read; it was left out")
        elif name in _LISTS:
            several = [value] if name == "notes" else [v.strip() for v in value.split(",") if v.strip()]
            fields.setdefault(name, []).extend(v for v in several if v not in fields[name])
        else:
            fields.setdefault(name, value)
    for link in _all(root, "//link[@rel='canonical']"):
        if (link.get("href") or "").startswith("http"):
            fields.setdefault("canonical_url", link.get("href"))
    if root.get("lang"):
        fields.setdefault("language", root.get("lang"))
    return fields, warnings


def _said_to_machines(root: lxml_html.HtmlElement) -> dict[str, Any]:
    """What JSON-LD and Open Graph say: date, title, standfirst, authors with their addresses."""
    article = next((one for one in _linked_data(root) if _ARTICLE.search(str(one.get("@type", "")))), {})
    graph = {
        (meta.get("property") or "").lower(): (meta.get("content") or "").strip()
        for meta in _all(root, "//meta[@content][starts-with(@property, 'og:')]")
    }
    dates = [meta.get("content") or "" for meta in _all(root, "//*[@itemprop='datePublished'][@content]")]
    dates.insert(0, str(article.get("datePublished", "")))
    authors = article.get("author", [])
    found = {
        "title": graph.get("og:title") or article.get("headline"),
        "standfirst": graph.get("og:description") or article.get("description"),
        "published": next((one for one in dates if _is_date(one)), None),
        "authors": [
            one for author in (authors if isinstance(authors, list) else [authors]) if (one := _author(author))
        ],
    }
    return {name: value for name, value in found.items() if value and isinstance(value, str | list)}


def _author(said: Any) -> dict[str, str]:
    """A name, and its address if it is one that anybody may open."""
    record: dict[str, Any] = said if isinstance(said, dict) else {"name": said}
    name, address = record.get("name"), record.get("url")
    if not isinstance(name, str) or not name.strip():
        return {}
    web = isinstance(address, str) and re.fullmatch(r"https?://[^\s\"<>]+", address)
    return {"name": name.strip(), **({"url": str(address)} if web else {})}


def _linked_data(root: lxml_html.HtmlElement) -> Iterator[dict[str, Any]]:
    """Every record in the page's JSON-LD; what is no JSON is passed over."""
    for script in _all(root, "//script[@type='application/ld+json']"):
        try:
            waiting = [json.loads(script.text or "")]
        except (ValueError, RecursionError):
            continue
        while waiting:
            one = waiting.pop()
            if isinstance(one, dict):
                yield one
                one = list(one.values())
            if isinstance(one, list):
                waiting += reversed(one)


def _is_date(value: str) -> bool:
    try:
        parsed(value)
    except ValueError:
        return False
    return True


def _unlazy(main: lxml_html.HtmlElement) -> None:
    """Images that a script would load get the address it would load, and lose their stand-in for readers without one."""
    for image in _all(main, ".//img"):
        address = image.get("src") or ""
        later = next(
            (image.get(name) for name in ("data-src", "data-lazy-src", "data-original") if image.get(name)), None
        )
        if later and (not address or address.startswith("data:")):
            image.set("src", later)
    for stray in _all(main, ".//noscript"):
        shown = {image.get("src") for image in _all(main, ".//img[not(ancestor::noscript)]")}
        if all(image.get("src") in shown for image in _all(stray, ".//img")):
            stray.drop_tree()
        else:
            stray.drop_tag()


def _without_furniture(main: lxml_html.HtmlElement) -> list[str]:
    """Takes away what is not the text; what had words is told."""
    for stray in _all(main, ".//script|.//style|.//template"):
        stray.drop_tree()
    told = []
    widgets = [one for one in _all(main, ".//*[@class]") if _WIDGETS & set((one.get("class") or "").lower().split())]
    for stray in (*_all(main, _FURNITURE), *widgets):
        words = " ".join(stray.text_content().split())
        if stray.getparent() is None or stray is main or comes_close(words):
            continue  # a notice is never thrown away unseen: it may be somebody else's
        if words:
            told.append(f"“{words[:60]}{'…' if len(words) > 60 else ''}”")
        stray.drop_tree()
    return told


def _notice_elsewhere(root: lxml_html.HtmlElement, main: lxml_html.HtmlElement) -> Block | None:
    """A notice that the page has outside of its text, below it: as the last block it is recognised as any other."""
    if named_in(possible_text(inner(root)), whole=False) is None or named_in(possible_text(inner(main)), whole=False):
        return None
    for element in reversed(_all(root, "//body//*[not(ancestor-or-self::script)][not(ancestor-or-self::style)]")):
        words = " ".join(element.text_content().split())
        if named_in(words, whole=True):
            return Block(words, outer(element))
    return None


def _is_comment(article: lxml_html.HtmlElement) -> bool:
    """A reader's word below the text is an article too, by the book."""
    return any(
        _COMMENT & set(f"{one.get('class') or ''} {one.get('id') or ''}".lower().split())
        for one in (article, *article.iterancestors())
    )


def _all(element: lxml_html.HtmlElement, path: str) -> list[lxml_html.HtmlElement]:
    """The elements of an XPath that selects elements only."""
    return cast("list[lxml_html.HtmlElement]", element.xpath(path))
