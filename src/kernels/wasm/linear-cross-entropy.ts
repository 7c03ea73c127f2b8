/**
 * A language model's head and its loss on the wasm engine: products by `../c/product.c`, what lies between them by
 * `../c/cross-entropy.c`.
 *
 * Which rows count is known on this side: labels are in the memory that this thread sees too, so reading them waits for no one. Only
 * these rows are gathered, and the logits of a chunk of them are made, read and overwritten in one place.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { IGNORED } from "../cross-entropy.ts"
import { declareKernel, optional, read, write } from "../declaration.ts"
import { chunksOf } from "./cuts.ts"
import type { WasmEngine } from "./engine.ts"
import { matrixOf, multiply, type Product } from "./product.ts"
import { sumRows } from "./sums.ts"

/** Inputs of the loss: hidden [tokens, h], labels [tokens], and W [classes, h] as operand B of a product. */
export interface Head extends Pick<Product, "b" | "packed" | "operands"> {
  readonly hidden: TensorInfo
  readonly labels: TensorInfo
  readonly classes: number
}

/** Numbers of a chunk's logits, and rows, which the argument words have to hold. */
const LOGITS = 1 << 23
const MOST_ROWS = 480
/** Rows of W that a product with it takes at a time: a panel of 12 columns stays in the second cache. */
const DEPTH = 1024
/** Cost of a logit between the products, in multiplications. */
const COST = 40

const gatherKernel = declareKernel({
  name: "gatherRows",
  sameBits: true,
  buffers: { from: read("f32"), to: write("f32") },
  words: { width: "u32" },
  entry: { row: "u32" }
})

/** first, end: of the rows of `to` that are written */
const placeKernel = declareKernel({
  name: "placeRows",
  sameBits: true,
  buffers: { from: optional(read("f32")), to: write("f32") },
  words: { width: "u32", first: "u32", end: "u32" },
  entry: { row: "u32" }
})

const rowsKernel = declareKernel({
  name: "logitRows",
  buffers: {
    /** [rows, classes], of the rows that count */
    logits: write("f32"),
    /** [tokens] */
    losses: write("f32"),
    /** `[tokens]`: 1 where the largest logit is the label's */
    correct: optional(write("f32"))
  },
  words: {
    classes: "u32",
    /** 0: none */
    cap: "f32",
    /** of a row in the loss */
    share: "f32",
    /** 1: the logits' slopes take their place */
    slopes: "u32",
    /** floats from row to row of the logits */
    stride: "u32"
  },
  entry: { row: "u32", label: "i32" }
})

interface Rows {
  readonly rows: ReadonlyArray<number>
  readonly labels: ReadonlyArray<number>
}

const numbersOf = (tensor: TensorInfo): ArrayLike<number> => tf.backend().readSync(tensor.dataId) as Int32Array

/** The rows that count, and their labels. */
const countedOf = (labels: TensorInfo): Rows => {
  const all = Array.from(numbersOf(labels))
  const rows = [...all.keys()].filter((i) => all[i] !== IGNORED)
  return { rows, labels: rows.map((i) => all[i]!) }
}

/** Chunks of like size. */
const chunksOfRows = ({ rows, labels }: Rows, classes: number): ReadonlyArray<Rows> => {
  const most = Math.max(1, Math.min(MOST_ROWS, Math.floor(LOGITS / classes)))
  const each = Math.ceil(rows.length / Math.ceil(rows.length / most))
  return Array.from({ length: rows.length === 0 ? 0 : Math.ceil(rows.length / each) }, (_, i) => {
    const range = [i * each, (i + 1) * each] as const
    return { rows: rows.slice(...range), labels: labels.slice(...range) }
  })
}

/**
 * Floats from row to row of the logits. Vocabularies are mostly multiples of a large power of two, and rows so far apart would take each
 * other's places in a cache: 33 lines beyond a multiple of 64 spread them.
 */
const strideOf = (classes: number): number => (classes < 1024 ? classes : Math.ceil(classes / 1024) * 1024 + 528)

interface Wanted {
  readonly softcap: number | null
  readonly losses: TensorInfo
  readonly correct: TensorInfo | null
  /** of a row in the loss, where slopes are wanted */
  readonly share: number | null
}

/** hidden [rows, h] and logits [rows, a stride], or their slopes, of a chunk */
interface Made {
  readonly part: Rows
  readonly hidden: TensorInfo
  readonly logits: TensorInfo
}

/** Makes logits chunk by chunk; `use` sees those of a chunk before the next one's take their place. */
const forEachChunk = (
  engine: WasmEngine,
  { hidden, labels: _, classes, ...weight }: Head,
  counted: Rows,
  wanted: Wanted,
  use: (made: Made, index: number) => void = () => {}
): void => {
  const width = hidden.shape[1]!
  const chunks = chunksOfRows(counted, classes)
  if (chunks.length === 0) return
  const most = chunks[0]!.rows.length
  const [gathered, logits] = [engine.output([most, width]), engine.output([most, strideOf(classes)])]
  for (const [index, chunk] of chunks.entries()) {
    const m = chunk.rows.length
    engine.run(gatherKernel, { from: hidden, to: gathered }, { width }, { entries: chunk.rows.map((row) => ({ row })) })
    const [a, c] = [matrixOf(engine, gathered), matrixOf(engine, logits)]
    multiply(engine, { kind: "nt", m, n: classes, k: width, a, ...weight, c })
    rowsOf(engine, logits, chunk, classes, wanted)
    use({ part: chunk, hidden: gathered, logits }, index)
  }
  engine.dispose(gathered)
  engine.dispose(logits)
}

