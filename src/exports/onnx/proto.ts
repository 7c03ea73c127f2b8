/** ONNX's protobuf messages, as the package `onnx-proto` has them: its CommonJS module looks different to each runtime. */
import * as loaded from "onnx-proto"

const module = loaded as typeof loaded & { readonly default?: typeof loaded }

export const { onnx } = module.default ?? module

export type NodeProto = InstanceType<typeof onnx.NodeProto>

/** `TensorProto.DataType` */
export const types = { float: 1, uint8: 2, int8: 3, int64: 7, bool: 9, float16: 10 } as const
export type TypeName = keyof typeof types
