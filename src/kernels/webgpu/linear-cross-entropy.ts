/**
 * A language model's head and its loss on the GPU; equations as in `../linear-cross-entropy.ts`. Logits of a chunk stand
 * in one place, 4·max(LOGITS, ROWS·classes) bytes of it, are overwritten by their slopes, and then by the next chunk's:
 *
 *   forward   chunks of tokens:    z = h·Wᵀ    losses, and m and Σ of each row    z ← dz    dh = dz·W
 *   dW        chunks of classes:   z = h·Wᵀ    z ← dz, by the m and Σ of the forward pass    dW = dzᵀ·h
 *
 * so that no sum has two writers, and no product adds to what is there. Which rows count is known to the device alone:
 * logits are made of all of them.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import { LANES, overVectors, type VectorType, vectorFor } from "./elementwise.ts"
import { groupsFor, type Span, type WebgpuEngine } from "./engine.ts"
import { multiplyInto, type Product } from "./product.ts"
import { program, variants } from "./program.ts"
import { softcapOf } from "./softcap.ts"
import { JOINED, softmaxPartsOf } from "./softmax-parts.ts"

/** hidden [tokens, h], labels [tokens], and W [classes, h] as B of a product */
export interface Head extends Pick<Product, "b" | "packed"> {
  readonly hidden: TensorInfo
  readonly labels: TensorInfo
  /** the label of rows that do not count */
  readonly ignored: number
  readonly classes: number
}

/** Numbers of a chunk's logits. */
const LOGITS = 1 << 23
/** Rows of a matrix whose start may be bound, whatever its width: 64 numbers are 256 bytes. */
const ROWS = 64
/** Rows of a chunk at most, as on other backends: a test of few numbers sees several chunks. */
const MOST_ROWS = 7 * ROWS

/** Chunks [first, rows] of `count` rows, with `width` logits each. */
const chunksOf = (count: number, width: number, most = Number.POSITIVE_INFINITY) => {
  const rows = Math.min(most, Math.max(ROWS, Math.floor(LOGITS / width / ROWS) * ROWS))
  return Array.from(
    { length: Math.ceil(count / rows) },
    (_, i) => [i * rows, Math.min(rows, count - i * rows)] as const
  )
}

