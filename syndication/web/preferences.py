"""Preferences, unsubscribe, one's record: the pages of people who are there.

Guarantees: no GET changes anything, and no form that is submitted as it stands (guarantee 5); RFC 8058's POST leaves at once,
without cookie or redirect, in both encodings, and answers 200 also to those who left or were erased. The address is the key:
it holds the person's handle, so no other site can send these forms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from syndication.audience import leaving, subscribing
from syndication.audience.handles import is_former, subscriber_by_handle
from syndication.audience.records import whole_record
from syndication.audience.wishes import CADENCES, EVERYTHING, Evidence
from syndication.audience.words import Words, words_for
from syndication.errors import BadInput, Conflict
from syndication.ledger.lookup import the_publication
from syndication.ledger.tables import Publication, Series, Subscriber, Subscription
from syndication.web import visitors
from syndication.web.choices import language_choices, zone_choices
from syndication.web.visitors import evidence_of, form_endpoint, number, text
from syndication.wiring import Wiring

NONE: Final = "none"
_ONE_CLICK: Final = b"list-unsubscribe=one-click"


def routes(wiring: Wiring) -> list[BaseRoute]:
    staying = _Staying(wiring)
    found: list[BaseRoute] = []
    for path, act in (("/preferences/{token}", staying.preferences), ("/unsubscribe/{token}", staying.unsubscribe)):
        # With a slash too: a mail client's POST must never meet a redirect (RFC 8058 §3.1).
        found += [Route(p, form_endpoint(act), methods=["GET", "POST"]) for p in (path, f"{path}/")]
    return found


@dataclass(frozen=True, slots=True)
class Choice:
    """One series, or everything, on the page of preferences: what is chosen, and what may be."""

    scope: int
    title: str
    chosen: str
    options: list[tuple[str, str]]


class _Staying:
    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring

    def preferences(self, request: Request, form: FormData | None) -> Response:
        try:
            return self._preferences(request, form)
        except Gone:
            return self._just_gone(request, one_click=False)

    def unsubscribe(self, request: Request, form: FormData | None) -> Response:
        one_click = form is not None and _is_one_click(request, form)
        try:
            return self._unsubscribe(request, form, one_click)
        except Gone:
            return self._just_gone(request, one_click)

    def _just_gone(self, request: Request, one_click: bool) -> Response:
        """Their record was erased by another request while this one was answered."""
        with self.wiring.db.reading() as session:
            return self._nobody(session, request.path_params["token"], one_click)

    def _preferences(self, request: Request, form: FormData | None) -> Response:
        token = request.path_params["token"]
        with self.wiring.db.reading() as session:
            person = subscriber_by_handle(session, token)
            if person is None:
                return self._nobody(session, token)
        words = words_for(person.language)
        if form is None:
            return self._preferences_page(token)
        evidence = evidence_of(self.wiring, request, "preferences")
        if text(form, "act") == "record":
            return self._record(person)
        if text(form, "leave") in {"all", "erase"}:
            return self._leave(person, text(form, "leave"), evidence)
        try:
            with self.wiring.db.transaction() as session:
                _save(session, _still(session, person), form, evidence)
        except BadInput as error:
            return self._preferences_page(token, error=words.wrong(error.where))
        except Conflict:  # they left in another window
            return self._preferences_page(token)
        return self._preferences_page(token, saved=True)

    def _unsubscribe(self, request: Request, form: FormData | None, one_click: bool) -> Response:
        token = request.path_params["token"]
        with self.wiring.db.reading() as session:
            person = subscriber_by_handle(session, token)
            if person is None:
                return self._nobody(session, token, one_click)
            following = _following(session, person.id)
            titles = _titles(session, person.publication_id)
        words = words_for(person.language)
        if one_click:
            with self.wiring.db.transaction() as session:
                leaving.leave(session, _still(session, person), evidence_of(self.wiring, request, "one-click"))
            return PlainTextResponse("Unsubscribed.")
        choice = text(form, "choice") if form is not None else ""
        evidence = evidence_of(self.wiring, request, "unsubscribe page")
        if choice == "all":
            return self._leave(person, "all", evidence)
        scope = number(choice)
        if scope in titles and scope != EVERYTHING:
            with self.wiring.db.transaction() as session:
                leaving.leave(session, _still(session, person), evidence, series_id=scope)
            return self._message(words, words.unsubscribed_title, words.unsubscribed_one.format(series=titles[scope]))
        if not following:
            return self._message(words, words.unsubscribed_title, words.nothing_followed, again=True)
        return visitors.page(
            self.wiring,
            words,
            "unsubscribe.html",
            words.unsubscribe_title,
            error=words.choose_one if form is not None else "",
            address=person.address,
            following=[(scope, titles[scope]) for scope in following if scope != EVERYTHING],
            token=token,
        )

    def _leave(self, person: Subscriber, how: str, evidence: Evidence) -> Response:
        words = words_for(person.language)
        with self.wiring.db.transaction() as session:
            who = _still(session, person)
            if how == "erase":
                leaving.erase(session, who, evidence)
            else:
                leaving.leave(session, who, evidence)
        if how == "erase":
            return self._message(words, words.erased_title, words.erased)
        return self._message(words, words.unsubscribed_title, words.unsubscribed_all)

    def _record(self, person: Subscriber) -> Response:
        with self.wiring.db.reading() as session:
            record = whole_record(session, _still(session, person))
        return Response(
            orjson.dumps(record, option=orjson.OPT_INDENT_2),
            media_type="application/json",
            headers={"Content-Disposition": 'attachment; filename="record.json"'},
        )

    def _preferences_page(self, token: str, error: str = "", saved: bool = False) -> Response:
        with self.wiring.db.reading() as session:
            person = subscriber_by_handle(session, token)
            if person is None:
                return self._nobody(session, token)
            publication = the_publication(session)
            words = words_for(person.language)
            offered = language_choices(session, publication, person.language)
            listed = _choices(session, publication, person, words)
        return visitors.page(
            self.wiring,
            words,
            "preferences.html",
            words.preferences_title,
            422 if error else 200,
            error=error,
            saved=saved,
            person=person,
            choices=listed,
            zones=zone_choices(person.timezone),
            languages=offered,
        )

    def _nobody(self, session: Session, token: str, one_click: bool = False) -> Response:
        """A former handle is answered as somebody who is gone already; any other is not found."""
        words = words_for(the_publication(session).language)
        if not is_former(session, token):
            return visitors.page(self.wiring, words, "message.html", words.link_title, 404, error=words.link_forged)
        if one_click:
            return PlainTextResponse("Unsubscribed.")
        return self._message(words, words.erased_title, words.erased)

    def _message(self, words: Words, heading: str, said: str, again: bool = False) -> Response:
        return visitors.page(self.wiring, words, "message.html", heading, text=said, again=again)


class Gone(Exception):
    """The person's record was erased meanwhile."""


