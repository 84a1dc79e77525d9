"""What a camera or a program wrote beside the pixels: taken out of an image, and not one pixel touched. Pure.

A photograph may say where it was taken, on whose device, and what it looked like before it was cut. Kept are the colour
profile, the orientation, and what says whose it is: artist, copyright, and IPTC captions, which picture desks write for
readers. Everything else goes: EXIF with its position and thumbnail, XMP, comments.
"""

from __future__ import annotations

from io import BytesIO

from PIL import Image as Picture
from PIL import ImageOps

_ORIENTATION, _ARTIST, _COPYRIGHT = 0x0112, 0x013B, 0x8298
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_GOES = frozenset({b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME"})
_WEBP_GOES = frozenset({b"EXIF", b"XMP "})
_WEBP_FLAGS = 0x08 | 0x04  # "there is EXIF", "there is XMP" (WebP container specification, VP8X)


def without_traces(data: bytes) -> bytes:
    """The same image; the very same bytes where there was nothing to take out. `data` is a whole PNG, JPEG, GIF or WebP."""
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data.startswith(_PNG):
        return _png(_upright(data, "PNG"))
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(_upright(data, "WEBP"))
    return data


def is_turned(data: bytes) -> bool:
    """Is it to be shown on its side, so that width and height change places?"""
    with Picture.open(BytesIO(data)) as picture:
        return picture.getexif().get(_ORIENTATION) in (5, 6, 7, 8)


def _upright(data: bytes, kind: str) -> bytes:
    """PNG and WebP say it nowhere but in EXIF which way is up (and hardly ever do): such a one is turned."""
    with Picture.open(BytesIO(data)) as picture:
        if picture.getexif().get(_ORIENTATION, 1) in (0, 1) or getattr(picture, "is_animated", False):
            return data
        out = BytesIO()
        ImageOps.exif_transpose(picture).save(out, kind, quality=95, icc_profile=picture.info.get("icc_profile"))
        return out.getvalue()


def _kept_exif(data: bytes) -> bytes:
    """A new EXIF block with what is kept of the old one; empty where that is nothing."""
    with Picture.open(BytesIO(data)) as picture:
        old = picture.getexif()
        kept = Picture.Exif()
        if old.get(_ORIENTATION, 1) != 1:
            kept[_ORIENTATION] = old[_ORIENTATION]
        for tag in (_ARTIST, _COPYRIGHT):
            if isinstance(words := old.get(tag), str) and words:
                kept[tag] = words.encode("latin-1", "replace")  # as Pillow reads the bytes that stand there
        return kept.tobytes() if len(kept) else b""


def _jpeg(data: bytes) -> bytes:
    """JPEG segments up to the scan (ITU-T T.81 Annex B): APP1 is EXIF and XMP, COM a comment; APP2 the profile, APP13 IPTC."""
    head, place, goes = [data[:2]], 2, False
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        if data[place + 1] == 0xFF:  # a fill byte
            place += 1
            continue
        marker, end = data[place + 1], place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        profile = data[place + 4 : place + 16] == b"ICC_PROFILE\0"
        if marker in (0xE1, 0xFE) or (
            marker == 0xE2 and not profile
        ):  # APP2 is also where cameras put a second picture
            goes = True
        else:
            head.append(data[place:end])
        place = end
    scans = _first_image(data[place:])
    if not goes and len(scans) == len(data) - place:
        return data
    if exif := _kept_exif(data):
        after_jfif = 2 if len(head) > 1 and head[1][1] == 0xE0 else 1
        head.insert(after_jfif, b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif)
    return b"".join((*head, scans))


def _first_image(scans: bytes) -> bytes:
    """Scans up to their end of image: what follows it is another picture or a film. In entropy-coded data no marker but RST0–7
    can stand."""
    place = 0
    while (place := scans.find(b"\xff", place)) >= 0 and place + 1 < len(scans):
        marker = scans[place + 1]
        if marker == 0xD9:
            return scans[: place + 2]
        if marker in (0x00, 0xFF, 0x01) or 0xD0 <= marker <= 0xD7:
            place += 1 if marker == 0xFF else 2
        else:  # a segment between two scans: tables, the next scan's head
            place += 2 + int.from_bytes(scans[place + 2 : place + 4], "big")
    return scans


def _png(data: bytes) -> bytes:
    """PNG chunks (PNG specification §5.3): length, name, data, checksum."""
    pieces, place, goes = [_PNG], len(_PNG), False
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] in _PNG_GOES:
            goes = True
        else:
            pieces.append(data[place:end])
        place = end
    return b"".join(pieces) if goes else data


def _webp(data: bytes) -> bytes:
    """RIFF chunks: name, length, data, a byte more where that is odd."""
    pieces, place, goes = [b"WEBP"], 12, False
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        chunk = data[place : place + 8 + size + size % 2]
        if chunk[:4] == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~_WEBP_FLAGS]) + chunk[9:]
        if chunk[:4] in _WEBP_GOES:
            goes = True
        else:
            pieces.append(chunk)
        place += 8 + size + size % 2
    body = b"".join(pieces)
    return b"RIFF" + len(body).to_bytes(4, "little") + body if goes else data
