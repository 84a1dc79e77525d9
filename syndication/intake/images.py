"""Images that come along with a document: found, checked, hashed, and named `media:<sha256>.<ext>` in the body.

A path may not leave the tree, by dots or by links. What comes from elsewhere on the web is not taken along: it is replaced by
its description, and a warning says so. What a camera wrote beside the pixels is taken out (see `exif`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
import warnings
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

from lxml import html as lxml_html
from PIL import Image as Picture
from PIL import UnidentifiedImageError

from syndication.content import Image, MediaFile
from syndication.errors import BadInput
from syndication.intake.exif import is_turned, without_traces
from syndication.intake.files import inside, read_file, too_large
from syndication.intake.markup import fragment, inner

EXTENSIONS = {"PNG": "png", "JPEG": "jpg", "MPO": "jpg", "GIF": "gif", "WEBP": "webp"}  # MPO: what many cameras write
WHAT = "image"
TAKEN = "use PNG, JPEG, GIF or WebP."
_INLINE = re.compile(r"data:image/[\w.+-]+;base64,", re.IGNORECASE)
_LAZY = ("data-src", "data-original", "data-lazy-src")
_ELSEWHERE = re.compile(r"//|[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error)  # what Pillow raises for broken bytes


@dataclass
class Gathered:
    """A body with its images named by hash. `originals` are the hashes of the bytes as they lay there."""

    body_html: str
    images: list[Image] = field(default_factory=list)
    files: dict[str, MediaFile] = field(default_factory=dict)
    originals: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)


def gather(body_html: str, folder: Path, root: Path, source: str, *, max_bytes: int, max_pixels: int) -> Gathered:
    """`folder` is where relative paths start, `root` what they may not leave. Raises BadInput naming the image."""
    result = Gathered(body_html)
    if "<img" not in body_html:
        return result
    tree = fragment(body_html, source)
    for element in tree.xpath(".//img"):
        address = _real_address(element)
        alt = " ".join((element.get("alt") or "").split())
        where = f"{source}, image {address[:80]}"
        if _INLINE.match(address):
            data = _inline(address, where, max_bytes)
        elif _ELSEWHERE.match(address) or not address:
            result.warnings.append(
                f"the image {address[:80] or '(no address)'} is not a file of the tree and was left out"
            )
            _replace(element, alt)
            continue
        else:
            data = read_file(inside(address, folder, root, source, WHAT), where, max_bytes, WHAT)
        result.originals.add(hashlib.sha256(data).hexdigest())
        file = checked(data, where, max_pixels)
        if not alt:
            result.warnings.append(f"the image {address[:80]} has no description (alt)")
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
    result.body_html = inner(tree)
    return result


def _real_address(element: lxml_html.HtmlElement) -> str:
    """Where the image is: pages that load lazily have a stub in `src`, or nothing, and the address beside it."""
    address = (element.get("src") or "").strip()
    waiting = next((element.get(name, "").strip() for name in _LAZY if element.get(name, "").strip()), "")
    return waiting if waiting and (not address or _INLINE.match(address)) else address


def checked(data: bytes, where: str, max_pixels: int) -> MediaFile:
    """An image that opens, of a kind and size we take, without its traces. Its type is what the bytes say, not the name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Picture.DecompressionBombWarning)  # we have a limit of our own
            with Picture.open(BytesIO(data)) as picture:
                kind, (width, height) = picture.format, picture.size
            if kind in EXTENSIONS and width * height <= max_pixels:
                data = without_traces(data)
                if is_turned(data):
                    width, height = height, width
                with Picture.open(BytesIO(data)) as picture:
                    picture.load()  # of no other kind: Pillow hands PostScript to an interpreter
    except Picture.DecompressionBombError as error:
        raise BadInput(
            f"the image has more than {max_pixels:,} pixels;", where=where, remedy="make it smaller."
        ) from error
    except (UnidentifiedImageError, *_BROKEN) as error:
        if b"<svg" in data[:1_000].lower():
            raise BadInput(
                "SVG is not taken, since it may carry scripts;", where=where, remedy="export the drawing as PNG."
            ) from error
        raise BadInput("this is not an image, or a broken one;", where=where, remedy=TAKEN) from error
    if kind not in EXTENSIONS:
        raise BadInput(f"images of the kind {kind} are not taken;", where=where, remedy=TAKEN)
    if width * height > max_pixels:
        raise BadInput(
            f"the image has {width} × {height} pixels, {max_pixels:,} are allowed;",
            where=where,
            remedy="make it smaller.",
        )
    return MediaFile(
        sha256=hashlib.sha256(data).hexdigest(), ext=EXTENSIONS[kind], width=width, height=height, data=data
    )


def _inline(address: str, where: str, max_bytes: int) -> bytes:
    """The bytes of an image that a page carries in itself (RFC 2397)."""
    coded = unquote(address.partition(",")[2])
    if len(coded) * 3 // 4 > max_bytes:
        raise too_large(len(coded) * 3 // 4, max_bytes, where, WHAT)
    try:
        return base64.b64decode(re.sub(r"\s+", "", coded), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput("this is not an image, or a broken one;", where=where, remedy=TAKEN) from error


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
