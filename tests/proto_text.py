"""A FileDescriptorProto as the text of a .proto file, as far as the API's protos go."""

from __future__ import annotations

import json

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

_LABELS = {
    FieldDescriptorProto.LABEL_OPTIONAL: "optional",
    FieldDescriptorProto.LABEL_REQUIRED: "required",
    FieldDescriptorProto.LABEL_REPEATED: "repeated",
}


def proto_text(file: FileDescriptorProto) -> str:
    """The text that protoc reads back as `file`."""
    lines = ['syntax = "proto2";']
    lines += [f"package {file.package};"] if file.package else []
    lines += [f'import "{name}";' for name in file.dependency]
    for enum in file.enum_type:
        lines += _enum(enum)
    for message in file.message_type:
        lines += _message(message)
    lines += _extensions(file.extension)
    return "\n".join(lines) + "\n"


def _message(message: DescriptorProto) -> list[str]:
    body: list[str] = []
    for enum in message.enum_type:
        body += _enum(enum)
    maps = {nested.name: nested for nested in message.nested_type if nested.options.map_entry}
    for nested in message.nested_type:
        if nested.name not in maps:
            body += _message(nested)
    for field in message.field:
        entry = maps.get(field.type_name.rpartition(".")[2])
        if entry is not None:
            key, value = (_type(part) for part in entry.field)
            body.append(f"map<{key}, {value}> {field.name} = {field.number};")
        elif not field.HasField("oneof_index"):
            body.append(f"{_LABELS[field.label]} {_field(field)}")
    for index, oneof in enumerate(message.oneof_decl):
        members = [
            f"  {_field(field)}"
            for field in message.field
            if field.HasField("oneof_index") and field.oneof_index == index
        ]
        body += [f"oneof {oneof.name} {{", *members, "}"]
    # The ends are exclusive in the descriptor and inclusive in the text.
    body += [f"extensions {r.start} to {r.end - 1};" for r in message.extension_range]
    body += [f"reserved {r.start} to {r.end - 1};" for r in message.reserved_range]
    body += [f'reserved "{name}";' for name in message.reserved_name]
    body += _extensions(message.extension)
    return [f"message {message.name} {{", *(f"  {line}" for line in body), "}"]


def _enum(enum: EnumDescriptorProto) -> list[str]:
    body = ["  option allow_alias = true;"] if enum.options.allow_alias else []
    body += [f"  {value.name} = {value.number};" for value in enum.value]
    return [f"enum {enum.name} {{", *body, "}"]


def _extensions(fields: list[FieldDescriptorProto]) -> list[str]:
    return [
        f"extend {field.extendee} {{ {_LABELS[field.label]} {_field(field)} }}" for field in fields
    ]


def _field(field: FieldDescriptorProto) -> str:
    options = []
    if field.HasField("default_value"):
        quoted = field.type == FieldDescriptorProto.TYPE_STRING
        value = json.dumps(field.default_value) if quoted else field.default_value
        options.append(f"default = {value}")
    if field.options.HasField("packed"):
        options.append(f"packed = {json.dumps(field.options.packed)}")
    if field.options.deprecated:
        options.append("deprecated = true")
    suffix = f" [{', '.join(options)}]" if options else ""
    return f"{_type(field)} {field.name} = {field.number}{suffix};"


def _type(field: FieldDescriptorProto) -> str:
    return field.type_name or FieldDescriptorProto.Type.Name(field.type)[len("TYPE_") :].lower()
