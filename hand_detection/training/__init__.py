"""The parts of step 5. `hand_detection.train` is its face; imports go from the top down.

distributed.py  several machines: the cluster, means over its workers, agreement
towers.py       several GPUs of one machine: the batch split over them
graph.py        the training graph, by the API's own model_fn
restoration.py  what becomes of each variable of the pretrained checkpoint
validation.py   the training losses on the validation records
summaries.py    what TensorBoard shows
record.py       run.json: what produced the run
best.py         the best checkpoint, and whether to go on
report.py       report.html and report.json at the end
loop.py         steps, checkpoints, evaluations, signals
"""
