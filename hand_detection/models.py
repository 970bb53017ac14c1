"""The one list of models that the tutorial trains.

Every script, usage text and test takes the names from here. A model's hyper-parameters stand in
its config alone (configs/NAME.config); here stands only what a config cannot say.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hand_detection.console import UserError
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
class Model:
    """One row of the list: a config and the checkpoint that it starts from."""

    name: str
    about: str
    checkpoint: Checkpoint

    @property
    def config(self) -> Path:
        return CONFIGS / f"{self.name}.config"


IMAGENET_BACKBONE = Checkpoint("mobilenet_v1_imagenet", offline=True)

MODELS: tuple[Model, ...] = (
    Model(
        "ssd_mobilenet_v1_egohands",
        "the tutorial's detector: SSD on MobileNet v1, 300x300, 20,000 steps on EgoHands",
        Checkpoint("ssd_mobilenet_v1_coco_2018_01_28"),
    ),
    Model(
        "ssd_mobilenet_v1_quick",
        "the same network for small data on a CPU, from an ImageNet backbone (the demo's)",
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
