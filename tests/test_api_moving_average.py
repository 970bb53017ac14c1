"""MovingAverageOptimizer, which every config uses unless it says `use_moving_average: false`."""

from __future__ import annotations

import numpy as np
import pytest

from hand_detection.api import compat

DECAY, RATE, START = 0.8, 0.1, np.array([1.0, -2.0])


@pytest.fixture(scope="module")
def tf():
    return compat.activate()


@pytest.fixture(autouse=True)
def own_graph(tf):
    with tf.Graph().as_default():
        tf.set_random_seed(0)
        yield


def problem(tf, name: str = "w"):
    """A variable, and half its squared length: the gradient is the variable itself."""
    variable = tf.get_variable(name, initializer=tf.constant(START, tf.float32))
    return variable, tf.reduce_sum(tf.square(variable)) / 2


def by_formula(steps: int, decay=lambda step: DECAY) -> tuple[np.ndarray, np.ndarray]:
    """The variable and its average after so many steps, computed without TensorFlow."""
    value = average = START
    for step in range(steps):
        value = value - RATE * value
        average = decay(step) * average + (1 - decay(step)) * value
    return value, average


def optimizer(tf, **options):
    inner = tf.train.GradientDescentOptimizer(RATE)
    return tf.contrib.opt.MovingAverageOptimizer(inner, average_decay=DECAY, **options)


@pytest.mark.parametrize("sequential", [True, False])
def test_averages_follow_the_formula(tf, sequential):
    variable, loss = problem(tf)
    step = tf.train.get_or_create_global_step()
    train = optimizer(tf, sequential_update=sequential).minimize(loss, global_step=step)
    (average,) = [v for v in tf.global_variables() if "ExponentialMovingAverage" in v.op.name]
    assert average.op.name == "w/ExponentialMovingAverage"
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        np.testing.assert_array_equal(session.run(average), START)
        for _ in range(7):
            session.run(train)
        value, mean = by_formula(7)
        np.testing.assert_allclose(session.run(variable), value, rtol=1e-5)
        if sequential:
            np.testing.assert_allclose(session.run(average), mean, rtol=1e-5)
        assert session.run(step) == 7


def test_early_averages_decay_faster_when_the_step_is_known(tf):
    variable, loss = problem(tf)
    step = tf.train.get_or_create_global_step()
    train = optimizer(tf, num_updates=step).minimize(loss, global_step=step)
    average = tf.global_variables("w/ExponentialMovingAverage")[0]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(5):
            session.run(train)
        # ExponentialMovingAverage's own rule; the step was counted up before it is read.
        _, mean = by_formula(5, lambda step: min(DECAY, (2 + step) / (11 + step)))
        np.testing.assert_allclose(session.run(average), mean, rtol=1e-5)
        assert session.run(variable).shape == (2,)


def test_a_variable_without_a_gradient_has_no_average(tf):
    variable, loss = problem(tf)
    other = tf.get_variable("other", initializer=3.0)
    gradients = [(loss * 0 + tf.ones_like(variable), variable), (None, other)]
    optimizer(tf).apply_gradients(gradients)
    names = [v.op.name for v in tf.global_variables()]
    assert names == ["w", "other", "w/ExponentialMovingAverage"]


def test_slots_and_variables_are_the_wrapped_optimizers(tf):
    variable, loss = problem(tf)
    momentum = tf.train.MomentumOptimizer(RATE, 0.9)
    wrapper = tf.contrib.opt.MovingAverageOptimizer(momentum, average_decay=DECAY)
    wrapper.minimize(loss)
    assert wrapper.get_slot_names() == ["momentum"]
    assert wrapper.get_slot(variable, "momentum") is momentum.get_slot(variable, "momentum")
    assert wrapper.variables() == momentum.variables()


def trained_checkpoint(tf, folder, steps: int = 4, *, swapped: bool = False) -> str:
    with tf.Graph().as_default():
        _, loss = problem(tf)
        wrapper = optimizer(tf)
        train = wrapper.minimize(loss, global_step=tf.train.get_or_create_global_step())
        saver = wrapper.swapping_saver() if swapped else tf.train.Saver()
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for _ in range(steps):
                session.run(train)
            return saver.save(session, str(folder / "model.ckpt"))


def test_evaluation_reads_the_averages_under_the_variables(tf, tmp_path):
    """As the API's evaluation and exporter restore them."""
    path = trained_checkpoint(tf, tmp_path)
    variable = tf.get_variable("w", shape=[2])
    names = tf.train.ExponentialMovingAverage(0.0).variables_to_restore()
    assert names == {"w/ExponentialMovingAverage": variable}
    with tf.Session() as session:
        tf.train.Saver(names).restore(session, path)
        np.testing.assert_allclose(session.run(variable), by_formula(4)[1], rtol=1e-5)


