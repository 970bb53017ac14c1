"""Exported models opened by the runtimes that they are for, on the CPU."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from hand_detection import coco
from hand_detection.api import compat
from hand_detection.console import UserError
from hand_detection.deploy import network, tensorrt
from hand_detection.deploy.decoder import Decoder
from hand_detection.deploy.job import DECODER
from hand_detection.deploy.packages import need
from hand_detection.deploy.resizing import bilinear, bilinear_bytes
from hand_detection.detector import OUTPUTS, Detector, unfit

_HEAD = 4096  # bytes of an .xml file that say what it is


class _Heads(Detector):
    """A network whose outputs are decoded here, and whose input is resized here.

    Attributes:
        decoder: what decodes; None where the model does all by itself.
    """

    decoder: Decoder | None = None
    size: tuple[int, int] | None = None

    def preprocess(self, images: np.ndarray) -> np.ndarray:
        """As `Detector` has it."""
        return images if self.size is None else bilinear(images, self.size)

    def postprocess(
        self, outputs: dict[str, np.ndarray], width: int, height: int
    ) -> list[coco.Boxes]:
        """As `Detector` has it."""
        if network.LOGITS in outputs:
            outputs = self.decoder.detections(outputs[network.ENCODINGS], outputs[network.LOGITS])
        elif network.BOXES in outputs:
            outputs = self.decoder.suppression.apply(
                outputs[network.BOXES], outputs[network.SCORES]
            )
        return super().postprocess(outputs, width, height)


class OnnxModel(_Heads):
    """An ONNX file in ONNX Runtime, of any form that ./export.sh writes.

    Of a form with TensorRT's plugin the network runs, and NumPy does what the plugin would.

    Args:
        path: the file.
        threads: how many the runtime may use; None for one a core.

    Raises:
        UserError: it is no exported detector, or damaged; or a package is not installed.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        onnxruntime = need("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong comes as an exception too
        options.intra_op_num_threads = threads or 0
        data = path.read_bytes()
        try:
            if tensorrt.PLUGIN.encode() in data:
                data = tensorrt.without_plugin(path)
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
            [image] = self._session.get_inputs()
            self._outputs = [value.name for value in self._session.get_outputs()]
            properties = self._session.get_modelmeta().custom_metadata_map
            if not set(OUTPUTS) <= set(self._outputs):
                self.decoder = Decoder.read(properties["decoder"])
        except UserError:
            raise
        except Exception as error:  # ONNX Runtime's own exceptions have no common base
            # [ONNXRuntimeError] : 7 : INVALID_PROTOBUF : what is wrong
            raise unfit(path, str(error).rpartition(" : ")[2]) from None
        self._input = image.name
        self.batch = image.shape[0] if isinstance(image.shape[0], int) else None
        # Of uint8 it resizes by itself; of float32 it takes its own size only.
        self.size = None if image.type == "tensor(uint8)" else tuple(image.shape[1:3])

    def infer(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """As `Detector` has it."""
        values = self._session.run(self._outputs, {self._input: pixels})
        return dict(zip(self._outputs, values, strict=True))


class OpenVinoModel(Detector):
    """OpenVINO's .xml, with its .bin beside it, on the CPU in float32.

    Args:
        path: the .xml file.
        threads: how many the runtime may use; None for what it finds best.

    Raises:
        UserError: it is no exported detector, or damaged; or OpenVINO is not installed.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        openvino = need("openvino")
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            # Where the CPU can, OpenVINO computes in bfloat16 by itself: other scores, other boxes.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        # What is no such file OpenVINO tries as other kinds, which print what they think of it.
        if not re.search(rb"<net\s[^>]*version=", path.read_bytes()[:_HEAD]):
            raise unfit(path, "it is no OpenVINO model")
        try:
            core = openvino.Core()
            model = core.read_model(str(path))
            shape = model.input(0).partial_shape
            compiled = core.compile_model(model, "CPU", settings)
            self._outputs = {name: compiled.output(name) for name in OUTPUTS}
            self._request = compiled.create_infer_request()
        except RuntimeError as error:
            raise unfit(path, str(error).strip().splitlines()[-1]) from None
        self.batch = shape[0].get_length() if shape[0].is_static else None

    def infer(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """As `Detector` has it."""
        found = self._request.infer([pixels], share_inputs=True)
        return {name: found[output] for name, output in self._outputs.items()}


class TFLiteModel(_Heads):
    """A TFLite file in LiteRT, on the CPU with XNNPACK.

    Args:
        path: the file.
        threads: how many the runtime may use; None for one a core, LiteRT's own choice being one.

    Raises:
        UserError: it is no exported detector, or damaged; or LiteRT is not installed.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        litert = need("ai_edge_litert.interpreter")
        threads = threads or len(os.sched_getaffinity(0))
        try:
            with zipfile.ZipFile(path) as archive:
                self.decoder = Decoder.read(archive.read(DECODER).decode())
            with compat.silent_start():  # it prints what it computes with
                self._interpreter = litert.Interpreter(str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
            [self._input] = self._interpreter.get_input_details()
            details = self._interpreter.get_output_details()
            # In the order in which the converter was told them; it may rename them.
            self._heads = dict(zip((network.ENCODINGS, network.LOGITS), details, strict=True))
        except zipfile.BadZipFile:
            raise unfit(path, "it is cut, or not made by ./export.sh") from None
        except (ValueError, KeyError, RuntimeError) as error:
            raise unfit(path, error) from None
        self.size = self.decoder.size
        self.batch = int(self._input["shape"][0])

    def preprocess(self, images: np.ndarray) -> np.ndarray:
        """As `Detector` has it."""
        dtype, (scale, zero) = self._input["dtype"], self._input["quantization"]
        if dtype == np.float32:
            return super().preprocess(images)
        if (dtype, scale, zero) == (np.int8, 1, -128):  # a pixel is its own number, less 128
            return (bilinear_bytes(images, self.size) ^ np.uint8(128)).view(np.int8)
        pixels = super().preprocess(images)
        limits = np.iinfo(dtype)
        pixels /= scale
        pixels += zero
        pixels.clip(limits.min, limits.max, out=pixels)
        return np.rint(pixels, out=pixels).astype(dtype)

    def infer(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """As `Detector` has it; 8-bit outputs as the numbers that they stand for."""
        self._interpreter.set_tensor(self._input["index"], pixels)
        self._interpreter.invoke()
        outputs = {}
        for name, detail in self._heads.items():
            values = self._interpreter.get_tensor(detail["index"])
            if values.dtype != np.float32:
                scale, zero = detail["quantization"]
                values = (values.astype(np.float32) - zero) * np.float32(scale)
            outputs[name] = values
        return outputs
