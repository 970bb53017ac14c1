"""The parsers of text: labels, label maps, configs, tables, JSON, XML, YAML."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from judge import READ, REFUSED, Parser
from small_data import jpeg

from hand_detection import (
    coco,
    config_text,
    examples,
    held_out,
    kitti,
    labelmap,
    metrics,
    model_card,
    models,
    pipeline,
    prepare,
    records,
    runs,
    splits,
    tfrecords,
)
from hand_detection.formats import convert
from hand_detection.formats.base import Options
from hand_detection.training import best

LINE = b"hand 0 0 0.5 1 2 30 40 0 0 0 0 0 0 0\n"
LABEL_MAP = b"item {\n  id: 1\n  name: 'hand'\n}\nitem { name: \"left foot\" id: 2 }\n"
SIZE = (64, 48)
PICTURE = jpeg(0, SIZE)


def encodings(text: bytes) -> dict[str, tuple[bytes, str | None]]:
    """What editors do to a text, and what must come of it."""
    decoded = text.decode()
    return {
        "BOM": (decoded.encode("utf-8-sig"), READ),
        "CRLF": (text.replace(b"\n", b"\r\n"), READ),
        "UTF-16": (decoded.encode("utf-16"), REFUSED),
        "UTF-16 without BOM": (decoded.encode("utf-16-le"), REFUSED),
        "Latin-1": (text + "ä".encode("latin1"), REFUSED),
    }


def _kitti(data: bytes, folder: Path) -> None:
    path = folder / "a.txt"
    kitti.parse_labels(data, path, inside=False)
    labels = kitti.parse_labels(data, path, size=SIZE, classes=("hand",))
    path.write_text(kitti.labels_text(labels))
    assert kitti.read_labels(path, size=SIZE) == labels
    names = {label.type: 1 for label in labels}
    records.encode_example(examples.example_features("a", b"", "jpeg", SIZE, SIZE, labels, names))


def _line(*fields: str) -> bytes:
    values = ["hand", *"000", "1", "2", "30", "40", *"0000000"]
    for number, value in (field.split("=") for field in fields):
        values[int(number)] = value
    return " ".join(values).encode()


KITTI = Parser(
    "KITTI labels",
    _kitti,
    (LINE, LINE * 3, b"", b"DontCare -1 -1 -10 1 1 9 9 -1 -1 -1 -1000 -1000 -1000 -10\n"),
    {
        **encodings(LINE),
        "too few fields": (LINE[:-3], REFUSED),
        "too many fields": (LINE[:-1] + b" 0", REFUSED),
        "NaN": (_line("4=nan"), REFUSED),
        "infinite": (_line("7=inf"), REFUSED),
        "beyond float32": (_line("3=1e300"), REFUSED),
        "reversed": (_line("4=31"), REFUSED),
        "out of the image": (_line("6=65"), REFUSED),
        "unknown class": (_line("0=foot"), REFUSED),
        "no number": (_line("5=12px"), REFUSED),
        "5,000 digits": (_line("5=" + "1" * 5000), REFUSED),
        "NUL": (LINE + b"\0", REFUSED),
    },
)


def _label_map(data: bytes, folder: Path) -> None:
    path = folder / labelmap.FILE
    path.write_bytes(data)
    names = labelmap.read_label_map(path)
    for name in names:
        labelmap.check_name(name)
    labelmap.write_label_map(path, names)
    assert labelmap.read_label_map(path) == names


def _item(id_: object, name: str = "'hand'") -> bytes:
    return f"item {{ id: {id_} name: {name} }}\n".encode()


LABEL_MAPS = Parser(
    "label map",
    _label_map,
    (LABEL_MAP, _item(1)),
    {
        **encodings(LABEL_MAP),
        "empty": (b"", REFUSED),
        "id 0": (_item(0), REFUSED),
        "id -1": (_item(-1), REFUSED),
        "id beyond int32": (_item(2**40), REFUSED),
        "5,000 digits": (_item("1" * 5000), REFUSED),
        "id twice": (_item(1) + _item(1, "'foot'"), REFUSED),
        "name twice": (_item(1) + _item(2), REFUSED),
        "no name": (b"item { id: 1 }", REFUSED),
        "unknown field": (b"item { id: 1 name: 'a' evil: 1 }", REFUSED),
        "cut": (LABEL_MAP[:20], REFUSED),
        "nested": (b"item { id: 1 name: { } }", REFUSED),
        "100,000 items": (b"".join(_item(1, f"'{i}'") for i in range(100_000)), REFUSED),
        "terminal control": (_item(1, "'\x1b[2Jhand'"), REFUSED),
    },
)

CONFIG = models.MODELS[0].config.read_bytes()


def _config(data: bytes, folder: Path) -> None:
    path = folder / "my.config"
    path.write_bytes(data)
    pipeline.load(str(path))


CONFIGS = Parser(
    "config",
    _config,
    (CONFIG,),
    {
        **encodings(CONFIG),
        "empty": (b"", REFUSED),
        "unknown field": (CONFIG + b"\nevil: 1\n", REFUSED),
        "cut": (CONFIG[:1000], REFUSED),
        "huge number": (CONFIG.replace(b"num_steps: ", b"num_steps: 99999999999"), REFUSED),
        "nested 100,000 deep": (b"model {" * 100_000, REFUSED),
        "no UTF-8 in a string": (CONFIG.replace(b"ssd_mobilenet_v1", b"\\377\\376", 1), REFUSED),
    },
)


def _setting(data: bytes, folder: Path) -> None:
    path = folder / "my.config"
    path.write_bytes(CONFIG)
    pipeline.load(str(path), settings=(data.decode("utf-8", "surrogateescape"),))


SETTINGS = Parser(
    "--set KEY=VALUE",
    _setting,
    (b"train_config.batch_size=8", b"model.ssd.num_classes=2", b"eval_input_reader.shuffle=true"),
    {
        "no value": (b"train_config.batch_size=", REFUSED),
        "injected": (b"train_config.batch_size=8 num_steps: 3 } model {", REFUSED),
        "a block": (b"model.ssd.num_classes.x=2", REFUSED),
        "surrogate": (b"train_config.fine_tune_checkpoint=\xff", REFUSED),
    },
)


def _config_text(data: bytes, folder: Path) -> None:
    text = data.decode("utf-8", "replace")
    for key in ("model.ssd.num_classes", "train_config.batch_size"):
        try:
            config_text.set_value(text, key, "7", "why")
        except KeyError:
            continue


CONFIG_TEXTS = Parser("config as text", _config_text, (CONFIG,), {})


def _detections(data: bytes, folder: Path) -> None:
    path = folder / "found.json"
    path.write_bytes(data)
    rows, ones = coco.np.array([[1.0, 2, 30, 40]]), coco.np.ones(1, int)
    truth = coco.Boxes(rows, ones, masks=[coco.masks.encode(coco.np.ones(SIZE[::-1], bool))])
    images = [coco.Image("a", *SIZE, truth, coco.Boxes(rows[:0], ones[:0], scores=ones[:0]))]
    images = coco.read_detections(path, images, {"hand": 1})
    metrics.match(images, [1], masks=coco.have_masks(images))


MASK = {"size": list(SIZE[::-1]), "counts": [5, 20, SIZE[0] * SIZE[1] - 25]}
RESULT = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3.5, 4], "score": 0.5}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


DETECTIONS = Parser(
    "detections file",
    _detections,
    (_json([RESULT]), b"[]", _json([{**RESULT, "segmentation": MASK}])),
    {
        "too few run lengths": (
            _json([{**RESULT, "segmentation": {**MASK, "counts": [0, 20]}}]),
            REFUSED,
        ),
        "nested 100,000 deep": (b"[" * 100_000, REFUSED),
        "5,000 digits": (_json([RESULT]).replace(b"3.5", b"1" * 4000), REFUSED),
        "10,000 digits": (_json([RESULT]).replace(b"3.5", b"1" * 10_000), REFUSED),
        "NaN": (_json([RESULT]).replace(b"3.5", b"NaN"), REFUSED),
        "unknown image": (_json([{**RESULT, "image_id": 2}]), REFUSED),
    },
)

SHARD = {"name": "val.record-00000-of-00001", "examples": 1, "bytes": 3, "sha256": "0" * 64}
MANIFEST = {
    "format": 1,
    "settings": {
        "split": "random", "seed": 1, "val_size": 1, "max_side": 0, "shards": 0,
        "classes": {"hand": 1}, "group": None, "folds": None, "fold": None,
    },
    "inputs": "0" * 64,
    "splits": {
        "train": {"shards": [{**SHARD, "name": "train.record"}], "boxes": 1, "frames": ["a"]},
        "val": {"shards": [SHARD], "boxes": 0, "frames": ["b"]},
    },
    "near_twins": {"val": 0},
    "written_by": {},
}  # fmt: skip


def _manifest(data: bytes, folder: Path) -> None:
    (folder / tfrecords.MANIFEST).write_bytes(data)
    for name in ("train.record", SHARD["name"]):
        (folder / name).write_bytes(b"abc")
    manifest = tfrecords.verify(folder)
    tfrecords.counts_table(manifest)
    tfrecords.twins_in_words(manifest)
    tfrecords.leaks(manifest)


def _with(value: dict | list, *keys: object, new: object) -> bytes:
    copy = json.loads(json.dumps(value))
    at = copy
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = new
    return _json(copy)


MANIFESTS = Parser(
    "TFRecords' manifest",
    _manifest,
    (_json(MANIFEST), json.dumps(MANIFEST, indent=2).encode()),
    {
        "cut": (_json(MANIFEST)[:200], REFUSED),
        "a list": (b"[]", REFUSED),
        "bytes are text": (
            _with(MANIFEST, "splits", "val", "shards", 0, "bytes", new="3"),
            REFUSED,
        ),
        "a shard elsewhere": (
            _with(MANIFEST, "splits", "val", "shards", 0, "name", new="../../../etc/passwd"),
            REFUSED,
        ),
        "twins of no split": (_with(MANIFEST, "near_twins", "evil", new=1), REFUSED),
        "twins of no frames": (_with(MANIFEST, "splits", "val", "frames", new=[]), REFUSED),
    },
)

DATASET = {
    "format": 1,
    "state": "complete",
    "archive": {"name": "a.zip", "bytes": 1, "mtime_ns": 1, "sha256": "0" * 64},
    "sample": None,
    "videos": {"CARDS_OFFICE_S_B": {"frames": 2, "hands": 3, "image_bytes": 10}},
}


def _dataset(data: bytes, folder: Path) -> None:
    (folder / prepare.MANIFEST).write_bytes(data)
    prepare.is_complete(folder)
    manifest = prepare.read_manifest(folder)
    if manifest and manifest["state"] != "generating":
        prepare.counts_table(manifest)


DATASETS = Parser(
    "data set's manifest",
    _dataset,
    (_json(DATASET), _json({"state": "generating", "archive": None, "sample": {"videos": 1}})),
    {
        "no videos": (_json({"state": "complete", "archive": None, "sample": None}), REFUSED),
        "a list": (b"[1]", REFUSED),
        "frames are text": (
            _with(DATASET, "videos", "CARDS_OFFICE_S_B", "frames", new="2"),
            REFUSED,
        ),
    },
)

RUN = [
    {
        "started": "2026-01-01T00:00:00+0000", "model": "m", "overrides": {}, "first_step": 0,
        "steps": 3, "batch_size": 2, "learning_rate": 0.1, "seed": 1, "examples": 7,
        "records": {"folder": "nowhere", "manifest_sha256": "0" * 64}, "commit": None,
        "api": {"kind": "registry", "version": "1"}, "versions": {"python": "3.11"},
    }
]  # fmt: skip


def _run(data: bytes, folder: Path) -> None:
    (folder / runs.HISTORY).write_bytes(data)
    (folder / runs.CONFIG).write_bytes(CONFIG)
    held_out.kind(folder, folder, "val")
    model_card.card(folder)


RUNS = Parser(
    "run.json",
    _run,
    (_json(RUN),),
    {
        "an object": (b"{}", REFUSED),
        "a number": (b"3", REFUSED),
        "no start": (b"[]", REFUSED),
        "an empty start": (b"[{}]", REFUSED),
        "steps are text": (_with(RUN, 0, "steps", new="3"), REFUSED),
    },
)

EVALUATION = {
    "model": "m", "split": "val", "step": 3, "trained_on": held_out.RANDOM, "images": 4,
    "metrics": dict.fromkeys(coco.TAGS, 0.5),
}  # fmt: skip


def _evaluation(data: bytes, folder: Path) -> None:
    run = folder / "run"
    run.mkdir()
    path = runs.validation_file(run, 3)
    path.write_bytes(data)
    assert runs.validated(run) == [3]
    held_out.side_by_side(folder, "m")  # leaves out what is damaged
    runs.read_evaluation(path)


EVALUATIONS = Parser(
    "evaluation",
    _evaluation,
    (_json(EVALUATION), _json({**EVALUATION, "step": None})),
    {
        "a list": (b"[]", REFUSED),
        "no numbers": (_with(EVALUATION, "metrics", new={}), REFUSED),
        "numbers are text": (_with(EVALUATION, "metrics", coco.AP, new="0.5"), REFUSED),
    },
)


def _best(data: bytes, folder: Path) -> None:
    (folder / "best").mkdir()
    (folder / "best" / best.RECORD).write_bytes(data)
    best.read(folder)
    best.without_gain(folder)


BESTS = Parser(
    "best.json",
    _best,
    (_json({"step": 3, "by": "AP", "metrics": dict.fromkeys(coco.TAGS, 0.5)}),),
    {"a list": (b"[]", REFUSED), "empty": (b"", REFUSED)},
)


def _sources(data: bytes, folder: Path) -> None:
    (folder / splits.SOURCES).write_bytes(data)
    rule = splits.Rule("group", 1, 1, group=splits.FOLDER)
    splits.deal(["a", "b", "c"], rule, data=folder, classes={})


SOURCES = Parser(
    "sources.csv",
    _sources,
    (b"frame,source\r\na,x/a.jpg\r\nb,y/b.jpg\r\nc,x/c.jpg\r\n",),
    {
        "no columns": (b"a,b\r\n1,2\r\n", REFUSED),
        "Latin-1": (b"frame,source\r\na,\xe4\r\n", REFUSED),
    },
)


def converter(format_name: str, place: str, options: Options = Options()) -> Callable:  # noqa: B008
    """A parse function: the bytes are the file `place` of a data set with the image a.jpg."""

    def parse(data: bytes, folder: Path) -> None:
        src = folder / "src"
        for picture in ("images/a.jpg", "JPEGImages/a.jpg"):
            (src / picture).parent.mkdir(parents=True, exist_ok=True)
            (src / picture).write_bytes(PICTURE)
        (src / place).parent.mkdir(parents=True, exist_ok=True)
        if format_name == "yolo" and place.endswith(".txt"):
            (src / "classes.txt").write_text("hand\nfoot\n")
        (src / place).write_bytes(data)
        for mend in (False, True):
            convert.convert(
                format_name, src, folder / f"out-{mend}", options=options,
                settings=convert.Settings(mend=mend), label_map=None, workers=1,
            )  # fmt: skip
            out = folder / f"out-{mend}"
            classes = labelmap.read_label_map(out / labelmap.FILE)
            for frame in kitti.list_frames(out):
                kitti.read_labels(frame.label, size=SIZE, classes=classes)

    return parse
