"""`/outbox/`: the messages the maildir transport wrote, newest first, as a person would read them. On loopback only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from syndication.settings import Settings
from syndication.web.loopback import headers, only_here
from syndication.wiring import Wiring

A_PAGE = 50
_ID = re.compile(r"\d+")
_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of the maildir; its name begins with the delivery's id."""

    delivery: int
    path: Path
    at: datetime


def folder(settings: Settings) -> Path:
    """The maildir of `mail_url`."""
    return Path(settings.resolved_mail_url.removeprefix("maildir:").partition("?")[0])


def kept(settings: Settings) -> list[Kept]:
    """Every message in `new` and `cur`, newest first. A file that vanishes meanwhile is left out."""
    found: list[Kept] = []
    for place in ("new", "cur"):
        for file in (folder(settings) / place).glob("[0-9]*"):
            name = _ID.match(file.name)
            try:
                at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
            except FileNotFoundError:
                continue
            if name:
                found.append(Kept(int(name[0]), file, at))
    return sorted(found, key=lambda k: (k.at, k.delivery), reverse=True)


def message(settings: Settings, delivery: int) -> EmailMessage | None:
    """The message of a delivery, or None where the outbox has none."""
    for found in kept(settings):
        if found.delivery == delivery:
            return read(found.path)
    return None


def read(path: Path) -> EmailMessage:
    parsed = message_from_bytes(path.read_bytes(), policy=default)
    assert isinstance(parsed, EmailMessage)  # what this policy makes
    return parsed


def part(mail: EmailMessage, kind: str) -> str:
    """The `html` or `plain` part, decoded; empty where there is none."""
    body = mail.get_body((kind,))
    return str(body.get_content()) if body is not None else ""


def framed(wiring: Wiring, document: str) -> HTMLResponse:
    """Foreign HTML for an iframe of ours: no script, no form, links open beside it."""
    base = '<base target="_blank">'
    head = _HEAD.search(document)
    document = document[: head.end()] + base + document[head.end() :] if head else base + document
    return HTMLResponse(document, headers=headers(wiring, framed=True))


def routes(wiring: Wiring) -> list[BaseRoute]:
    settings = wiring.settings

    def render(template: str, **context: object) -> HTMLResponse:
        return HTMLResponse(wiring.renderer.render(template, **context), headers=headers(wiring))

    def listing(request: Request) -> Response:
        everything = kept(settings)
        asked = request.query_params.get("page", "1")
        number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 1
        pages = max(1, -(-len(everything) // A_PAGE))
        if not 1 <= number <= pages:
            raise HTTPException(404)
        shown = everything[(number - 1) * A_PAGE : number * A_PAGE]
        lines = [(k, mail["subject"], mail["to"]) for k, mail in ((k, read(k.path)) for k in shown)]
        return render("web/outbox.html", lines=lines, number=number, pages=pages, total=len(everything))

    def one(request: Request) -> Response:
        mail = found(request)
        return render(
            "web/outbox_message.html",
            delivery=request.path_params["delivery"],
            subject=str(mail["subject"] or "(no subject)"),
            fields=[(name, str(value)) for name, value in mail.items()],
            has_html=bool(part(mail, "html")),
            text=part(mail, "plain"),
        )

    def html(request: Request) -> Response:
        return framed(wiring, part(found(request), "html"))

    def found(request: Request) -> EmailMessage:
        mail = message(settings, request.path_params["delivery"])
        if mail is None:
            raise HTTPException(404)
        return mail

    def to_listing(request: Request) -> Response:
        return RedirectResponse("/outbox/", 308)

    return [
        Route("/outbox", only_here(wiring, to_listing)),
        Route("/outbox/", only_here(wiring, listing)),
        Route("/outbox/{delivery:int}", only_here(wiring, one)),
        Route("/outbox/{delivery:int}/html", only_here(wiring, html)),
    ]
