"""The one list of models that the tutorial trains.

Every script, usage text and test takes the names from here. A model's hyper-parameters stand in
its config alone (configs/NAME.config); here stands only what a config cannot say.

    python -m hand_detection.models     prints the README's table of the models
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from hand_detection import config_text, console
from hand_detection.console import UserError, say
from hand_detection.paths import CONFIGS, PRETRAINED, shown


@dataclass(frozen=True)
class Checkpoint:
    """A pretrained checkpoint: a folder data/pretrained/NAME with model.ckpt.* in it.

    Attributes:
        name: the archive's name in the model zoo, without .tar.gz; and the folder's.
        offline: whether it is made from a package on PyPI instead of fetched from the zoo.
        sha256: of the archive; None where nobody published one and we could not fetch it.
    """

    name: str
    offline: bool = False
    sha256: str | None = None

    @property
    def folder(self) -> Path:
        return PRETRAINED / self.name


@dataclass(frozen=True)
class Reported:
    """What the author of the original tutorial measured: GTX 1080 Ti, random split.

    Attributes:
        ap, ap50, ap75: COCO metrics, 0 to 1.
        time: of the training, as they wrote it: hours h minutes.
    """

    ap: float
    ap50: float
    ap75: float
    time: str


@dataclass(frozen=True)
class Model:
    """One row of the list.

    Attributes:
        name: of the config, and by default of the run and the exported model.
        about: the network, in a line.
        use: what it is the right choice for.
        checkpoint: what it starts from.
        reported: the original author's figures; None where there are none.
    """

    name: str
    about: str
    use: str
    checkpoint: Checkpoint
    reported: Reported | None = None

    @property
    def config(self) -> Path:
        return CONFIGS / f"{self.name}.config"

    @property
    def steps(self) -> int:
        """How long the config trains."""
        return int(self._value("train_config.num_steps"))

    @property
    def batch_size(self) -> int:
        """The config's images a step."""
        return int(self._value("train_config.batch_size"))

    def _value(self, key: str) -> str:
        return config_text.get_value(self.config.read_text(encoding="utf-8"), key)


IMAGENET_BACKBONE = Checkpoint("mobilenet_v1_imagenet", offline=True)

