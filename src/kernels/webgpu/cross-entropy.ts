/**
 * Softmax cross-entropy on the GPU, of logits [rows, classes] or of a chunk of them (`linear-cross-entropy.ts`); equations as in
 * `../cross-entropy.ts`. After the statistics of parts of rows (`softmax-parts.ts`), where a row without a softmax has a sum of −1:
 *
 *   share    1/N, times the dy of the loss where there is one
 *   rows     joins the parts of each row; its loss, and what else is kept of it
 *   loss     adds the rows up in a tree, always the same
 *   slopes   dz, and nothing else of its size
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import { LANES, overVectors, type VectorType, vectorFor } from "./elementwise.ts"
import { groupsFor, type Span, type WebgpuEngine } from "./engine.ts"
import { program, variants } from "./program.ts"
import { softcapOf } from "./softcap.ts"
import { JOINED, softmaxPartsOf } from "./softmax-parts.ts"

const WORKGROUP = 256

/** `fn total(own, local)`: the sum of what all invocations have, for the first of them. */
const TOTAL = `var<workgroup> totals: array<f32, ${WORKGROUP}>;
fn total(own: f32, local: u32) -> f32 {
  totals[local] = own;
  for (var half = ${WORKGROUP / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) { totals[local] += totals[local + half]; }
  }
  return totals[0];
}`

/** 1/N, times the dy of the loss where there is one. */
const shareProgram = variants((form: "alone" | "times dy") =>
  program<string, "rows" | "ignored">({
    name: "CrossEntropy share",
    buffers: { labels: read("i32"), ...(form === "alone" ? {} : { dy: read("f32") }), share: write("f32") },
    words: { rows: "u32", ignored: "i32" },
    workgroup: WORKGROUP,
    body: `${TOTAL}
fn kernel(group: u32, local: u32) {
  var count = 0.0;
  for (var row = local; row < words.rows; row += ${WORKGROUP}u) { count += f32(labels[row] != words.ignored); }
  let all = total(count, local);
  if (local == 0u) { share[0] = ${form === "alone" ? "1.0" : "dy[0]"} / max(all, 1.0); }
}`
  })
)

const ROW_WORKGROUP = 64

/**
 * Of each row of a chunk its loss, 0 where it does not count; and m and Σ, NaN where it has no softmax, or 1 where the
 * label's logit is the largest, of equals the first.
 */
const rowsProgram = variants((form: "statistics" | "correct") =>
  program<string, "first" | "classes" | "ignored" | "partsOfRow" | "softcap">({
    name: `CrossEntropy ${form}`,
    buffers: {
      z: read("f32"),
      labels: read("i32"),
      parts: read("vec2f"),
      losses: write("f32"),
      ...(form === "correct" ? { correct: write("f32") } : { statistics: write("vec2f") })
    },
    words: { first: "u32", classes: "i32", ignored: "i32", partsOfRow: "u32", softcap: "f32" },
    workgroup: ROW_WORKGROUP,
    body: `${softcapOf("f32")}
${JOINED}
${form === "correct" ? `var<workgroup> found: array<u32, ${ROW_WORKGROUP}>;` : ""}
fn kernel(group: u32, local: u32) {
  let row = words.first + group;
  let label = labels[row];
  let start = group * u32(words.classes);
  var own = parts[group * words.partsOfRow];
  for (var k = 1u; k < words.partsOfRow; k++) { own = joined(own, parts[group * words.partsOfRow + k]); }
  let counts = label != words.ignored;
  let softmax = own.y > 0.0;
  let isClass = label >= 0 && label < words.classes;
  var c = 0.0;
  if (isClass) { c = capped(z[start + u32(label)]); }
  if (local == 0u) {
    var loss = notANumber();
    if (softmax && isClass) { loss = log(own.y) - (c - own.x); }
    losses[row] = select(0.0, loss, counts);
    ${form === "statistics" ? "statistics[row] = select(vec2f(notANumber()), own, softmax);" : ""}
  }${
    form === "statistics"
      ? ""
      : `
  let largest = softmax && isClass && c == own.x;
  var before = 0u;
  if (largest) {
    for (var j = local; j < u32(label); j += ${ROW_WORKGROUP}u) { before |= u32(capped(z[start + j]) == c); }
  }
  found[local] = before;
  for (var half = ${ROW_WORKGROUP / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) { found[local] |= found[local + half]; }
  }
  if (local == 0u) { correct[row] = f32(counts && largest && found[0] == 0u); }`
  }
}`
  })
)

