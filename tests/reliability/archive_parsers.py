"""The parsers of archives: polygons.mat, EgoHands' zip, the model zoo's tar.gz."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
from judge import READ, REFUSED, Parser, cuts
from scipy.io import savemat
from small_data import FIELDS, archive_members, jpeg, polygons_mat

from hand_detection import egohands, prepare, pretrained

SQUARE = [[1.5, 2.0], [20.0, 2.0], [20.0, 30.0]]
GOOD = polygons_mat([[SQUARE], [SQUARE, SQUARE], []])


def mat(compressed: bool = False, **variables: object) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        savemat(out, variables, do_compression=compressed)
    return out.getvalue()


def _records(of_first: object, count: int = 3) -> np.ndarray:
    polygons = np.zeros((1, count), [(name, object) for name in FIELDS])
    for record in polygons[0]:
        for name in FIELDS:
            record[name] = np.zeros((0, 0), np.uint8)
    polygons[0, 0]["myleft"] = of_first
    return polygons


def _packed(element: bytes) -> bytes:
    data = zlib.compress(element, 9)
    return GOOD[:128] + struct.pack("<II", 15, len(data)) + data


def _matrix(kind: int, dims: tuple[int, ...], name: bytes, *rest: bytes) -> bytes:
    """A matrix element that may claim anything."""

    def element(type_: int, data: bytes) -> bytes:
        return struct.pack("<II", type_, len(data)) + data + bytes(-len(data) % 8)

    body = element(6, struct.pack("<II", kind, 0))
    body += element(5, struct.pack(f"<{len(dims)}i", *dims)) + element(1, name)
    body += b"".join(rest)
    return struct.pack("<II", 14, len(body)) + body


def _nested(depth: int) -> bytes:
    inner = _matrix(6, (0, 0), b"")
    for _ in range(depth):
        inner = _matrix(1, (1, 1), b"polygons", inner)
    return inner


FIELD_NAMES = (
    struct.pack("<HHi", 5, 4, 8)
    + struct.pack("<II", 1, 32)
    + b"".join(name.encode()[:7].ljust(8, b"\0") for name in FIELDS)
)
MOST, NO_TEXT = 2**31 - 1, struct.pack("<II", 16, 0)
HDF5 = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n" * 99
CELL = np.array([["x"]], object)

POLYGONS = Parser(
    "polygons.mat",
    lambda data, folder: [
        egohands.official_box(polygon, 1280, 720)
        for record in egohands.read_polygons(data, "V", 3)
        for polygon in record
    ],
    (GOOD, mat(True, polygons=_records(np.array(SQUARE)))),
    {
        **cuts(GOOD, 40),
        **{
            f"compressed, {name}": case
            for name, case in cuts(mat(True, polygons=_records(np.array(SQUARE)))).items()
        },
        "huge coordinates": (mat(polygons=_records(np.array([[1e308, -1e308]]))), READ),
        "NaN": (mat(polygons=_records(np.array([[np.nan, 1]]))), REFUSED),
        "infinite": (mat(polygons=_records(np.array([[np.inf, 1]]))), REFUSED),
        "complex": (mat(polygons=_records(np.array([[1j, 1]]))), REFUSED),
        "text": (mat(polygons=_records(np.array(["ab"]))), REFUSED),
        "a cell": (mat(polygons=_records(CELL)), REFUSED),
        "a struct": (mat(polygons=_records({"x": 1.0})), REFUSED),
        "three columns": (mat(polygons=_records(np.ones((3, 3)))), REFUSED),
        "two records": (mat(polygons=_records(np.array(SQUARE), 2)), REFUSED),
        "four records": (mat(polygons=_records(np.array(SQUARE), 4)), REFUSED),
        "no struct": (mat(polygons=np.ones((1, 3))), REFUSED),
        "other fields": (mat(polygons={"a": 1.0}), REFUSED),
        "another variable": (mat(other=1.0), REFUSED),
        "MATLAB 7.3": (HDF5, REFUSED),
        "empty": (b"", REFUSED),
        "zeros": (bytes(1000), REFUSED),
        "bomb of 80 MB": (_packed(struct.pack("<II", 14, 80 << 20) + bytes(80 << 20)), REFUSED),
        "compressed wrongly": (GOOD[:128] + struct.pack("<II", 15, 64) + bytes(64), REFUSED),
        "a struct of 2^31 - 1": (
            GOOD[:128] + _matrix(2, (1, MOST), b"polygons", FIELD_NAMES),
            REFUSED,
        ),
        "a struct of 2^62": (
            GOOD[:128] + _matrix(2, (MOST, MOST), b"polygons", FIELD_NAMES),
            REFUSED,
        ),
        "cells of 2^31 - 1": (GOOD[:128] + _matrix(1, (1, MOST), b"polygons"), REFUSED),
        "text of 2^31 - 1": (GOOD[:128] + _matrix(4, (1, MOST), b"polygons", NO_TEXT), REFUSED),
        "negative size": (GOOD[:128] + _matrix(6, (-1, 2), b"polygons"), REFUSED),
        "nested 1,000 deep": (GOOD[:128] + _nested(1000), REFUSED),
        "an object": (GOOD[:128] + _matrix(3, (1, 1), b"polygons"), REFUSED),
        "a function": (GOOD[:128] + _matrix(16, (1, 1), b"polygons"), REFUSED),
        "an opaque object": (GOOD[:128] + _matrix(17, (1, 1), b"polygons"), REFUSED),
        "sparse": (GOOD[:128] + _matrix(5, (1, 3), b"polygons"), REFUSED),
    },
)

VIDEO = "_LABELLED_SAMPLES/CARDS_OFFICE_S_B"
MEMBERS = archive_members(1, 2)


def make_zip(
    *more: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as file:
        warnings.simplefilter("ignore")  # about names that are there twice
        for name, data in (*MEMBERS.items(), *more):
            file.writestr(name, data)
    return out.getvalue()


def _archive(data: bytes, folder: Path) -> None:
    archive = folder / "egohands_data.zip"
    archive.write_bytes(data)
    out = folder / "out"
    out.mkdir()
    prepare.prepare(archive, out, workers=1)
    prepare.verify(out, 1)


def _link(name: str) -> tuple[zipfile.ZipInfo, bytes]:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member, b"/etc/passwd"


ZIP = make_zip()
FRAME = f"{VIDEO}/frame_0001.jpg"
PRETENDED = ZIP.replace(FRAME.encode(), f"{VIDEO}/frame_0009.jpg".encode(), 1)  # at its place only

ARCHIVES = Parser(
    "EgoHands archive",
    _archive,
    (ZIP,),
    {
        **cuts(ZIP),
        "slip": (make_zip(("../../evil.jpg", b"x"), (f"{VIDEO}/../../../evil.jpg", b"x")), READ),
        "absolute name": (make_zip(("/etc/evil.jpg", b"x")), READ),
        "backslashes": (make_zip(("..\\..\\evil.jpg", b"x")), READ),
        "a link": (make_zip(_link(f"{VIDEO}/frame_0003.jpg")), REFUSED),
        "a name twice": (make_zip((FRAME, jpeg(9))), REFUSED),
        "a case clash": (make_zip((FRAME.replace("CARDS", "cards"), jpeg(9))), REFUSED),
        "two names of one member": (PRETENDED, REFUSED),
        "bomb of 60 MB": (make_zip((f"{VIDEO}/frame_0003.jpg", bytes(60 << 20))), REFUSED),
        "a frame of 65 MB": (make_zip((f"{VIDEO}/frame_0003.jpg", bytes(65 << 20))), REFUSED),
        "bzip2": (make_zip(method=zipfile.ZIP_BZIP2), REFUSED),
        "LZMA": (make_zip(method=zipfile.ZIP_LZMA), REFUSED),
        "a frame that is HTML": (make_zip((f"{VIDEO}/frame_0003.jpg", b"<html>")), REFUSED),
        "a frame more than records": (make_zip((f"{VIDEO}/frame_0003.jpg", jpeg(9))), REFUSED),
        "a web page": (b"<!DOCTYPE html><html></html>", REFUSED),
        "empty": (b"", REFUSED),
        "an empty zip": (b"PK\5\6" + bytes(18), REFUSED),
    },
)

NAME = "ssd_mobilenet_v1_coco_2018_01_28"


def make_tar(*more: tarfile.TarInfo | str, names: tuple[str, ...] = ()) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name in names or ("model.ckpt.index", "model.ckpt.data-00000-of-00001", "checkpoint"):
            member = tarfile.TarInfo(f"{NAME}/{name}")
            member.size = 3000
            tar.addfile(member, io.BytesIO(np.random.default_rng(0).bytes(3000)))
        for member in more:
            if isinstance(member, str):
                member = tarfile.TarInfo(member)
                member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
    return out.getvalue()


def _special(name: str, kind: bytes, target: str = "", size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, target, size
    return member


def _claiming(size: int) -> bytes:
    member = _special(f"{NAME}/model.ckpt.index", tarfile.REGTYPE, size=size)
    return gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(2048))


def _zoo(data: bytes, folder: Path) -> None:
    archive = folder / f"{NAME}.tar.gz"
    archive.write_bytes(data)
    pretrained.unpack(archive, folder / NAME)


TAR = make_tar()

ZOO = Parser(
    "model zoo archive",
    _zoo,
    (TAR, gzip.decompress(TAR)),
    {
        **cuts(TAR),
        "slip": (make_tar("../../evil"), REFUSED),
        "absolute name": (make_tar("/tmp/evil-of-the-tests"), None),
        "a link out": (make_tar(_special(f"{NAME}/evil", tarfile.SYMTYPE, "/etc/passwd")), REFUSED),
        "through a link": (
            make_tar(_special("x", tarfile.SYMTYPE, ".."), _special("x/y", tarfile.SYMTYPE, "..")),
            REFUSED,
        ),
        "a hard link out": (make_tar(_special("evil", tarfile.LNKTYPE, "../../evil")), REFUSED),
        "a device": (make_tar(_special("evil", tarfile.CHRTYPE)), REFUSED),
        "a pipe": (make_tar(_special("evil", tarfile.FIFOTYPE)), REFUSED),
        "a name twice": (make_tar(f"{NAME}/checkpoint"), REFUSED),
        "a case clash": (make_tar(f"{NAME}/CHECKPOINT"), REFUSED),
        "two checkpoints": (make_tar("b/model.ckpt.index"), REFUSED),
        "the index is a folder": (
            make_tar(_special("a/model.ckpt.index", tarfile.DIRTYPE), names=("x",)),
            REFUSED,
        ),
        "claims 1 TB": (_claiming(1 << 40), REFUSED),
        "no gzip": (gzip.decompress(TAR), REFUSED),
        "garbage in gzip": (gzip.compress(b"garbage" * 1000), REFUSED),
        "deflated wrongly": (TAR[:2000] + bytes(200) + TAR[2200:], REFUSED),
        "empty": (b"", REFUSED),
    },
)