def _still(session: Session, person: Subscriber) -> Subscriber:
    """The person, read in this transaction. Raises Gone."""
    found = session.get(Subscriber, person.id)
    if found is None:
        raise Gone
    return found


def _save(session: Session, person: Subscriber, form: FormData, evidence: Evidence) -> None:
    """What changed on the page; what begins comes before what stops, so that nobody is gone in between."""
    titles = _titles(session, person.publication_id)
    wanted = {scope: text(form, f"cadence-{scope}") for scope in titles}
    subscribing.change(
        session,
        person,
        evidence,
        cadences={scope: cadence for scope, cadence in wanted.items() if cadence in CADENCES},
        timezone=text(form, "timezone"),
        language=text(form, "language"),
    )
    for scope, cadence in wanted.items():
        if cadence == NONE:
            leaving.leave(session, person, evidence, series_id=scope)


def _choices(session: Session, publication: Publication, person: Subscriber, words: Words) -> list[Choice]:
    """Everything first, then each series; nothing at all for a person who follows nothing."""
    following = _following(session, person.id)
    if not following:
        return []
    fenced = set(
        session.scalars(select(Subscription.scope).where(Subscription.subscriber_id == person.id, Subscription.shields))
    )
    every = following.get(EVERYTHING)
    named = [(name, words.cadence(name)) for name in CADENCES]
    found = []
    for scope, title in _titles(session, publication.id).items():
        covered = [("", words.as_everything.format(cadence=words.cadence(every)))] if every else []
        options = [*named, (NONE, words.not_sent)]
        chosen = following.get(scope, NONE)
        if scope != EVERYTHING and scope not in fenced and covered:
            options, chosen = covered + options, ""
        found.append(Choice(scope, title or words.everything, chosen, options))
    return found


def _following(session: Session, subscriber_id: int) -> dict[int, str]:
    """Scope → cadence of what is active."""
    mine = (Subscription.subscriber_id == subscriber_id) & (Subscription.state == "active")
    query = select(Subscription.scope, Subscription.cadence).where(mine).order_by(Subscription.scope)
    return {row.scope: row.cadence for row in session.execute(query)}


def _titles(session: Session, publication_id: int) -> dict[int, str]:
    """Scope → title; everything, without one, first."""
    query = select(Series.id, Series.title).where(Series.publication_id == publication_id).order_by(Series.title)
    return {EVERYTHING: ""} | {row.id: row.title for row in session.execute(query)}


def _is_one_click(request: Request, form: FormData) -> bool:
    """Also where a client forgot to say that it sends a form."""
    body: Any = getattr(request, "_body", b"")
    return text(form, "List-Unsubscribe").lower() == "one-click" or body.strip().lower() == _ONE_CLICK
