"""Subscribe and confirm: the pages of people who come.

Guarantees: no GET changes anything (guarantee 5); a form that is submitted as it stands confirms nothing, unless the
subscribing browser's cookie comes along, so that scanners confirm nobody; asking has one answer, after one time, whether an
address is known or not.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import select
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from syndication import clock, locales
from syndication.audience import subscribing
from syndication.audience.addresses import mailbox_of, parse
from syndication.audience.wishes import CADENCES, DEFAULT_CADENCE, Form
from syndication.audience.words import WORDS, Words, words_for
from syndication.errors import BadInput, NotFound, SyndicationError
from syndication.ledger.former import present_slugs
from syndication.ledger.lookup import the_publication
from syndication.ledger.tables import Series, Subscriber
from syndication.tokens import TokenExpired
from syndication.web import visitors
from syndication.web.choices import cadence_choices, language_choices, languages_of, zone_choices
from syndication.web.limits import Limit, visitor
from syndication.web.visitors import client_address, evidence_of, form_endpoint, text
from syndication.wiring import Wiring

COOKIE: Final = "asked"
ASKS: Final = "10/minute;60/hour"  # of one visitor
ASKED: Final = "10/day"  # for one mailbox, however its address is varied
ANSWER_AFTER_SECONDS: Final = 0.25  # longer than any of the things that asking may lead to


def routes(wiring: Wiring) -> list[BaseRoute]:
    joining = _Joining(wiring)
    found: list[BaseRoute] = []
    for path, endpoint in (
        ("/subscribe", _after_one_time(form_endpoint(joining.subscribe))),
        ("/confirm/{token}", form_endpoint(joining.confirm)),
    ):
        found += [Route(p, endpoint, methods=["GET", "POST"]) for p in (path, f"{path}/")]
    return found


def _after_one_time(endpoint: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """A known address takes less work than a new one; the visitor shall not see that by a clock either."""

    async def timed(request: Request) -> Response:
        began = clock.monotonic()
        response: Response = await endpoint(request)
        if request.method == "POST":
            await asyncio.sleep(max(0.0, began + ANSWER_AFTER_SECONDS - clock.monotonic()))
        return response

    return timed


class _Joining:
    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self.visitors = Limit("subscribe", ASKS, wiring.broker_url)
        self.mailboxes = Limit("mailbox", ASKED, wiring.broker_url)

    def subscribe(self, request: Request, form: FormData | None) -> Response:
        if form is None:
            asked = tuple(request.query_params.getlist("series"))
            return self._subscribe_page(request, Form(email="", series=asked))
        found = Form(
            email=text(form, "email"),
            series=tuple(value for value in form.getlist("series") if isinstance(value, str)),
            cadence=text(form, "cadence"),
            timezone=text(form, "timezone"),
            language=text(form, "language"),
            name=text(form, "name"),
        )
        words = self._words(request, found.language)
        if not self.visitors.admits(visitor(client_address(request, self.wiring.settings.trusted_proxies))):
            answer = visitors.page(self.wiring, words, "message.html", words.too_many_title, 429, text=words.too_many)
            answer.headers["Retry-After"] = str(self.visitors.wait_seconds)
            return answer
        try:
            address = parse(found.email)
            key = address.key
            # The field "website" is one that no person sees.
            if not text(form, "website") and self.mailboxes.admits(mailbox_of(address)):
                with self.wiring.db.transaction() as session:
                    subscribing.ask(session, the_publication(session), found, evidence_of(self.wiring, request, "form"))
        except BadInput as error:
            return self._subscribe_page(request, found, error.where)
        answer = visitors.page(self.wiring, words, "asked.html", words.asked_title, address=address.written)
        answer.set_cookie(
            COOKIE,
            self.wiring.signer.make(COOKIE, _mark(key)),
            max_age=self.wiring.settings.consent_token_hours * 3600,
            path="/confirm",
            httponly=True,
            samesite="lax",
            secure=self.wiring.base_url.startswith("https:"),
        )
        return answer

    def confirm(self, request: Request, form: FormData | None) -> Response:
        words = self._words(request)
        try:
            letter_id = int(
                self.wiring.signer.read(
                    "confirm",
                    request.path_params["token"],
                    max_age_seconds=self.wiring.settings.consent_token_hours * 3600,
                )
            )
            with self.wiring.db.reading() as session:
                found = subscribing.opened(session, letter_id)
            words = words_for(found.subscriber.language)
            return self._confirm(request, form, words, letter_id, found)
        except SyndicationError as error:
            status, said = _dead(words, error)
            return visitors.page(
                self.wiring, words, "message.html", words.link_title, status, error=said, again=status == 410
            )

    def _confirm(
        self, request: Request, form: FormData | None, words: Words, letter_id: int, found: subscribing.Confirmation
    ) -> Response:
        known = not found.declined and self._asked_here(request, found.subscriber)
        choice = text(form, "choice") if form is not None else ""
        if found.done:
            return self._message(words, words.confirmed_title, words.confirmed_already)
        if form is None or not (known or choice in {"yes", "no"}):
            return visitors.page(
                self.wiring,
                words,
                "confirm.html",
                words.confirm_title,
                error=words.choose_one if form is not None else "",
                address=found.subscriber.address,
                zone=found.subscriber.timezone,
                wishes=found.wishes,
                known=known,
                declined=found.declined,
            )
        evidence = evidence_of(self.wiring, request, "confirm page, " + ("same browser" if known else "choice"))
        with self.wiring.db.transaction() as session:
            if choice == "no":
                subscribing.decline(session, letter_id, evidence)
                return self._message(words, words.declined_title, words.declined)
            subscribing.confirm(session, letter_id, evidence)
        return self._message(words, words.confirmed_title, words.confirmed)

    def _message(self, words: Words, heading: str, said: str) -> Response:
        return visitors.page(self.wiring, words, "message.html", heading, text=said)

    def _subscribe_page(self, request: Request, form: Form, wrong: str = "") -> Response:
        with self.wiring.db.reading() as session:
            publication = the_publication(session)
            series = session.execute(
                select(Series.slug, Series.title, Series.description)
                .where(Series.publication_id == publication.id)
                .order_by(Series.title)
            ).all()
            slugs = present_slugs(session)
            spoken = languages_of(session, publication)
            words = self._words(request, form.language)
            shown = Form(
                email=form.email,
                series=tuple(slugs.get(one, one) for one in form.series or (publication.default_series or "all",)),
                cadence=form.cadence if form.cadence in CADENCES else DEFAULT_CADENCE,
                timezone=form.timezone or publication.timezone,
                language=form.language or locales.best(words.language, spoken) or publication.language,
            )
            languages = language_choices(session, publication, shown.language)
        return visitors.page(
            self.wiring,
            words,
            "subscribe.html",
            words.subscribe_title.format(publication=publication.name),
            422 if wrong else 200,
            error=words.wrong(wrong) if wrong else "",
            wrong=wrong,
            form=shown,
            series=series,
            when=cadence_choices(words, publication),
            zones=zone_choices(shown.timezone),
            guess=not form.timezone,
            languages=languages,
        )

    def _words(self, request: Request, language: str = "") -> Words:
        """What the visitor reads: what they chose, else what their browser asks for, among what the publication speaks."""
        language = language or request.query_params.get("language", "")
        with self.wiring.db.reading() as session:
            publication = the_publication(session)
            spoken = [tag for tag in languages_of(session, publication) if tag.partition("-")[0].lower() in WORDS]
        asked = locales.best(language, spoken) or locales.best(request.headers.get("accept-language", ""), spoken)
        return words_for(asked or publication.language)

    def _asked_here(self, request: Request, person: Subscriber) -> bool:
        try:
            return bool(self.wiring.signer.read(COOKIE, request.cookies.get(COOKIE, "")) == _mark(person.address_key))
        except BadInput:
            return False


def _dead(words: Words, error: SyndicationError) -> tuple[int, str]:
    """(status, why) of a confirmation link that does not work."""
    match error:
        case subscribing.Left():
            return 410, words.link_left
        case subscribing.Barred():
            return 403, words.link_barred
        case TokenExpired() | NotFound():
            return 410, words.link_expired
        case BadInput():
            return 404, words.link_forged
    raise error


def _mark(address_key: str) -> str:
    return hashlib.sha256(address_key.encode()).hexdigest()
