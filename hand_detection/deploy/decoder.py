"""What comes after an SSD's network, in NumPy: the reference that other runtimes are held to.

Box coder, score converter and non-maximum suppression as the API has them (box_coders/
faster_rcnn_box_coder.py, builders/post_processing_builder.py, core/post_processing.py). NumPy and
the standard library only, so that this file runs beside an exported model on any device.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

BLOCK = 160  # boxes whose overlaps are computed at once


@dataclass(frozen=True)
class Suppression:
    """Non-maximum suppression as a config's post_processing has it.

    Attributes:
        score_threshold: what scores no more than this is left out.
        iou_threshold: what overlaps a better one of its class by more than this is left out.
        max_per_class: how many remain of a class.
        max_total: how many remain of all.
    """

    score_threshold: float
    iou_threshold: float
    max_per_class: int
    max_total: int

    @classmethod
    def of(cls, proto: Any) -> Suppression:
        """What a TrainEvalPipelineConfig of an SSD says."""
        nms = proto.model.ssd.post_processing.batch_non_max_suppression
        return cls(
            nms.score_threshold,
            nms.iou_threshold,
            nms.max_detections_per_class,
            nms.max_total_detections,
        )

    def apply(self, boxes: np.ndarray, scores: np.ndarray) -> dict[str, np.ndarray]:
        """The API's outputs for a batch.

        Args:
            boxes: float32 (N, anchors, 4): ymin, xmin, ymax, xmax, normalized.
            scores: float32 (N, anchors, classes), without the background.

        Returns:
            detection_boxes (N, K, 4), clipped to the picture; detection_scores (N, K), best
            first; detection_classes (N, K), counted from 1; num_detections (N,). K is max_total;
            what is beyond num_detections is 0.
        """
        number = len(boxes)
        outputs = {
            "detection_boxes": np.zeros((number, self.max_total, 4), np.float32),
            "detection_scores": np.zeros((number, self.max_total), np.float32),
            "detection_classes": np.zeros((number, self.max_total), np.float32),
            "num_detections": np.zeros(number, np.float32),
        }
        for row in range(number):
            anchor, label = self._select(boxes[row], scores[row])
            outputs["num_detections"][row] = len(anchor)
            outputs["detection_boxes"][row, : len(anchor)] = boxes[row, anchor].clip(0, 1)
            outputs["detection_scores"][row, : len(anchor)] = scores[row, anchor, label]
            outputs["detection_classes"][row, : len(anchor)] = label + 1
        return outputs

    def _select(self, boxes: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Anchors and classes of what remains in one picture, best score first."""
        anchors, labels = [], []
        for label in range(scores.shape[1]):
            chosen = self._of_one_class(boxes, scores[:, label])
            # Only afterwards: a box out of the picture has suppressed others by then.
            clipped = boxes[chosen].clip(0, 1)
            chosen = chosen[(clipped[:, 2:] > clipped[:, :2]).all(1)]
            anchors.append(chosen)
            labels.append(np.full(len(chosen), label))
        anchor, label = np.concatenate(anchors), np.concatenate(labels)
        best = np.argsort(-scores[anchor, label], kind="stable")[: self.max_total]
        return anchor[best], label[best]

    def _of_one_class(self, boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
        chosen = np.zeros(0, np.int64)
        # Overlaps of many at once, since a call costs more than the numbers; and block by block,
        # since most boxes come too late to be looked at.
        for block in self._blocks(scores):
            if len(chosen):
                block = block[~self._overlap(boxes[chosen], boxes[block]).any(0)]
            # A bit a box: that is quicker to walk than an array.
            rows = np.packbits(self._overlap(boxes[block], boxes[block]), 1, bitorder="little")
            dropped, kept = 0, []
            for number, row in enumerate(rows):
                if not dropped >> number & 1:
                    kept.append(number)
                    dropped |= int.from_bytes(row.tobytes(), "little")
            chosen = np.concatenate([chosen, block[kept]])
            if len(chosen) >= self.max_per_class:
                break
        return chosen[: self.max_per_class]

    def _blocks(self, scores: np.ndarray) -> Iterator[np.ndarray]:
        """Places of the scores above the threshold, best first, a block at a time."""
        left = np.flatnonzero(scores > self.score_threshold)
        while len(left):
            # Sorting takes longer than finding what the best are.
            among = scores[left]
            count = min(BLOCK, len(left))
            least = np.partition(among, -count)[-count]
            best = left[among >= least]
            left = left[among < least]
            best = best[np.argsort(-scores[best], kind="stable")]
            for start in range(0, len(best), BLOCK):  # more than one only if many are alike
                yield best[start : start + BLOCK]

    def _overlap(self, ones: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Of boxes (N, 4) and (M, 4): bool (N, M), whether the IoU is above the threshold."""
        ymin, xmin, ymax, xmax = ones.T[:, :, np.newaxis]
        tops, lefts, bottoms, rights = np.ascontiguousarray(others.T)
        shared = np.minimum(ymax, bottoms) - np.maximum(ymin, tops)
        width = np.minimum(xmax, rights) - np.maximum(xmin, lefts)
        shared = np.maximum(shared, 0, out=shared) * np.maximum(width, 0, out=width)
        # shared / union > threshold; a box without an area overlaps nothing.
        union = _area(ones)[:, np.newaxis] + _area(others) - shared
        return shared > np.float32(self.iou_threshold) * union


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)


@dataclass(frozen=True)
class Decoder:
    """Detections from what an SSD's heads give.

    Attributes:
        anchors: float32 (anchors, 4): ymin, xmin, ymax, xmax, normalized.
        scales: of the box coder: y, x, height, width.
        score_converter: SIGMOID, SOFTMAX or IDENTITY.
        logit_scale: what the logits are divided by before.
        suppression: of what overlaps.
        size: height and width of the network's input, in pixels.
    """

    anchors: np.ndarray
    scales: tuple[float, float, float, float]
    score_converter: str
    logit_scale: float
    suppression: Suppression
    size: tuple[int, int]

    @classmethod
    def of(cls, proto: Any, anchors: np.ndarray) -> Decoder:
        """What a TrainEvalPipelineConfig of an SSD says."""
        ssd = proto.model.ssd
        coder, post = ssd.box_coder.faster_rcnn_box_coder, ssd.post_processing
        resizer = ssd.image_resizer.fixed_shape_resizer
        return cls(
            anchors,
            (coder.y_scale, coder.x_scale, coder.height_scale, coder.width_scale),
            type(post).ScoreConverter.Name(post.score_converter),
            post.logit_scale,
            Suppression.of(proto),
            (resizer.height, resizer.width),
        )

    def text(self) -> str:
        """As JSON; `read` takes it."""
        return json.dumps({**asdict(self), "anchors": self.anchors.astype(float).tolist()})

    @classmethod
    def read(cls, text: str) -> Decoder:
        """What `text` wrote."""
        fields = json.loads(text)
        return cls(
            **{
                **fields,
                "anchors": np.array(fields["anchors"], np.float32),
                "scales": tuple(fields["scales"]),
                "suppression": Suppression(**fields["suppression"]),
                "size": tuple(fields["size"]),
            }
        )

    def boxes(self, encodings: np.ndarray) -> np.ndarray:
        """Box encodings float32 (N, anchors, 4) -> boxes of the same shape, normalized."""
        # A coordinate at a time: rows of anchors are what NumPy is quick with.
        found = np.ascontiguousarray(encodings.swapaxes(-1, -2))
        low, high = np.ascontiguousarray(self.anchors.T).reshape(2, 2, -1)
        sides = high - low
        scales = np.array(self.scales, np.float32)[:, np.newaxis]
        centre = found[..., :2, :] / scales[:2] * sides + (low + sides / 2)
        half = np.exp(found[..., 2:, :] / scales[2:]) * sides / 2
        corners = np.concatenate([centre - half, centre + half], axis=-2)
        return np.ascontiguousarray(corners.swapaxes(-1, -2))

    def scores(self, logits: np.ndarray) -> np.ndarray:
        """Logits float32 (N, anchors, 1 + classes) -> scores (N, anchors, classes)."""
        logits = logits / np.float32(self.logit_scale)
        if self.score_converter == "SIGMOID":
            # 1 / (1 + exp(-x)), without an overflow where x is far below 0
            small = np.exp(-np.abs(logits))
            logits = np.where(logits < 0, small, np.float32(1)) / (1 + small)
        elif self.score_converter == "SOFTMAX":
            logits = np.exp(logits - logits.max(-1, keepdims=True))
            logits = logits / logits.sum(-1, keepdims=True)
        return logits[..., 1:]

    def detections(self, encodings: np.ndarray, logits: np.ndarray) -> dict[str, np.ndarray]:
        """As `Suppression.apply`, from what the heads give."""
        return self.suppression.apply(self.boxes(encodings), self.scores(logits))