const SLOPES_WORKGROUP = 64
/** Vectors of one invocation, all in one row: what a row has is looked up once for them. */
const SLOPES_VECTORS = 8
const BLOCK = SLOPES_WORKGROUP * SLOPES_VECTORS

const PLACES = { f32: "0u", vec4f: "vec4u(0u, 1u, 2u, 3u)" } as const satisfies Record<VectorType, string>

const SLOPE_WORDS = {
  first: "u32",
  firstClass: "u32",
  rowLength: "u32",
  blocksOfRow: "u32",
  classes: "i32",
  ignored: "i32",
  softcap: "f32"
} as const

/** dz, in place of z or apart from it, of rows from `first` on and classes from `firstClass` on; 0 in rows that do not count. */
const slopes = variants((key: `${VectorType} ${"in place" | "apart"}`) => {
  const [type, where] = [key.startsWith("f32") ? "f32" : "vec4f", key.endsWith("apart") ? "dz" : "z"] as const
  return program<string, keyof typeof SLOPE_WORDS>({
    name: "CrossEntropy slopes",
    buffers: {
      ...{ labels: read("i32"), statistics: read("vec2f"), share: read("f32") },
      ...(where === "dz" ? { z: read(type), dz: write(type) } : { z: write(type) })
    },
    words: SLOPE_WORDS,
    workgroup: SLOPES_WORKGROUP,
    body: `${overVectors(type)}
${softcapOf(type)}
fn kernel(group: u32, local: u32) {
  let row = group / words.blocksOfRow;
  let first = (group - row * words.blocksOfRow) * ${BLOCK}u;
  let end = min(words.rowLength, first + ${BLOCK}u);
  let label = labels[words.first + row];
  let counts = label != words.ignored;
  let own = statistics[words.first + row];
  let usable = label >= 0 && label < words.classes && isFinite(own.x) && isFinite(own.y);
  for (var j = first + local; j < end; j += ${SLOPES_WORKGROUP}u) {
    let c = capped(z[row * words.rowLength + j]);
    let softmax = select(V(0.0), exp(c - V(own.x)) / own.y, finite(c)); // −∞ is a class that cannot be
    let places = U(words.firstClass + j * ${LANES[type]}u) + ${PLACES[type]};
    let difference = softmax - select(V(0.0), V(1.0), places == U(u32(label)));
    let scaled = select(V(notANumber()), difference * slope(c), usable) * share[0];
    ${where}[row * words.rowLength + j] = select(V(0.0), scaled, counts);
  }
}`
  })
})

const lossProgram = program({
  name: "CrossEntropy loss",
  buffers: { losses: read("f32"), share: read("f32"), loss: write("f32") },
  words: { rows: "u32" },
  workgroup: WORKGROUP,
  body: `${TOTAL}
fn kernel(group: u32, local: u32) {
  var sum = 0.0;
  for (var row = local; row < words.rows; row += ${WORKGROUP}u) { sum += losses[row]; }
  let all = total(sum, local);
  if (local == 0u) { loss[0] = all * share[0]; }
}`
})

/** Rows [tokens] of logits; those with the label `ignored` do not count. */
export interface Labelled {
  readonly labels: TensorInfo
  readonly ignored: number
  readonly classes: number
}

/** Returns 1/N, or dy/N: the weight of a row in the loss, or of its slopes. The caller releases it. */
export const shareOf = (engine: WebgpuEngine, { labels, ignored }: Labelled, dy?: TensorInfo): Span => {
  const share = engine.scratch(1)
  const rows = labels.shape[0]!
  if (dy === undefined) engine.run(shareProgram("alone"), { labels, share }, { rows, ignored }, 1)
  else engine.run(shareProgram("times dy"), { labels, dy, share }, { rows, ignored }, 1)
  return share
}

