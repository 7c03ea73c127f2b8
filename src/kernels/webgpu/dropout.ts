/** Dropout on the GPU; mask and hash as in `../dropout.ts`. */
import { type TensorInfo, util } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import { ELEMENTWISE_WORKGROUP } from "./elementwise.ts"
import { groupsFor, type WebgpuEngine } from "./engine.ts"
import { program } from "./program.ts"

const dropout = program({
  name: "Dropout",
  buffers: { x: read("f32"), y: write("f32") },
  words: { size: "u32", seed: "u32", offset: "u32", threshold: "u32", scale: "f32" },
  workgroup: ELEMENTWISE_WORKGROUP,
  body: `fn hash(index: u32) -> u32 {
  var v = vec3u(index, words.offset, words.seed) * 1664525u + 1013904223u;
  v.x += v.y * v.z;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v ^= v >> vec3u(16u);
  return v.x + v.y * v.z;
}
fn kernel(group: u32, local: u32) {
  let i = group * ${ELEMENTWISE_WORKGROUP}u + local;
  if (i >= words.size) { return; }
  y[i] = select(0.0, x[i] * words.scale, hash(i) >= words.threshold);
}`
})

export interface Mask {
  /** unsigned, of 32 bits */
  readonly seed: number
  readonly offset: number
  /** hashes below it drop */
  readonly threshold: number
  /** of what is kept */
  readonly scale: number
}

/** y, of x's shape. */
export const dropoutOnWebgpu = (engine: WebgpuEngine, x: TensorInfo, mask: Mask): TensorInfo => {
  const y = engine.output(x.shape)
  const size = util.sizeFromShape(x.shape)
  engine.run(dropout, { x, y }, { size, ...mask }, groupsFor(size, ELEMENTWISE_WORKGROUP))
  return y
}
