"""OpenVINO's intermediate representation (.xml with a .bin), made from the ONNX file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hand_detection.deploy import onnx_graph
from hand_detection.deploy.job import Job
from hand_detection.deploy.packages import need


def write(job: Job, file: Path) -> None:
    """Write `file` (.xml) and its weights beside it (.bin), in float32.

    Raises:
        UserError: the model cannot be exported so; a package is missing.
    """
    openvino = need("openvino")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "model.onnx"
        onnx_graph.write(job, source)
        model = openvino.convert_model(str(source))
        for name, text in job.properties().items():
            model.set_rt_info(text, ["model_info", name])
        openvino.save_model(model, str(file), compress_to_fp16=False)
