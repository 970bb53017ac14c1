"""What an evaluation's numbers mean: which of its videos the detector was trained on.

In a random split neighbouring frames of one video stand on both sides, and the numbers flatter.
That is told from the frames themselves, not from the split's name.
"""

from __future__ import annotations

from pathlib import Path

from hand_detection import egohands, files, runs, tfrecords
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
    trained, inputs = _trained_frames(run) if run is not None else (set(), set())
    if not trained or not (folder / tfrecords.MANIFEST).is_file():
        return UNKNOWN
    manifest = tfrecords.read_manifest(folder)
    frames = manifest.split(split).frames
    if trained & set(frames):
        # In another data set the same name may well be another picture.
        return SEEN if manifest.inputs in inputs else UNKNOWN
    videos, others = ({egohands.video_of(name) for name in names} for names in (frames, trained))
    if None in videos | others:
        return UNKNOWN
    return RANDOM if videos & others else BY_VIDEO


def _trained_frames(run: Path) -> tuple[set[str], set[str]]:
    """The names of all frames that a run was trained on, and the `inputs` of their manifests.

    Both empty where that cannot be told.
    """
    frames: set[str] = set()
    inputs: set[str] = set()
    for entry in runs.history(run):
        folder, sha256 = entry["records"]["folder"], entry["records"]["manifest_sha256"]
        # Written relative to where the training was started, most often the root.
        candidates = (Path(folder), ROOT / folder)
        manifests = [path / tfrecords.MANIFEST for path in candidates]
        same = [path for path in manifests if path.is_file() and files.sha256(path) == sha256]
        if not same:
            return set(), set()
        manifest = tfrecords.read_manifest(same[0].parent)
        frames |= set(manifest.split("train").frames)
        inputs.add(manifest.inputs)
    return frames, inputs


def side_by_side(folder: Path, model: str) -> list[dict]:
    """The newest evaluation of each run of `model` on each split, best known meaning first.

    Empty unless there is one on videos that were trained on and one on videos that were not.

    Args:
        folder: the one with all runs.
        model: the model's name.

    Returns:
        The records as `eval.sh` wrote them, with "run" added.
    """
    newest: dict[tuple[str, str, str], dict] = {}
    for run in sorted(path for path in folder.iterdir() if path.is_dir()):
        for record in runs.evaluations(run):
            if record["model"] == model:
                key = (run.name, record["split"], record["trained_on"])
                newest.setdefault(key, {**record, "run": run.name})
    rows = [row for row in newest.values() if row["trained_on"] in (RANDOM, BY_VIDEO)]
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
