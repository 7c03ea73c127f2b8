/** ONNX's messages in bytes, as Python's protobuf writes them (test/golden/make/onnx_messages.py, which checks the model with onnx's checker). */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { attributeTypes, encodeModel, type NodeProto, type TypeName, types } from "../../../src/exports/onnx/proto.ts"
import { repository } from "../../e2e/fixtures.ts"

const stored = (name: string, type: TypeName, dims: ReadonlyArray<number>, width: number) => ({
  name,
  dataType: types[type],
  dims,
  rawData: Uint8Array.from({ length: dims.reduce((all, dim) => all * dim, width) }, (_, i) => i % 251)
})

const int = (name: string, i: number) => ({ name, type: attributeTypes.int, i })
const ints = (name: string, ...values: ReadonlyArray<number>) => ({ name, type: attributeTypes.ints, ints: values })

const node = (opType: string, input: ReadonlyArray<string>, output: string, more: Partial<NodeProto> = {}) => ({
  opType,
  input,
  output: [output],
  name: output,
  ...more
})

const port = (name: string, ...sizes: ReadonlyArray<number | string>) => ({
  name,
  type: {
    tensorType: {
      elemType: types.float,
      shape: { dim: sizes.map((size) => (typeof size === "number" ? { dimValue: size } : { dimParam: size })) }
    }
  }
})

const domain = "com.microsoft"

test("a model with every message and kind of field has the bytes of another writer", () => {
  const written = encodeModel({
    irVersion: 8,
    producerName: "tfjs-lora-pro",
    producerVersion: "0.0.0",
    opsetImport: [
      { domain: "", version: 17 },
      { domain, version: 1 }
    ],
    graph: {
      name: "model",
      node: [
        node("LayerNormalization", ["x", "größe·長さ"], "normed", {
          attribute: [int("axis", -1), { name: "epsilon", type: attributeTypes.float, f: 1e-5 }]
        }),
        node("Clip", ["normed", "", "limit"], "clipped"),
        node("Transpose", ["clipped"], "turned", { attribute: [ints("perm", 1, 0)] }),
        node("MatMulNBits", ["y", "uint8", "scales"], "product", {
          domain,
          attribute: [int("K", 32), int("N", 8), int("bits", 4), int("block_size", 32)]
        }),
        node("Other", ["int64"], "other", {
          domain,
          attribute: [
            int("zero", 0),
            int("least", -Number.MAX_SAFE_INTEGER),
            int("most", Number.MAX_SAFE_INTEGER),
            ints("several", -1, 0, 300)
          ]
        })
      ],
      input: [port("x", "batch_size", 300), port("y", "2*batch_size", 32), port("limit")],
      output: [port("turned", 300, "batch_size")],
      initializer: [
        stored("float", "float", [2, 32], 4),
        stored("uint8", "uint8", [8, 1, 16], 1),
        stored("int8", "int8", [3], 1),
        stored("int64", "int64", [], 8),
        stored("bool", "bool", [1], 1),
        stored("float16", "float16", [0], 2),
        stored("scales", "float", [8], 4),
        stored("größe·長さ", "float", [300], 4)
      ]
    }
  })
  const golden = readFileSync(join(repository, "test/golden/onnx/messages.onnx"))
  expect(Buffer.from(written).equals(golden)).toBe(true)
})
