"""What is to be exported, as every format's writer takes it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hand_detection import labelmap, pipeline
from hand_detection.console import UserError
from hand_detection.deploy import network

DECODER = "decoder.json"  # a `Decoder`, where it is not part of the model file
PROPERTIES = "properties.json"  # `Job.properties`, likewise


@dataclass(frozen=True)
class Job:
    """One checkpoint to export.

    Attributes:
        config: a `pipeline.Pipeline`.
        checkpoint: its prefix.
        step: of the training.
        batch: how many images the export takes at once; None for what its format does best.
        calibration_frames: of the training records, for int8.
    """

    config: Any
    checkpoint: Path
    step: int
    batch: int | None = None
    calibration_frames: int = 200
    _networks: dict[Any, network.Network] = field(init=False, default_factory=dict, repr=False)

    def network(self, *, batch: int | None, resize: bool) -> network.Network:
        """As `network.freeze`; several formats start from the same, which is made once."""
        key = (batch, resize)
        if key not in self._networks:
            self._networks[key] = network.freeze(
                self.config, self.checkpoint, batch=batch, resize=resize
            )
        return self._networks[key]

    @property
    def label_map(self) -> Path:
        """The file with the class names."""
        return Path(pipeline.eval_reader(self.config.proto).label_map_path)

    def properties(self) -> dict[str, str]:
        """What a model file carries with it."""
        classes = {id_: name for name, id_ in labelmap.read_label_map(self.label_map).items()}
        return {
            "model": self.config.name,
            "step": str(self.step),
            "classes": json.dumps(classes, ensure_ascii=False),
            "input": "RGB, 0 to 255, resized as TensorFlow 1 does: output pixel i at i * scale",
        }


def use_input_size(proto: Any, size: tuple[int, int]) -> None:
    """Let a config's network work at another size than it was trained at.

    Args:
        proto: a pipeline_pb2.TrainEvalPipelineConfig, changed in place.
        size: height and width in pixels.

    Raises:
        UserError: its images are not resized to a fixed size.
    """
    kind = proto.model.WhichOneof("model")
    resizer = getattr(proto.model, kind).image_resizer
    if resizer.WhichOneof("image_resizer_oneof") != "fixed_shape_resizer":
        raise UserError(
            "--input-size is for configs with a fixed_shape_resizer: change this one's "
            f"{kind}.image_resizer by --set"
        )
    resizer.fixed_shape_resizer.height, resizer.fixed_shape_resizer.width = size
