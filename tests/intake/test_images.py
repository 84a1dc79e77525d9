"""Images: pixels as they were, nothing else that a camera wrote; found under the names that people give them."""

from __future__ import annotations

import base64
import struct
import unicodedata
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image as Picture
from PIL import ImageCms, ImageOps, PngImagePlugin

from syndication.errors import BadInput
from syndication.intake.exif import without_traces
from syndication.intake.images import Gathered, checked, gather

LIMITS = {"max_bytes": 100_000, "max_pixels": 1_000_000}


def picture(size: tuple[int, int] = (40, 30)) -> Picture.Image:
    return Picture.merge("RGB", [Picture.linear_gradient("L").resize(size), Picture.radial_gradient("L").resize(size),
                                 Picture.new("L", size, 90)])  # fmt: skip


def saved(kind: str, *, orientation: int = 1, size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    exif = Picture.Exif()
    exif[0x0112], exif[0x013B], exif[0x8298] = orientation, "Ana Ré".encode(), "© Ana".encode()
    exif[0x010F] = "SecretPhone"
    exif.get_ifd(0x8825).update({1: "N", 2: (38.0, 42.0, 1.0)})
    out = BytesIO()
    picture(size).save(out, kind, exif=exif, xmp=b"<x:xmpmeta>SecretPhone</x:xmpmeta>", **options)
    return out.getvalue()


def opened(data: bytes) -> Picture.Image:
    found = Picture.open(BytesIO(data))
    found.load()
    return found


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_what_a_camera_wrote_is_taken_out_and_no_pixel_touched(kind: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    before = saved(kind, icc_profile=profile)
    after = without_traces(before)
    assert b"SecretPhone" in before
    assert b"SecretPhone" not in after
    assert opened(after).tobytes() == opened(before).tobytes()
    assert opened(after).info["icc_profile"] == profile
    assert not opened(after).getexif().get_ifd(0x8825)
    assert without_traces(after) == after


def test_whose_a_photograph_is_stays_and_so_does_its_way_up() -> None:
    data = saved("JPEG", orientation=6)
    exif = opened(without_traces(data)).getexif()
    words = [exif[tag].encode("latin-1").decode() for tag in (0x013B, 0x8298)]
    assert (words, exif[0x0112]) == (["Ana Ré", "© Ana"], 6)
    assert set(exif) == {0x013B, 0x8298, 0x0112}
    file = checked(data, "a.jpg", 10_000)
    assert (file.width, file.height) == (30, 40)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_other_kinds_are_turned_upright(kind: str) -> None:
    data = saved(kind, orientation=6, lossless=True) if kind == "WEBP" else saved(kind, orientation=6)
    after = opened(without_traces(data))
    assert after.size == (30, 40)
    assert not after.getexif()
    if kind == "PNG":
        assert after.tobytes() == ImageOps.exif_transpose(opened(data)).tobytes()


def test_comments_and_second_pictures_go_and_what_has_none_stays_to_the_byte() -> None:
    out = BytesIO()
    picture().save(out, "JPEG", comment=b"SecretPhone")
    assert b"SecretPhone" not in without_traces(out.getvalue())
    out = BytesIO()
    picture().save(out, "MPO", save_all=True, append_images=[Picture.new("RGB", (40, 30), "red")])
    assert getattr(opened(without_traces(out.getvalue())), "n_frames", 1) == 1
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "SecretPhone")
    out = BytesIO()
    picture().save(out, "PNG", pnginfo=text)
    assert b"SecretPhone" not in without_traces(out.getvalue())
    for kind, options in (("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {}), ("GIF", {})):
        out = BytesIO()
        picture().save(out, kind, **options)
        assert without_traces(out.getvalue()) == out.getvalue()


def test_an_animation_moves_on(tmp_path: Path) -> None:
    frames = [Picture.new("RGB", (9, 9), c) for c in ("red", "green", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        out = BytesIO()
        frames[0].save(
            out, kind, save_all=True, append_images=frames[1:], exif=Picture.Exif() if kind == "WEBP" else None
        )
        assert opened(checked(out.getvalue(), "a", 10_000).data).n_frames == 3  # type: ignore[attr-defined]


def take(markup: str, folder: Path) -> Gathered:
    return gather(markup, folder, folder, "a.md", **LIMITS)


def test_names_are_found_in_either_unicode_form_and_near_ones_named(tmp_path: Path) -> None:
    (tmp_path / unicodedata.normalize("NFD", "fähre 1.png")).write_bytes(saved("PNG"))
    assert len(take(f"<img src='{unicodedata.normalize('NFC', 'fähre 1.png')}' alt=x>", tmp_path).images) == 1
    assert len(take("<img src='f%C3%A4hre%201.png' alt=x>", tmp_path).images) == 1
    with pytest.raises(BadInput) as error:
        take("<img src='faehre 1.png' alt=x>", tmp_path)
    assert "did you mean" in error.value.remedy


def test_an_image_inside_of_the_page_comes_along(tmp_path: Path) -> None:
    data = saved("PNG")
    inside = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    got = take(f"<img src='{inside}' alt=x>", tmp_path)
    assert (len(got.images), "data:" in got.body_html) == (1, False)
    for bad, reason in (("data:image/png;base64,!!", "not an image"), (f"{inside[:22]}{'A' * 200_000}", "bytes")):
        with pytest.raises(BadInput, match=reason):
            take(f"<img src='{bad}' alt=x>", tmp_path)


@pytest.mark.parametrize("name", ["data-src", "data-original", "data-lazy-src"])
def test_a_page_that_loads_lazily_gives_its_real_images(tmp_path: Path, name: str) -> None:
    (tmp_path / "boat.png").write_bytes(saved("PNG"))
    stub = f"data:image/gif;base64,{base64.b64encode(saved('GIF', size=(1, 1))).decode()}"
    for src in (f"src='{stub}'", ""):
        [image] = take(f"<img {src} {name}='boat.png' alt=x>", tmp_path).images
        assert (image.width, image.height, image.ext) == (40, 30, "png")


def bomb(side: int) -> bytes:
    """A PNG of one bit a pixel that says it is `side` pixels wide and high."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "reason", "remedy"),
    [
        (bomb(1_001), "1001 × 1001 pixels", "smaller"),
        (bomb(40_000), "more than 1,000,000 pixels", "smaller"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "SVG", "PNG"),
        (saved("JPEG")[:400], "broken", "PNG, JPEG"),
    ],
)
def test_what_is_refused_and_why(data: bytes, reason: str, remedy: str) -> None:
    with pytest.raises(BadInput, match=reason) as error:
        checked(data, "a.png", 1_000_000)
    assert remedy in error.value.remedy