/** Returns the weight of a row whose own loss is computed: 1. */
export const oneOf = (engine: WebgpuEngine, { labels, ignored }: Labelled): Span => {
  const share = engine.scratch(1)
  // of no rows, 1/max(0, 1)
  engine.run(shareProgram("alone"), { labels, share }, { rows: 0, ignored }, 1)
  return share
}

/** Computes the losses of some rows of logits, from row `first`, and the other outputs that `to` has buffers for. */
export const lossesOf = (
  engine: WebgpuEngine,
  { labels, ignored, classes }: Labelled,
  softcap: number | null,
  { z, first, rows }: { readonly z: TensorInfo | Span; readonly first: number; readonly rows: number },
  to: { readonly losses: TensorInfo | Span } & ({ readonly statistics: TensorInfo } | { readonly correct: TensorInfo })
): void => {
  const { parts, partsOfRow } = softmaxPartsOf(engine, z, [rows, classes], softcap)
  engine.run(
    rowsProgram("correct" in to ? "correct" : "statistics"),
    { z, labels, parts, ...to },
    { first, classes, ignored, partsOfRow, softcap: softcap ?? 0 },
    rows
  )
  engine.release(parts)
}

/** Computes Σ losses · share. */
export const lossOf = (engine: WebgpuEngine, losses: Span, share: Span, rows: number): TensorInfo => {
  const loss = engine.output([])
  engine.run(lossProgram, { losses, share, loss }, { rows }, 1)
  return loss
}

interface SlopesOf {
  readonly z: TensorInfo | Span
  /** dz; without it, it takes z's place */
  readonly dz?: TensorInfo
  readonly rows: number
  /** of z's rows, from `firstClass` on */
  readonly columns: number
  readonly first: number
  readonly firstClass: number
  readonly statistics: TensorInfo
  readonly share: Span
}

/** Computes the slopes of some rows of logits. */
export const slopesOf = (
  engine: WebgpuEngine,
  { labels, ignored, classes }: Labelled,
  softcap: number | null,
  { z, dz, rows, columns, first, firstClass, statistics, share }: SlopesOf
): void => {
  const type = vectorFor(columns)
  const rowLength = columns / LANES[type]
  const blocksOfRow = groupsFor(rowLength, BLOCK)
  engine.run(
    slopes(`${type} ${dz === undefined ? "in place" : "apart"}`),
    { labels, statistics, share, z, ...(dz === undefined ? {} : { dz }) },
    { first, firstClass, rowLength, blocksOfRow, classes, ignored, softcap: softcap ?? 0 },
    rows * blocksOfRow
  )
}

/** Computes the loss, a scalar, and m and Σ of each row, [rows, 2]. */
export const crossEntropyOnWebgpu = (
  engine: WebgpuEngine,
  z: TensorInfo,
  labels: TensorInfo,
  ignored: number
): ReadonlyArray<TensorInfo> => {
  const [rows, classes] = z.shape as [number, number]
  const labelled = { labels, ignored, classes }
  const [statistics, losses, share] = [engine.output([rows, 2]), engine.scratch(rows), shareOf(engine, labelled)]
  lossesOf(engine, labelled, null, { z, first: 0, rows }, { losses, statistics })
  const loss = lossOf(engine, losses, share, rows)
  engine.release(losses)
  engine.release(share)
  return [loss, statistics]
}

/** Computes dz, in z's shape. */
export const crossEntropyBackwardOnWebgpu = (
  engine: WebgpuEngine,
  { dy, z, labels, statistics }: Readonly<Record<"dy" | "z" | "labels" | "statistics", TensorInfo>>,
  ignored: number
): TensorInfo => {
  const [rows, classes] = z.shape as [number, number]
  const labelled = { labels, ignored, classes }
  const [dz, share] = [engine.output(z.shape), shareOf(engine, labelled, dy)]
  slopesOf(engine, labelled, null, { z, dz, rows, columns: classes, first: 0, firstClass: 0, statistics, share })
  engine.release(share)
  return dz
}
