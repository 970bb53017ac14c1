#!/usr/bin/env python3
"""Detects in one image with a TensorRT engine. Runs on the device, beside what it was built from.

    python3 detect.py ENGINE IMAGE [--threshold T]

Needs Python 3.7, NumPy, and OpenCV or Pillow. trtexec runs the engine, so that no bindings of
TensorRT are needed; for speed, look at what trtexec reports, not at how long this takes.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

INPUT = "image_tensor"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engine", type=Path, help="FORM_batchN_PRECISION.engine, by build.sh")
    parser.add_argument("image", type=Path, help="a JPEG or PNG file")
    parser.add_argument("--threshold", type=float, default=0.5, help="default: %(default)s")
    arguments = parser.parse_args()
    for path in (arguments.engine, arguments.image):
        if not path.is_file():
            sys.exit(f"error: there is no file {path}")
    batch = re.search(r"_batch(\d+)_", arguments.engine.name)
    if not batch:
        sys.exit(f"error: {arguments.engine} is not named FORM_batchN_PRECISION.engine")
    try:
        from decoder import Decoder
        from resizing import bilinear
    except ModuleNotFoundError as error:
        sys.exit(f"error: no {error.name}.py here: run this in a folder made by export.sh")

    folder = Path(__file__).resolve().parent
    decoder = Decoder.read((folder / "decoder.json").read_text(encoding="utf-8"))
    properties = json.loads((folder / "properties.json").read_text(encoding="utf-8"))
    names = json.loads(properties["classes"])
    picture = read(arguments.image)
    height, width = picture.shape[:2]
    # Of a larger batch every image is the same one.
    pixels = bilinear(picture[None], decoder.size).repeat(int(batch[1]), 0)
    found = detections(run(arguments.engine, pixels), decoder)
    for row in range(int(found["num_detections"][0])):
        score = found["detection_scores"][0, row]
        if score < arguments.threshold:
            continue
        ymin, xmin, ymax, xmax = found["detection_boxes"][0, row]
        name = names.get(str(int(found["detection_classes"][0, row])), "?")
        print(
            f"  {name} {score:.2f}  x {xmin * width:.0f}-{xmax * width:.0f}, "
            f"y {ymin * height:.0f}-{ymax * height:.0f}"
        )


def read(path):
    """An image file as uint8 (height, width, 3), RGB."""
    import numpy as np

    try:
        import cv2
    except ModuleNotFoundError:
        from PIL import Image

        return np.asarray(Image.open(path).convert("RGB"))
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        sys.exit(f"error: {path} is not an image that OpenCV reads")
    return picture[:, :, ::-1]


def run(engine, pixels):
    """The engine's outputs by name, for float32 pixels (batch, height, width, 3)."""
    import numpy as np

    shape = "x".join(map(str, pixels.shape))
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "input.bin", Path(folder) / "output.json"
        pixels.astype(np.float32).tofile(str(source))
        command = ["trtexec", f"--loadEngine={engine}", f"--loadInputs={INPUT}:{source}"]
        command += [f"--exportOutput={target}", "--iterations=1", "--duration=0", "--warmUp=0"]
        if "dynamic" in shapes_of(engine):
            command.append(f"--shapes={INPUT}:{shape}")
        path = os.environ["PATH"] + ":/usr/src/tensorrt/bin"
        try:
            done = subprocess.run(
                command,
                env=dict(os.environ, PATH=path),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
        except FileNotFoundError:
            sys.exit("error: no trtexec here: it comes with JetPack, apt install tensorrt")
        if done.returncode:
            last = done.stdout.decode(errors="replace").strip().splitlines()[-1:]
            sys.exit(f"error: trtexec ended with {done.returncode}: {' '.join(last)}")
        outputs = json.loads(target.read_text())
    return {
        each["name"]: np.array(each["values"]).reshape(
            [int(side) for side in re.findall(r"\d+", each["dimensions"])]
        )
        for each in outputs
    }


def shapes_of(engine):
    """Whether the engine was built of a file for any batch: there is none for its own."""
    fixed = re.sub(r"_[^_]+\.engine$", ".onnx", engine.name)
    return "fixed" if (engine.parent / fixed).is_file() else "dynamic"


def detections(outputs, decoder):
    """The outputs of any form as those of the API: classes counted from 1."""
    import numpy as np

    if "raw_class_logits" in outputs:
        heads = outputs["raw_box_encodings"], outputs["raw_class_logits"]
        return decoder.detections(*(head.astype(np.float32) for head in heads))
    if outputs["num_detections"].ndim == 2:  # the plugin's, which counts classes from 0
        outputs["num_detections"] = outputs["num_detections"][:, 0]
        outputs["detection_classes"] = outputs["detection_classes"] + 1
        outputs["detection_boxes"] = outputs["detection_boxes"].clip(0, 1)
    return outputs


if __name__ == "__main__":
    main()