const rowsOf = (
  engine: WasmEngine,
  logits: TensorInfo,
  part: Rows,
  classes: number,
  { softcap, losses, correct, share }: Wanted
): void => {
  const [perChunk, chunks] = chunksOf(part.rows.length, classes * COST)
  const entries = part.rows.map((row, i) => ({ row, label: part.labels[i]! }))
  const words = {
    classes,
    cap: softcap ?? 0,
    share: share ?? 0,
    slopes: share === null ? 0 : 1,
    stride: logits.shape[1]!
  }
  engine.run(rowsKernel, { logits, losses, correct: correct ?? undefined }, words, { entries, perChunk, chunks })
}

/** Rows of a range of `to`: those of `from` where the list says, 0 elsewhere. */
const place = (
  engine: WasmEngine,
  from: TensorInfo | null,
  to: TensorInfo,
  list: ReadonlyArray<number>,
  [first, end]: readonly [number, number]
): void => {
  const words = { width: to.shape[1] ?? 1, first, end }
  engine.run(placeKernel, { from: from ?? undefined, to }, words, { entries: list.map((row) => ({ row })) })
}

const emptied = (engine: WasmEngine, shape: ReadonlyArray<number>): TensorInfo => {
  const out = engine.output(shape)
  place(engine, null, out, [], [0, shape[0]!])
  return out
}

/** slopes·W, some rows of W at a time */
const timesWeight = (
  engine: WasmEngine,
  { part, logits }: Made,
  { classes, b, packed, operands }: Head,
  out: TensorInfo
): void => {
  const [a, c] = [matrixOf(engine, logits), matrixOf(engine, out)]
  for (let at = 0; at < classes; at += DEPTH)
    multiply(engine, {
      kind: "nn",
      m: part.rows.length,
      n: out.shape[1]!,
      k: Math.min(DEPTH, classes - at),
      a: { ...a, address: a.address + 4 * at },
      b: { ...b, address: b.address + 4 * at * b.stride },
      ...(packed?.scales === undefined
        ? { packed }
        : { packed: { ...packed, scales: { address: engine.address(packed.scales) + 4 * at } } }),
      c,
      operands,
      start: at === 0 ? "zero" : "there"
    })
}

/** Computes the loss, or each token's loss if `each`; and dh for a dy of 1, undefined contents if no gradient is needed. */
export const headLossOnWasm = (
  engine: WasmEngine,
  head: Head,
  softcap: number | null,
  { slopes, each }: { readonly slopes: boolean; readonly each: boolean }
): ReadonlyArray<TensorInfo> => {
  const { hidden, labels } = head
  const [tokens, width] = hidden.shape as [number, number]
  const counted = countedOf(labels)
  const count = each ? 1 : Math.max(1, counted.rows.length)
  const losses = emptied(engine, [tokens])
  const wanted = { softcap, losses, correct: null, share: slopes ? 1 / count : null }
  const dh = engine.output(slopes ? [tokens, width] : [1])
  let placed = 0
  forEachChunk(engine, head, counted, wanted, (made) => {
    if (!slopes) return
    const gathered = engine.output([made.part.rows.length, width])
    timesWeight(engine, made, head, gathered)
    const end = made.part.rows.at(-1)! + 1
    place(engine, gathered, dh, made.part.rows, [placed, end])
    placed = end
    engine.dispose(gathered)
  })
  if (slopes) place(engine, null, dh, [], [placed, tokens])
  if (each) return [losses, dh]
  const loss = engine.output([])
  sumRows(engine, { x: losses, out: loss, outer: 1, reduced: tokens, divisor: count })
  engine.dispose(losses)
  return [loss, dh]
}

/** Computes dW. `rows` [tokens, h]: the factor of dz. */
export const headWeightGradientOnWasm = (
  engine: WasmEngine,
  head: Head,
  { dy, rows }: Readonly<Record<"dy" | "rows", TensorInfo>>,
  softcap: number | null
): TensorInfo => {
  const { hidden, labels, classes } = head
  const width = hidden.shape[1]!
  const counted = countedOf(labels)
  if (counted.rows.length === 0) return emptied(engine, [classes, width])
  const losses = engine.output([hidden.shape[0]!])
  const share = numbersOf(dy)[0]! / counted.rows.length
  const dW = engine.output([classes, width])
  forEachChunk(engine, head, counted, { softcap, losses, correct: null, share }, (made, index) => {
    if (rows !== hidden) {
      const entries = made.part.rows.map((row) => ({ row }))
      engine.run(gatherKernel, { from: rows, to: made.hidden }, { width }, { entries })
    }
    const [a, b, c] = [made.logits, made.hidden, dW].map((x) => matrixOf(engine, x))
    const start = index === 0 ? "zero" : "there"
    multiply(engine, { kind: "tn", m: classes, n: width, k: made.part.rows.length, a: a!, b: b!, c: c!, start })
  })
  engine.dispose(losses)
  return dW
}

/** Computes each token's loss, and 1 if the largest logit is the label's, else 0. */
export const tokenScoresOnWasm = (
  engine: WasmEngine,
  head: Head,
  softcap: number | null
): ReadonlyArray<TensorInfo> => {
  const tokens = head.hidden.shape[0]!
  const [losses, correct] = [emptied(engine, [tokens]), emptied(engine, [tokens])]
  forEachChunk(engine, head, countedOf(head.labels), { softcap, losses, correct, share: null })
  return [losses, correct]
}
