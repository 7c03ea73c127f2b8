/**
 * Sums of the rows that belong to one segment, the gradient of a look-up, on the GPU:
 *
 *   out[s, …] = Σ over { i : ids[i] = s } of x[i, …]
 *
 * No atomics: each sum runs in the order of its rows, so equal inputs give equal bits. Two programs:
 *
 *   links   for each row the next one of its segment; for each segment that has rows its first
 *   sum     each number of the output walks along its segment's rows
 *
 * Nothing clears the segments' first rows. A segment without rows keeps what was in that memory, which is no
 * row, or a row of another segment.
 */
import { type TensorInfo, util, zeros } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import type { Kernel } from "./backend.ts"
import { LANES, overVectors, type VectorType, vectorFor } from "./elementwise.ts"
import { groupsFor, type WebgpuEngine, webgpuEngineOf } from "./engine.ts"
import { program, variants } from "./program.ts"

const WORKGROUP = 64

const links = program({
  name: "Segment links",
  buffers: { ids: read("i32"), next: write("u32"), firsts: write("u32") },
  words: { rows: "u32", segments: "i32" },
  workgroup: WORKGROUP,
  body: `fn kernel(group: u32, local: u32) {
  let row = group * ${WORKGROUP}u + local;
  if (row >= words.rows) { return; }
  let id = ids[row];
  var before = row;
  while (before > 0u && ids[before - 1u] != id) { before--; }
  var after = row + 1u;
  while (after < words.rows && ids[after] != id) { after++; }
  next[row] = after;
  if (before == 0u && id >= 0 && id < words.segments) { firsts[id] = row; }
}`
})

const sum = variants((type: VectorType | "i32") =>
  program({
    name: "Segment sum",
    buffers: { x: read(type), ids: read("i32"), next: read("u32"), firsts: read("u32"), sums: write(type) },
    words: { size: "u32", rowLength: "u32", rows: "u32" },
    workgroup: WORKGROUP,
    body: `${type === "i32" ? "alias V = i32;" : overVectors(type)}
fn kernel(group: u32, local: u32) {
  let i = group * ${WORKGROUP}u + local;
  if (i >= words.size) { return; }
  let segment = i / words.rowLength;
  let column = i % words.rowLength;
  var row = firsts[segment];
  var total = V(0);
  if (row < words.rows && ids[row] == i32(segment)) {
    while (row < words.rows) {
      total += x[row * words.rowLength + column];
      row = next[row];
    }
  }
  sums[i] = total;
}`
  })
)

/** Arguments of a sum by segments. */
export interface Segments {
  /** `[rows, width]`: float32 or int32, as `out` */
  readonly x: TensorInfo
  /** segment of each row, int32 [rows] */
  readonly ids: TensorInfo
  readonly rows: number
  readonly width: number
  readonly segments: number
  /** result [segments, width] */
  readonly out: TensorInfo
}

/** Sums the rows of each segment. Ignores rows whose id is not a segment. No dimension may be 0. */
export const segmentSumOnWebgpu = (engine: WebgpuEngine, { x, ids, rows, width, segments, out }: Segments): void => {
  const [next, firsts] = [engine.scratch(rows), engine.scratch(segments)]
  engine.run(links, { ids, next, firsts }, { rows, segments }, groupsFor(rows, WORKGROUP))
  const type = x.dtype === "int32" ? "i32" : vectorFor(width)
  const rowLength = type === "i32" ? width : width / LANES[type]
  const size = segments * rowLength
  engine.run(sum(type), { x, ids, next, firsts, sums: out }, { size, rowLength, rows }, groupsFor(size, WORKGROUP))
  engine.release(next)
  engine.release(firsts)
}

/**
 * UnsortedSegmentSum, the gradient of gather (embeddings), on the webgpu backend. tfjs's kernel transposes twice, adds with atomics, in no fixed
 * order, and reads integers as floats; this one sums the rows of each segment in their order, so equal inputs give equal bits.
 *
 *   out[s, …] = Σ over { i : ids[i] = s } of x[i, …]       x [n, …] float32 or int32, ids [n] int32, out [segments, …]
 *
 * Rows whose id is outside [0, segments) are dropped, as on tfjs' other backends. Other types go to tfjs' own kernel.
 */
export const segmentSumKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const engine = webgpuEngineOf(call.backend)
    const [x, ids] = [call.inputs["x"]!, call.inputs["segmentIds"]!]
    if (engine === undefined || !(x.dtype === "float32" || x.dtype === "int32") || ids.dtype !== "int32")
      return stock(call)
    const segments = call.attrs["numSegments"] as number
    const rowShape = x.shape.slice(ids.shape.length)
    const shape = [segments, ...rowShape]
    if (x.shape.includes(0) || segments === 0) return zeros(shape, x.dtype)
    const out = engine.output(shape, x.dtype)
    const [rows, width] = [util.sizeFromShape(ids.shape), util.sizeFromShape(rowShape)]
    segmentSumOnWebgpu(engine, { x, ids, rows, width, segments, out })
    return out
  }
