/**
 * One number after the other, four at a time where they fill vectors: a GPU reads memory fastest so. The text of such a
 * program is written once, over
 *
 *   V, U, B        numbers, their bits, and truths: of one place or of four
 *   finite(v)      by the bits
 *   infinite(v)    is it +∞? likewise
 *
 * and is a variant for each element type.
 */
import { type TensorInfo, util } from "@tensorflow/tfjs-core"
import { groupsFor, type WebgpuEngine } from "./engine.ts"
import type { Program } from "./program.ts"

export type VectorType = "f32" | "vec4f"

export const LANES = { f32: 1, vec4f: 4 } as const satisfies Record<VectorType, number>

/** The type in which rows of this length can be read. */
export const vectorFor = (length: number): VectorType => (length % LANES.vec4f === 0 ? "vec4f" : "f32")

const NAMES = {
  f32: "alias V = f32;\nalias U = u32;\nalias B = bool;",
  vec4f: "alias V = vec4f;\nalias U = vec4u;\nalias B = vec4<bool>;"
} as const satisfies Record<VectorType, string>

export const overVectors = (type: VectorType): string => `${NAMES[type]}
fn finite(v: V) -> B { return (bitcast<U>(v) & U(0x7f800000u)) != U(0x7f800000u); }
fn infinite(v: V) -> B { return bitcast<U>(v) == U(0x7f800000u); }`

export const ELEMENTWISE_WORKGROUP = 64

/** The body of a program that does `each` for every `i` below `words.size`, which counts vectors. */
export const elementwise = (type: VectorType, each: string, declarations = ""): string => `${overVectors(type)}
${declarations}
fn kernel(group: u32, local: u32) {
  let i = group * ${ELEMENTWISE_WORKGROUP}u + local;
  if (i >= words.size) { return; }
  ${each}
}`

/** Runs such a program over tensors of one shape. */
export const runElementwise = <Buffers extends string>(
  engine: WebgpuEngine,
  programs: (type: VectorType) => Program<Buffers, "size">,
  buffers: Readonly<Record<Buffers, TensorInfo>>
): void => {
  const [{ shape }] = Object.values(buffers) as [TensorInfo]
  const elements = util.sizeFromShape(shape)
  const type = vectorFor(elements)
  const size = elements / LANES[type]
  engine.run(programs(type), buffers, { size }, groupsFor(size, ELEMENTWISE_WORKGROUP))
}
