"""What lies in a folder by ./export.sh: every file name is written here once."""

FROZEN = "frozen_inference_graph.pb"
SAVED_MODEL = "saved_model"
ONNX = "model.onnx"
TFLITE = "model.tflite"
OPENVINO = "model.xml"
CONFIG = "pipeline.config"
LABEL_MAP = "label_map.pbtxt"
RECORD = "export.json"
FAILED = ".FAILED"  # at the end of the name of a folder that the parity gate refused
