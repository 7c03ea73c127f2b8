/**
 * Softmax cross-entropy on the GPU; equations as in `../cross-entropy.ts`. Behind the statistics of parts of rows
 * (`softmax-parts.ts`), where a row without a softmax has a sum of −1, a program forward and one backward:
 *
 *   loss        joins the parts of each row and adds the rows up in a tree, always the same
 *   backward    dz, and nothing else of its size
 *
 * The statistics, [rows + 1, 2]: m and the sum of each row that counts, and last 1/N, which else every workgroup of the
 * backward pass would have to count.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import { LANES, overVectors, type VectorType, vectorFor } from "./elementwise.ts"
import { groupsFor, type WebgpuEngine } from "./engine.ts"
import { program, variants } from "./program.ts"
import { JOINED, softmaxPartsOf } from "./softmax-parts.ts"

const LOSS_WORKGROUP = 256

const loss = program({
  name: "Cross-entropy loss",
  buffers: {
    z: read("f32"),
    labels: read("i32"),
    parts: read("vec2f"),
    loss: write("f32"),
    statistics: write("vec2f")
  },
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
    buffers: { dy: read("f32"), z: read(type), labels: read("i32"), statistics: read("vec2f"), dz: write(type) },
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

/** The loss, a scalar, and the statistics [rows + 1, 2]. */
export const crossEntropyOnWebgpu = (
  engine: WebgpuEngine,
  z: TensorInfo,
  labels: TensorInfo,
  ignored: number
): ReadonlyArray<TensorInfo> => {
  const [rows, classes] = z.shape as [number, number]
  const { parts, partsOfRow } = softmaxPartsOf(engine, z, [rows, classes], null)
  const [mean, statistics] = [engine.output([]), engine.output([rows + 1, 2])]
  engine.run(loss, { z, labels, parts, loss: mean, statistics }, { rows, classes, ignored, partsOfRow }, 1)
  engine.release(parts)
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
  engine.run(
    backward(type),
    { dy, z, labels, statistics, dz },
    { rows, rowLength, blocksOfRow, classes, ignored },
    rows * blocksOfRow
  )
  return dz
}
