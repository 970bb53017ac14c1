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
from collections.abc import Iterator
from pathlib import Path

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


def write(job: Job, file: Path, *, integers: bool) -> None:
    """Write a TFLite file; with `integers`, all weights and activations are 8-bit.

    Raises:
        UserError: the model cannot be exported so, or there are no records to calibrate on.
    """
    tf = compat.activate()
    net = job.network(batch=job.batch or 1, resize=False)
    with tempfile.NamedTemporaryFile(suffix=".pb") as graph, _quiet():
        graph.write(net.graph.SerializeToString())
        graph.flush()
        converter = tf.lite.TFLiteConverter.from_frozen_graph(
            graph.name, [network.IMAGE], [network.ENCODINGS, network.LOGITS]
        )
        if integers:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: _calibration(job, net)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
            converter.inference_output_type = tf.uint8
        file.write_bytes(converter.convert())
    names = labelmap.read_label_map(job.label_map)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(DECODER, Decoder.of(job.config.proto, net.anchors).text())
        archive.writestr(LABELS, "".join(f"{name}\n" for name in sorted(names, key=names.get)))
        archive.writestr(PROPERTIES, json.dumps(job.properties()))


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
