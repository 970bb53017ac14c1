"""A frozen graph and a SavedModel, by the API's own exporter, with names that tools know."""

from __future__ import annotations

import contextlib
import copy
import io
import tempfile
from pathlib import Path
from unittest import mock

from hand_detection.api import compat
from hand_detection.deploy.job import Job
from hand_detection.evaluator import explain_misfit


def write(job: Job, folder: Path) -> None:
    """Write frozen_inference_graph.pb, saved_model/, the weights and pipeline.config.

    Raises:
        UserError: the checkpoint does not fit the config.
    """
    tf = compat.activate()
    from object_detection import exporter

    # The exporter writes into it that the averages are no longer to be swapped in.
    proto = copy.deepcopy(job.config.proto)
    shape = None if job.batch is None else [job.batch, None, None, 3]
    # The exporter reports on stdout what it does, node by node, and leaves a copy of the weights
    # among the temporary files, of those with the averages swapped in.
    with (
        tempfile.TemporaryDirectory(dir=folder) as temporary,
        mock.patch.object(tempfile, "tempdir", temporary),
        explain_misfit(job.checkpoint),
        tf.Graph().as_default(),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        exporter.export_inference_graph(
            "image_tensor", proto, str(job.checkpoint), str(folder), input_shape=shape
        )
