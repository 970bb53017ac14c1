"""Step 3: from the EgoHands archive to a data set in the KITTI layout.

    OUT/images/<VIDEO>_frame_NNNN.jpg      the archive's own bytes
    OUT/labels/<VIDEO>_frame_NNNN.txt      see `kitti`
    OUT/polygons/<VIDEO>_frame_NNNN.json   see `polygons`; for a frame with hands
    OUT/dataset.json                       from which archive, how many frames and hands
    OUT/contact_sheets/<VIDEO>.jpg         to look at, on request

It can be killed at any time and run again: what stands under its final name is whole, and
`dataset.json` says "complete" only once everything is.
"""

from __future__ import annotations

import os
import platform
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from hand_detection import contact_sheet, egohands, images, kitti, polygons
from hand_detection.console import Progress, UserError, say, warn
from hand_detection.files import read_json, sha256, write_json
from hand_detection.parallel import in_order
from hand_detection.paths import shown

MANIFEST = "dataset.json"
_FOLDERS = ("images", "labels", polygons.FOLDER)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a video becomes: the texts of its files by frame name, and how many hands."""

    labels: dict[str, str]
    polygons: dict[str, str]  # of frames with hands
    hands: int

    def files(self, out: Path) -> Iterator[tuple[Path, bytes]]:
        """The files of `out` that are made from polygons.mat, and their contents."""
        for name, text in self.labels.items():
            yield _label(out, name), text.encode()
        for name, text in self.polygons.items():
            yield polygons.file_of(_label(out, name)), text.encode()


def prepare(
    archive: Path,
    out: Path,
    *,
    workers: int,
    published: bool = False,
    sample: dict[str, int] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Make the data set folder `out` from `archive`, or complete it, or see that it is done.

    Args:
        archive: a zip in the layout that `egohands` describes.
        out: the data set folder; its lock is held by the caller.
        workers: how many processes share the work.
        published: the archive must be the whole published data set.
        sample: the settings that the archive was generated with, for the manifest.
        overwrite: replace files that differ from what the archive gives.

    Returns:
        The manifest.

    Raises:
        UserError: the archive is not correct, or `out` holds what must not be overwritten.
    """
    before = read_manifest(out)
    videos = egohands.read_index(archive)
    source = _describe(archive, before)
    if before and before["archive"] and before["archive"]["sha256"] != source["sha256"]:
        if not overwrite:
            raise UserError(
                f"{shown(out)} is made from another archive, {before['archive']['name']}: "
                "name another folder with --out, or add --overwrite"
            )
        before = None

    with Progress(len(videos), "polygons", "videos") as bar:
        plans = []
        for plan in in_order(partial(plan_video, archive), videos, workers):
            plans.append(plan)
            bar.update()
    manifest = {
        "format": 1,
        "state": "preparing",
        "archive": source,
        "sample": sample,
        "videos": {
            video.name: {
                "frames": len(video.frames),
                "hands": plan.hands,
                "image_bytes": sum(frame.file_size for frame in video.frames),
            }
            for video, plan in zip(videos, plans, strict=True)
        },
        "written_by": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "scipy", "pillow")},
        },
    }
    _check_counts(manifest, archive, published)

    foreign = _foreign(out, plans)
    different = list(_different(out, videos, plans))
    if (foreign or different) and not overwrite:
        _refuse(foreign, different)
    if before and before["state"] == "complete" and not (foreign or different):
        missing = next(_missing(out, videos, plans), None)
        if missing is None:
            say(f"{shown(out)} is already done")
            return before

    for folder in _FOLDERS:
        (out / folder).mkdir(parents=True, exist_ok=True)
    _check_room(out, videos)
    write_json(out / MANIFEST, manifest)
    for path in foreign:
        path.unlink()
    with Progress(frame_count(manifest), "frames", "frames") as bar:
        work = list(zip(videos, plans, strict=True))
        results = in_order(partial(write_video, archive, out), work, workers)
        for (video, _), _ in zip(work, results, strict=True):
            bar.update(len(video.frames))
    for folder in _FOLDERS:
        for leftover in (out / folder).glob(".*.partial"):
            leftover.unlink()
    manifest["state"] = "complete"
    write_json(out / MANIFEST, manifest)
    return manifest


