"""What makes the TensorFlow Object Detection API of 2018 run on today's TensorFlow.

    source.py     brings the API's files: the pinned submodule, or PyPI's copy of them
    rules.py      rewrites what Python, NumPy, Pillow and matplotlib no longer accept
    protos.py     generates the protobuf modules for today's protobuf
    install.py    the three above in order, and the check of the result (install.sh calls it)

    compat.py     `activate()`: to be called before the API is imported
    contrib.py    the parts of tf.contrib that the API uses
    estimator.py  the parts of tf.estimator that the API uses

    batched_targets.py, batched_mining.py, nms.py
                  the slow parts of SSD's loss, for a whole batch at once

Nothing is imported here, so that the other modules can be used one by one.
"""
