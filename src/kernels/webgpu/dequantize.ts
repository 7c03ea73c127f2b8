/**
 * A packed weight on the GPU (`../../tensors/packed-matrix.ts`): WGSL that dequantizes four numbers of a row, for programs that read packed
 * weights, and the program that dequantizes a whole matrix.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { BLOCK, type Packing } from "../../numbers/index.ts"
import { type BufferType, read, write } from "../declaration.ts"
import { groupsFor, type WebgpuEngine } from "./engine.ts"
import { program, variants } from "./program.ts"

/** A half's float without a subnormal or an infinity on the way: a GPU may flush the one and assume away the other. */
const HALF = `fn halfOf(half: u32) -> f32 {
  let small = f32(half & 0x3ffu) * 5.9604644775390625e-8;
  let large = bitcast<f32>(((half & 0x7fffu) << 13u) + 0x38000000u);
  let size = select(large, small, (half & 0x7c00u) == 0u);
  return select(size, -size, half >= 0x8000u);
}
`
const BYTES = `fn bytesOf(word: u32) -> vec4f {
  return vec4f((bitcast<vec4i>(vec4u(word) << vec4u(24u, 16u, 8u, 0u))) >> vec4u(24u));
}
`

/** Four numbers of a row from `column` on, a multiple of four; those from the row's end on may be anything. */
const BODIES: Readonly<Record<Packing, (words: string, length: string) => string>> = {
  f16: (words, length) => `
  let word = row * ((${length} + 1u) / 2u) + column / 2u;
  let pairs = vec2u(${words}[word], ${words}[word + 1u]);
  return scales[row] * vec4f(halfOf(pairs.x & 0xffffu), halfOf(pairs.x >> 16u), halfOf(pairs.y & 0xffffu), halfOf(pairs.y >> 16u));`,
  int8: (words, length) => `
  return scales[row] * bytesOf(${words}[row * ((${length} + 3u) / 4u) + column / 4u]);`,
  q4: (words, length) => `
  let block = 5u * (row * ((${length} + 31u) / 32u) + column / 32u);
  let head = ${words}[block];
  let q = (vec4u(${words}[block + 1u + (column & 15u) / 4u]) >> (vec4u(0u, 8u, 16u, 24u) + ((column & 16u) >> 2u))) & vec4u(15u);
  return halfOf(head & 0xffffu) * vec4f(q) + halfOf(head >> 16u);`,
  q8: (words, length) => `
  let block = 9u * (row * ((${length} + 31u) / 32u) + column / 32u);
  return halfOf(${words}[block] & 0xffffu) * bytesOf(${words}[block + 1u + (column & 31u) / 4u]);`
}

/** Returns whether rows have `scales`, a separate buffer in addition to the words. */
export const readsScales = (packing: Packing): boolean => BLOCK[packing] === null

/** Returns a WGSL function `name(row: u32, column: u32) -> vec4f` for a packing, as `BODIES` defines it. `length`: words per row of the buffer. */
export const dequantizing = (packing: Packing, name: string, words: string, length: string): string =>
  `${packing === "int8" ? "" : HALF}${packing === "int8" || packing === "q8" ? BYTES : ""}
fn ${name}(row: u32, column: u32) -> vec4f {${BODIES[packing](words, length)}
}
`

const WORKGROUP = 64

const buffersOf = (packing: Packing): Readonly<Record<string, BufferType>> => ({
  packed: read("u32"),
  ...(readsScales(packing) ? { scales: read("f32") } : {}),
  whole: write("f32")
})

const programs = variants((packing: Packing) =>
  program({
    name: `Dequantize ${packing}`,
    buffers: buffersOf(packing),
    words: { size: "u32", columns: "u32" },
    workgroup: WORKGROUP,
    body: `${dequantizing(packing, "fourOf", "packed", "words.columns")}
fn kernel(group: u32, local: u32) {
  let index = group * ${WORKGROUP}u + local;
  if (index >= words.size) { return; }
  let row = index / words.columns;
  let column = index % words.columns;
  var four = fourOf(row, column - column % 4u);
  whole[index] = four[column % 4u];
}`
  })
)

/** Computes W [out, columns] in float32 from words int32 [out, wordsOfRow] and, if rows have them, scales [out]. */
export const dequantizeOnWebgpu = (
  engine: WebgpuEngine,
  packing: Packing,
  packed: TensorInfo,
  scales: TensorInfo | undefined,
  columns: number
): TensorInfo => {
  const out = packed.shape[0]!
  const whole = engine.output([out, columns])
  const size = out * columns
  const buffers = { packed, ...(scales === undefined ? {} : { scales }), whole }
  engine.run(programs(packing), buffers, { size, columns }, groupsFor(size, WORKGROUP))
  return whole
}
