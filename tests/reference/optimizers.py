"""One computation for both stacks: steps of the configs' optimizers under given gradients.

For Python 3.7 and later, and for TensorFlow 1.15 as well as for compat.v1 of today's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

STEPS = 6
SHAPES = {"a/weights": (3, 4), "b/biases": (5,)}
# The first three are the tutorial's, with schedules that change within the steps.
OPTIMIZERS = {
    "rms_prop": """
        rms_prop_optimizer {
          learning_rate { exponential_decay_learning_rate {
            initial_learning_rate: 0.004 decay_steps: 2 decay_factor: 0.8 } }
          momentum_optimizer_value: 0.9 decay: 0.9 epsilon: 1.0 }""",
    "momentum": """
        momentum_optimizer {
          learning_rate { manual_step_learning_rate { initial_learning_rate: 0.03
            schedule { step: 2 learning_rate: 0.003 } schedule { step: 4 learning_rate: 0.01 } } }
          momentum_optimizer_value: 0.9 }""",
    "momentum with a cosine": """
        momentum_optimizer {
          learning_rate { cosine_decay_learning_rate { learning_rate_base: 0.04 total_steps: 6
            warmup_learning_rate: 0.01 warmup_steps: 2 } }
          momentum_optimizer_value: 0.9 }""",
    "adam": """
        adam_optimizer {
          learning_rate { cosine_decay_learning_rate { learning_rate_base: 0.002 total_steps: 6
            warmup_learning_rate: 0.001 warmup_steps: 2 } } }""",
}
AVERAGES = {"": "use_moving_average: false", ", averaged": "moving_average_decay: 0.7"}


def compute(tf: Any) -> dict[str, np.ndarray]:
    """Each variable's values and averages, (STEPS, *shape), and the learning rates, by name."""
    return {
        f"{name}{suffix}: {key}": value
        for name, text in OPTIMIZERS.items()
        for suffix, averages in AVERAGES.items()
        for key, value in _steps(tf, text + averages).items()
    }


def _steps(tf: Any, text: str) -> dict[str, np.ndarray]:
    from google.protobuf import text_format
    from object_detection.builders import optimizer_builder
    from object_detection.protos import optimizer_pb2

    rng = np.random.RandomState(2018)
    with tf.Graph().as_default(), tf.Session() as session:
        global_step = tf.train.get_or_create_global_step()
        variables = [
            tf.get_variable(name, initializer=rng.normal(0, 1, shape).astype(np.float32))
            for name, shape in SHAPES.items()
        ]
        gradients = [tf.placeholder(tf.float32, shape) for shape in SHAPES.values()]
        optimizer, rates = optimizer_builder.build(
            text_format.Parse(text, optimizer_pb2.Optimizer())
        )
        step = optimizer.apply_gradients(list(zip(gradients, variables)), global_step)
        session.run(tf.global_variables_initializer())
        watched = {
            variable.op.name: variable
            for variable in tf.global_variables()
            if variable.dtype.base_dtype == tf.float32
        }
        found = {name: [] for name in watched}
        found["learning rate"] = []
        for _ in range(STEPS):
            values = [rng.normal(0, 1, shape) for shape in SHAPES.values()]
            found["learning rate"].append(session.run(rates[0]))
            session.run(step, dict(zip(gradients, values)))
            for name, value in session.run(watched).items():
                found[name].append(value)
    return {name: np.array(values) for name, values in found.items()}