/** Rows of a matrix of this width, from a multiple of ROWS on. */
const rowsOf = ({ buffer, offset }: Span, width: number, first: number, rows: number): Span => ({
  buffer,
  offset: offset + 4 * first * width,
  size: 4 * rows * width
})

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
const share = variants((form: "alone" | "times dy") =>
  program<string, "rows" | "ignored">({
    name: "LinearCrossEntropy share",
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
    name: `LinearCrossEntropy ${form}`,
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

/** dz in place of z, of rows from `first` on and classes from `firstClass` on; 0 in rows that do not count. */
const slopes = variants((type: VectorType) =>
  program({
    name: "LinearCrossEntropy slopes",
    buffers: { labels: read("i32"), statistics: read("vec2f"), share: read("f32"), z: write(type) },
    words: {
      first: "u32",
      firstClass: "u32",
      rowLength: "u32",
      blocksOfRow: "u32",
      classes: "i32",
      ignored: "i32",
      softcap: "f32"
    },
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
    z[row * words.rowLength + j] = select(V(0.0), scaled, counts);
  }
}`
  })
)

const COUNTED_WORKGROUP = 64

/** x, with 0 in rows that do not count, whatever they hold. */
const counted = program({
  name: "LinearCrossEntropy counted",
  buffers: { x: read("f32"), labels: read("i32"), out: write("f32") },
  words: { size: "u32", width: "u32", ignored: "i32" },
  workgroup: COUNTED_WORKGROUP,
  body: `fn kernel(group: u32, local: u32) {
  let i = group * ${COUNTED_WORKGROUP}u + local;
  if (i >= words.size) { return; }
  if (labels[i / words.width] == words.ignored) { out[i] = 0.0; } else { out[i] = x[i]; }
}`
})

const lossProgram = program({
  name: "LinearCrossEntropy loss",
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

const countedRowsOf = (
  engine: WebgpuEngine,
  x: TensorInfo | Span,
  { labels, ignored }: Pick<Head, "labels" | "ignored">,
  [rows, width]: readonly [number, number],
  out: TensorInfo | Span
): void =>
  engine.run(
    counted,
    { x, labels, out },
    { size: rows * width, width, ignored },
    groupsFor(rows * width, COUNTED_WORKGROUP)
  )

interface SlopesOf {
  readonly z: Span
  readonly rows: number
  /** of z's rows, from `firstClass` on */
  readonly columns: number
  readonly first: number
  readonly firstClass: number
  readonly statistics: TensorInfo
  readonly share: Span
}

const slopesOf = (
  engine: WebgpuEngine,
  { labels, ignored, classes }: Head,
  softcap: number | null,
  { z, rows, columns, first, firstClass, statistics, share: its }: SlopesOf
): void => {
  const type = vectorFor(columns)
  const rowLength = columns / LANES[type]
  const blocksOfRow = groupsFor(rowLength, BLOCK)
  engine.run(
    slopes(type),
    { labels, statistics, share: its, z },
    { first, firstClass, rowLength, blocksOfRow, classes, ignored, softcap: softcap ?? 0 },
    rows * blocksOfRow
  )
}

interface Chunk {
  readonly first: number
  readonly rows: number
  readonly z: Span
}

/** Logits chunk by chunk, and of their rows what `to` has room for; `use` sees those of a chunk before the next one's take their place. */
const forEachChunk = (
  engine: WebgpuEngine,
  { hidden, labels, ignored, classes, ...weight }: Head,
  softcap: number | null,
  to: { readonly losses: TensorInfo | Span } & ({ readonly statistics: TensorInfo } | { readonly correct: TensorInfo }),
  use: (chunk: Chunk) => void = () => {}
): void => {
  const [tokens, width] = hidden.shape as [number, number]
  const chunks = chunksOf(tokens, classes, MOST_ROWS)
  const z = engine.scratch(chunks[0]![1] * classes)
  const { span } = engine.together([hidden])
  for (const [first, rows] of chunks) {
    const a = rowsOf(span, width, first, rows)
    multiplyInto(engine, { kind: "nt", m: rows, n: classes, k: width, a, ...weight }, z)
    const { parts, partsOfRow } = softmaxPartsOf(engine, z, [rows, classes], softcap)
    engine.run(
      rowsProgram("correct" in to ? "correct" : "statistics"),
      { z, labels, parts, ...to },
      { first, classes, ignored, partsOfRow, softcap: softcap ?? 0 },
      rows
    )
    engine.release(parts)
    use({ first, rows, z })
  }
  engine.release(span)
  engine.release(z)
}

/** The loss; dh for a dy of 1, or what nobody reads; and m and Σ of each row, [tokens, 2]. */
export const headLossOnWebgpu = (
  engine: WebgpuEngine,
  head: Head,
  softcap: number | null,
  wanted: boolean
): ReadonlyArray<TensorInfo> => {
  const { hidden, labels, ignored, classes, ...weight } = head
  const [tokens, width] = hidden.shape as [number, number]
  const [loss, dh, statistics] = [
    engine.output([]),
    engine.output(wanted ? [tokens, width] : [1]),
    engine.output([tokens, 2])
  ]
  const [own, losses] = [engine.scratch(1), engine.scratch(tokens)]
  engine.run(share("alone"), { labels, share: own }, { rows: tokens, ignored }, 1)
  if (wanted) {
    const products = engine.scratch(tokens * width)
    forEachChunk(engine, head, softcap, { losses, statistics }, ({ first, rows, z }) => {
      slopesOf(engine, head, softcap, { z, rows, columns: classes, first, firstClass: 0, statistics, share: own })
      const product = { kind: "nn", m: rows, n: width, k: classes, a: z, ...weight } as const
      multiplyInto(engine, product, rowsOf(products, width, first, rows))
    })
    // 0 times what is not finite in W
    countedRowsOf(engine, products, head, [tokens, width], dh)
    engine.release(products)
  } else forEachChunk(engine, head, softcap, { losses, statistics })
  engine.run(lossProgram, { losses, share: own, loss }, { rows: tokens }, 1)
  engine.release(own)
  engine.release(losses)
  return [loss, dh, statistics]
}

/** dW */
export const headWeightGradientOnWebgpu = (
  engine: WebgpuEngine,
  head: Head & { readonly b: TensorInfo },
  { dy, statistics }: Readonly<Record<"dy" | "statistics", TensorInfo>>,
  softcap: number | null
): TensorInfo => {
  const { hidden, labels, ignored, classes, b } = head
  const [tokens, width] = hidden.shape as [number, number]
  const own = engine.scratch(1)
  engine.run(share("times dy"), { labels, dy, share: own }, { rows: tokens, ignored }, 1)
  const h = engine.scratch(tokens * width)
  countedRowsOf(engine, hidden, head, [tokens, width], h)
  const { tensors, span: out } = engine.outputs([[classes, width]])
  const { span } = engine.together([b])
  const chunks = chunksOf(classes, tokens)
  const z = engine.scratch(chunks[0]![1] * tokens)
  for (const [firstClass, columns] of chunks) {
    const W = rowsOf(span, width, firstClass, columns)
    multiplyInto(engine, { kind: "nt", m: tokens, n: columns, k: width, a: h, b: W }, z)
    slopesOf(engine, head, softcap, { z, rows: tokens, columns, first: 0, firstClass, statistics, share: own })
    const product = { kind: "tn", m: columns, n: width, k: tokens, a: z, b: h } as const
    multiplyInto(engine, product, rowsOf(out, width, firstClass, columns))
  }
  for (const it of [own, h, span, z]) engine.release(it)
  return tensors[0]!
}

/** Losses [tokens], 0 where a row does not count, and 1 where the largest logit is the label's. */
export const tokenScoresOnWebgpu = (
  engine: WebgpuEngine,
  head: Head,
  softcap: number | null
): ReadonlyArray<TensorInfo> => {
  const tokens = head.hidden.shape[0]!
  const [losses, correct] = [engine.output([tokens]), engine.output([tokens])]
  forEachChunk(engine, head, softcap, { losses, correct })
  return [losses, correct]
}