def test_a_swapping_saver_stores_the_averages_as_the_variables(tf, tmp_path):
    reader = tf.train.load_checkpoint(trained_checkpoint(tf, tmp_path, swapped=True))
    value, average = by_formula(4)
    assert set(reader.get_variable_to_shape_map()) == {
        "w",
        "w/ExponentialMovingAverage",
        "global_step",
    }
    np.testing.assert_allclose(reader.get_tensor("w"), average, rtol=1e-5)
    np.testing.assert_allclose(reader.get_tensor("w/ExponentialMovingAverage"), value, rtol=1e-5)
    assert reader.get_tensor("global_step") == 4


def test_a_swapping_saver_restores_what_it_saved(tf, tmp_path):
    """Training resumed from such a checkpoint goes on where it was."""
    path = trained_checkpoint(tf, tmp_path, swapped=True)
    variable, loss = problem(tf)
    wrapper = optimizer(tf)
    wrapper.minimize(loss, global_step=tf.train.get_or_create_global_step())
    average = tf.global_variables("w/ExponentialMovingAverage")[0]
    with tf.Session() as session:
        wrapper.swapping_saver().restore(session, path)
        np.testing.assert_allclose(session.run(variable), by_formula(4)[0], rtol=1e-5)
        np.testing.assert_allclose(session.run(average), by_formula(4)[1], rtol=1e-5)


def test_a_swapping_saver_takes_a_choice_of_variables(tf, tmp_path):
    variable, loss = problem(tf)
    wrapper = optimizer(tf)
    train = wrapper.minimize(loss)
    average = tf.global_variables("w/ExponentialMovingAverage")[0]
    lists = [variable, average]
    names = {v.op.name: v for v in lists}
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(train)
        for number, chosen in enumerate((lists, names)):
            saver = wrapper.swapping_saver(chosen, name=f"saver_{number}")
            path = saver.save(session, str(tmp_path / f"{number}.ckpt"))
            stored = tf.train.load_checkpoint(path).get_tensor("w")
            np.testing.assert_allclose(stored, by_formula(1)[1], rtol=1e-5)


def test_a_swapping_saver_before_training_is_refused(tf):
    problem(tf)
    with pytest.raises(RuntimeError, match="apply_gradients"):
        optimizer(tf).swapping_saver()


def test_the_apis_optimizer_builder_and_optimize_loss_use_it(tf):
    """The road that a config's optimizer takes in model_lib."""
    from google.protobuf import text_format
    from object_detection.builders import optimizer_builder
    from object_detection.protos import optimizer_pb2

    config = text_format.Parse(
        f"""
        momentum_optimizer {{
          learning_rate {{ constant_learning_rate {{ learning_rate: {RATE} }} }}
          momentum_optimizer_value: 0.0
        }}
        moving_average_decay: {DECAY}
        """,
        optimizer_pb2.Optimizer(),
    )
    assert config.use_moving_average  # by default
    built, _ = optimizer_builder.build(config)
    variable, loss = problem(tf)
    step = tf.train.get_or_create_global_step()
    train = tf.contrib.layers.optimize_loss(
        loss=loss,
        global_step=step,
        learning_rate=None,
        clip_gradients=100.0,
        optimizer=built,
        variables=tf.trainable_variables(),
        summaries=[],
        name="",
    )
    average = tf.global_variables("w/ExponentialMovingAverage")[0]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(3):
            session.run(train)
        value, mean = by_formula(3)
        np.testing.assert_allclose(session.run(variable), value, rtol=1e-5)
        np.testing.assert_allclose(session.run(average), mean, rtol=1e-5)
        assert session.run(step) == 3


def test_a_frozen_variable_is_its_own_average(tf, tmp_path):
    from hand_detection.api import moving_average

    frozen = tf.get_variable("frozen", initializer=[5.0, 6.0])
    _, loss = problem(tf)
    trained = [variable for variable in tf.trainable_variables() if variable is not frozen]
    train = optimizer(tf).minimize(
        loss, var_list=trained, global_step=tf.train.get_or_create_global_step()
    )
    moving_average.complete_averages()
    saver = tf.train.Saver()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(train)
        path = saver.save(session, str(tmp_path / "model.ckpt"))
    reader = tf.train.load_checkpoint(path)
    with tf.Graph().as_default():  # as evaluation asks for them
        for name in ("w", "frozen"):
            tf.get_variable(name, shape=[2])
        wanted = tf.train.ExponentialMovingAverage(0.0).variables_to_restore()
    assert set(wanted) <= set(reader.get_variable_to_shape_map())
    assert reader.get_tensor("frozen/ExponentialMovingAverage").tolist() == [5.0, 6.0]
    np.testing.assert_allclose(
        reader.get_tensor("w/ExponentialMovingAverage"), by_formula(1)[1], rtol=1e-5
    )


def test_where_no_averages_are_kept_none_are_made(tf):
    from hand_detection.api import moving_average

    variable = tf.get_variable("w", shape=[2])
    moving_average.complete_averages()
    assert tf.global_variables() == [variable]
