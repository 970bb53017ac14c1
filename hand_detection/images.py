"""Decode images to know that they are whole, at the least cost."""

from __future__ import annotations

import ctypes
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from hand_detection.console import UserError
from hand_detection.paths import shown

# Pillow's name -> the API's. MPO: a JPEG with a second picture behind it, as many phones write.
FORMATS = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png"}
_JPEG_SCAN, _JPEG_END = b"\xff\xda", b"\xff\xd9"  # marks that cannot stand in coded data
SUFFIXES = (".jpg", ".jpeg", ".png")
_HEAD = 1 << 14  # bytes; photos with a preview in their metadata need more
_ORIENTATION = 0x0112  # EXIF's number of the field

# What is wrong with an image is told in one line; Pillow and libtiff put lines of their own beside
# it, warnings of odd but harmless metadata too. For good: "for a while" is not safe with threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)
with suppress(AttributeError):  # a Pillow without libtiff
    ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)


@contextmanager
def explain_damage(where: str) -> Iterator[None]:
    """Turn whatever a damaged image leads Pillow into, in the block, into one clear line.

    Raises:
        UserError: anything went wrong; the message starts with `where`.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise UserError(f"{where}: {error}") from None
    except Exception as error:
        raise UserError(f"{where} is cut or damaged: {error}") from None


def open_image(data: bytes, where: str) -> Image.Image:
    """The image in `data` with only its header read: `size` is (width, height) in pixels.

    Raises:
        UserError: it is not a JPEG or PNG; the message starts with `where`.
    """
    return open_as(("JPEG", "PNG"), data, where)


def open_as(formats: tuple[str, ...], data: bytes, where: str) -> Image.Image:
    """As `open_image`, of any of Pillow's `formats`."""
    with explain_damage(where):
        try:
            return Image.open(io.BytesIO(data), formats=formats)
        except UnidentifiedImageError:
            *others, last = ("WebP" if name == "WEBP" else name for name in formats)
            what = "is empty" if not data else f"is not a {', '.join(others)} or {last} image"
            raise UserError(f"{where} {what}") from None


def size_of(path: Path) -> tuple[int, int]:
    """The (width, height) in pixels of an image file, from its first bytes if they tell it.

    Raises:
        UserError: it is not a JPEG or PNG.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
        try:
            return open_image(head, "").size
        except UserError:
            return open_image(head + file.read(), shown(path)).size


def decode(
    data: bytes, where: str, at_least: tuple[int, int] = (1, 1), *, grey: bool = False
) -> tuple[Image.Image, tuple[int, int], str]:
    """Decode all of `data`; return the image, its real (width, height) and "jpeg" or "png".

    A JPEG is decoded at the smallest of 1/1, 1/2, 1/4, 1/8 size that is not below
    `at_least` (width, height), and if `grey` will do, without its colours: every coded bit
    is read all the same.

    Raises:
        UserError: the image is cut or damaged; the message starts with `where`.
    """
    image = open_image(data, where)
    size, name = image.size, FORMATS[image.format]
    _check_end(data, image, where)
    with explain_damage(where):
        image.draft("L" if grey else None, at_least)
        image.load()
    return image, size, name


def orientation(image: Image.Image, data: bytes, where: str) -> int:
    """The EXIF orientation of an image opened from `data`: 1 is upright, 1 too if it has none.

    Raises:
        UserError: its EXIF data is damaged; the message starts with `where`.
    """
    if image.format == "PNG" and b"eXIf" not in data:
        return 1  # Pillow would decode all of it to look for one
    with explain_damage(where):
        return image.getexif().get(_ORIENTATION, 1)


def check(data: bytes, where: str) -> None:
    """Find an image that is cut, without decoding a JPEG.

    For a JPEG this finds nearly all that decoding would: libjpeg goes on over damage
    between the header and the end mark, and fails only where the data ends too early.

    Raises:
        UserError: the image is cut or not a JPEG or PNG; the message starts with `where`.
    """
    image = open_image(data, where)
    _check_end(data, image, where)
    if FORMATS[image.format] != "jpeg":
        decode(data, where)


def _check_end(data: bytes, image: Image.Image, where: str) -> None:
    # A decoder takes the zeros that an interrupted copy may leave at the end for a picture.
    if FORMATS[image.format] != "jpeg":
        return
    end = data.rfind(_JPEG_END)
    if end < 0 or data.find(_JPEG_SCAN, end) >= 0:
        raise UserError(f"{where} is cut or damaged: a JPEG without its end mark")


def fit(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """`size` (width, height), reduced in proportion so that neither is above `max_side`."""
    scale = min(1.0, max_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
