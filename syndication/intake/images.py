"""Images that come along with a document: found, checked, hashed, and named `media:<sha256>.<ext>` in the body.

A path may not leave the tree, by dots or by links. What comes from elsewhere on the web is not taken along: it is replaced by
its description, and a warning says so.
"""

from __future__ import annotations

import hashlib
import re
import struct
import warnings
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lxml import etree
from lxml import html as lxml_html
from PIL import Image as Picture
from PIL import UnidentifiedImageError

from syndication.content import Image, MediaFile
from syndication.errors import BadInput

EXTENSIONS = {"PNG": "png", "JPEG": "jpg", "MPO": "jpg", "GIF": "gif", "WEBP": "webp"}  # MPO: what many cameras write


_ELSEWHERE = re.compile(r"//|[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error)  # what Pillow raises for broken bytes


@dataclass
class Gathered:
    """A body with its images named by hash."""

    body_html: str
    images: list[Image] = field(default_factory=list)
    files: dict[str, MediaFile] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def gather(body_html: str, folder: Path, root: Path, source: str, *, max_bytes: int, max_pixels: int) -> Gathered:
    """`folder` is where relative paths start, `root` what they may not leave. Raises BadInput naming the image."""
    result = Gathered(body_html)
    if "<img" not in body_html:
        return result
    tree = lxml_html.fragment_fromstring(body_html, create_parent="div")
    for element in tree.xpath(".//img"):
        address = (element.get("src") or "").strip()
        alt = " ".join((element.get("alt") or "").split())
        if _ELSEWHERE.match(address) or not address:
            result.warnings.append(
                f"the image {address[:80] or '(no address)'} is not a file of the tree and was left out"
            )
            _replace(element, alt)
            continue
        file = read_image(_inside(address, folder, root, source), f"{source}, image {address}", max_bytes, max_pixels)
        if not alt:
            result.warnings.append(f"the image {address} has no description (alt)")
        caption, credit = _caption(element)
        image = Image(
            sha256=file.sha256,
            ext=file.ext,
            width=file.width,
            height=file.height,
            alt=alt,
            caption=caption,
            credit=credit,
        )
        element.set("src", f"media:{image.name}")
        element.set("width", str(file.width))
        element.set("height", str(file.height))
        result.files[file.sha256] = file
        if image not in result.images:
            result.images.append(image)
        _show_caption(element)
    result.body_html = (tree.text or "") + "".join(etree.tostring(e, encoding="unicode", method="html") for e in tree)
    return result


def read_image(path: Path, where: str, max_bytes: int, max_pixels: int) -> MediaFile:
    """The checked bytes of an image. Its type is what the bytes say, not what the name says."""
    try:
        if not path.is_file():
            raise FileNotFoundError
        size = path.stat().st_size
        data = path.read_bytes() if size <= max_bytes else b""
    except OSError as error:
        raise BadInput(
            "the image cannot be read;", where=where, remedy="put the file there, or mend the path."
        ) from error
    if size > max_bytes:
        raise BadInput(
            f"the image has {size:,} bytes, {max_bytes:,} are allowed;", where=where, remedy="make it smaller."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Picture.DecompressionBombWarning)  # we have a limit of our own
            with Picture.open(BytesIO(data)) as picture:
                kind, (width, height) = picture.format, picture.size
                if kind in EXTENSIONS and width * height <= max_pixels:
                    picture.load()  # of no other kind: Pillow hands PostScript to an interpreter
    except (UnidentifiedImageError, Picture.DecompressionBombError, *_BROKEN) as error:
        raise BadInput(
            "this is not an image, or a broken one;", where=where, remedy="use PNG, JPEG, GIF or WebP."
        ) from error
    if kind not in EXTENSIONS:
        raise BadInput(f"images of the kind {kind} are not taken;", where=where, remedy="use PNG, JPEG, GIF or WebP.")
    if width * height > max_pixels:
        raise BadInput(
            f"the image has {width} × {height} pixels, {max_pixels:,} are allowed;",
            where=where,
            remedy="make it smaller.",
        )
    return MediaFile(
        sha256=hashlib.sha256(data).hexdigest(), ext=EXTENSIONS[kind], width=width, height=height, data=data
    )


def _inside(address: str, folder: Path, root: Path, source: str) -> Path:
    try:
        path = (folder / unquote(urlsplit(address).path)).resolve()
    except (ValueError, OSError, RuntimeError) as error:  # NUL in it, too long, links in a ring
        raise BadInput(
            f"{address[:80]!r} is not the path of a file;", where=source, remedy="mend the image's path."
        ) from error
    if not path.is_relative_to(root.resolve()):
        raise BadInput(
            f"the image {address} lies outside of the tree;", where=source, remedy="copy it beside the document."
        )
    return path


def _caption(element: lxml_html.HtmlElement) -> tuple[str, str]:
    """(caption, credit) of the figure the image stands in; the credit is its <small> or <cite>."""
    figure = next(element.iterancestors("figure"), None)
    words = figure.find(".//figcaption") if figure is not None else None
    if words is None:
        return " ".join((element.get("title") or "").split()), ""
    credit = next((" ".join(e.text_content().split()) for e in words.xpath(".//small|.//cite")), "")
    caption = " ".join(words.text_content().split())
    return caption.removesuffix(credit).strip() if credit else caption, credit


def _show_caption(element: lxml_html.HtmlElement) -> None:
    """An image that stands alone with a title (Markdown's way to give a caption) becomes a figure that shows it."""
    title, around = (element.get("title") or "").strip(), element.getparent()
    alone = around is not None and around.tag == "p" and not around.text_content().strip() and len(around) == 1
    if around is None or not title or not alone:
        return
    around.tag = "figure"
    del element.attrib["title"]
    words = lxml_html.Element("figcaption")
    words.text = title
    around.append(words)


def _replace(element: lxml_html.HtmlElement, alt: str) -> None:
    if not alt:
        element.drop_tree()
        return
    words = lxml_html.Element("em")
    words.text = alt
    words.tail = element.tail
    element.getparent().replace(element, words)
