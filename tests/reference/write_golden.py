#!/usr/bin/env python3
"""Write down what the original stack computes, for tests/test_parity.py.

    benchmarks/original/setup.sh DIR
    DIR/venv/bin/python tests/reference/write_golden.py [WHAT ...]

DIR gets TensorFlow 1.15.5 under Python 3.7, and the API unported; 15 minutes and 4 GB of memory for
everything. The configs are written with the figures, so that a later change of configs/ does not
touch the comparison.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONFIGS = HERE.parent.parent / "configs"
GOLDEN = HERE / "golden"


def main() -> None:
    sys.path.insert(0, str(HERE))
    import parity

    everything = ("records", "optimizers", *parity.MODELS)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", metavar="WHAT", help=", ".join(everything) + " (all)")
    parser.add_argument("--configs", type=Path, default=CONFIGS, metavar="DIR", help="(configs/)")
    arguments = parser.parse_args()
    unknown = set(arguments.what) - set(everything)
    if unknown:
        parser.error(f"{sorted(unknown)[0]!r} is none of {', '.join(everything)}")

    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import numpy as np
    import tensorflow as tf

    if not tf.__version__.startswith("1."):
        sys.exit("error: this is to run on the original stack: see the head of this file")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    import optimizers

    GOLDEN.mkdir(exist_ok=True)
    for what in arguments.what or everything:
        if what == "records":
            found = record_figures(tf)
        elif what == "optimizers":
            found = optimizers.compute(tf)
        else:
            config = (arguments.configs / f"{what}_egohands.config").read_text(encoding="utf-8")
            found = {"config": np.array(config), **parity.compute(tf, config, unchanged)}
        partial = GOLDEN / ".partial.npz"
        np.savez_compressed(str(partial), **found)
        partial.replace(GOLDEN / f"{what}.npz")
        size = (GOLDEN / f"{what}.npz").stat().st_size
        print(f"{what}: {size // 1024} KB from TensorFlow {tf.__version__}", flush=True)


@contextlib.contextmanager
def unchanged():
    """The API's own losses as they are."""
    yield


def record_figures(tf) -> dict:
    """The API's own KITTI conversion, its decoding and its preprocessing, by name."""
    import numpy as np
    from object_detection.dataset_tools import create_kitti_tf_record

    import records

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        encoded = records.pictures()
        records.write_kitti(Path(folder), encoded)
        for name, data in zip(records.FRAMES, encoded):
            labels = Path(folder, "labels", name).with_suffix(".txt")
            example = create_kitti_tf_record.prepare_example(
                str(Path(folder, "images", name)),
                create_kitti_tf_record.read_annotation_file(str(labels)),
                {"hand": 1},
            ).SerializeToString()
            found[f"encoded/{name}"] = np.frombuffer(data, np.uint8)
            found.update(_below(f"example/{name}", records.features(tf, example)))
            tensors = records.decoded(tf, example)
            found.update(_below(f"decoded/{name}", tensors))
    found.update(
        _below(
            "preprocessed",
            records.preprocessed(tf, tensors["image"], tensors["groundtruth_boxes"]),
        )
    )
    return found


def _below(name: str, values: dict) -> dict:
    return {f"{name}/{key.replace('/', '.')}": value for key, value in values.items()}


if __name__ == "__main__":
    main()
