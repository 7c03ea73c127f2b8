/**
 * Precisions of a graph: one value each, by transformers.js's names (`dtype`) and with the file names that it looks for.
 *
 *   fp32   as computed
 *   fp16   every float in 16 bits, between inputs and outputs of 32
 *   q8     a weight's product in integers, as onnxruntime's `quantize_dynamic` makes it:
 *
 *            y = s_x·s_W·((x_q − z_x)·(W_q − z_W))        x_q = round(x/s_x) + z_x, from the smallest and largest of x as it comes
 *
 *          with a scale and a zero point for each output of W, both in uint8, so that no engine's sums of pairs saturate. Tables whose
 *          rows are looked up have a scale for each row, around 128. All else is float32.
 *   q4     blocks of 32 weights in 4 bits and a scale, y = x·(s·(W_q − 8))ᵀ over unquantized x (onnxruntime's `MatMulNBits`): what small language
 *          models keep their words in, where q8's x is too coarse. Tables as in q8.
 */
import { toFloat16 } from "../../numbers/index.ts"
import type { Graph } from "./graph.ts"
import { type TypeName, types } from "./proto.ts"

/** A stored matrix: its name in the model and its values. */
export interface Stored {
  readonly name: string
  readonly shape: ReadonlyArray<number>
  readonly data: Float32Array
}

export interface Precision {
  readonly file: string
  /** type of all floats except quantized weights */
  readonly floats: Extract<TypeName, "float" | "float16">
  /** adds x·Wᵀ, with x [rows, in] given by name and W [out, in] */
  readonly product: (graph: Graph, x: string, W: Stored) => string
  /** adds the same product with a table that is also used for lookups and is stored once */
  readonly tied: (graph: Graph, x: string, table: Stored) => string
  /** adds a lookup of the table's rows at the indices */
  readonly lookup: (graph: Graph, table: Stored, indices: string) => string
}

/** Bounds of float16 constants, as in onnxruntime's converter: larger values become infinite, smaller ones 0. */
const [LARGEST, SMALLEST] = [1e4, 1e-7]

const held = (value: number): number => {
  const size = Math.abs(value)
  return size === 0 || !Number.isFinite(value) ? value : Math.sign(value) * Math.min(Math.max(size, SMALLEST), LARGEST)
}

/** Converts the pass's constants to floats of that type. */
export const constantFloats = (floats: Precision["floats"], values: ReadonlyArray<number>): ArrayBufferView =>
  floats === "float" ? Float32Array.from(values) : halves(Float32Array.from(values, held))

const halves = (data: Float32Array): Uint16Array => {
  const to = new Uint16Array(data.length)
  toFloat16(data, to)
  return to
}

/** Converts parameters to floats of that type. */
export const storedFloats = (floats: Precision["floats"], data: Float32Array): ArrayBufferView =>
  floats === "float" ? data : halves(data)

/** [out, in] → [in, out] */
const turned = <A extends Float32Array | Uint8Array>(data: A, [out, inputs]: ReadonlyArray<number>, into: A): A => {
  for (let o = 0; o < out!; o++) for (let i = 0; i < inputs!; i++) into[i * out! + o] = data[o * inputs! + i]!
  return into
}

const inFloats = (floats: Precision["floats"], file: string): Precision => ({
  file,
  floats,
  product: (graph, x, { name, shape, data }) => {
    const transposed = () => storedFloats(floats, turned(data, shape, new Float32Array(data.length)))
    return graph.node("MatMul", [x, graph.tensor(`${name}.transposed`, floats, [shape[1]!, shape[0]!], transposed)])
  },
  tied: (graph, x, { name, shape, data }) => {
    const table = graph.tensor(name, floats, shape, () => storedFloats(floats, data))
    return graph.node("MatMul", [x, graph.node("Transpose", [table], { perm: [1, 0] })])
  },
  lookup: (graph, { name, shape, data }, indices) =>
    graph.node("Gather", [graph.tensor(name, floats, shape, () => storedFloats(floats, data)), indices], { axis: 0 })
})

/** Quantizes each row of a matrix to uint8 between its own smallest and largest value, a range that always includes 0. */
export const asymmetric = ({ shape, data }: Pick<Stored, "shape" | "data">) => {
  const [out, inputs] = shape as [number, number]
  const quantized = new Uint8Array(data.length)
  const scales = new Float32Array(out)
  const zeros = new Uint8Array(out)
  for (let o = 0; o < out; o++) {
    const row = data.subarray(o * inputs, (o + 1) * inputs)
    let [low, high] = [0, 0]
    for (const value of row) {
      if (value < low) low = value
      if (value > high) high = value
    }
    const scale = high === low ? 1 : (high - low) / 255
    const zero = Math.round(-low / scale)
    scales[o] = scale
    zeros[o] = zero
    for (let i = 0; i < inputs; i++) {
      quantized[o * inputs + i] = Math.min(255, Math.max(0, Math.round(row[i]! / scale) + zero))
    }
  }
  return { quantized, scales, zeros }
}

/** The code of 0 in a table. */
const MIDDLE = 128

/** Quantizes each row of a table to bytes around 128, with one scale per row. */
export const symmetric = ({ shape, data }: Pick<Stored, "shape" | "data">) => {
  const [rows, width] = shape as [number, number]
  const quantized = new Uint8Array(data.length)
  const scales = new Float32Array(rows)
  for (let r = 0; r < rows; r++) {
    const row = data.subarray(r * width, (r + 1) * width)
    let largest = 0
    for (const value of row) largest = Math.max(largest, Math.abs(value))
    const scale = largest === 0 ? 1 : largest / 127
    scales[r] = scale
    for (let i = 0; i < width; i++) quantized[r * width + i] = MIDDLE + Math.round(row[i]! / scale)
  }
  return { quantized, scales }
}

