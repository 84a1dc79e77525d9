"""`/healthz` (the process answers), `/readyz` (everything that is published can be fetched), `/metrics` (Prometheus)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from syndication import clock
from syndication.ledger import schema
from syndication.ledger.content import Entry, Feed, Publication
from syndication.ledger.mailings import Issue
from syndication.wiring import Wiring, running_service


def unready(wiring: Wiring) -> list[str]:
    """Why this service is not ready, in words; empty: it is."""
    preparing = running_service(wiring.settings.data_dir).get("preparing")
    reasons: list[str] = [preparing] if preparing else []
    try:
        standing = schema.standing(wiring.db)
        if standing != "current":
            return [*reasons, f"the ledger's schema is {standing}: run `syndicate init`"]
        with wiring.db.reading() as session:
            publication = session.scalars(select(Publication).limit(1)).first()
            if publication is None:
                return reasons
            owed = session.scalar(
                select(func.count()).select_from(Feed).where(Feed.rendered_seq < Feed.wanted_seq, Feed.gone.is_(False))
            )
            due = session.scalar(
                select(func.count())
                .select_from(Entry)
                .where(Entry.state == "scheduled", Entry.scheduled_at <= clock.now())
            )
            if publication.base_url and publication.base_url != wiring.base_url:
                reasons.append(f"feeds are still those of {publication.base_url}")
            if owed:
                reasons.append(f"{owed} feeds are still to be rendered")
            if due:
                reasons.append(f"{due} scheduled entries are due and not published yet")
    except SQLAlchemyError as error:
        reasons.append(f"the ledger does not answer or has no schema: {type(error).__name__}")
    return reasons


def routes(wiring: Wiring) -> list[BaseRoute]:
    def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})

    def readyz(request: Request) -> Response:
        reasons = unready(wiring)
        body = {"ready": not reasons, "reasons": reasons}
        return JSONResponse(body, 503 if reasons else 200, headers={"cache-control": "no-store"})

    def metrics(request: Request) -> Response:
        registry = CollectorRegistry()
        entries = Gauge("syndication_entries", "Entries by state", ["state"], registry=registry)
        issues = Gauge("syndication_issues", "Issues by state", ["state"], registry=registry)
        owed = Gauge("syndication_feeds_owed", "Feeds that are behind", registry=registry)
        with wiring.db.reading() as session:
            public = Entry.state.in_(("published", "withdrawn"))  # that something waits is nobody's to see
            for state, count in session.execute(select(Entry.state, func.count()).where(public).group_by(Entry.state)):
                entries.labels(state).set(count)
            for state, count in session.execute(select(Issue.state, func.count()).group_by(Issue.state)):
                issues.labels(state).set(count)
            owed.set(
                session.scalar(select(func.count()).select_from(Feed).where(Feed.rendered_seq < Feed.wanted_seq)) or 0
            )
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
