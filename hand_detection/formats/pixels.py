"""Any image -> a JPEG or PNG whose pixels stand as people see them.

What the API's decoder reads as it should is passed on byte for byte: JPEG and PNG, in colour,
grey, with a palette or with transparency (which it drops). Changed are:

- an image with an EXIF orientation: its pixels are turned upright, since TensorFlow does not
  look at EXIF, and boxes are drawn on the picture that people see;
- CMYK: converted to RGB;
- BMP, TIFF and WebP: written as PNG.

A changed JPEG is a JPEG again, quality 95; everything else becomes a PNG, without loss.
Refused by name: 16 bits a channel and floating point, where someone who knows the picture must
choose what becomes black and white; and more than one picture in a file.
"""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from hand_detection import images
from hand_detection.console import UserError

QUALITY = 95
_SUFFIX = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png"}
_OTHERS = ("BMP", "TIFF", "WEBP")
_PNG_DEPTH = 24  # the byte of a PNG file with its bits a channel


def upright(data: bytes, where: str, *, turn: bool) -> tuple[bytes, str, tuple[int, int], str]:
    """The image in `data`, checked to be whole, as the API can read it.

    Args:
        data: a JPEG, PNG, BMP, TIFF or WebP file.
        where: how an error names it.
        turn: honour the EXIF orientation; else the pixels stay as they are stored.

    Returns:
        The file's bytes, the same ones if nothing had to be changed; its suffix; (width,
        height) in pixels; and what was done: "", "turned", "to RGB", "to PNG".

    Raises:
        UserError: the image is cut, of another format, or one of the refused kinds.
    """
    image = images.open_as(("JPEG", "PNG", *_OTHERS), data, where)
    with images.explain_damage(where):
        _refuse(image, data, where)
    turned = turn and images.orientation(image, data, where) in range(2, 9)
    if image.format in _SUFFIX and not turned and image.mode != "CMYK":
        images.check(data, where)
        return data, _SUFFIX[image.format], image.size, ""
    done = "turned" if turned else "to RGB" if image.mode == "CMYK" else "to PNG"
    jpeg = _SUFFIX.get(image.format) == ".jpg"
    if image.format in _SUFFIX:
        images.check(data, where)
    with images.explain_damage(where):
        picture = ImageOps.exif_transpose(image) if turned else image
        picture = picture.convert("RGB") if picture.mode in ("CMYK", "YCbCr", "LAB") else picture
        out = io.BytesIO()
        if jpeg:
            picture.save(out, "JPEG", quality=QUALITY, exif=b"")
        else:
            picture.save(out, "PNG", exif=b"")
    return out.getvalue(), ".jpg" if jpeg else ".png", picture.size, done


def rgb(data: bytes, where: str) -> Image.Image:
    """The image in `data` as people see it: decoded whole, RGB, upright by its EXIF orientation.

    Args:
        data: a JPEG, PNG, BMP, TIFF or WebP file.
        where: how an error names it.

    Raises:
        UserError: as `upright`.
    """
    image = images.open_as(("JPEG", "PNG", *_OTHERS), data, where)
    with images.explain_damage(where):
        _refuse(image, data, where)
    if _SUFFIX.get(image.format) == ".jpg":
        images.check(data, where)
    with images.explain_damage(where):
        return ImageOps.exif_transpose(image).convert("RGB")


def _refuse(image: Image.Image, data: bytes, where: str) -> None:
    deep = image.mode.startswith("I") or (image.format == "PNG" and data[_PNG_DEPTH] == 16)
    if image.format == "TIFF":
        deep = deep or max(image.tag_v2.get(258, (8,))) > 8  # BitsPerSample
    if image.mode == "F" or deep:
        what = "floating point" if image.mode == "F" else "16 bits a channel"
        raise UserError(
            f"{where} has {what}: make it one of 8 bits, choosing what becomes black and white"
        )
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise UserError(f"{where} holds {image.n_frames} pictures: save the one that you mean")
