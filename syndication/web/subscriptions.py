"""Subscribe, confirm, preferences, unsubscribe: the pages of subscribers.

Guarantees: no GET changes anything (guarantee 5); a form that is submitted as it stands changes nothing either, unless the
subscribing browser's cookie comes along, so that scanners neither confirm nor unsubscribe anybody; RFC 8058's POST leaves
at once, without cookie or redirect; asking has one answer whether an address is known or not.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from syndication.audience import leaving, subscribing
from syndication.audience.handles import is_former, subscriber_by_handle
from syndication.audience.wishes import DEFAULT_CADENCE, EVERYTHING, Evidence, Form, cadence_named, zones
from syndication.errors import BadInput, Conflict, SyndicationError
from syndication.ledger.lookup import the_publication
from syndication.ledger.tables import Publication, Series, Subscriber, Subscription
from syndication.web.visitors import Limit, client_address, form_endpoint, numbers, text
from syndication.wiring import Wiring

CADENCES = (("at-once", "at once"), ("daily", "daily"), ("weekly", "weekly"))
COOKIE = "asked"
ASKS = "20/minute;300/hour"  # an address of a visitor; each web process counts for itself


def routes(wiring: Wiring) -> list[BaseRoute]:
    pages = _Pages(wiring)
    found: list[BaseRoute] = []
    for path, act in (
        ("/subscribe", pages.subscribe),
        ("/confirm/{token}", pages.confirm),
        ("/preferences/{token}", pages.preferences),
        ("/unsubscribe/{token}", pages.unsubscribe),
    ):
        endpoint = form_endpoint(act)
        # With a slash too: a mail client's POST must never meet a redirect (RFC 8058 §3.1).
        found += [Route(p, endpoint, methods=["GET", "POST"]) for p in (path, f"{path}/")]
    return found


class _Pages:
    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self.limit = Limit(ASKS)

    def subscribe(self, request: Request, form: FormData | None) -> Response:
        if form is None:
            asked = tuple(request.query_params.getlist("series"))
            return self._subscribe_page(Form(email="", series=asked))
        found = Form(
            email=text(form, "email"),
            series=tuple(value for value in form.getlist("series") if isinstance(value, str)),
            cadence=text(form, "cadence"),
            timezone=text(form, "timezone"),
            language=text(form, "language"),
            name=text(form, "name"),
        )
        ip = client_address(request, self.wiring.settings.trusted_proxies)
        if not self.limit.admits(ip):
            return PlainTextResponse("Too many requests from here; try again in an hour.", 429, {"Retry-After": "3600"})
        answer = self._page("frame.html", "Look into your mailbox", words=(
            "A mail with a link is on its way, unless one went there today already. "
            "Open the link and press the button; nothing is sent before that."
        ))  # fmt: skip
        if text(form, "website"):  # the field that no person sees
            return answer
        try:
            with self.wiring.db.transaction() as session:
                wanted = subscribing.ask(session, the_publication(session), found, self._evidence(request, "form"))
        except BadInput as error:
            return self._subscribe_page(found, str(error))
        answer.set_cookie(
            COOKIE,
            self.wiring.signer.make(COOKIE, _mark(wanted.address.key)),
            max_age=self.wiring.settings.consent_token_hours * 3600,
            path="/confirm",
            httponly=True,
            samesite="lax",
            secure=self.wiring.base_url.startswith("https:"),
        )
        return answer

    def confirm(self, request: Request, form: FormData | None) -> Response:
        try:
            payload = self.wiring.signer.read(
                "confirm",
                request.path_params["token"],
                max_age_seconds=self.wiring.settings.consent_token_hours * 3600,
            )
            with self.wiring.db.reading() as session:
                found = subscribing.opened(session, payload)
            known = self._asked_here(request, found.subscriber)
            choice = text(form, "choice") if form is not None else ""
            if found.done:
                return self._page("frame.html", "Confirmed", words="This was confirmed already.")
            if form is None or not (known or choice in {"yes", "no"}):
                return self._page(
                    "confirm.html",
                    "Please confirm",
                    error="Choose one of the two, then press the button." if form is not None else "",
                    address=found.subscriber.address,
                    wishes=found.wishes,
                    names=dict(CADENCES),
                    known=known,
                )
            evidence = self._evidence(request, "confirm page, " + ("same browser" if known else "choice"))
            with self.wiring.db.transaction() as session:
                if choice == "no":
                    subscribing.decline(session, payload, evidence)
                    return self._page("frame.html", "Not confirmed", words="No mail will follow.")
                subscribing.confirm(session, payload, evidence)
            return self._page("frame.html", "Confirmed", words="Your first mail comes with the next new entry.")
        except SyndicationError as error:
            return self._page("frame.html", "This link does not work", 410, error=str(error), words="")

    def preferences(self, request: Request, form: FormData | None) -> Response:
        token = request.path_params["token"]
        with self.wiring.db.reading() as session:
            person = subscriber_by_handle(session, token)
            if person is None:
                return self._nobody(session, token)
        if form is None:
            return self._preferences_page(token)
        evidence = self._evidence(request, "preferences")
        try:
            with self.wiring.db.transaction() as session:
                person = session.get_one(Subscriber, person.id)
                if text(form, "leave") == "erase":
                    leaving.erase(session, person, evidence)
                    return self._page("frame.html", "Erased", words="Your record is erased; no mail will follow.")
                if text(form, "leave") == "all":
                    leaving.leave(session, person, evidence)
                    return self._page("frame.html", "Unsubscribed", words="No mail will follow.")
                stopping = set(numbers(form, "stop"))
                active = {row.scope for row in _following(session, person.id)}
                cadences = {
                    scope: cadence_named(text(form, f"cadence-{scope}"))
                    for scope in active - stopping
                    if text(form, f"cadence-{scope}")
                }
                known = set(session.scalars(select(Series.id))) | {EVERYTHING}
                cadences |= dict.fromkeys(set(numbers(form, "begin")) & known - active, DEFAULT_CADENCE)
                subscribing.change(
                    session,
                    person,
                    evidence,
                    cadences=cadences,
                    timezone=text(form, "timezone"),
                    language=text(form, "language"),
                )
                for scope in sorted(stopping & active):
                    _stop(session, person, scope, evidence)
        except (BadInput, Conflict) as error:
            return self._preferences_page(token, str(error))
        return self._preferences_page(token, title="Saved")

    def unsubscribe(self, request: Request, form: FormData | None) -> Response:
        token = request.path_params["token"]
        with self.wiring.db.reading() as session:
            person = subscriber_by_handle(session, token)
            if person is None:
                return self._nobody(session, token, one_click=_is_one_click(form))
            following = [_shown(session, row) for row in _following(session, person.id)]
        if _is_one_click(form):
            with self.wiring.db.transaction() as session:
                leaving.leave(session, session.get_one(Subscriber, person.id), self._evidence(request, "one-click"))
            return PlainTextResponse("Unsubscribed.")
        choice = text(form, "choice") if form is not None else ""
        if choice == "all" or choice.isdigit():
            with self.wiring.db.transaction() as session:
                who = session.get_one(Subscriber, person.id)
                evidence = self._evidence(request, "unsubscribe page")
                if choice == "all":
                    leaving.leave(session, who, evidence)
                elif int(choice) in {row["scope"] for row in following}:
                    _stop(session, who, int(choice), evidence)
            return self._page("frame.html", "Unsubscribed", words="It stops now.")
        if not following:
            return self._page("frame.html", "Unsubscribed", words="No mail goes to you from here.")
        return self._page(
            "unsubscribe.html",
            "Unsubscribe",
            error="Choose what shall stop." if form is not None else "",
            following=following,
            token=token,
        )

    def _subscribe_page(self, form: Form, error: str = "") -> Response:
        with self.wiring.db.reading() as session:
            publication = the_publication(session)
            series = session.execute(select(Series.slug, Series.title).order_by(Series.title)).all()
        shown = Form(
            email=form.email,
            series=form.series or (publication.default_series or "all",),
            cadence=form.cadence or DEFAULT_CADENCE,
            timezone=form.timezone or publication.timezone,
            language=form.language or publication.language,
        )
        return self._page(
            "subscribe.html",
            "Subscribe",
            422 if error else 200,
            error=error,
            form=shown,
            series=series,
            cadences=CADENCES,
            zones=sorted(zones()),
        )

    def _preferences_page(self, token: str, error: str = "", title: str = "Your preferences") -> Response:
        with self.wiring.db.reading() as session:
            person = subscriber_by_handle(session, token)
            if person is None:
                return self._nobody(session, token)
            following = [_shown(session, row) for row in _following(session, person.id)]
            mine = {row["scope"] for row in following}
            everything = [(EVERYTHING, "Everything")]
            others = everything + [tuple(r) for r in session.execute(select(Series.id, Series.title))]
        if not following:
            return self._page(
                "frame.html", title, error=error, words="You get no mail from here; /subscribe begins anew."
            )
        return self._page(
            "preferences.html",
            title,
            422 if error else 200,
            error=error,
            address=person.address,
            following=following,
            others=[pair for pair in others if pair[0] not in mine],
            cadences=CADENCES,
            timezone=person.timezone,
            language=person.language,
            zones=sorted(zones()),
        )

    def _nobody(self, session: Session, token: str, one_click: bool = False) -> Response:
        """A former handle is answered as somebody who is gone already; any other is not found."""
        if not is_former(session, token):
            return self._page("frame.html", "Not found", 404, words="Open the link from the mail again, whole.")
        if one_click:
            return PlainTextResponse("Unsubscribed.")
        return self._page("frame.html", "Unsubscribed", words="Your record is erased; no mail will follow.")

    def _asked_here(self, request: Request, person: Subscriber) -> bool:
        try:
            return bool(self.wiring.signer.read(COOKIE, request.cookies.get(COOKIE, "")) == _mark(person.address_key))
        except BadInput:
            return False

    def _evidence(self, request: Request, via: str) -> Evidence:
        ip = client_address(request, self.wiring.settings.trusted_proxies)
        return Evidence(ip=ip, user_agent=request.headers.get("user-agent", ""), via=via)

    def _page(self, template: str, title: str, status: int = 200, **context: Any) -> HTMLResponse:
        with self.wiring.db.reading() as session:
            name = session.scalars(select(Publication.name)).first() or ""
        shown = {"error": "", "title": title, "publication": name, **context}
        return HTMLResponse(self.wiring.renderer.render(f"web/subscription/{template}", **shown), status)


def _is_one_click(form: FormData | None) -> bool:
    return form is not None and text(form, "List-Unsubscribe").lower() == "one-click"


def _following(session: Session, subscriber_id: int) -> list[Subscription]:
    mine = (Subscription.subscriber_id == subscriber_id) & (Subscription.state == "active")
    return list(session.scalars(select(Subscription).where(mine).order_by(Subscription.scope)))


def _shown(session: Session, row: Subscription) -> dict[str, Any]:
    title = session.get_one(Series, row.series_id).title if row.series_id else "Everything"
    return {"scope": row.scope, "cadence": row.cadence, "title": title}


def _stop(session: Session, person: Subscriber, scope: int, evidence: Evidence) -> None:
    leaving.leave(session, person, evidence, series_id=scope)


def _mark(address_key: str) -> str:
    return hashlib.sha256(address_key.encode()).hexdigest()