MODELS: tuple[Model, ...] = (
    Model(
        "ssd_mobilenet_v1_egohands",
        "the tutorial's detector: SSD on MobileNet v1, 300x300",
        "real time on small devices",
        Checkpoint("ssd_mobilenet_v1_coco_2018_01_28"),
        Reported(0.680, 0.968, 0.813, "2h03"),
    ),
    Model(
        "ssd_mobilenet_v2_egohands",
        "SSD on MobileNet v2, 300x300",
        "real time on small devices",
        Checkpoint("ssd_mobilenet_v2_coco_2018_03_29"),
        Reported(0.675, 0.970, 0.813, "2h04"),
    ),
    Model(
        "ssdlite_mobilenet_v2_egohands",
        "SSDLite on MobileNet v2, 300x300: the smallest",
        "phones and CPUs",
        Checkpoint("ssdlite_mobilenet_v2_coco_2018_05_09"),
        Reported(0.573, 0.959, 0.661, "2h14"),
    ),
    Model(
        "ssd_inception_v2_egohands",
        "SSD on Inception v2, 300x300",
        "real time on a GPU",
        Checkpoint("ssd_inception_v2_coco_2018_01_28"),
        Reported(0.669, 0.965, 0.811, "2h15"),
    ),
    Model(
        "ssd_resnet50_v1_fpn_egohands",
        "SSD on ResNet-50 with a feature pyramid (RetinaNet), 640x640",
        "small hands, on a GPU",
        Checkpoint("ssd_resnet50_v1_fpn_shared_box_predictor_640x640_coco14_sync_2018_07_03"),
    ),
    Model(
        "rfcn_resnet101_egohands",
        "R-FCN on ResNet-101, two stages",
        "accuracy",
        Checkpoint("rfcn_resnet101_coco_2018_01_28"),
        Reported(0.751, 0.971, 0.905, "3h05"),
    ),
    Model(
        "faster_rcnn_resnet50_egohands",
        "Faster R-CNN on ResNet-50, two stages",
        "accuracy",
        Checkpoint("faster_rcnn_resnet50_coco_2018_01_28"),
        Reported(0.751, 0.977, 0.906, "2h06"),
    ),
    Model(
        "faster_rcnn_resnet101_egohands",
        "Faster R-CNN on ResNet-101, two stages",
        "accuracy",
        Checkpoint("faster_rcnn_resnet101_coco_2018_01_28"),
        Reported(0.762, 0.980, 0.909, "3h33"),
    ),
    Model(
        "faster_rcnn_inception_v2_egohands",
        "Faster R-CNN on Inception v2: the fastest of two stages",
        "accuracy, trained soonest",
        Checkpoint("faster_rcnn_inception_v2_coco_2018_01_28"),
        Reported(0.739, 0.978, 0.889, "1h21"),
    ),
    Model(
        "faster_rcnn_inception_resnet_v2_atrous_egohands",
        "Faster R-CNN on Inception-ResNet v2: the largest",
        "most accuracy, time no matter",
        Checkpoint("faster_rcnn_inception_resnet_v2_atrous_coco_2018_01_28"),
        Reported(0.772, 0.979, 0.911, "18h30"),
    ),
    Model(
        "mask_rcnn_inception_v2_egohands",
        "Mask R-CNN on Inception v2: a mask for each hand",
        "the hand's outline",
        Checkpoint("mask_rcnn_inception_v2_coco_2018_01_28"),
    ),
    Model(
        "ssd_mobilenet_v1_quick",
        "ssd_mobilenet_v1 from an ImageNet backbone, the demo's",
        "small data on a CPU",
        IMAGENET_BACKBONE,
    ),
)


def names() -> list[str]:
    """The model names, in the order of the list."""
    return [model.name for model in MODELS]


def checkpoints() -> list[Checkpoint]:
    """The pretrained checkpoints that the models start from, each once."""
    return list(dict.fromkeys(model.checkpoint for model in MODELS))


def config_file(model: str) -> Path:
    """The config of `model`: a name of the list, or of a config file that a user has added.

    Raises:
        UserError: there is no such config; the text names those there are.
    """
    path = Path(model) if model.endswith(".config") else CONFIGS / f"{model}.config"
    if path.is_file():
        return path.resolve()
    own = sorted(path.stem for path in CONFIGS.glob("*.config"))
    raise UserError(f"unknown model {model!r}: choose one of {', '.join(own)} ({shown(CONFIGS)})")


def table() -> str:
    """The list as indented lines, for usage texts."""
    width = max(len(model.name) for model in MODELS)
    return "\n".join(f"  {model.name:{width}}  {model.about}" for model in MODELS)


def markdown() -> str:
    """The list as the README's table; the original author's figures are named as theirs."""
    lines = [
        "| model | the right one for | steps x images | AP \\* | AP50 \\* | AP75 \\* | time \\* |",
        "|---|---|---|---|---|---|---|",
    ]
    for model in MODELS:
        cells = [f"`{model.name}`", model.use, f"{model.steps:,} x {model.batch_size}"]
        if theirs := model.reported:
            cells += [f"{theirs.ap:.3f}", f"{theirs.ap50:.3f}", f"{theirs.ap75:.3f}", theirs.time]
        else:
            cells += [""] * 4
        lines.append(" ".join(f"| {cell}".rstrip() for cell in cells) + " |")
    lines += [
        "",
        "\\* What the author of the original tutorial reported (TensorFlow 1.10, GTX 1080 Ti, COCO "
        "checkpoints, random split of 4,300 / 500 frames): theirs, not measured here.",
    ]
    return "\n".join(lines)


def main() -> None:
    description = "Print the list of models as the README's table."
    argparse.ArgumentParser(prog="hand_detection.models", description=description).parse_args()
    say(markdown())


if __name__ == "__main__":
    console.run(main)
