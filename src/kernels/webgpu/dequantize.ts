/**
 * A packed weight on the GPU (`../../tensors/packed-matrix.ts`): WGSL that dequantizes one number of a word, for programs that read packed
 * weights, and the program that dequantizes a whole matrix.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { type Packing, PER_WORD } from "../../numbers/index.ts"
import { read, write } from "../declaration.ts"
import { groupsFor, type WebgpuEngine } from "./engine.ts"
import { program, variants } from "./program.ts"

/**
 * `fn dequantized(word: u32, place: u32) -> f32`: number `place` of a word, without its row's scale.
 *
 * A half's float without a subnormal or an infinity on the way: a GPU may flush the one and assume away the other.
 */
export const DEQUANTIZED = {
  f16: `fn dequantized(word: u32, place: u32) -> f32 {
  let half = (word >> (16u * place)) & 0xffffu;
  let small = f32(half & 0x3ffu) * 5.9604644775390625e-8;
  let large = bitcast<f32>(((half & 0x7fffu) << 13u) + 0x38000000u);
  let size = select(large, small, (half & 0x7c00u) == 0u);
  return select(size, -size, half >= 0x8000u);
}`,
  int8: `fn dequantized(word: u32, place: u32) -> f32 {
  return f32(bitcast<i32>(word << (24u - 8u * place)) >> 24u);
}`
} as const satisfies Record<Packing, string>

const WORKGROUP = 64

const programs = variants((packing: Packing) =>
  program({
    name: `Dequantize ${packing}`,
    buffers: { packed: read("u32"), scales: read("f32"), whole: write("f32") },
    words: { size: "u32", columns: "u32", perRow: "u32" },
    workgroup: WORKGROUP,
    body: `${DEQUANTIZED[packing]}
fn kernel(group: u32, local: u32) {
  let index = group * ${WORKGROUP}u + local;
  if (index >= words.size) { return; }
  let row = index / words.columns;
  let column = index % words.columns;
  let word = packed[row * words.perRow + column / ${PER_WORD[packing]}u];
  whole[index] = dequantized(word, column % ${PER_WORD[packing]}u) * scales[row];
}`
  })
)

/** W [out, columns] in float32 from words int32 [out, ⌈columns / PER_WORD⌉] and scales [out]. */
export const dequantizeOnWebgpu = (
  engine: WebgpuEngine,
  packing: Packing,
  packed: TensorInfo,
  scales: TensorInfo,
  columns: number
): TensorInfo => {
  const [out, perRow] = packed.shape as [number, number]
  const whole = engine.output([out, columns])
  const size = out * columns
  engine.run(programs(packing), { packed, scales, whole }, { size, columns, perRow }, groupsFor(size, WORKGROUP))
  return whole
}
