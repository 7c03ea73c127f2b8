/**
 * The statistics of softmax rows on the GPU: of a row, or of a part of one where few rows would leave a GPU idle, its
 * largest number and the sum of exp(z − largest).
 *
 * One pass over z gives both: a number above the largest so far rescales the sum. A row that holds NaN or +∞, or −∞
 * alone, has no softmax. Its sum is noted as −1, which no sum is, and becomes NaN in the end: NaN on the way would be at
 * the compiler's mercy.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import { LANES, overVectors, type VectorType, vectorFor } from "./elementwise.ts"
import { groupsFor, type Span, type WebgpuEngine } from "./engine.ts"
import { program, variants } from "./program.ts"
import { softcapOf } from "./softcap.ts"

/** WGSL of `fn joined(a, b)`: the statistics of two parts combined. */
export const JOINED = `
const LOWEST = -3.4028234663852886e38;
fn joined(a: vec2f, b: vec2f) -> vec2f {
  let most = max(a.x, b.x);
  let sum = a.y * exp(a.x - most) + b.y * exp(b.x - most);
  return select(vec2f(most, sum), vec2f(0.0, -1.0), a.y < 0.0 || b.y < 0.0);
}`

/** Invocations that share a row: none waits at a barrier for nothing in narrow rows, and wide ones are read by many. */
type Sharing = 1 | 32 | 256
const sharingOf = (vectors: number): Sharing => (vectors <= 32 ? 1 : vectors <= 1024 ? 32 : 256)
const workgroupOf = (sharing: Sharing): number => Math.max(64, sharing)

const LAST = {
  f32: "vec2f(most, select(sum, -1.0, bad))",
  vec4f: `joined(
    joined(vec2f(most.x, select(sum.x, -1.0, bad.x)), vec2f(most.y, select(sum.y, -1.0, bad.y))),
    joined(vec2f(most.z, select(sum.z, -1.0, bad.z)), vec2f(most.w, select(sum.w, -1.0, bad.w)))
  )`
} as const satisfies Record<VectorType, string>

/** Logits as they are, or under a soft cap. */
type Form = "plain" | "capped"

/** Lengths of a row and of a part, in vectors. */
const WORDS = { count: "u32", rowLength: "u32", partsOfRow: "u32", partLength: "u32", softcap: "f32" } as const

const parts = variants((key: `${Sharing} ${VectorType} ${Form}`) => {
  const [shared, type, form] = key.split(" ") as [string, VectorType, Form]
  const sharing = Number(shared) as Sharing
  const workgroup = workgroupOf(sharing)
  return program<string, keyof typeof WORDS>({
    name: "CrossEntropy parts",
    buffers: { z: read(type), parts: write("vec2f") },
    words: WORDS,
    workgroup,
    body: `${overVectors(type)}
${form === "capped" ? softcapOf(type) : ""}
${JOINED}
var<workgroup> found: array<vec2f, ${workgroup}>;
fn kernel(group: u32, local: u32) {
  let lane = local % ${sharing}u;
  let part = group * ${workgroup / sharing}u + local / ${sharing}u;
  let first = (part % words.partsOfRow) * words.partLength;
  let start = (part / words.partsOfRow) * words.rowLength;
  let end = select(0u, min(words.rowLength, first + words.partLength), part < words.count);
  var most = V(LOWEST);
  var sum = V(0.0);
  var bad = B(false);
  for (var j = first + lane; j < end; j += ${sharing}u) {
    let v = ${form === "capped" ? "capped(z[start + j])" : "z[start + j]"};
    let usable = finite(v);
    bad = bad | (!usable & (bitcast<U>(v) != U(0xff800000u)));
    let x = select(V(LOWEST), v, usable);
    let above = x > most;
    let e = exp(-abs(x - most));
    sum = select(sum + select(V(0.0), e, usable), sum * e + V(1.0), above);
    most = select(most, x, above);
  }
  found[local] = ${LAST[type]};
  for (var half = ${sharing >> 1}u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) { found[local] = joined(found[local], found[local + half]); }
  }
  if (lane == 0u && part < words.count) { parts[part] = found[local]; }
}`
  })
})

/** Below so many workgroups a row is taken apart, into parts of so many classes at least. */
const ENOUGH_GROUPS = 128
const LEAST_PART = 4096

/** Statistics of the parts of rows. */
export interface SoftmaxParts {
  /** `[rows, partsOfRow, 2]`: m and Σ of each part; the caller releases it */
  readonly parts: Span
  readonly partsOfRow: number
}

/** Computes the statistics of z [rows, classes]. `softcap`: null for none. */
export const softmaxPartsOf = (
  engine: WebgpuEngine,
  z: TensorInfo | Span,
  [rows, classes]: readonly [number, number],
  softcap: number | null
): SoftmaxParts => {
  const type = vectorFor(classes)
  const rowLength = classes / LANES[type]
  const partsOfRow = Math.max(1, Math.min(Math.floor(classes / LEAST_PART), Math.ceil(ENOUGH_GROUPS / rows)))
  const partLength = Math.ceil(rowLength / partsOfRow)
  const sharing = sharingOf(partLength)
  const count = rows * partsOfRow
  const statistics = engine.scratch(2 * count)
  engine.run(
    parts(`${sharing} ${type} ${softcap === null ? "plain" : "capped"}`),
    { z, parts: statistics },
    { count, rowLength, partsOfRow, partLength, softcap: softcap ?? 0 },
    groupsFor(count, workgroupOf(sharing) / sharing)
  )
  return { parts: statistics, partsOfRow }
}
