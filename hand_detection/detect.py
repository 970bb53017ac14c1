"""Detection in images with an exported model. Step 8.

python -m hand_detection.detect [--model DIR] [--threshold T] [--output FILE] IMAGE ...
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from hand_detection import console, detectors, files, images, labelmap, models
from hand_detection.console import UserError, say
from hand_detection.drawing import draw_boxes
from hand_detection.export import FROZEN, LABEL_MAP
from hand_detection.paths import EXPORTED, shown


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="detect_image.sh",
        description="Step 8: detect hands in images and draw them.",
        epilog="With several images, --output is a folder.",
    )
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="JPEG or PNG files")
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="an exported model: its name below exported/, or its folder (default: the one there)",
    )
    parser.add_argument(
        "--threshold",
        type=_score,
        default=0.5,
        metavar="SCORE",
        help="draw what scores at least this, 0 to 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("detection_output.jpg"),
        help="the picture to write (default: %(default)s)",
    )
    arguments = parser.parse_args()
    folder = model_folder(arguments.model)
    pictures = [(path, read_image(path)) for path in arguments.images]
    targets = _targets(arguments.images, arguments.output)

    started = time.monotonic()
    detector = Detector(folder)
    say(f"{shown(folder)} loaded in {time.monotonic() - started:.1f} s")
    for (path, picture), target in zip(pictures, targets, strict=True):
        started = time.monotonic()
        found = detector.detect(np.asarray(picture))
        milliseconds = (time.monotonic() - started) * 1000
        keep = found.scores >= arguments.threshold
        say(f"{shown(path)}: {keep.sum()} found in {milliseconds:.0f} ms")
        for box, category, score in zip(
            found.boxes[keep], found.classes[keep], found.scores[keep], strict=True
        ):
            xmin, ymin, xmax, ymax = box.round().astype(int)
            name = detector.names.get(int(category), str(category))
            say(f"  {name} {score:.2f}  x {xmin}-{xmax}, y {ymin}-{ymax}")
        drawn = draw_boxes(
            picture,
            found.boxes[keep],
            found.classes[keep],
            detector.names,
            found.scores[keep],
            found.only(keep).masks,
        )
        with files.whole_file(target) as temporary:
            drawn.save(temporary, "PNG" if target.suffix.lower() == ".png" else "JPEG", quality=92)
        say(f"  drawn into {shown(target)}")


class Detector(detectors.FrozenGraph):
    """An exported model's folder, ready to run.

    Attributes:
        names: class names by id.

    Raises:
        UserError: the folder holds no frozen graph, or a damaged one.
    """

    def __init__(self, folder: Path) -> None:
        self.names = {
            id_: name for name, id_ in labelmap.read_label_map(folder / LABEL_MAP).items()
        }
        super().__init__(folder / FROZEN)


def model_folder(model: str | None) -> Path:
    """The folder of an exported model: named, or the newest below exported/.

    Raises:
        UserError: there is none; the text says what to run first.
    """
    if model is not None:
        for folder in (Path(model), EXPORTED / model):
            if (folder / FROZEN).is_file():
                return folder
        raise UserError(
            f"no {FROZEN} in {model} or {shown(EXPORTED / model)}: run ./export.sh first"
        )
    graphs = EXPORTED.glob(f"[!.]*/{FROZEN}")
    newest = max(graphs, key=lambda graph: graph.stat().st_mtime, default=None)
    if newest is None:
        raise UserError(
            f"no exported model in {shown(EXPORTED)}: run ./export.sh {models.names()[0]} first"
        )
    return newest.parent


def read_image(path: Path) -> Image.Image:
    """An image file as RGB, upright by its EXIF orientation.

    Raises:
        UserError: it cannot be read, or is cut or damaged.
    """
    if not path.is_file():
        raise UserError(f"no image {shown(path)}")
    data = path.read_bytes()
    size = images.open_image(data, shown(path)).size
    picture, _, _ = images.decode(data, shown(path), size)
    with images.explain_damage(shown(path)):
        return ImageOps.exif_transpose(picture).convert("RGB")


def _targets(sources: list[Path], output: Path) -> list[Path]:
    if len(sources) == 1 and not output.is_dir():
        return [output]
    if output.is_file() or output.suffix:
        output = output.with_suffix("")
    return [output / f"{number:03d}_{path.name}" for number, path in enumerate(sources, 1)]


def _score(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{value} is not between 0 and 1")
    return value


if __name__ == "__main__":
    console.run(main)