const inBytes: Precision = {
  file: "model_quantized.onnx",
  floats: "float",
  product: (graph, x, { name, shape, data }) => {
    const [out, inputs] = shape as [number, number]
    const parts = ["quantized", "scale", "zero"].map((part) => `${name}.${part}`) as [string, string, string]
    graph.once(parts[0], () => {
      const { quantized, scales, zeros } = asymmetric({ shape, data })
      graph.tensor(parts[0], "uint8", [inputs, out], () => turned(quantized, shape, new Uint8Array(data.length)))
      graph.tensor(parts[1], "float", [out], () => scales)
      return graph.tensor(parts[2], "uint8", [out], () => zeros)
    })
    const [bytes, scale, zero] = inWhole(graph, x)
    const sums = graph.node("MatMulInteger", [bytes, parts[0], zero, parts[2]])
    const scales = graph.node("Mul", [scale, parts[1]])
    return graph.node("Mul", [graph.node("Cast", [sums], { to: types.float }), scales])
  },
  tied: (graph, x, stored) => {
    const { bytes, scale } = storedTable(graph, stored)
    const [numbers, ownScale, zero] = inWhole(graph, x)
    const turned = graph.node("Transpose", [bytes], { perm: [1, 0] })
    const sums = graph.node("MatMulInteger", [numbers, turned, zero, middle(graph, "uint8")])
    const scales = graph.node("Mul", [ownScale, graph.node("Transpose", [scale], { perm: [1, 0] })])
    return graph.node("Mul", [graph.node("Cast", [sums], { to: types.float }), scales])
  },
  lookup: (graph, stored, indices) => {
    const { bytes, scale } = storedTable(graph, stored)
    const rows = graph.node("Cast", [graph.node("Gather", [bytes, indices], { axis: 0 })], { to: types.float })
    const centred = graph.node("Sub", [rows, middle(graph, "float")])
    return graph.node("Mul", [centred, graph.node("Gather", [scale, indices], { axis: 0 })])
  }
}

const middle = (graph: Graph, type: "uint8" | "float"): string =>
  graph.tensor(`middle_${type}`, type, [], () => (type === "float" ? Float32Array.of(MIDDLE) : Uint8Array.of(MIDDLE)))

const storedTable = (graph: Graph, { name, shape, data }: Stored) =>
  graph.once(`${name} as a table`, () => {
    const { quantized, scales } = symmetric({ shape, data })
    return {
      bytes: graph.tensor(`${name}.rows`, "uint8", shape, () => quantized),
      scale: graph.tensor(`${name}.rows.scale`, "float", [shape[0]!, 1], () => scales)
    }
  })

/** Quantizes x and returns its bytes, scale and zero point, which layers of the same input share. */
const inWhole = (graph: Graph, x: string): readonly [string, string, string] =>
  graph.once(`${x} in bytes`, () => graph.nodes("DynamicQuantizeLinear", [x], 3) as readonly [string, string, string])

/** Values of a row that share a scale. */
const BLOCK = 32

/**
 * Quantizes the rows of a matrix in blocks of 32, each with a scale that maps the value of largest magnitude to −8. Packs two values per byte, the
 * first in the lower half; pads an incomplete last block with zeros.
 */
export const inBlocks = ({ shape, data }: Pick<Stored, "shape" | "data">) => {
  const [out, inputs] = shape as [number, number]
  const blocks = Math.ceil(inputs / BLOCK)
  const scales = new Float32Array(out * blocks)
  const packed = new Uint8Array((out * blocks * BLOCK) / 2)
  for (let o = 0; o < out; o++) {
    for (let block = 0; block < blocks; block++) {
      const from = o * inputs + block * BLOCK
      const part = data.subarray(from, Math.min(from + BLOCK, (o + 1) * inputs))
      let furthest = 0
      for (const value of part) if (Math.abs(value) > Math.abs(furthest)) furthest = value
      const scale = furthest / -8
      const place = o * blocks + block
      scales[place] = scale
      for (let i = 0; i < BLOCK; i++) {
        const value = scale === 0 ? 0 : Math.round((part[i] ?? 0) / scale)
        packed[place * (BLOCK / 2) + (i >> 1)]! |= Math.min(15, value + 8) << (4 * (i & 1))
      }
    }
  }
  return { packed, scales, blocks }
}

const inNibbles: Precision = {
  ...inBytes,
  file: "model_q4.onnx",
  product: (graph, x, { name, shape, data }) => {
    const [out, inputs] = shape as [number, number]
    const [bytes, scale] = [`${name}.blocks`, `${name}.blocks.scale`]
    graph.once(`${name} in blocks`, () => {
      const { packed, scales, blocks } = inBlocks({ shape, data })
      graph.tensor(scale, "float", [out * blocks], () => scales)
      return graph.tensor(bytes, "uint8", [out, blocks, BLOCK / 2], () => packed)
    })
    return graph.node("MatMulNBits", [x, bytes, scale], { K: inputs, N: out, bits: 4, block_size: BLOCK })
  },
  tied: (graph, x, table) => inNibbles.product(graph, x, table)
}

export const precisions = {
  fp32: inFloats("float", "model.onnx"),
  fp16: inFloats("float16", "model_fp16.onnx"),
  q8: inBytes,
  q4: inNibbles
} as const satisfies Readonly<Record<string, Precision>>

export type PrecisionName = keyof typeof precisions
