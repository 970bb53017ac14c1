"""A config's schedule of steps and learning rates, changed from the command line."""

from __future__ import annotations

import re

import pytest
from google.protobuf import text_format

from hand_detection import pipeline, schedule
from hand_detection.console import UserError

MODEL = "ssd_mobilenet_v1_quick"
OTHERS = {
    "constant_learning_rate { learning_rate: 0.01 }": [0.01],
    "exponential_decay_learning_rate { initial_learning_rate: 0.01 burnin_learning_rate: 0.001 "
    "min_learning_rate: 0.0001 }": [0.01, 0.001, 0.0001],
    "manual_step_learning_rate { initial_learning_rate: 0.01 schedule { step: 5 learning_rate: "
    "0.002 } schedule { step: 9 learning_rate: 0.0004 } }": [0.01, 0.002, 0.0004],
    "cosine_decay_learning_rate { learning_rate_base: 0.01 warmup_learning_rate: 0.001 }": [
        0.01,
        0.001,
    ],
}


def load(text: str | None = None):
    proto = pipeline.load(MODEL).proto
    if text is not None:
        rate = proto.train_config.optimizer.adam_optimizer.learning_rate
        rate.Clear()
        text_format.Merge(text, rate)
    return proto


def rates(message) -> list[float]:
    """Every rate in a schedule that is not 0, in the order of the fields."""
    found = []
    for field, value in message.ListFields():
        if field.message_type:
            for part in value if field.is_repeated else [value]:
                found += rates(part)
        elif "learning_rate" in field.name:
            found.append(value)
    return [value for value in found if value]


def test_fewer_steps_shorten_the_cosine_and_its_warm_up():
    proto = load()
    cosine = proto.train_config.optimizer.adam_optimizer.learning_rate.cosine_decay_learning_rate
    share = cosine.warmup_steps / cosine.total_steps
    schedule.set_steps(proto, 500)
    assert proto.train_config.num_steps == cosine.total_steps == 500
    assert cosine.warmup_steps == pytest.approx(share * 500, abs=1)


def test_fewer_steps_shorten_the_time_that_a_cosine_keeps_its_base_rate():
    proto = load(
        "cosine_decay_learning_rate { learning_rate_base: 0.01 total_steps: 20000 "
        "warmup_steps: 1000 hold_base_rate_steps: 5000 }"
    )
    schedule.set_steps(proto, 1000)
    rate = proto.train_config.optimizer.adam_optimizer.learning_rate
    cosine = rate.cosine_decay_learning_rate
    assert (cosine.warmup_steps, cosine.hold_base_rate_steps, cosine.total_steps) == (50, 250, 1000)


@pytest.mark.parametrize("rate", [1e308, 1e-300])
def test_a_rate_that_float32_cannot_hold_is_told(rate):
    with pytest.raises(UserError, match=re.escape(f"--lr {rate:g}: a learning rate is a float32")):
        schedule.set_base_rate(load(), rate)


@pytest.mark.parametrize("text", OTHERS)
def test_another_base_rate_scales_all_rates_of_the_schedule(text):
    proto = load(text)
    rate = proto.train_config.optimizer.adam_optimizer.learning_rate
    expected = sorted(OTHERS[text])
    assert sorted(rates(rate)) == pytest.approx(expected)
    assert schedule.base_rate(proto) == pytest.approx(0.01)
    schedule.set_base_rate(proto, 0.05)
    assert schedule.base_rate(proto) == pytest.approx(0.05)
    assert sorted(rates(rate)) == pytest.approx([5 * value for value in expected])


def test_a_rate_of_0_and_a_missing_schedule_are_told():
    with pytest.raises(UserError, match="cannot scale it"):
        schedule.set_base_rate(load("constant_learning_rate { learning_rate: 0 }"), 0.1)
    with pytest.raises(UserError, match="the config has no"):
        schedule.base_rate(load(""))
