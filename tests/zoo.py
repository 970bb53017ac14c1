"""COCO model zoo archives, made on the spot: the real layout and names, random weights."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from hand_detection import pipeline
from hand_detection.api import compat
from hand_detection.deploy import api_graph
from hand_detection.deploy.job import Job

CLASSES = 90  # of COCO, as the zoo's configs count them


def config(model: str) -> pipeline.Pipeline:
    """The config of `model` as it was trained on COCO, as far as shapes depend on that."""
    config = pipeline.load(model)
    kind = config.proto.model.WhichOneof("model")
    getattr(config.proto.model, kind).num_classes = CLASSES
    config.proto.eval_config.use_moving_averages = False
    return config


def write_checkpoint(
    model: str, folder: Path, *, seed: int = 1, images: np.ndarray | None = None
) -> Path:
    """Initialize the network of `model` with 90 classes; save it as the zoo does.

    Args:
        model: a name of the list.
        folder: where to.
        seed: of the weights.
        images: uint8 (batch, height, width, 3). With them batch norm has their statistics, so that
            a network of any depth gives outputs of a sensible size.

    Returns:
        The checkpoint's prefix, `folder`/model.ckpt.
    """
    tf = compat.activate()
    from object_detection.builders import model_builder

    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.set_random_seed(seed)
        detector = model_builder.build(config(model).proto.model, is_training=False)
        fed = tf.placeholder(tf.uint8, [None, None, None, 3], "images")
        resized, shapes = detector.preprocess(tf.cast(fed, tf.float32))
        detector.predict(resized, shapes)
        tf.train.get_or_create_global_step()
        saver = tf.train.Saver()
        session.run(tf.global_variables_initializer())
        prefix = folder / "model.ckpt"
        saver.save(session, str(prefix), write_meta_graph=False)
        if images is not None:
            statistics = _statistics(tf, graph.as_graph_def(), saver, prefix, images)
            for variable in tf.global_variables():
                if variable.op.name in statistics:
                    variable.load(statistics[variable.op.name], session)
            saver.save(session, str(prefix), write_meta_graph=False)
    return prefix


def _statistics(
    tf: Any, definition: Any, saver: Any, prefix: Path, images: np.ndarray
) -> dict[str, np.ndarray]:
    """The batch norms' means and variances on `images`, by the name of their variables.

    The graph is run with its batch norms switched to training: each then normalizes by its own
    batch, and puts out new moving statistics, which are all but those of this batch.
    """
    wanted = {}
    nodes = {node.name: node for node in definition.node}
    for node in definition.node:
        if node.op == "FusedBatchNormV3":
            node.attr["is_training"].b = True
            node.attr["exponential_avg_factor"].f = 0.9999
            for output, read in ((1, node.input[3]), (2, node.input[4])):
                wanted[nodes[read].input[0]] = f"{node.name}:{output}"
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(definition, name="")
        tf.train.Saver(saver_def=saver.as_saver_def()).restore(session, str(prefix))
        return session.run(wanted, {"images:0": images})


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
    prefix = write_checkpoint(model, folder, seed=seed)
    exported = folder / name
    exported.mkdir()
    api_graph.write(Job(config(model), prefix, 0), exported)
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        tar.add(exported, name)
    return path
