"""Letters written out: a posted letter (`ledger.letters`) names a template and its context, and becomes a message here.

No token lies in the ledger: links are signed while the letter is rendered.
"""

from __future__ import annotations

import css_inline
from markupsafe import Markup

from syndication.audience.wishes import DEFAULT_CADENCE
from syndication.audience.words import words_for
from syndication.content import PublishedNotice
from syndication.errors import NeedsHuman
from syndication.feeds.disclaimers import linked_text
from syndication.feeds.view import direction
from syndication.ledger.content import Publication
from syndication.ledger.mailings import Letter
from syndication.mail import headers
from syndication.mail.blocks import STYLE, Render, tidy
from syndication.mail.edition import assemble, common_headers, gate
from syndication.mail.loading import imprint_of
from syndication.mail.splice import Compiled
from syndication.tokens import Signer

_INLINER = css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True, minify_css=True)


def compile_letter(
    render: Render,
    signer: Signer,
    publication: Publication,
    notice: PublishedNotice,
    letter: Letter,
    base_url: str,
    *,
    link_hours: int,
) -> Compiled:
    """The letter as a message with slots for To, Date and Message-ID, the notice once in each part.

    A template gets the letter's context and `imprint`, `publication` (its name), `address`, `words`, `language` (the
    words'), `base_url`, `link_hours` (how long a link works), `notice_html` and `notice_text`. Raises NeedsHuman for a
    broken template, DisclaimerBreach for a wrong one.
    """
    imprint = imprint_of(publication, base_url)
    words = words_for(letter.language)
    context = {
        "series": [],
        "cadence": DEFAULT_CADENCE,
        **letter.context,
        "imprint": imprint,
        "publication": publication.name,
        "notice_html": Markup(notice.html),  # noqa: S704  # ours, escaped when it was made
        "notice_text": linked_text(notice.html),
        "notice_language": notice.language,
        "notice_dir": direction(notice.language),
        "address": letter.address,
        "words": words,
        "language": words.language,
        "dir": direction(words.language),
        "base_url": base_url,
        "link_hours": link_hours,
    }
    if "confirm" in letter.context:
        context["confirm_url"] = f"{base_url}/confirm/{signer.make('confirm', letter.delivery_id)}"
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
        headers.raw_field("Content-Language", words.language),
    ]
    compiled = assemble(head, tidy(text) + "\n", html, {}, subject=subject)
    gate(compiled, notice, f"{name}.html", f"{name}.txt")
    return compiled
