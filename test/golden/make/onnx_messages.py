"""A model with every message and kind of field that exports have, as Python's protobuf writes it: ../onnx/messages.onnx.

Made with onnx 1.23.2. `onnx` itself follows onnx.proto, whose lists of integers are not packed; onnx.proto3, which we follow, packs them, and
every reader takes both. So the model goes once through classes of the same descriptor with these lists packed.
"""
from pathlib import Path

import onnx
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from onnx import TensorProto, checker, helper

Field = descriptor_pb2.FieldDescriptorProto
STORED = [
    ("float", TensorProto.FLOAT, [2, 32], 4),
    ("uint8", TensorProto.UINT8, [8, 1, 16], 1),
    ("int8", TensorProto.INT8, [3], 1),
    ("int64", TensorProto.INT64, [], 8),
    ("bool", TensorProto.BOOL, [1], 1),
    ("float16", TensorProto.FLOAT16, [0], 2),
    ("scales", TensorProto.FLOAT, [8], 4),
    ("größe·長さ", TensorProto.FLOAT, [300], 4),
]


def stored(name, kind, dims, width):
    size = width
    for dim in dims:
        size *= dim
    return TensorProto(name=name, data_type=kind, dims=dims, raw_data=bytes(i % 251 for i in range(size)))


def node(op, inputs, output, domain=None, **attributes):
    made = helper.make_node(op, inputs, [output], name=output, domain=domain, **{})
    made.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    return made


graph = helper.make_graph(
    [
        node("LayerNormalization", ["x", "größe·長さ"], "normed", axis=-1, epsilon=1e-5),
        node("Clip", ["normed", "", "limit"], "clipped"),
        node("Transpose", ["clipped"], "turned", perm=[1, 0]),
        node("MatMulNBits", ["y", "uint8", "scales"], "product", "com.microsoft", K=32, N=8, bits=4, block_size=32),
        node("Other", ["int64"], "other", "com.microsoft", zero=0, least=-(2**53 - 1), most=2**53 - 1, several=[-1, 0, 300]),
    ],
    "model",
    [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch_size", 300]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["2*batch_size", 32]),
        helper.make_tensor_value_info("limit", TensorProto.FLOAT, []),
    ],
    [helper.make_tensor_value_info("turned", TensorProto.FLOAT, [300, "batch_size"])],
    [stored(*one) for one in STORED],
)
model = helper.make_model(
    graph,
    ir_version=8,
    producer_name="tfjs-lora-pro",
    producer_version="0.0.0",
    opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)],
)
checker.check_model(model)

file = descriptor_pb2.FileDescriptorProto()
onnx.onnx_ml_pb2.DESCRIPTOR.CopyToProto(file)


def pack(message):
    for field in message.field:
        if field.label == Field.LABEL_REPEATED and field.type == Field.TYPE_INT64:
            field.options.packed = True
    for inner in message.nested_type:
        pack(inner)


for message in file.message_type:
    pack(message)
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
packed = message_factory.GetMessageClass(pool.FindMessageTypeByName("onnx.ModelProto"))()
packed.ParseFromString(model.SerializeToString())
bytes_ = packed.SerializeToString(deterministic=True)
checker.check_model(onnx.load_from_string(bytes_))
target = Path(__file__).parent.parent / "onnx" / "messages.onnx"
target.parent.mkdir(exist_ok=True)
target.write_bytes(bytes_)
print(target.name, len(bytes_))
