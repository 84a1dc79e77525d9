"""`/workbench`: one entry in four panes as it really went out (feed reader, HTML mail, text mail, partner).

The notice is marked and counted in each; from here to the outbox, the feeds and the equation of the newest issue. On loopback
only.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from syndication.digests import control
from syndication.ledger.content import Entry, Feed
from syndication.ledger.lookup import the_publication
from syndication.ledger.mailings import Issue
from syndication.ledger.states import DELIVERY_STATES
from syndication.web import outbox
from syndication.web.loopback import headers, only_here
from syndication.web.panes import mailed, panes_of
from syndication.wiring import Wiring

OFFERED = 20  # entries to choose from


def routes(wiring: Wiring) -> list[BaseRoute]:
    def bench(request: Request) -> Response:
        mails = outbox.kept(wiring.settings)
        with wiring.db.reading() as session:
            publication = the_publication(session)
            offered = list(
                session.scalars(
                    select(Entry)
                    .where(Entry.publication_id == publication.id, Entry.state == "published")
                    .order_by(Entry.published_at.desc(), Entry.id.desc())
                    .limit(OFFERED)
                )
            )
            number = request.path_params.get("entry")
            newest = mailed(session, offered, mails) or next(iter(offered), None)
            entry = newest if number is None else _published(session, number)
            public = (Feed.private.is_(False), Feed.gone.is_(False))
            near = ("all", entry.series.slug) if entry else ("all",)
            feeds = session.scalars(select(Feed.name).where(*public, Feed.name.in_(near))).all()
            html = wiring.renderer.render(
                "web/workbench.html",
                publication=publication,
                entry=entry,
                title=entry.revision.title if entry and entry.revision else "",
                page=f"/series/{entry.series.slug}/{entry.slug}/" if entry else "",
                offered=[(e.id, e.revision.title) for e in offered if e.revision],
                panes=panes_of(session, entry, mails) if entry else [],
                equation=_equation(session),
                feeds=sorted(feeds),
                mails=len(mails),
            )
        return HTMLResponse(html, headers=headers(wiring))

    def framed(request: Request) -> Response:
        with wiring.db.reading() as session:
            entry = _published(session, request.path_params["entry"])
            panes = panes_of(session, entry, outbox.kept(wiring.settings))
        for pane in panes:
            if pane.key == request.path_params["pane"] and pane.document:
                return outbox.framed(wiring, pane.document)
        raise HTTPException(404)

    return [
        Route("/workbench", only_here(wiring, bench)),
        Route("/workbench/{entry:int}", only_here(wiring, bench)),
        Route("/workbench/{entry:int}/{pane}", only_here(wiring, framed)),
    ]


def _published(session: Session, number: int) -> Entry:
    """404 for any other."""
    entry = session.get(Entry, number) if number < 2**63 else None
    if entry is None or entry.state != "published":
        raise HTTPException(404)
    return entry


def _equation(session: Session) -> dict[str, Any] | None:
    """The newest issue: what guarantee 3 adds up to, with numbers."""
    issue = session.scalars(select(Issue).order_by(Issue.id.desc()).limit(1)).first()
    if issue is None:
        return None
    counted = control.counts(session, issue.id)
    return {
        "issue": issue.id,
        "cadence": issue.cadence,
        "state": issue.state,
        "eligible": issue.eligible,
        "terms": [(state, counted[state]) for state in DELIVERY_STATES],
        "holds": issue.eligible == sum(counted.values()),
    }