def _check_room(out: Path, videos: Iterable[egohands.Video]) -> None:
    """Refuse to begin what the disk has no room for."""
    files = [
        (_image(out, video, frame), frame.file_size) for video in videos for frame in video.frames
    ]
    needed = sum(size for path, size in files if not path.exists())
    free = shutil.disk_usage(out).free
    if needed > free:
        raise UserError(
            f"the images need {needed / 1e6:,.0f} MB, but the disk of {shown(out)} has "
            f"{free / 1e6:,.0f} MB left"
        )


def plan_video(archive: Path, video: egohands.Video) -> Plan:
    """The labels and outlines of a video, from its polygons and the real size of each frame.

    Raises:
        UserError: a member of the archive is damaged or not what it should be.
    """
    with zipfile.ZipFile(archive) as file:
        data = egohands.read_member(file, video.polygons)
        hands = egohands.read_polygons(data, video.name, len(video.frames))
        labels, outlines = {}, {}
        for frame, found in zip(video.frames, hands, strict=True):
            size = _size(file, archive, frame)
            name, objects = video.frame_name(frame), [_hand(outline, *size) for outline in found]
            labels[name] = kitti.labels_text(objects)
            if objects:
                outlines[name] = polygons.text(objects)
    return Plan(labels, outlines, sum(map(len, hands)))


def _hand(polygon: np.ndarray, width: int, height: int) -> kitti.Label:
    # KITTI counts from 0, MATLAB from 1.
    box = (side - 1 for side in egohands.official_box(polygon, width, height))
    outline = tuple((polygon - 1).ravel().tolist())
    return kitti.Label(egohands.CLASS, tuple(box), polygon=(outline,))


def _size(file: zipfile.ZipFile, archive: Path, frame: zipfile.ZipInfo) -> tuple[int, int]:
    """The (width, height) of a frame, from its first bytes where those are enough."""
    try:
        return images.open_image(egohands.read_member(file, frame, 4096), "").size
    except UserError:
        where = f"{shown(archive)}: {frame.filename}"
        return images.open_image(egohands.read_member(file, frame), where).size


def write_video(archive: Path, out: Path, work: tuple[egohands.Video, Plan]) -> None:
    """Write a video's images, byte for byte, its labels and outlines.

    An image that is there with the archive's size and CRC is left as it is.

    Raises:
        UserError: an image is damaged in the archive, or cut.
    """
    video, plan = work
    with zipfile.ZipFile(archive) as file:
        for frame in video.frames:
            path = _image(out, video, frame)
            if _is_member(path, frame):
                continue
            data = egohands.read_member(file, frame)
            images.check(data, f"{shown(archive)}: {frame.filename}")
            _write(path, data)
    for path, data in plan.files(out):
        if not path.exists() or path.read_bytes() != data:
            _write(path, data)


def _image(out: Path, video: egohands.Video, frame: zipfile.ZipInfo) -> Path:
    return out / "images" / f"{video.frame_name(frame)}.jpg"


def _label(out: Path, name: str) -> Path:
    return out / "labels" / f"{name}.txt"


def _is_member(path: Path, member: zipfile.ZipInfo) -> bool:
    try:
        if path.stat().st_size != member.file_size:
            return False
        return zlib.crc32(path.read_bytes()) == member.CRC
    except FileNotFoundError:
        return False


def _write(path: Path, data: bytes) -> None:
    # Not whole_file: its fsync for each of 9,600 files would cost more than all the rest.
    # What a power cut may leave has another size, which the next run sees.
    # The name is the process's own: a worker of a run just killed may still be at it.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    temporary.write_bytes(data)
    temporary.replace(path)


