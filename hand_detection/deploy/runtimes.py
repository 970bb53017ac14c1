"""Exported models opened by the runtimes that they are for, on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hand_detection.deploy.packages import need
from hand_detection.deploy.resizing import bilinear
from hand_detection.detector import OUTPUTS, Detector, unfit


class OnnxModel(Detector):
    """An ONNX file in ONNX Runtime.

    Args:
        path: the file.
        threads: how many the runtime may use; None for one a core.

    Raises:
        UserError: it is no exported detector, or damaged; or ONNX Runtime is not installed.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        onnxruntime = need("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong comes as an exception too
        options.intra_op_num_threads = threads or 0
        try:
            self._session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
            [image] = self._session.get_inputs()
            missing = set(OUTPUTS) - {value.name for value in self._session.get_outputs()}
            if missing:
                raise ValueError(f"it has no output {', '.join(sorted(missing))}")
        except Exception as error:  # ONNX Runtime's own exceptions have no common base
            raise unfit(path, error) from None
        self._input = image.name
        self.batch = image.shape[0] if isinstance(image.shape[0], int) else None
        # Of uint8 it resizes by itself; of float32 it takes its own size only.
        self._size = None if image.type == "tensor(uint8)" else tuple(image.shape[1:3])

    def preprocess(self, images: np.ndarray) -> np.ndarray:
        """As `Detector` has it."""
        return images if self._size is None else bilinear(images, self._size)

    def infer(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """As `Detector` has it."""
        values = self._session.run(list(OUTPUTS), {self._input: pixels})
        return dict(zip(OUTPUTS, values, strict=True))
