"""tf.contrib.opt.MovingAverageOptimizer, which TensorFlow 2 no longer has.

The API's optimizer.proto wraps every optimizer in it unless told otherwise
(`use_moving_average` is true by default).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow.compat.v1 as tf

SUFFIX = "ExponentialMovingAverage"


class MovingAverageOptimizer(tf.train.Optimizer):
    """Wraps an optimizer and keeps an exponential moving average of what it trains.

    After each step, average = decay * average + (1 - decay) * variable (Polyak and Juditsky,
    1992). The averages are variables named VARIABLE/ExponentialMovingAverage, as
    `tf.train.ExponentialMovingAverage` has them, so that its `variables_to_restore()` reads
    them from a checkpoint at evaluation and export.

    Args:
        opt: the optimizer that computes and applies the gradients.
        average_decay: the decay, below 1; the nearer to 1, the longer the memory.
        num_updates: the step, as a tensor; if given, early averages decay faster.
        sequential_update: whether an average waits for its variable's update.
    """

    def __init__(
        self,
        opt: tf.train.Optimizer,
        average_decay: float = 0.9999,
        num_updates: Any = None,
        sequential_update: bool = True,
    ) -> None:
        super().__init__(use_locking=False, name="MovingAverageOptimizer")
        self._optimizer = opt
        self._ema = tf.train.ExponentialMovingAverage(average_decay, num_updates=num_updates)
        self._sequential_update = sequential_update
        self._averaged: list[tf.Variable] | None = None

    def compute_gradients(self, *args: Any, **kwargs: Any) -> list[tuple[Any, tf.Variable]]:
        """As the wrapped optimizer's."""
        return self._optimizer.compute_gradients(*args, **kwargs)

    def apply_gradients(
        self,
        grads_and_vars: Sequence[tuple[Any, tf.Variable]],
        global_step: tf.Variable | None = None,
        name: str | None = None,
    ) -> tf.Operation:
        """Apply the gradients, then move the averages of the variables that have one."""
        # The averages are created here once, and start at the variables' initial values.
        self._averaged = [variable for gradient, variable in grads_and_vars if gradient is not None]
        train_op = self._optimizer.apply_gradients(grads_and_vars, global_step, name)
        if self._sequential_update:
            with tf.control_dependencies([train_op]):
                return self._ema.apply(self._averaged)
        return tf.group(train_op, self._ema.apply(self._averaged))

    def get_slot(self, *args: Any, **kwargs: Any) -> Any:
        """As the wrapped optimizer's."""
        return self._optimizer.get_slot(*args, **kwargs)

    def get_slot_names(self, *args: Any, **kwargs: Any) -> list[str]:
        """As the wrapped optimizer's."""
        return self._optimizer.get_slot_names(*args, **kwargs)

    def variables(self) -> list[tf.Variable]:
        """The wrapped optimizer's variables."""
        return self._optimizer.variables()

    def swapping_saver(
        self, var_list: Any = None, name: str = "swapping_saver", **kwargs: Any
    ) -> tf.train.Saver:
        """A Saver that stores each averaged variable's average under the variable's own name.

        The variable's own value is stored under the average's name, so that nothing is lost.

        Raises:
            RuntimeError: `apply_gradients` was not called before.
        """
        if self._averaged is None:
            raise RuntimeError("apply_gradients() must be called before swapping_saver()")
        chosen = tf.global_variables() if var_list is None else var_list
        by_name = (
            dict(chosen)
            if isinstance(chosen, dict)
            else {variable.op.name: variable for variable in chosen}
        )
        for variable in self._averaged:
            average = self._ema.average(variable)
            names = variable.op.name, average.op.name
            if names[0] in by_name and names[1] in by_name:
                by_name[names[0]], by_name[names[1]] = average, variable
        return tf.train.Saver(by_name, name=name, **kwargs)


def complete_averages() -> None:
    """Give each trainable variable of the current graph an average, if any of them has one.

    Evaluation and export read the average of every trainable variable. One that is frozen
    (`freeze_variables`) is never moved and was given none: its average starts, and stays, at its
    initial value.
    """
    averaged = {
        variable.op.name.removesuffix(f"/{SUFFIX}")
        for variable in tf.global_variables()
        if variable.op.name.endswith(f"/{SUFFIX}")
    }
    frozen = [one for one in tf.trainable_variables() if one.op.name not in averaged]
    if averaged and frozen:
        tf.train.ExponentialMovingAverage(0.0, name=SUFFIX).apply(frozen)
