"""Time a frozen graph on TensorFlow 1.15, one image at a time in one session, as detect scripts do.

    DIR/venv/bin/python benchmarks/original/detect.py GRAPH IMAGE ...

DIR is made by setup.sh. Prints the milliseconds of each image's session.run as JSON; loading the
graph, decoding the images, and a warm-up on the first of them are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
from PIL import Image

import timing

OUTPUTS = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("graph", metavar="GRAPH")
    parser.add_argument("images", metavar="IMAGE", nargs="+")
    arguments = parser.parse_args()

    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf
    from tensorflow.python.framework import op_def_registry

    definition = tf.GraphDef.FromString(Path(arguments.graph).read_bytes())
    known = op_def_registry.get_registered_ops()
    for node in definition.node:  # a later TensorFlow states attributes that this one has not
        for name in set(node.attr) - {each.name for each in known[node.op].attr}:
            if not name.startswith("_"):
                del node.attr[name]
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(definition, name="")
        graph = tf.get_default_graph()
        outputs = {name: graph.get_tensor_by_name(name + ":0") for name in OUTPUTS}
        image = graph.get_tensor_by_name("image_tensor:0")
        times = []
        warm_up = arguments.images[: timing.WARM_UP]
        for path in warm_up + arguments.images:
            pixels = np.expand_dims(np.asarray(Image.open(path).convert("RGB")), 0)
            started = time.perf_counter()
            session.run(outputs, {image: pixels})
            times.append((time.perf_counter() - started) * 1000)
    figures = {
        "tensorflow": tf.__version__,
        "milliseconds": times[len(warm_up) :],
        "peak_mb": timing.peak_mb(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
