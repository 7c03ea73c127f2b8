/**
 * Rotary positions on the GPU; equations as in `../rope.ts`. An invocation turns a pair of columns, or four pairs where
 * half a head is whole fours.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import { LANES, type VectorType, vectorFor } from "./elementwise.ts"
import { groupsFor, type WebgpuEngine } from "./engine.ts"
import { program, variants } from "./program.ts"

const WORKGROUP = 64

const turn = variants((type: VectorType) =>
  program({
    name: "Rope",
    buffers: { x: read(type), cos: read(type), sin: read(type), y: write(type) },
    // pairs of all heads, and columns of half a head, both in vectors; heads of a token
    words: { size: "u32", half: "u32", heads: "u32", direction: "f32" },
    workgroup: WORKGROUP,
    body: `fn kernel(group: u32, local: u32) {
  let pair = group * ${WORKGROUP}u + local;
  if (pair >= words.size) { return; }
  let head = pair / words.half;
  let column = pair % words.half;
  let at = 2u * words.half * head + column;
  let angle = 2u * words.half * (head / words.heads) + column;
  let first = x[at];
  let second = x[at + words.half];
  y[at] = first * cos[angle] - words.direction * second * sin[angle];
  y[at + words.half] = second * cos[angle + words.half] + words.direction * first * sin[angle + words.half];
}`
  })
)

/** Rotates x [tokens, heads·d] by the angles of cos and sin [tokens, d]; `direction` −1: in reverse, for the gradient. */
export const ropeOnWebgpu = (
  engine: WebgpuEngine,
  { x, cos, sin }: Readonly<Record<"x" | "cos" | "sin", TensorInfo>>,
  direction: 1 | -1
): TensorInfo => {
  const [tokens, width] = x.shape as [number, number]
  const d = cos.shape[1]!
  const type = vectorFor(d / 2)
  const size = (tokens * width) / 2 / LANES[type]
  const y = engine.output(x.shape)
  engine.run(
    turn(type),
    { x, cos, sin, y },
    { size, half: d / 2 / LANES[type], heads: width / d, direction },
    groupsFor(size, WORKGROUP)
  )
  return y
}
