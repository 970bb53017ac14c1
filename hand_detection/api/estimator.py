"""What the API needs of tf.estimator, which is gone since TensorFlow 2.16.

`model_lib.create_model_fn` returns an `EstimatorSpec`; the training loop that took it is
`hand_detection.train`. The rest of tf.estimator says, when it is used, that it is gone.
"""

from __future__ import annotations

import collections
from types import ModuleType
from typing import Any, NamedTuple, NoReturn


class ModeKeys:
    """The three modes of a `model_fn`."""

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"


class EstimatorSpec(NamedTuple):
    """What a `model_fn` returns: the tensors and ops of one mode."""

    mode: str
    predictions: Any = None
    loss: Any = None
    train_op: Any = None
    eval_metric_ops: Any = None
    export_outputs: Any = None
    training_chief_hooks: Any = None
    training_hooks: Any = None
    scaffold: Any = None
    evaluation_hooks: Any = None
    prediction_hooks: Any = None


class PredictOutput:
    """The outputs of an exported signature: `outputs` maps names to tensors."""

    def __init__(self, outputs: dict[str, Any]) -> None:
        self.outputs = outputs


ServingInputReceiver = collections.namedtuple(
    "ServingInputReceiver", ["features", "receiver_tensors", "receiver_tensors_alternatives"]
)
ServingInputReceiver.__new__.__defaults__ = (None,)


class _Estimator(ModuleType):
    def __getattr__(self, name: str) -> NoReturn:
        # Dunder look-ups are Python's own probing and must fail as usual.
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(
            f"tf.estimator.{name} is gone from TensorFlow; train with ./train.sh instead"
        )


def module() -> ModuleType:
    """A stand-in for the module `tf.estimator`."""
    estimator = _Estimator("tensorflow.estimator")
    estimator.ModeKeys = ModeKeys
    estimator.EstimatorSpec = EstimatorSpec
    estimator.export = ModuleType("tensorflow.estimator.export")
    estimator.export.PredictOutput = PredictOutput
    estimator.export.ServingInputReceiver = ServingInputReceiver
    return estimator
