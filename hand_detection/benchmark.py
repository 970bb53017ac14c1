"""How fast every export in a folder runs on this machine's runtimes.

    tools/benchmark.sh [--images DIR] [--threads 1,2] [--batch 1,4] [EXPORT ...]

Each model runs in a process of its own, and all take turns. Latency is from pixels to boxes;
decoding the image is told beside it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from hand_detection import console, detectors, files
from hand_detection.benchmarking import report, rounds
from hand_detection.console import UserError, positive_number, say
from hand_detection.detection import sources
from hand_detection.exported import FAILED, FROZEN
from hand_detection.paths import EXPORTED, shown


def main() -> None:
    """Parse the command line, measure, and write the page and the JSON."""
    arguments = _parser().parse_args()
    models = find_models(arguments.exports or [EXPORTED])
    images = [source for source in sources.find([str(arguments.images)]) if source.count == 1]
    frames = [source.path.read_bytes() for source in images[: arguments.frames]]
    if not frames:
        raise UserError(f"there is no image in {shown(arguments.images)}")
    if len({source.read().pixels.shape for source in images[: arguments.frames]}) > 1:
        raise UserError(f"the images in {shown(arguments.images)} are not all of one size")
    say(f"{len(models)} models, {len(frames)} images; {report.machine()}")
    rows = rounds.measure(
        models,
        frames,
        threads=arguments.threads,
        batches=arguments.batch,
        rounds=arguments.rounds,
        times=arguments.times,
        check=as_the_original,
    )
    rows.sort(key=lambda row: (row.batch, row.percentile(50)))
    for line in report.table(rows):
        say(line)
    original, best = as_the_original(rows), rows[0]
    ratio = original.percentile(50) / best.percentile(50)
    say(
        f"best: {report.label(best)}, p50 {best.percentile(50):.1f} ms, {ratio:.1f} times lower "
        f"than as the original's detect script does it ({original.percentile(50):.1f} ms)"
    )
    files.write_json(arguments.out / "benchmark.json", report.figures(rows, original, best))
    files.write_text(arguments.out / "benchmark.html", report.html(rows, original, best))
    say(f"Next: open {shown(arguments.out / 'benchmark.html')} in a browser")


def find_models(exports: list[Path]) -> list[Path]:
    """Every model file and SavedModel in the folders, or the ones that are named.

    Raises:
        UserError: there is none.
    """
    found = []
    for export in exports:
        if not export.is_dir() or (export / "saved_model.pb").is_file():
            found.append(detectors.locate_unchanged(export))
            continue
        inside = [
            detectors.locate_unchanged(path)
            for path in sorted(export.rglob("*"))
            if _is_model(path, path.relative_to(export).parts)
        ]
        if not inside:
            raise UserError(f"there is no exported model in {shown(export)}: run ./export.sh first")
        found += inside
    if not any(path.name == FROZEN for path in found):
        raise UserError(
            f"there is no {FROZEN} among the models, which the others are compared with: "
            "run ./export.sh MODEL first, or name it too"
        )
    return list(dict.fromkeys(found))


def _is_model(path: Path, below: Sequence[str]) -> bool:
    """Whether `path` is one; hidden folders, and what the parity gate refused, are passed over."""
    if any(part.startswith(".") or FAILED in part for part in below):
        return False
    if path.name == "saved_model.pb":
        return False
    known = path.suffix in detectors.FORMATS and path.is_file()
    return known or (path / "saved_model.pb").is_file()


def as_the_original(rows: list[rounds.Row]) -> rounds.Row:
    """The frozen graph, one image at a time, with TensorFlow's own number of threads.

    The original's detect script: open the image, expand_dims, session.run of all outputs.

    Raises:
        UserError: each frozen graph takes another number of images at once.
    """
    for row in rows:
        if row.model.name == FROZEN and row.batch == 1 and row.threads is None:
            return row
    raise UserError(
        f"no {FROZEN} takes one image at once, which the others are compared with: "
        "./export.sh one without --batch, and name it too"
    )


def _numbers(text: str) -> list[int]:
    return sorted({positive_number(part) for part in text.split(",") if part})


def _threads(text: str) -> list[int | None]:
    return [None, *_numbers(",".join(part for part in text.split(",") if part != "own"))]


def _batches(text: str) -> list[int]:
    return sorted({1, *_numbers(text)})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/benchmark.sh",
        description="How fast every export runs here: latency, throughput, load time, memory.",
        epilog="The machine should be doing nothing else.",
    )
    add = parser.add_argument
    add("exports", nargs="*", type=Path, metavar="EXPORT", help="folders or models (exported/)")
    add("--images", type=Path, required=True, metavar="DIR", help="images of one size")
    add("--frames", type=positive_number, default=16, metavar="N", help="of them (%(default)s)")
    add(
        "--threads",
        type=_threads,
        default=_threads("1,2"),
        metavar="N,...",
        help="beside each runtime's own choice (1,2); own: no others",
    )
    add("--batch", type=_batches, default=[1, 4], metavar="N,...", help="beside 1 (4)")
    add("--rounds", type=positive_number, default=4, metavar="N", help="(%(default)s)")
    add("--times", type=positive_number, default=25, metavar="N", help="a round (%(default)s)")
    add("--out", type=Path, default=EXPORTED, metavar="DIR", help="for the two files (exported/)")
    return parser


if __name__ == "__main__":
    console.run(main)
