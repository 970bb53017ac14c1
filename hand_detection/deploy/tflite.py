"""TFLite: the network by TensorFlow's converter, in float32 or calibrated to 8-bit integers.

The file gives what the heads give; what is needed to decode that (anchors, NMS, class names) is
packed behind it as a zip archive, as TFLite's metadata has its files: `unzip model.tflite` shows.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hand_detection import frames, labelmap, pipeline, tfrecords
from hand_detection.api import compat
from hand_detection.deploy import network
from hand_detection.deploy.decoder import Decoder
from hand_detection.deploy.job import DECODER, PROPERTIES, Job
from hand_detection.deploy.resizing import bilinear

LABELS = "labels.txt"
SEED = 2018  # of the choice of calibration frames
MIN_SCORE = 0.01  # of anchors whose boxes are to be exact


def write(job: Job, file: Path, *, integers: bool) -> None:
    """Write a TFLite file; with `integers`, all weights and activations are 8-bit.

    Raises:
        UserError: the model cannot be exported so, or there are no records to calibrate on.
    """
    tf = compat.activate()
    net = job.network(batch=job.batch or 1, resize=False)
    definition, encodings = net.graph, network.ENCODINGS
    if integers:
        definition, encodings = clipped(net, *encoding_range(net, _calibration(job, net)))
    with tempfile.NamedTemporaryFile(suffix=".pb") as graph, _quiet():
        graph.write(definition.SerializeToString())
        graph.flush()
        converter = tf.lite.TFLiteConverter.from_frozen_graph(
            graph.name, [network.IMAGE], [encodings, network.LOGITS]
        )
        if integers:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: _calibration(job, net)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            # Not uint8, which LiteRT turns into int8 first: that took a thirteenth of the network.
            converter.inference_input_type = tf.int8
            converter.inference_output_type = tf.int8
        file.write_bytes(converter.convert())
    names = labelmap.read_label_map(job.label_map)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(DECODER, Decoder.of(job.config.proto, net.anchors).text())
        archive.writestr(LABELS, "".join(f"{name}\n" for name in sorted(names, key=names.get)))
        archive.writestr(PROPERTIES, json.dumps(job.properties()))


def encoding_range(
    net: network.Network, pictures: Iterable[list[np.ndarray]]
) -> tuple[float, float]:
    """Least and largest box encoding of anchors that may come to be detected.

    Those of the others reach far beyond, and would make the 256 steps between coarse for all.
    """
    tf = compat.activate()
    least, largest = -1.0, 1.0
    with tf.Graph().as_default(), tf.Session() as session:
        names = [f"{name}:0" for name in (network.IMAGE, network.ENCODINGS, network.SCORES)]
        image, *outputs = tf.import_graph_def(net.graph, return_elements=names, name="")
        for [pixels] in pictures:
            encodings, scores = session.run(outputs, {image: pixels})
            likely = encodings[scores.max(-1) >= MIN_SCORE]
            least = min(least, likely.min(initial=0))
            largest = max(largest, likely.max(initial=0))
    return float(least), float(largest)


def clipped(net: network.Network, least: float, largest: float) -> tuple[Any, str]:
    """The network's graph with its box encodings within limits, and the name of these."""
    tf = compat.activate()
    with tf.Graph().as_default() as graph:
        names = [f"{network.ENCODINGS}:0"]
        [encodings] = tf.import_graph_def(net.graph, return_elements=names, name="")
        within = tf.clip_by_value(encodings, least, largest)
    return graph.as_graph_def(), within.op.name


def _calibration(job: Job, net: network.Network) -> Iterator[list[np.ndarray]]:
    """Training frames as the network takes them, chosen at random, the same at every call."""
    records = pipeline.record_files(job.config.proto.train_input_reader, "train")
    examples = tfrecords.examples_in(records)
    count = min(job.calibration_frames, examples)
    chosen = sorted(random.Random(SEED).sample(range(examples), count))
    for data in frames.encoded(records, chosen).values():
        picture = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        pixels = bilinear(picture[np.newaxis], net.size)
        yield [np.repeat(pixels, net.batch or 1, axis=0)]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the converter's reports and its announcements of later versions to itself."""
    import warnings

    with warnings.catch_warnings(), compat.silent_start():
        warnings.simplefilter("ignore")
        yield
