"""The parsers of images, of TFRecords, and of what a broken download leaves."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from judge import READ, REFUSED, Parser, cuts
from PIL import Image

from hand_detection import download, images, records
from hand_detection.detection import sources
from hand_detection.formats import pixels


def picture(form: str, mode: str = "RGB", size: tuple[int, int] = (64, 48), **options) -> bytes:
    pixels_ = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels_).convert(mode).save(out, form, **options)
    return out.getvalue()


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture("JPEG", exif=exif)


def _stated(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header states another size."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def _png_stated(data: bytes, width: int, height: int) -> bytes:
    head = data[12:16] + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + head + struct.pack(">I", zlib.crc32(head)) + data[33:]


JPEG, PNG = picture("JPEG"), picture("PNG")
PROGRESSIVE = picture("JPEG", progressive=True)
BOMBS = {
    "JPEG of 65,500 x 65,500": (_stated(JPEG, 65500, 65500), REFUSED),
    "PNG of 2^31 - 1 x 2^31 - 1": (_png_stated(PNG, 2**31 - 1, 2**31 - 1), REFUSED),
    "PNG of 30,000 x 30,000": (_png_stated(PNG, 30000, 30000), REFUSED),
    "PNG of 0 x 0": (_png_stated(PNG, 0, 0), REFUSED),
    "JPEG of 0 x 48": (_stated(JPEG, 0, 48), REFUSED),
}


def _image(data: bytes, folder: Path) -> None:
    path = folder / "a.jpg"
    path.write_bytes(data)
    images.size_of(path)
    image, size, _ = images.decode(data, "a")
    assert min(image.size) > 0 < min(size)


def _quick(data: bytes, folder: Path) -> None:
    images.check(data, "a")


IMAGES = Parser(
    "image, decoded",
    _image,
    (JPEG, PNG, PROGRESSIVE, picture("PNG", "P")),
    {
        **cuts(JPEG),
        **{f"progressive {name}": case for name, case in cuts(PROGRESSIVE).items()},
        **{f"PNG {name}": case for name, case in cuts(PNG).items()},
        **BOMBS,
        "taller than its data": (_stated(JPEG, 64, 480), None),
        "wider than its data": (_stated(JPEG, 640, 48), None),
        "smaller than its data": (_stated(JPEG, 8, 8), None),
        "GIF": (picture("GIF"), REFUSED),
        "a web page": (b"<html>", REFUSED),
    },
)
CHECKED = Parser("image, checked", _quick, (JPEG, PNG), {**cuts(JPEG), **BOMBS})


def _upright(data: bytes, folder: Path) -> None:
    changed, _, size, _ = pixels.upright(data, "a", turn=True)
    assert images.open_image(changed, "a").size == size


UPRIGHT = Parser(
    "image of any format",
    _upright,
    (
        _turned(),
        picture("JPEG", "CMYK"),
        picture("PNG", "LA"),
        picture("BMP"),
        picture("TIFF"),
        picture("TIFF", compression="tiff_lzw"),
        picture("WEBP"),
    ),
    {
        **cuts(_turned()),
        **BOMBS,
        "TIFF in a circle": (b"II*\0\x08\0\0\0\0\0\x08\0\0\0", REFUSED),
    },
)


def _shown(data: bytes, folder: Path) -> None:
    path = folder / "photo.jpg"
    path.write_bytes(data)
    sources.Image(path, path.name, path.stem).read()


SHOWN = Parser("image to detect in", _shown, (_turned(), PNG), {**cuts(JPEG), **BOMBS})

RECORD = records.frame_record(b"first") + records.frame_record(b"second" * 50)


def _claims(length: int) -> bytes:
    head = struct.pack("<Q", length)
    return head + struct.pack("<I", records.masked_crc(head)) + b"data" + bytes(4)


def _record_file(data: bytes, folder: Path) -> None:
    path = folder / "a.record"
    path.write_bytes(data)
    found = list(records.read_records(path))
    assert records.count(path) == len(found)


def _flips(data: bytes) -> dict[str, tuple[bytes, str | None]]:
    return {
        f"bit of byte {at}": (data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :], REFUSED)
        for at in range(0, len(data), 7)
    }


RECORDS = Parser(
    "TFRecord file",
    _record_file,
    (RECORD,),
    {
        **_flips(RECORD),
        "cut between records": (RECORD[:21], READ),  # which is why there is a manifest
        "cut in a record": (RECORD[:40], REFUSED),
        "cut in a length": (RECORD[:25], REFUSED),
        "claims 2^63 bytes": (_claims(2**63), REFUSED),
        "claims 100 GB": (_claims(10**11), REFUSED),
    },
)


def _state(data: bytes, folder: Path) -> None:
    transfer = download._Transfer("http://127.0.0.1:9/a.zip", folder / "a.zip", None, 1.0)
    transfer.partial.write_bytes(b"abc")
    transfer.state.write_bytes(data)
    transfer.have()


STATE = Parser(
    "download's state",
    _state,
    (b'{"url": "http://127.0.0.1:9/a.zip", "validator": "x"}',),
    {"nested": (b"[" * 100_000, READ)},
)
