"""Transactional mail: a delivery and a letter that names a template and its context; written out when it is sent.

No token lies in the ledger: links are signed while the letter is rendered.
"""

from __future__ import annotations

from typing import Any

import css_inline
from markupsafe import Markup
from sqlalchemy.orm import Session

from syndication.content import PublishedNotice
from syndication.errors import NeedsHuman
from syndication.feeds.disclaimers import linked_text
from syndication.feeds.view import direction
from syndication.ledger.content import Publication
from syndication.ledger.db import ledger_now, ring_after_commit
from syndication.ledger.mailings import Delivery, Letter
from syndication.mail import headers
from syndication.mail.blocks import STYLE, Render, tidy
from syndication.mail.edition import assemble, common_headers, gate
from syndication.mail.loading import imprint_of
from syndication.mail.splice import Compiled
from syndication.tokens import Signer

_INLINER = css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True, minify_css=True)


def post(
    session: Session,
    *,
    publication_id: int,
    subscriber_id: int | None,
    address: str,
    language: str,
    template: str,
    context: dict[str, Any],
) -> int:
    """A letter to one person, due now; the delivery's id. `template` is a name in templates/mail/letters.

    A context with `confirm` (a subscriber's id) gives the template `confirm_url`, signed for the `wishes` beside it.
    """
    now = ledger_now(session)
    delivery = Delivery(
        publication_id=publication_id,
        subscriber_id=subscriber_id,
        kind="transactional",
        priority=0,
        state="pending",
        due_at=now,
        created_at=now,
    )
    session.add(delivery)
    session.flush()
    session.add(Letter(delivery_id=delivery.id, template=template, address=address, language=language, context=context))
    session.flush()
    ring_after_commit(session, "mail.send_transactional")
    return delivery.id


def compile_letter(
    render: Render, signer: Signer, publication: Publication, notice: PublishedNotice, letter: Letter, base_url: str
) -> Compiled:
    """The letter as a message with slots for To, Date and Message-ID, the notice once in each part.

    A template gets the letter's context and `imprint`, `publication` (its name), `address`, `language`, `base_url`,
    `notice_html` and `notice_text`. Raises NeedsHuman for a broken template, DisclaimerBreach for a wrong one.
    """
    imprint = imprint_of(publication, base_url)
    context = {
        "series": [],
        **letter.context,
        "imprint": imprint,
        "publication": publication.name,
        "notice_html": Markup(notice.html),  # noqa: S704  # ours, escaped when it was made
        "notice_text": linked_text(notice.html),
        "notice_language": notice.language,
        "address": letter.address,
        "language": letter.language,
        "dir": direction(letter.language),
        "base_url": base_url,
    }
    if "confirm" in letter.context:
        payload = {"s": letter.context["confirm"], "w": letter.context.get("wishes", [])}
        context["confirm_url"] = f"{base_url}/confirm/{signer.make('confirm', payload)}"
    name = f"mail/letters/{letter.template}"
    first, _, text = render(f"{name}.txt", **context).partition("\n")
    if not first.startswith("Subject: "):
        raise NeedsHuman(
            "the letter has no subject;", where=f"templates/{name}.txt", remedy="begin it with `Subject: …`."
        )
    subject = headers.one_line(first.removeprefix("Subject: "))
    html = _INLINER.inline(render(f"{name}.html", subject=subject, style=render(STYLE), **context))
    head = [
        *common_headers(imprint, subject),
        headers.raw_field("Auto-Submitted", "auto-generated"),
        headers.raw_field("Content-Language", letter.language),
    ]
    compiled = assemble(head, tidy(text) + "\n", html, {}, subject=subject)
    gate(compiled, notice, f"{name}.html", f"{name}.txt")
    return compiled
