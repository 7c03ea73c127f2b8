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
import { type Labelled, lossesOf, lossOf, oneOf, shareOf, slopesOf } from "./cross-entropy.ts"
import { groupsFor, type Span, type WebgpuEngine } from "./engine.ts"
import { multiplyInto, type Product } from "./product.ts"
import { program } from "./program.ts"

/** Inputs of the loss: hidden [tokens, h], labels [tokens], and W [classes, h] as operand B of a product. */
export interface Head extends Labelled, Pick<Product, "b" | "packed"> {
  readonly hidden: TensorInfo
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
    lossesOf(engine, { labels, ignored, classes }, softcap, { z, first, rows }, to)
    use({ first, rows, z })
  }
  engine.release(span)
  engine.release(z)
}

/**
 * Computes the loss, or each token's loss if `each`; dh for a dy of 1, undefined contents if no gradient is needed; and m and Σ of each row,
 * [tokens, 2].
 */
export const headLossOnWebgpu = (
  engine: WebgpuEngine,
  head: Head,
  softcap: number | null,
  { slopes, each }: { readonly slopes: boolean; readonly each: boolean }
): ReadonlyArray<TensorInfo> => {
  const { hidden, labels: _, ignored: __, classes, ...weight } = head
  const [tokens, width] = hidden.shape as [number, number]
  const [dh, statistics] = [engine.output(slopes ? [tokens, width] : [1]), engine.output([tokens, 2])]
  const share = each ? oneOf(engine, head) : shareOf(engine, head)
  const losses = each ? engine.output([tokens]) : engine.scratch(tokens)
  if (slopes) {
    const products = engine.scratch(tokens * width)
    forEachChunk(engine, head, softcap, { losses, statistics }, ({ first, rows, z }) => {
      slopesOf(engine, head, softcap, { z, rows, columns: classes, first, firstClass: 0, statistics, share })
      const product = { kind: "nn", m: rows, n: width, k: classes, a: z, ...weight } as const
      multiplyInto(engine, product, rowsOf(products, width, first, rows))
    })
    // 0 times what is not finite in W
    countedRowsOf(engine, products, head, [tokens, width], dh)
    engine.release(products)
  } else forEachChunk(engine, head, softcap, { losses, statistics })
  const loss = "shape" in losses ? losses : meanOf(engine, losses, share, tokens)
  engine.release(share)
  return [loss, dh, statistics]
}

const meanOf = (engine: WebgpuEngine, losses: Span, share: Span, tokens: number): TensorInfo => {
  const loss = lossOf(engine, losses, share, tokens)
  engine.release(losses)
  return loss
}

/** Computes dW. `rows` [tokens, h]: the factor of dz; default: hidden. */
export const headWeightGradientOnWebgpu = (
  engine: WebgpuEngine,
  head: Head & { readonly b: TensorInfo },
  {
    dy,
    rows,
    statistics
  }: Readonly<Record<"dy" | "statistics", TensorInfo>> & { readonly rows: TensorInfo | undefined },
  softcap: number | null
): TensorInfo => {
  const { hidden, classes, b } = head
  const [tokens, width] = hidden.shape as [number, number]
  const share = shareOf(engine, head, dy)
  const h = engine.scratch(tokens * width)
  countedRowsOf(engine, hidden, head, [tokens, width], h)
  const other = rows === undefined ? h : engine.scratch(tokens * width)
  if (rows !== undefined) countedRowsOf(engine, rows, head, [tokens, width], other)
  const { tensors, span: out } = engine.outputs([[classes, width]])
  const { span } = engine.together([b])
  const chunks = chunksOf(classes, tokens)
  const z = engine.scratch(chunks[0]![1] * tokens)
  for (const [firstClass, columns] of chunks) {
    const W = rowsOf(span, width, firstClass, columns)
    multiplyInto(engine, { kind: "nt", m: tokens, n: columns, k: width, a: h, b: W }, z)
    slopesOf(engine, head, softcap, { z, rows: tokens, columns, first: 0, firstClass, statistics, share })
    const product = { kind: "tn", m: columns, n: width, k: tokens, a: z, b: other } as const
    multiplyInto(engine, product, rowsOf(out, width, firstClass, columns))
  }
  for (const it of new Set([share, h, other, span, z])) engine.release(it)
  return tensors[0]!
}

/** Computes losses [tokens], 0 for rows that do not count, and 1 if the largest logit is the label's, else 0. */
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
