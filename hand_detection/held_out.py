"""What an evaluation's numbers mean: which of its videos the detector was trained on.

In a random split neighbouring frames of one video stand on both sides, and the numbers flatter.
That is told from the frames themselves, not from the split's name.
"""

from __future__ import annotations

from pathlib import Path

from hand_detection import egohands, files, tfrecords
from hand_detection.coco import AP, AP50, AP75
from hand_detection.paths import ROOT, shown

SEEN, RANDOM, BY_VIDEO, UNKNOWN = "seen", "random", "by video", "unknown"
MEANING = {
    SEEN: "Some of these very frames were trained on: the numbers say how well they are "
    "remembered, and nothing about new ones.",
    RANDOM: "Other frames of the same videos were trained on, often a second apart: the numbers "
    "say how well the detector knows these recordings, and flatter it for any other.",
    BY_VIDEO: "No frame of these videos was trained on: the numbers say how the detector does on "
    "recordings that it has never seen. Quote these.",
    UNKNOWN: "Which videos were trained on is not known here: do not compare the numbers with "
    "those of another split.",
}


def kind(run: Path | None, folder: Path, split: str) -> str:
    """How the frames of an evaluation stand to those that a run was trained on.

    Args:
        run: the training run's folder, if it is known.
        folder: the evaluated records'.
        split: which of them.

    Returns:
        A key of `MEANING`.
    """
    trained = _trained_frames(run) if run is not None else None
    if not trained or not (folder / tfrecords.MANIFEST).is_file():
        return UNKNOWN
    frames = tfrecords.read_manifest(folder).split(split).frames
    if trained & set(frames):
        return SEEN
    videos, others = ({egohands.video_of(name) for name in names} for names in (frames, trained))
    if None in videos | others:
        return UNKNOWN
    return RANDOM if videos & others else BY_VIDEO


def _trained_frames(run: Path) -> set[str] | None:
    """The names of all frames that a run was trained on; None where that cannot be told."""
    if not (run / "run.json").is_file():
        return None
    frames: set[str] = set()
    entries = files.read_json(run / "run.json")
    for entry in entries if isinstance(entries, list) else [None]:
        try:
            folder, sha256 = entry["records"]["folder"], entry["records"]["manifest_sha256"]
        except (TypeError, KeyError):
            return None
        # Written relative to where the training was started, most often the root.
        candidates = (Path(folder), ROOT / folder)
        manifests = [path / tfrecords.MANIFEST for path in candidates]
        same = [path for path in manifests if path.is_file() and files.sha256(path) == sha256]
        if not same:
            return None
        frames |= set(tfrecords.read_manifest(same[0].parent).split("train").frames)
    return frames


def side_by_side(runs: Path, model: str) -> list[dict]:
    """The newest evaluation of each run of `model` on each split, best known meaning first.

    Empty unless there is one on videos that were trained on and one on videos that were not.

    Args:
        runs: the folder with all runs.
        model: the model's name.

    Returns:
        The records as `eval.sh` wrote them, with "run" added.
    """
    newest: dict[tuple[str, str, str], dict] = {}
    for path in sorted(runs.glob("*/eval-*.json")):
        record = files.read_json(path)
        if not isinstance(record, dict) or record.get("model") != model:
            continue
        key = (path.parent.name, record.get("split"), record.get("trained_on"))
        if key not in newest or record["step"] > newest[key]["step"]:
            newest[key] = {**record, "run": path.parent.name}
    rows = [row for row in newest.values() if row.get("trained_on") in (RANDOM, BY_VIDEO)]
    if {row["trained_on"] for row in rows} != {RANDOM, BY_VIDEO}:
        return []
    return sorted(rows, key=lambda row: (row["trained_on"] != BY_VIDEO, row["run"], row["split"]))


def table(rows: list[dict]) -> str:
    """Rows of `side_by_side` as text, with what each kind of split means."""
    lines = ["split       AP     AP50   AP75   images  of"]
    for row in rows:
        numbers = row["metrics"]
        lines.append(
            f"{row['trained_on']:<10}  {numbers[AP]:.3f}  {numbers[AP50]:.3f}  "
            f"{numbers[AP75]:.3f}  {row['images']:>6}  {row['run']}, step {row['step']}, "
            f"{row['split']}"
        )
    return "\n".join([*lines, *(f"{kind}: {MEANING[kind]}" for kind in (BY_VIDEO, RANDOM))])


def describe(kind: str, split: str, folder: Path) -> str:
    """One line on an evaluation's split."""
    return f"{split} of {shown(folder)}, {kind}: {MEANING[kind]}"
