"""Time the API's own KITTI converter on the original stack: one process, every image decoded whole.

    DIR/venv/bin/python benchmarks/original/create_tfrecords.py DATA LABEL_MAP

DATA is a data set as prepare_egohands.py makes it. The converter wants names of its own, so it gets
links. Prints the frames a second, start-up left out, as JSON.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import timing


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("label_map", metavar="LABEL_MAP")
    arguments = parser.parse_args()

    from object_detection.dataset_tools import create_kitti_tf_record

    data = Path(arguments.data).resolve()
    images = sorted((data / "images").iterdir())
    with tempfile.TemporaryDirectory() as folder:
        image_links = Path(folder) / "data_object_image_2/training/image_2"
        label_links = Path(folder) / "training/label_2"
        image_links.mkdir(parents=True)
        label_links.mkdir(parents=True)
        for number, image in enumerate(images):
            (image_links / f"{number:06d}{image.suffix}").symlink_to(image)
            label = data / "labels" / f"{image.stem}.txt"
            (label_links / f"{number:06d}.txt").symlink_to(label)
        started = time.time()
        create_kitti_tf_record.convert_kitti_to_tfrecords(
            folder, f"{folder}/records", ["hand"], arguments.label_map, 500
        )
        seconds = time.time() - started
    figures = {
        "frames": len(images),
        "seconds": round(seconds, 2),
        "frames_per_second": round(len(images) / seconds, 1),
        "peak_mb": timing.peak_mb(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
