"""What the partner API says of itself: the OpenAPI description's words, keys and answers, and the same as a page for people."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fastapi import Response
from markdown_it import MarkdownIt
from markupsafe import Markup
from pydantic import BaseModel

from syndication.partners.records import EXAMPLE, ChangesPage, EntryRecord

TITLE = "Partner API"
INTRODUCTION = """\
Full text of your series, with credit, licence and the publisher's independence notice inside.

**Your key.** Send the token you were given as `Authorization: Bearer TOKEN`. Importers that know only Basic may send it as the
password with any user name, or as the user name. Keep it out of addresses and logs.

**Polite pulling.** Send the `ETag` you were given as `If-None-Match`: an unchanged answer is `304` and costs nothing. After
`429` or `503` wait the seconds of `Retry-After`. Every request with your key is recorded: the publisher sees which revisions
you have.

**What you owe.** Show `content_html` whole: its last paragraph is the notice. Link to `canonical_url`. When an entry comes
again with a higher `revision`, replace your copy; when its `state` is `withdrawn`, take your copy down.
"""
FORMAT = "`rss`, `atom` or `json`."
CURSOR = "`next_cursor` of the last page you have kept; `0` begins with the oldest change. Keep one a `series`."
LIMIT = "Entries a page, at most; a page with very long texts ends sooner."
SERIES = "Only this one of your series, by slug."
REF = "`number` or `id` of the entry."


class Refusal(BaseModel):
    detail: str


def _refusal(description: str, detail: str, **headers: str) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "model": Refusal,
        "description": description,
        "content": {"application/json": {"example": {"detail": detail}}},
    }
    if headers:
        answer["headers"] = {
            name.replace("_", "-"): {"description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        }
    return answer


_VALIDATORS = {
    "ETag": {"description": "Send it as `If-None-Match` next time.", "schema": {"type": "string"}},
}
_COMMON: dict[int | str, dict[str, Any]] = {
    304: {"description": "You have this already (`If-None-Match`).", "headers": _VALIDATORS},
    401: _refusal(
        "No key, a wrong one, or a revoked one.", "Send your partner token.", WWW_Authenticate="Bearer and Basic."
    ),
    404: _refusal(
        "Not there, or not in your series.", "There is no such entry in your series; see /partners/v1/entries."
    ),
    422: _refusal("A parameter that is not what it should be.", "limit: Input should be less than or equal to 100."),
    429: _refusal("Too many requests.", "Too many requests; ask again in a minute.", Retry_After="Seconds to wait."),
    503: _refusal("Not now.", "The feed is being made.", Retry_After="Seconds to wait."),
}
FEED: dict[str, Any] = {
    "summary": "The newest entries as a feed",
    "response_class": Response,
    "description": "The twenty newest entries of your series, full text, as RSS 2.0, Atom or JSON Feed 1.1. A corrected entry "
    "shows its new text under the same id, a withdrawn one leaves. For every change, also of older entries, use "
    "`/v1/entries`.",
    "responses": {
        **_COMMON,
        200: {
            "description": "The feed.",
            "headers": _VALIDATORS,
            "content": {
                "application/rss+xml": {"schema": {"type": "string"}},
                "application/atom+xml": {"schema": {"type": "string"}},
                "application/feed+json": {"schema": {"type": "object", "required": ["version", "title", "items"]}},
            },
        },
    },
}
CHANGES: dict[str, Any] = {
    "summary": "Every change, in order",
    "description": "New entries, corrections and withdrawals, oldest change first, each once; none is lost while entries are "
    "published. Keep `next_cursor` when you have kept the page; ask again at once while `more` is true, else in some minutes. "
    "What you see of an entry is how it stands now: one that changed twice since you asked comes once.",
    "response_model": ChangesPage,
    "responses": {
        **_COMMON,
        200: {"description": "A page of changes; without entries when there is nothing new.", "headers": _VALIDATORS},
        400: _refusal(
            "A cursor that was never given out.", "This cursor lies ahead of everything published; begin again."
        ),
    },
}
ENTRY: dict[str, Any] = {
    "summary": "One entry",
    "description": "An entry of your series as it stands now.",
    "response_model": EntryRecord,
    "responses": {
        **_COMMON,
        200: {"description": "The entry.", "headers": _VALIDATORS},
        410: {"model": EntryRecord, "description": "The entry was withdrawn; the record says when and why."},
    },
}
_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer TOKEN`"},
    "basic": {"type": "http", "scheme": "basic", "description": "The token as password, any user name."},
}


def completed(describe: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """FastAPI's description with the keys, which it can't know of, added once."""

    def openapi() -> dict[str, Any]:
        found = describe()
        found["components"]["securitySchemes"] = _KEYS
        found["security"] = [{name: []} for name in _KEYS]
        return found

    return openapi


def shown(description: dict[str, Any]) -> dict[str, Any]:
    """The description as a page shows it: operations with their parameters and answers, the fields of a record."""
    markdown = MarkdownIt()

    def prose(text: str) -> Markup:
        return Markup(markdown.render(text))  # noqa: S704  # our own words, above

    def words(text: str) -> Markup:
        return Markup(markdown.renderInline(text))  # noqa: S704  # our own words, above

    base = description["servers"][0]["url"]
    record = description["components"]["schemas"]["EntryRecord"]
    return {
        "title": description["info"]["title"],
        "introduction": prose(description["info"]["description"]),
        "base": base,
        "operations": [
            {
                "address": f"{base}{path}",
                "summary": act["summary"],
                "description": prose(act["description"]),
                "parameters": [(p["name"], words(p.get("description", ""))) for p in act.get("parameters", ())],
                "answers": [
                    (status, words(answer["description"])) for status, answer in sorted(act["responses"].items())
                ],
            }
            for path, methods in description["paths"].items()
            for act in methods.values()
        ],
        "fields": [(name, words(field.get("description", ""))) for name, field in record["properties"].items()],
        "example": json.dumps(EXAMPLE, indent=2, ensure_ascii=False),
    }
