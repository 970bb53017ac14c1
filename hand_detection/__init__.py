"""The tutorial's logic: one module a step, in the order in which the data flows.

download -> egohands -> kitti -> tfrecords -> train -> evaluate -> export -> detect;
beside them `models` (the one list of model names), `pretrained` (where weights come
from) and `api` (what makes the TensorFlow Object Detection API run today).
"""
