"""How long a config trains, and how fast it learns: its learning-rate schedule, changed as one."""

from __future__ import annotations

import math
from typing import Any

from hand_detection.console import UserError

# Where each kind of schedule keeps the rate that the others of it relate to.
BASE = {
    "constant_learning_rate": "learning_rate",
    "exponential_decay_learning_rate": "initial_learning_rate",
    "manual_step_learning_rate": "initial_learning_rate",
    "cosine_decay_learning_rate": "learning_rate_base",
}


def set_steps(proto: Any, steps: int) -> None:
    """Train to `steps`; a cosine schedule is stretched to end there, its parts in proportion."""
    proto.train_config.num_steps = steps
    kind, schedule = _schedule(proto)
    if kind == "cosine_decay_learning_rate":
        before = max(1, schedule.total_steps)
        schedule.warmup_steps = max(1, schedule.warmup_steps * steps // before)
        if schedule.hold_base_rate_steps:
            schedule.hold_base_rate_steps = schedule.hold_base_rate_steps * steps // before
        schedule.total_steps = steps


def base_rate(proto: Any) -> float:
    """The schedule's base rate: the constant, the first one, or the cosine's highest."""
    kind, schedule = _schedule(proto)
    return float(f"{getattr(schedule, BASE[kind]):.6g}")  # a config's float32 has no more digits


def set_base_rate(proto: Any, rate: float) -> None:
    """Make `rate` the schedule's base rate; its other rates (warm-up, steps) in proportion.

    Raises:
        UserError: the config's own base rate is 0, or it has no schedule; or `rate` is none that
            a config's float32 can hold.
    """
    now = base_rate(proto)
    if now <= 0:
        raise UserError(
            f"the config's learning rate is {now:g}: --lr cannot scale it, set it there"
        )
    kind, schedule = _schedule(proto)
    for message in (schedule, *getattr(schedule, "schedule", ())):
        for field in message.DESCRIPTOR.fields:
            if "learning_rate" in field.name:
                value = getattr(message, field.name)
                setattr(message, field.name, value * rate / now)
    setattr(schedule, BASE[kind], rate)
    if not 0 < getattr(schedule, BASE[kind]) < math.inf:
        raise UserError(f"--lr {rate:g}: a learning rate is a float32 number, about 1e-38 to 1e38")


def _schedule(proto: Any) -> tuple[str, Any]:
    optimizer = proto.train_config.optimizer
    chosen = optimizer.WhichOneof("optimizer")
    rate = getattr(optimizer, chosen).learning_rate if chosen else None
    kind = rate.WhichOneof("learning_rate") if rate else None
    if kind not in BASE:
        raise UserError(
            "the config has no train_config { optimizer { .. { learning_rate { .. } } } }"
        )
    return kind, getattr(rate, kind)
