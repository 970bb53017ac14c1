"""Decode images to know that they are whole, at the least cost."""

from __future__ import annotations

import io
import warnings

from PIL import Image

from hand_detection.console import UserError

FORMATS = {"JPEG": "jpeg", "PNG": "png"}  # Pillow's name -> the API's
_JPEG_SCAN, _JPEG_END = b"\xff\xda", b"\xff\xd9"  # marks that cannot stand in coded data
SUFFIXES = (".jpg", ".jpeg", ".png")


def open_image(data: bytes, where: str) -> Image.Image:
    """The image in `data` with only its header read: `size` is (width, height) in pixels.

    Raises:
        UserError: it is not a JPEG or PNG; the message starts with `where`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd but harmless metadata
        try:
            return Image.open(io.BytesIO(data), formats=tuple(FORMATS))
        except Image.DecompressionBombError as error:
            raise UserError(f"{where}: {error}") from None
        except (OSError, SyntaxError, ValueError):
            what = "is empty" if not data else "is not a JPEG or PNG image"
            raise UserError(f"{where} {what}") from None


def decode(
    data: bytes, where: str, at_least: tuple[int, int] = (1, 1)
) -> tuple[Image.Image, tuple[int, int], str]:
    """Decode all of `data`; return the image, its real (width, height) and "jpeg" or "png".

    A JPEG is decoded at the smallest of 1/1, 1/2, 1/4, 1/8 size that is not below
    `at_least` (width, height): every coded bit is read all the same.

    Raises:
        UserError: the image is cut or damaged; the message starts with `where`.
    """
    image = open_image(data, where)
    size, name = image.size, FORMATS[image.format]
    _check_end(data, image, where)
    try:
        image.draft(None, at_least)
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UserError(f"{where} is cut or damaged: {error}") from None
    return image, size, name


def check(data: bytes, where: str) -> None:
    """Find an image that is cut, without decoding a JPEG.

    For a JPEG this finds nearly all that decoding would: libjpeg goes on over damage
    between the header and the end mark, and fails only where the data ends too early.

    Raises:
        UserError: the image is cut or not a JPEG or PNG; the message starts with `where`.
    """
    image = open_image(data, where)
    _check_end(data, image, where)
    if image.format != "JPEG":
        decode(data, where)


def _check_end(data: bytes, image: Image.Image, where: str) -> None:
    # A decoder takes the zeros that an interrupted copy may leave at the end for a picture.
    if image.format == "JPEG" and data.rfind(_JPEG_END) < data.rfind(_JPEG_SCAN):
        raise UserError(f"{where} is cut or damaged: a JPEG without its end mark")


def fit(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """`size` (width, height), reduced in proportion so that neither is above `max_side`."""
    scale = min(1.0, max_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
