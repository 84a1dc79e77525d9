"""A real publisher's document goes the whole way under a publication that names its publisher: feeds, page, mail, partner.

The document is somebody's article: it is read where it lies, beside the project, and never copied into it.
"""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import feedparser
import pytest
import requests

from syndication.feeds.disclaimers import count_html, count_text, normalised, visible_text
from tests.embedded.service import ROOT, Service, until

SEED = ROOT.parent / "shared" / "seed"
PUBLICATION = """[publication]
slug = "american-progress"
name = "American Progress"
url = "https://publisher.example"
language = "en"
timezone = "America/New_York"
supporters_url = "https://publisher.example/supporters"
postal_address = "1 Example Street, Washington"
default_series = "immigration"
"""

pytestmark = pytest.mark.skipif(
    not SEED.is_dir(), reason="the publisher's document lies beside the project as ../shared/seed, and is not there"
)


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inner for text in strings(each)]


@pytest.mark.timeout(180)
def test_the_notice_once_in_every_channel(tmp_path: Path) -> None:
    (source,) = SEED.glob("*.txt")
    lines = [line.strip() for line in source.read_text("utf-8").splitlines() if line.strip()]
    title, standfirst, first_words = lines[0], lines[1], " ".join(lines[3].split()[:6])
    (notice,) = (line for line in lines if line.startswith("The positions of American Progress"))
    tree = tmp_path / "a tree"
    (tree / "immigration").mkdir(parents=True)
    (tree / "publication.toml").write_text(PUBLICATION)
    (tree / "immigration/series.toml").write_text('title = "Immigration"')

    with Service(tmp_path / "data", str(tree)) as service:
        until(service.ready)

        def syndicate(*arguments: str) -> None:
            done = service.run(*arguments)
            assert done.returncode == 0, done.stderr

        syndicate("import", str(source))
        syndicate("publish", "--all")

        counts: dict[str, int] = {}
        for name in ("all", "immigration"):
            for fmt in ("rss", "atom"):
                feed = feedparser.parse(requests.get(f"{service.base}/feeds/{name}.{fmt}", timeout=5).content)
                (item,) = feed.entries
                assert item.title == title
                assert first_words in normalised(visible_text(item.content[0].value))
                counts[f"{name}.{fmt}"] = count_html(item.content[0].value, notice)
            (item,) = requests.get(f"{service.base}/feeds/{name}.json", timeout=5).json()["items"]
            assert item["summary"] == standfirst
            counts[f"{name}.json"] = sum(count_html(text, notice) for text in strings(item))
        page = requests.get(item["url"], timeout=5)
        assert page.status_code == 200
        counts["page"] = count_html(page.text, notice)
        assert "Explore" not in visible_text(item["content_html"]), "the document's own signpost is structure, not text"

        syndicate("digest", "cut", "--cadence", "daily", "--now")
        mails = until(lambda: sent if len(sent := outbox(service.data)) >= 2 else None)
        assert {str(mail["To"]) for mail in mails} == {"at-once@demo.example", "daily@demo.example"}
        for mail in mails:
            assert mail["Subject"] == title
            for kind, count in (("html", count_html), ("plain", count_text)):
                part = mail.get_body((kind,))
                assert part is not None
                counts[f"{mail['To']} {kind}"] = count(part.get_content(), notice)

        token = (service.data / "demo-partner-token").read_text().strip()
        partner = requests.Session()
        partner.headers["Authorization"] = f"Bearer {token}"
        until(lambda: partner.get(f"{service.base}/partners/v1/feed.json", timeout=5).json()["items"])
        (record,) = partner.get(f"{service.base}/partners/v1/entries", timeout=5).json()["entries"]
        assert record["title"] == title
        assert record["publisher"] == "American Progress"
        counts["partner record"] = sum(count_html(text, notice) for text in strings(record))
        for fmt in ("rss", "atom"):
            (item,) = feedparser.parse(partner.get(f"{service.base}/partners/v1/feed.{fmt}", timeout=5).content).entries
            counts[f"partner {fmt}"] = count_html(item.content[0].value, notice)
        (item,) = partner.get(f"{service.base}/partners/v1/feed.json", timeout=5).json()["items"]
        counts["partner json"] = sum(count_html(text, notice) for text in strings(item))

        assert len(counts) == 6 + 1 + 4 + 4, (
            "two feeds in three formats, a page, two mails of two parts, what a partner pulls"
        )
        assert set(counts.values()) == {1}, counts
        assert "1 · 1 · 1 · 1" in requests.get(f"{service.base}/workbench", timeout=5).text


def outbox(data: Path) -> list[EmailMessage]:
    files = [f for f in (data / "outbox").glob("new/*") if f.is_file()]
    return [message_from_bytes(f.read_bytes(), policy=policy.default) for f in files]  # type: ignore[misc]