def _describe(archive: Path, before: dict[str, Any] | None) -> dict[str, Any]:
    """What the manifest says of the archive; the hash of an unchanged file is not made again."""
    status = archive.stat()
    source = {"name": archive.name, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
    known = (before or {}).get("archive") or {}
    if all(known.get(key) == value for key, value in source.items()):
        return known
    return source | {"sha256": sha256(archive)}


def _check_counts(manifest: dict[str, Any], archive: Path, published: bool) -> None:
    counts = (len(manifest["videos"]), frame_count(manifest), hand_count(manifest))
    expected = (egohands.VIDEOS, egohands.FRAMES, egohands.HANDS)
    if counts == expected or manifest["sample"]:
        return
    text = (
        f"{shown(archive)} has {counts[0]} videos, {counts[1]:,} frames, {counts[2]:,} hands "
        f"where the published data set has {expected[0]}, {expected[1]:,}, {expected[2]:,}"
    )
    if published:
        raise UserError(f"{text}: remove it to fetch it again, or name it with --archive to use it")
    if counts[0] >= expected[0]:
        warn(f"warning: {text}")


def _foreign(out: Path, plans: Iterable[Plan]) -> list[Path]:
    """The files that would join the data set and are not the archive's."""
    frames = {name for plan in plans for name in plan.labels}
    outlined = {name for plan in plans for name in plan.polygons}
    found = []
    for folder, own, suffixes, names in (
        ("images", ".jpg", images.SUFFIXES, frames),
        ("labels", ".txt", (".txt",), frames),
        (polygons.FOLDER, ".json", (".json",), outlined),
    ):
        if (out / folder).is_dir():
            found += [
                path
                for path in sorted((out / folder).iterdir())
                if path.suffix.lower() in suffixes
                and not path.name.startswith(".")
                and not (path.suffix == own and path.stem in names)
            ]
    return found


def _different(
    out: Path, videos: Iterable[egohands.Video], plans: Iterable[Plan]
) -> Iterable[Path]:
    """The files that are there and are not what the archive gives."""
    for video, plan in zip(videos, plans, strict=True):
        for path, data in plan.files(out):
            if path.exists() and path.read_bytes() != data:
                yield path
        for frame in video.frames:
            path = _image(out, video, frame)
            # An empty one is what a power cut leaves: no one's work, written anew.
            if path.exists() and path.stat().st_size not in (0, frame.file_size):
                yield path


def _missing(out: Path, videos: Iterable[egohands.Video], plans: Iterable[Plan]) -> Iterable[Path]:
    for video, plan in zip(videos, plans, strict=True):
        for frame in video.frames:
            path = _image(out, video, frame)
            if not path.exists() or not path.stat().st_size:
                yield path
        yield from (path for path, _ in plan.files(out) if not path.exists())


def _refuse(foreign: list[Path], different: list[Path]) -> None:
    found = different or foreign
    what = "not what the archive gives (edited by hand?)" if different else "not from the archive"
    names = ", ".join(shown(path) for path in found[:3])
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    verb = "is" if len(found) == 1 else "are"
    raise UserError(
        f"{names}{more} {verb} {what}: nothing was changed. Move your files away or name "
        "another folder with --out; to lose them and start from the archive, add --overwrite"
    )


def prepare_sample(
    out: Path, *, videos: int, frames: int, seed: int, workers: int, overwrite: bool = False
) -> dict[str, Any]:
    """Generate a small archive in `out` and prepare it exactly as the real one.

    Raises:
        UserError: as `prepare`; or `out` holds an archive that was not generated.
    """
    settings = {"videos": videos, "frames": frames, "seed": seed}
    archive, before = out / egohands.ARCHIVE, read_manifest(out)
    made = before["sample"] if before else None
    if archive.exists() and not made:
        raise UserError(
            f"{shown(archive)} is not a generated sample: name another folder with --out"
        )
    if made and made != settings and before["state"] != "generating" and not overwrite:
        raise UserError(
            f"{shown(out)} holds a sample with other settings ({_listed(made)}): "
            "name another folder with --out, or add --overwrite"
        )
    if made != settings or before["state"] == "generating" or not archive.exists():
        from hand_detection import sample

        # Said first, so that a run killed here does not take the archive for a real one.
        write_json(
            out / MANIFEST,
            {**(before or {"archive": None}), "state": "generating", "sample": settings},
        )
        sample.generate(archive, **settings)
    return prepare(archive, out, workers=workers, sample=settings, overwrite=overwrite)


def _listed(settings: dict[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def read_manifest(out: Path) -> dict[str, Any] | None:
    """The manifest of the data set folder `out`; None if it has none.

    Raises:
        UserError: it is not one that this project wrote.
    """
    path = out / MANIFEST
    if not path.exists():
        return None
    manifest = read_json(path, "state", "archive", "sample")
    try:
        archive, videos = manifest["archive"], manifest.get("videos", {})
        sound = archive is None or isinstance(archive["name"] + archive["sha256"], str)
        sound &= manifest["sample"] is None or isinstance(manifest["sample"], dict)
        counts = [
            video[key] for video in videos.values() for key in ("frames", "hands", "image_bytes")
        ]
        sound &= all(isinstance(count, int) for count in counts)
        sound &= manifest["state"] == "generating" or bool(videos)
    except (TypeError, KeyError, AttributeError):
        sound = False
    if not sound:
        raise UserError(f"{shown(path)} is not a manifest that this project wrote")
    return manifest


def is_complete(out: Path) -> bool:
    """Whether `out` was prepared and its images are all there, judged without the archive."""
    manifest = read_manifest(out)
    if not manifest or manifest["state"] != "complete":
        return False
    try:
        sizes = [frame.image.stat().st_size for frame in kitti.list_frames(out)]
    except UserError:
        return False
    videos = manifest["videos"].values()
    return (len(sizes), sum(sizes)) == tuple(
        sum(video[key] for video in videos) for key in ("frames", "image_bytes")
    )


def frame_count(manifest: dict[str, Any]) -> int:
    """The frames of a prepared data set."""
    return sum(video["frames"] for video in manifest["videos"].values())


def hand_count(manifest: dict[str, Any]) -> int:
    """The hands of a prepared data set."""
    return sum(video["hands"] for video in manifest["videos"].values())


def counts_table(manifest: dict[str, Any]) -> str:
    """Videos, frames and hands by official split, for the terminal."""
    rows = []
    for split in ("train", "val", "test", "total"):
        videos = [
            counts
            for name, counts in manifest["videos"].items()
            if split in ("total", egohands.split_of(name))
        ]
        frames, hands = sum(v["frames"] for v in videos), sum(v["hands"] for v in videos)
        rows.append(f"{split:>14} {len(videos):>8,} {frames:>8,} {hands:>8,}")
    return "\n".join([f"{'official split':>14} {'videos':>8} {'frames':>8} {'hands':>8}", *rows])


def verify(out: Path, workers: int) -> None:
    """Decode every image of `out`, check every label, and write a contact sheet a video.

    Raises:
        UserError: an image or label file is not correct; names it.
    """
    groups: dict[str, list[kitti.Frame]] = {}
    frames = kitti.list_frames(out)
    for frame in frames:
        groups.setdefault(egohands.video_of(frame.name) or "other", []).append(frame)
    hands = 0
    with Progress(len(frames), "verify", "frames") as bar:
        results = in_order(partial(_verify_group, out / "contact_sheets"), groups.items(), workers)
        for (_, group), found in zip(groups.items(), results, strict=True):
            hands += found
            bar.update(len(group))
    say(
        f"verified: {len(frames):,} images decode, {hands:,} boxes lie inside them; "
        f"look at {shown(out / 'contact_sheets')}"
    )


def _verify_group(sheets: Path, group: tuple[str, list[kitti.Frame]]) -> int:
    name, frames = group
    hands = 0
    for frame in frames:
        _, size, _ = images.decode(frame.image.read_bytes(), shown(frame.image))
        hands += len(kitti.read_labels(frame.label, size=size, classes=(egohands.CLASS,)))
    contact_sheet.write_contact_sheet(sheets / f"{name}.jpg", frames)
    return hands
