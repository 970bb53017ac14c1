"""COCO model zoo archives, made on the spot: the real layout and names, random weights."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

from hand_detection import export, pipeline
from hand_detection.api import compat

CLASSES = 90  # of COCO, as the zoo's configs count them


def config(model: str) -> pipeline.Pipeline:
    """The config of `model` as it was trained on COCO, as far as shapes depend on that."""
    config = pipeline.load(model)
    kind = config.proto.model.WhichOneof("model")
    getattr(config.proto.model, kind).num_classes = CLASSES
    config.proto.eval_config.use_moving_averages = False
    return config


def write_checkpoint(model: str, folder: Path, seed: int = 1) -> Path:
    """Initialize the inference graph of `model` with 90 classes; save it as the zoo does.

    Returns:
        The checkpoint's prefix, `folder`/model.ckpt.
    """
    tf = compat.activate()
    from object_detection.builders import model_builder

    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(seed)
        detector = model_builder.build(config(model).proto.model, is_training=False)
        detect(tf, detector, tf.placeholder(tf.uint8, [None, None, None, 3]))
        tf.train.get_or_create_global_step()
        session.run(tf.global_variables_initializer())
        prefix = folder / "model.ckpt"
        tf.train.Saver().save(session, str(prefix), write_meta_graph=False)
    return prefix


def detect(tf: Any, detector: Any, images: Any) -> dict[str, Any]:
    """The detections of a model of the API in uint8 images (batch, height, width, 3)."""
    resized, shapes = detector.preprocess(tf.cast(images, tf.float32))
    return detector.postprocess(detector.predict(resized, shapes), shapes)


def write_archive(model: str, path: Path, seed: int = 1) -> Path:
    """Write a zoo archive of `model`, by the API's own exporter as the zoo's were made.

    Args:
        model: a name of the list.
        path: of the archive; its name without .tar.gz is the folder's in it.
        seed: of the weights.
    """
    name = path.name.removesuffix(".tar.gz")
    folder = path.parent / f"{name}.made"
    folder.mkdir()
    prefix = write_checkpoint(model, folder, seed)
    exported = folder / name
    exported.mkdir()
    export.export(config(model), prefix, 0, exported)
    for extra in (export.LABEL_MAP, export.RECORD):  # of ours, and not in the zoo's
        (exported / extra).unlink()
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        tar.add(exported, name)
    return path
