"""The mail as it is seen: in Chromium, narrow and wide, light and dark, with pictures and without; axe finds nothing."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from hard_mail import HardMail
from playwright.sync_api import Browser, Page

from syndication.mail.edition import parts_of

HIDDEN = """() => [...document.body.querySelectorAll('*')].filter(e => {
  const s = getComputedStyle(e), text = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  return s.display === 'none' || s.visibility !== 'visible' || s.opacity !== '1' || s.position !== 'static'
    || (text && (parseFloat(s.fontSize) < 8 || e.getBoundingClientRect().height < 6 || s.color === 'rgba(0, 0, 0, 0)'));
}).map(e => e.outerHTML.slice(0, 120))"""


def mails(hard: HardMail) -> dict[str, str]:
    """Name → HTML: one entry, all of them, too many for their full texts, for anything but titles; a letter."""
    found = {
        "one": hard.message("everything"), "all": hard.message(), "german": hard.message("everything", language="de"),
        "short": hard.message(*hard.slugs * 3, budget=60_000), "titles": hard.message(*hard.slugs * 40),
        "letter": hard.letter(), "letter in German": hard.letter("de"),
    }  # fmt: skip
    return {name: parts_of(message)[1] for name, message in found.items()}


def opened(page: Page, html: str) -> None:
    page.route("**/*", lambda route: route.abort())
    page.set_content(html, wait_until="domcontentloaded")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 800])
def test_axe_finds_nothing_and_nothing_is_hidden_or_too_wide(
    hard: HardMail, chromium: Browser, width: int, scheme: str
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    for name, html in mails(hard).items():
        opened(page, html)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{name}\n{found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate(HIDDEN) == [], name
    background = page.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(28, 34, 40)")
    context.close()


def test_a_mail_is_whole_without_its_pictures_and_says_what_they_show(hard: HardMail, chromium: Browser) -> None:
    page = chromium.new_page()
    opened(page, mails(hard)["one"])  # every picture is refused
    described = page.locator("img[alt^='A map of the coast']")
    assert described.bounding_box()["height"] > 15  # type: ignore[index]  # the words are there in its place
    page.close()


def test_nothing_of_what_mail_clients_refuse_or_spoil(hard: HardMail) -> None:
    for name, html in mails(hard).items():
        assert not re.search(
            r"<script|<svg|<link|<form|<iframe|@import|@font-face|url\(|data:|javascript:|srcset", html
        ), name
        assert not re.search(r"\son[a-z]+=", html), name
        assert len(html.encode()) <= 95_000, name
        for table in re.findall(r"<table[^>]*>", html):
            assert 'role="presentation"' in table or 'class="data"' in table, table
        assert re.search(r'<html lang="[a-z]{2}" dir="ltr"', html), name
        assert '<meta name="color-scheme" content="light dark">' in html, name
        assert re.search(r"<title>[^<]+</title>", html), name
        for image in re.findall(r"<img[^>]*>", html):
            assert ' alt="' in image, image
        # Styled where it stands: a client that drops the style sheet shows the same, but for dark and narrow.
        sheet = "".join(re.findall(r"<style>(.*?)</style>", html, re.DOTALL))
        assert all("@media" in rule or ":root" in rule for rule in re.split(r"(?<=\})(?=[^\s}])", _outermost(sheet))), (
            name
        )
        assert re.search(r'<td[^>]*style="[^"]*padding', html), name


def _outermost(sheet: str) -> str:
    """The rules of a sheet without what stands inside their braces."""
    depth, kept = 0, []
    for sign in sheet:
        depth += sign == "{"
        if depth == 0 or (depth == 1 and sign in "{}"):
            kept.append(sign)
        depth -= sign == "}"
    return "".join(kept).strip()


def test_each_text_has_its_language_and_its_direction(hard: HardMail) -> None:
    html = mails(hard)["all"]
    cells = re.findall(r'<td[^>]* class="entry [^>]*>|<td class="entry [^>]*>', html)
    assert ['dir="rtl"' in cell and 'lang="ar"' in cell for cell in cells] == [False, True, False, False, False]
    assert ["ja" in cell for cell in cells] == [False, False, True, False, False]
    assert '<span lang="en" dir="ltr">Part 2 of the series</span>' in html, "we speak no Arabic, and say so"
    assert ">Teil der Reihe <" in html
    arabic = parts_of(hard.message("arabic", language="ar"))[1]
    assert '<html lang="en" dir="ltr"' in arabic, "the frame is in English"
    (notice,) = re.findall(r'<td class="notice[^>]*>', arabic)
    assert 'lang="ar"' in notice
    assert 'dir="rtl"' in notice
