"""How fast exported models run here. The parts of `hand_detection.benchmark`.

worker.py   one model in a process of its own, measured on request
rounds.py   all workers in turn, so that a busy moment of the machine hits none alone
report.py   what was measured, as a table, a page and JSON
"""
