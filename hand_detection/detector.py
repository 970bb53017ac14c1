"""What a detector is, whatever runs it: pixels in, boxes out, in three stages."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hand_detection import coco, masks
from hand_detection.console import UserError
from hand_detection.paths import shown

OUTPUTS = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
"""The API's names: float (N, K, 4) ymin, xmin, ymax, xmax, normalized; (N, K); (N, K); (N,)."""
MASKS = "detection_masks"
"""Of a model that makes them: float (N, K, side, side), each relative to its box."""


class Detector:
    """A model that is ready to run. Each stage is a method, so that each can be timed.

    Attributes:
        batch: how many images `infer` takes at once; None for any number.
    """

    batch: int | None = None

    def preprocess(self, images: np.ndarray) -> np.ndarray:
        """What the network is fed with.

        Args:
            images: uint8 (N, height, width, 3), RGB, of one size.
        """
        return images

    def infer(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """The network's outputs by name."""
        raise NotImplementedError

    def postprocess(
        self, outputs: dict[str, np.ndarray], width: int, height: int
    ) -> list[coco.Boxes]:
        """For each image its boxes; `width` and `height` are the images', in pixels.

        With masks of the image if the model makes them.
        """
        counts = outputs["num_detections"].astype(np.int64)
        return [
            coco.Boxes(
                coco.to_pixels(boxes[:count], width, height),
                classes[:count].astype(np.int64),
                scores=scores[:count].astype(np.float64),
                masks=None
                if box_masks is None
                else masks.paste(box_masks[:count], boxes[:count], width, height),
            )
            for boxes, scores, classes, count, box_masks in zip(
                *(outputs[name] for name in OUTPUTS[:3]),
                counts,
                outputs.get(MASKS, [None] * len(counts)),
                strict=True,
            )
        ]

    def detect_batch(self, images: np.ndarray) -> list[coco.Boxes]:
        """Detect in images of one size.

        Args:
            images: uint8 (N, height, width, 3), RGB.

        Returns:
            For each image its boxes in pixels, classes by the label map's ids; best score first.
        """
        height, width = images.shape[1:3]
        found: list[coco.Boxes] = []
        size = self.batch or len(images)
        for start in range(0, len(images), size):
            pixels = self.preprocess(images[start : start + size])
            count = len(pixels)
            if count < size:  # a fixed batch is filled up
                pixels = np.concatenate(
                    [pixels, np.zeros_like(pixels, shape=(size - count, *pixels.shape[1:]))]
                )
            found.extend(self.postprocess(self.infer(pixels), width, height)[:count])
        return found

    def detect(self, image: np.ndarray) -> coco.Boxes:
        """Detect in one image, uint8 (height, width, 3), RGB."""
        return self.detect_batch(image[np.newaxis])[0]


def unfit(path: Path, error: object) -> UserError:
    """That the file `path` is no exported detector; `error` says why."""
    return UserError(
        f"{shown(path)} is not an exported detector: {str(error).strip().rstrip('.!')}: "
        "export it again with ./export.sh"
    )
