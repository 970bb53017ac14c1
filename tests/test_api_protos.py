"""The API's protobuf modules: generated for today's protobuf from either kind of source."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import descriptor_pb2
from proto_text import proto_text

from hand_detection import pypi
from hand_detection.api import protos, source
from hand_detection.console import UserError
from hand_detection.paths import BUILD, CONFIGS, ROOT


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> Path:
    """research/ with protoc 3.6's modules and no .proto file, as PyPI has it."""
    wheel = pypi.fetch(
        source.WHEEL_REQUIREMENT, source.WHEEL_NAME, source.WHEEL_SHA256, BUILD / "downloads"
    )
    whole = tmp_path_factory.mktemp("wheel")
    source.unpack_wheel(wheel, whole)
    research = tmp_path_factory.mktemp("old") / "research"
    research.joinpath("object_detection").mkdir(parents=True)
    (whole / "object_detection" / "__init__.py").rename(
        research / "object_detection" / "__init__.py"
    )
    (whole / protos.PROTOS).rename(research / protos.PROTOS)
    return research


@pytest.fixture(scope="module")
def descriptors(old) -> dict[str, descriptor_pb2.FileDescriptorProto]:
    """The old modules' descriptors by file name, read before anything is generated."""
    found = (
        descriptor_pb2.FileDescriptorProto.FromString(protos.serialized_descriptor(module))
        for module in sorted((old / protos.PROTOS).glob("*_pb2.py"))
    )
    return {proto.name: proto for proto in found}


@pytest.fixture(scope="module")
def generated(old, descriptors, tmp_path_factory) -> dict[str, Path]:
    """research/ by what its modules were generated from: descriptor or proto."""
    with_text = tmp_path_factory.mktemp("proto") / "research"
    folder = with_text / protos.PROTOS
    folder.mkdir(parents=True)
    for package in (folder, folder.parent):
        (package / "__init__.py").touch()
    for name, proto in descriptors.items():
        (with_text / name).write_text(proto_text(proto), encoding="utf-8")
    assert protos.compile_protos(old) == (len(descriptors), "descriptor")
    assert protos.compile_protos(with_text) == (len(descriptors), "proto")
    return {"descriptor": old, "proto": with_text}


def run(research: Path, code: str) -> str:
    """Run `code` where object_detection is `research`'s; a pool of descriptors is a process's."""
    start = f"import sys; sys.path.insert(0, {str(research)!r})\n"
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", start + textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


KINDS = pytest.mark.parametrize("kind", ["descriptor", "proto"])


@KINDS
def test_all_modules_import_and_configs_round_trip(generated, kind):
    out = run(
        generated[kind],
        f"""
        import importlib, pathlib
        from google.protobuf import text_format
        import object_detection.protos as package
        folder = pathlib.Path(package.__path__[0])
        modules = sorted(path.stem for path in folder.glob("*_pb2.py"))
        for name in modules:
            importlib.import_module("object_detection.protos." + name)
        from object_detection.protos import pipeline_pb2
        configs = sorted(pathlib.Path({str(CONFIGS)!r}).glob("*.config"))
        for path in configs:
            config = text_format.Parse(path.read_text(), pipeline_pb2.TrainEvalPipelineConfig())
            assert config.model.ssd.num_classes or config.model.faster_rcnn.num_classes, path
            again = pipeline_pb2.TrainEvalPipelineConfig.FromString(config.SerializeToString())
            assert again == config
            text = text_format.MessageToString(config)
            assert text_format.Parse(text, pipeline_pb2.TrainEvalPipelineConfig()) == config
        print(len(modules), len(configs) > 0)
        """,
    )
    count = len(list((generated[kind] / protos.PROTOS).glob("*_pb2.py")))
    assert out.split() == [str(count), "True"]


@KINDS
def test_defaults_are_those_that_training_relies_on(generated, kind):
    out = run(
        generated[kind],
        """
        from object_detection.protos import (
            input_reader_pb2, optimizer_pb2, post_processing_pb2, train_pb2)
        print(optimizer_pb2.Optimizer().use_moving_average,
              round(optimizer_pb2.Optimizer().moving_average_decay, 4),
              input_reader_pb2.InputReader().shuffle,
              train_pb2.TrainConfig().batch_size,
              round(post_processing_pb2.BatchNonMaxSuppression().iou_threshold, 2))
        """,
    )
    assert out.split() == ["True", "0.9999", "True", "32", "0.6"]


def test_the_modules_say_what_the_old_ones_said(generated, descriptors):
    """No field, number, default or option is lost on the way, on either road."""
    for research in generated.values():
        out = run(
            research,
            """
            import importlib, pathlib
            import object_detection.protos as package
            for path in sorted(pathlib.Path(package.__path__[0]).glob("*_pb2.py")):
                module = importlib.import_module("object_detection.protos." + path.stem)
                print(module.DESCRIPTOR.name, module.DESCRIPTOR.serialized_pb.hex())
            """,
        )
        now = {
            name: descriptor_pb2.FileDescriptorProto.FromString(bytes.fromhex(data))
            for name, data in map(str.split, out.splitlines())
        }
        assert now.keys() == descriptors.keys()
        for name, proto in descriptors.items():
            assert _plain(now[name]) == _plain(proto), name


def _plain(proto: descriptor_pb2.FileDescriptorProto) -> descriptor_pb2.FileDescriptorProto:
    """Without what is derived or has no meaning: names in JSON, order, digits past a float's."""
    plain = descriptor_pb2.FileDescriptorProto()
    plain.CopyFrom(proto)
    plain.ClearField("syntax")  # proto2 is what no syntax means
    messages = list(plain.message_type)
    while messages:
        message = messages.pop()
        messages += message.nested_type
        for field in message.field:
            field.ClearField("json_name")
            if field.type == field.TYPE_FLOAT and field.HasField("default_value"):
                field.default_value = str(np.float32(field.default_value))
        fields = sorted(message.field, key=lambda field: field.number)
        del message.field[:]
        message.field.extend(fields)
    return plain


def test_nothing_else_is_left_in_the_folder(generated):
    assert not list((generated["descriptor"] / protos.PROTOS).glob("*.bin"))


def test_neither_source_is_one_clear_error(tmp_path):
    with pytest.raises(UserError, match=r"no \.proto and no _pb2\.py"):
        protos.compile_protos(tmp_path)


def test_a_module_without_a_descriptor_is_one_clear_error(tmp_path):
    folder = tmp_path / protos.PROTOS
    folder.mkdir(parents=True)
    (folder / "a_pb2.py").write_text("raise SystemExit('never run')\n")
    with pytest.raises(UserError, match=r"a_pb2\.py holds no serialized descriptor"):
        protos.compile_protos(tmp_path)


def test_a_proto_that_protoc_refuses_is_one_clear_error(tmp_path, capfd):
    folder = tmp_path / protos.PROTOS
    folder.mkdir(parents=True)
    (folder / "a.proto").write_text("message {")
    with pytest.raises(UserError, match="protoc refused"):
        protos.compile_protos(tmp_path)
    assert "a.proto:1" in capfd.readouterr().err


@pytest.mark.parametrize("literal", ["b'\\n\\x01\\xff'", "_b('\\n\\x01\\xff')"])
def test_a_descriptor_is_read_as_python_2_and_3_wrote_it(tmp_path, literal):
    module = tmp_path / "a_pb2.py"
    module.write_text(
        f"DESCRIPTOR = _descriptor.FileDescriptor(name='a', serialized_pb={literal})\n"
    )
    assert protos.serialized_descriptor(module) == b"\n\x01\xff"
