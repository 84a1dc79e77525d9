"""`/healthz` (the process answers), `/readyz` (everything that is published can be fetched), `/metrics` (Prometheus)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from syndication import clock
from syndication.ledger import attempts, readership, schema
from syndication.ledger.content import Entry, Feed, Publication
from syndication.ledger.db import ledger_now
from syndication.ledger.machines import Push
from syndication.ledger.mailings import Delivery, Issue
from syndication.ledger.operations import Seen
from syndication.mail import restrictions
from syndication.wiring import Wiring, running_service

_FEEDS_NAMED = 200  # those that are read most; `syndicate readers` has them all


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
                select(func.count())
                .select_from(Feed)
                .where(
                    Feed.rendered_seq < Feed.wanted_seq,
                    Feed.gone.is_(False),
                    ~attempts.refused(session, "feed", Feed.id),  # what one entry breaks takes nothing else off the air
                )
            )
            due = session.scalar(
                select(func.count())
                .select_from(Entry)
                .where(
                    Entry.state == "scheduled",
                    Entry.scheduled_at <= clock.now(),
                    ~attempts.refused(session, "publish", Entry.id),
                )
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
            _at_work(session, registry)
            readers = Gauge(
                "syndication_readers", "Subscribers of a feed that aggregators speak of", ["feed"], registry=registry
            )
            for row in readership.by_feed(session)[:_FEEDS_NAMED]:
                readers.labels(row["feed"]).set(row["subscribers"])
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


def _at_work(session: Session, registry: CollectorRegistry) -> None:
    """What operators watch: what waits, for how long, and who was seen. By index, however many deliveries there are."""
    waiting = Gauge("syndication_deliveries_waiting", "Mail that is not settled", ["kind", "state"], registry=registry)
    oldest = Gauge("syndication_oldest_due_seconds", "How long the oldest mail has been due", registry=registry)
    pushes = Gauge("syndication_pushes_waiting", "Pushes that are not settled", registry=registry)
    seen = Gauge("syndication_seen_seconds", "Since a process of this kind was seen", ["kind"], registry=registry)
    held = Gauge("syndication_destination_waiting", "Mail held for a destination", ["name", "state"], registry=registry)
    for one in restrictions.listing(session):
        held.labels(one["name"], one["state"]).set(one["waiting"])
    now = ledger_now(session)
    unsettled = text("delivery.state IN ('pending', 'deferred')")  # literal, for the partial index
    for kind, state, count in session.execute(
        select(Delivery.kind, Delivery.state, func.count()).where(unsettled).group_by(Delivery.kind, Delivery.state)
    ):
        waiting.labels(kind, state).set(count)
    due = session.scalar(select(func.min(Delivery.due_at)).where(unsettled))
    oldest.set(max(0.0, (now - due).total_seconds()) if due else 0)
    open_ = text("push.state IN ('pending', 'sending')")
    pushes.set(session.scalar(select(func.count()).select_from(Push).where(open_)) or 0)
    for kind, at in session.execute(select(Seen.kind, func.max(Seen.at)).group_by(Seen.kind)):
        seen.labels(kind).set((now - at).total_seconds())
