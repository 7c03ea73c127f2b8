/**
 * Softmax cross-entropy on the GPU; equations as in `../cross-entropy.ts`. Two programs forward, one backward:
 *
 *   parts       a row, or a part of one where few rows would leave a GPU idle: its largest number, and the sum of
 *               exp(z − largest)
 *   loss        joins the parts of each row and adds the rows up in a tree, always the same
 *   backward    dz, and nothing else of its size
 *
 * One pass over z gives both statistics: a number above the largest so far rescales the sum. A row that holds NaN or
 * +∞, or −∞ alone, has no softmax. Its sum is noted as −1, which no sum is, and becomes NaN in the end: NaN on the way
 * would be at the compiler's mercy.
 *
 * The statistics, [rows + 1, 2]: m and the sum of each row that counts, and last 1/N, which else every workgroup of the
 * backward pass would have to count.
 */
import type { TensorInfo } from "@tensorflow/tfjs"
import { LANES, overVectors, type VectorType, vectorFor } from "./elementwise.ts"
import { groupsFor, type WebgpuEngine } from "./engine.ts"
import { program, variants } from "./program.ts"

const JOINED = `
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

const parts = variants((key: `${Sharing} ${VectorType}`) => {
  const [shared, type] = key.split(" ") as [string, VectorType]
  const sharing = Number(shared) as Sharing
  const workgroup = workgroupOf(sharing)
  return program({
    name: "Cross-entropy parts",
    reads: { z: type },
    writes: { parts: "vec2f" },
    // of a row, in vectors
    words: { count: "u32", rowLength: "u32", partsOfRow: "u32", partLength: "u32" },
    workgroup,
    body: `${overVectors(type)}
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
    let v = z[start + j];
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

const LOSS_WORKGROUP = 256

const loss = program({
  name: "Cross-entropy loss",
  reads: { z: "f32", labels: "i32", parts: "vec2f" },
  writes: { loss: "f32", statistics: "vec2f" },
  words: { rows: "u32", classes: "i32", ignored: "i32", partsOfRow: "u32" },
  workgroup: LOSS_WORKGROUP,
  body: `${JOINED}
var<workgroup> totals: array<vec2f, ${LOSS_WORKGROUP}>;
fn kernel(group: u32, local: u32) {
  var total = vec2f(0.0); // and the rows that count
  for (var row = local; row < words.rows; row += ${LOSS_WORKGROUP}u) {
    let label = labels[row];
    if (label == words.ignored) {
      statistics[row] = vec2f(0.0, 1.0);
      continue;
    }
    var own = parts[row * words.partsOfRow];
    for (var k = 1u; k < words.partsOfRow; k++) { own = joined(own, parts[row * words.partsOfRow + k]); }
    let usable = own.y > 0.0;
    statistics[row] = select(vec2f(notANumber()), own, usable);
    var here = notANumber();
    if (usable && label >= 0 && label < words.classes) {
      here = log(own.y) - (z[row * u32(words.classes) + u32(label)] - own.x);
    }
    total += vec2f(here, 1.0);
  }
  totals[local] = total;
  for (var half = ${LOSS_WORKGROUP / 2}u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (local < half) { totals[local] += totals[local + half]; }
  }
  if (local == 0u) {
    let share = 1.0 / max(totals[0].y, 1.0);
    loss[0] = totals[0].x * share;
    statistics[words.rows] = vec2f(share, 0.0);
  }
}`
})

const BACKWARD_WORKGROUP = 64
/** Vectors of one invocation, all in one row: what a row has is looked up once for them. */
const BACKWARD_VECTORS = 8
const BLOCK = BACKWARD_WORKGROUP * BACKWARD_VECTORS

const PLACES = { f32: "0u", vec4f: "vec4u(0u, 1u, 2u, 3u)" } as const satisfies Record<VectorType, string>

const backward = variants((type: VectorType) =>
  program({
    name: "Cross-entropy backward",
    reads: { dy: "f32", z: type, labels: "i32", statistics: "vec2f" },
    writes: { dz: type },
    words: { rows: "u32", rowLength: "u32", blocksOfRow: "u32", classes: "i32", ignored: "i32" },
    workgroup: BACKWARD_WORKGROUP,
    body: `${overVectors(type)}
fn kernel(group: u32, local: u32) {
  let row = group / words.blocksOfRow;
  let first = (group - row * words.blocksOfRow) * ${BLOCK}u;
  let end = min(words.rowLength, first + ${BLOCK}u);
  let label = labels[row];
  let counts = label != words.ignored;
  let own = statistics[row];
  let usable = label >= 0 && label < words.classes && isFinite(own.x) && isFinite(own.y);
  let scale = statistics[words.rows].x * dy[0];
  for (var j = first + local; j < end; j += ${BACKWARD_WORKGROUP}u) {
    let v = z[row * words.rowLength + j];
    let softmax = select(V(0.0), exp(v - V(own.x)) / own.y, finite(v)); // −∞ is a class that cannot be
    let places = U(j * ${LANES[type]}u) + ${PLACES[type]};
    let difference = softmax - select(V(0.0), V(1.0), places == U(u32(label)));
    let scaled = select(V(notANumber()), difference, usable) * scale;
    dz[row * words.rowLength + j] = select(V(0.0), scaled, counts);
  }
}`
  })
)

/** Below so many workgroups a row is taken apart, into parts of so many classes at least. */
const ENOUGH_GROUPS = 128
const LEAST_PART = 4096

/** The loss, a scalar, and the statistics [rows + 1, 2]. */
export const crossEntropyOnWebgpu = (
  engine: WebgpuEngine,
  z: TensorInfo,
  labels: TensorInfo,
  ignored: number
): ReadonlyArray<TensorInfo> => {
  const [rows, classes] = z.shape as [number, number]
  const type = vectorFor(classes)
  const rowLength = classes / LANES[type]
  const partsOfRow = Math.max(1, Math.min(Math.floor(classes / LEAST_PART), Math.ceil(ENOUGH_GROUPS / rows)))
  const partLength = Math.ceil(rowLength / partsOfRow)
  const sharing = sharingOf(partLength)
  const count = rows * partsOfRow
  const found = engine.scratch(2 * count)
  const [mean, statistics] = [engine.output([]), engine.output([rows + 1, 2])]
  engine.run(parts(`${sharing} ${type}`), {
    buffers: { z, parts: found },
    words: { count, rowLength, partsOfRow, partLength },
    groups: groupsFor(count, workgroupOf(sharing) / sharing)
  })
  engine.run(loss, {
    buffers: { z, labels, parts: found, loss: mean, statistics },
    words: { rows, classes, ignored, partsOfRow },
    groups: 1
  })
  engine.release(found)
  return [mean, statistics]
}

/** dz, of z's shape. */
export const crossEntropyBackwardOnWebgpu = (
  engine: WebgpuEngine,
  { dy, z, labels, statistics }: Readonly<Record<"dy" | "z" | "labels" | "statistics", TensorInfo>>,
  ignored: number
): TensorInfo => {
  const [rows, classes] = z.shape as [number, number]
  const type = vectorFor(classes)
  const rowLength = classes / LANES[type]
  const blocksOfRow = groupsFor(rowLength, BLOCK)
  const dz = engine.output(z.shape)
  engine.run(backward(type), {
    buffers: { dy, z, labels, statistics, dz },
    words: { rows, rowLength, blocksOfRow, classes, ignored },
    groups: rows * blocksOfRow
  })
  return dz
}
