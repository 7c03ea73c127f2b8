/**
 * Matrix products on the GPU: the host side of `product-tiles.ts`, `product-direct.ts`, `product-small.ts` and `product-parts.ts`, and
 * which of them a product takes.
 *
 *   C = scale · op(A)·op(B) + bias             or, with a second pair, whose inner dimension is its own,
 *   C = op(A)·op(B) + scale · op(A₂)·op(B₂) + bias
 *
 * in one dispatch: W + s·BA of a layer with LoRA is never formed, and neither is sB. B may be a packed weight, which is
 * dequantized as it is read. Numbers are added in an order that the sizes and the kind of device determine: the same bits
 * twice. Which tile a product takes, where it takes one, is decided by time (`tile-choice.ts`), and no number depends on it.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { Packing } from "../../numbers/index.ts"
import { type Dispatch, runDispatches } from "./beside.ts"
import type { Span, WebgpuEngine } from "./engine.ts"
import type { Form, Kind, Pair, Strides } from "./product-blocks.ts"
import { type Direct, directGroups, directProgram } from "./product-direct.ts"
import { partLengthOf, partSumGroups, partSumProgram, partsOf } from "./product-parts.ts"
import { smallGroups, smallProgram } from "./product-small.ts"
import { type Tiles, tileNames, tilesGroups, tilesProgram, tileWorkgroup } from "./product-tiles.ts"
import { type TileChoice, tileChoiceOf } from "./tile-choice.ts"

type Matrix = TensorInfo | Span

/** A matrix product; sizes are at least 1. */
export interface Product {
  /** layout of A and B */
  readonly kind: Kind
  readonly m: number
  readonly n: number
  readonly k: number
  readonly a: Matrix
  readonly b: Matrix
  /** packing of B [rows, columns]: words [rows, wordsOfRow] and, unless stored in blocks, a scale for each row; not in a batch */
  readonly packed?: { readonly packing: Packing; readonly scales: TensorInfo | undefined }
  /** second pair, whose product is added to C, with the same `kind` */
  readonly second?: { readonly a: Matrix; readonly b: Matrix; readonly k: number }
  /** factor of the product; default 1 */
  readonly scale?: number
  readonly bias?: Matrix | undefined // [n]
  /** matrix of C's shape that is added to it; not in a batch */
  readonly plus?: Matrix | undefined
  /** elementwise kernel of one value that C goes through; its derivative is written to a matrix of C's shape */
  readonly activation?: { readonly kernel: string; readonly derivative: Matrix } | undefined
  /** number of matrices A, B and C; consecutive unless `strides` is given */
  readonly batch?: number
  /** values from one matrix of the batch to the next, multiples of four; 0 if all share one. Applies to bias and second pair too. */
  readonly strides?: Partial<Strides>
  /** whether C is the sum over the batch, a single matrix; requires `strides` */
  readonly summed?: boolean
}

/** Execution plan of a product: one dispatch, or several parts. */
export type Plan = "small" | PlanOfParts

type PlanOfParts = (Direct | Tiles) & {
  /** of the inner dimension, each with workgroups of its own (`product-parts.ts`); 1 unless given */
  readonly parts?: number
}

/** What a plan depends on beside the product. */
interface Planner {
  /** Is the GPU emulated on a CPU? */
  readonly software: boolean
  /** among tiles that all give the same bits */
  readonly tile: TileChoice
}

/** Multiplications of a small product at most, and of one of its numbers. */
const SMALL = 1 << 15
const SMALL_DEPTH = 512
/** Of the smallest tiles, so many keep a GPU busy. Where there are fewer, invocations read their operands themselves. */
const SOME_TILES = 32
const SMALLEST: Tiles = { tile: tileNames[0]! }
/** Rows or columns of which most of a tile would be outside of C. */
const THIN = 16
/** Invocations of a workgroup that computes a thin product on a GPU. */
const THIN_WORKGROUP = 128

const powerAbove = (n: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, n)))
const powerBelow = (n: number): number => 2 ** Math.floor(Math.log2(Math.max(1, n)))

/** Fours of columns of a workgroup: the fewer programs for it, the better. */
const columnsFor = (n: number): number => Math.max(2, Math.min(8, powerAbove(n / 4)))

const plannerOf = (engine: WebgpuEngine): Planner => ({ software: engine.software, tile: tileChoiceOf(engine) })

/** Cs that are written. */
const outputsOf = ({ summed = false, batch = 1 }: Product): number => (summed ? 1 : batch)

/** Selects the program. The order of a product's sums depends on the sizes and `software` only, not on the tile. */
export const planOf = (product: Product, planner: Planner): Plan => {
  const plan = wholePlan(product, planner)
  return plan === "small" ? plan : inParts(product, plan, planner, 0)
}

/** In one dispatch. */
const wholePlan = (product: Product, { software, tile }: Planner): "small" | Direct | Tiles => {
  const { kind, m, n, k, second, bias, plus, activation, summed = false } = product
  if (!summed && plus === undefined && activation === undefined && m * n * k <= SMALL && k <= SMALL_DEPTH)
    return "small"
  const outputs = outputsOf(product)
  if (!software && Math.min(m, n) > THIN && outputs * tilesGroups(SMALLEST, m, n) >= SOME_TILES)
    return { tile: tile(m, n, outputs) }
  // with few columns most invocations would be without work, with few rows none is
  const transposed =
    kind === "tn" && n <= THIN && n < m && [second, bias, plus, activation].every((part) => part === undefined)
  const [rows, columns] = transposed ? [n, columnsFor(m)] : [m, columnsFor(n)]
  // of a model that writes: three rows that do not exist would be most of the work
  const single = m === 1 && !transposed
  if (software) return { rows: single ? 1 : rows <= 4 ? 4 : 8, columns, slices: 1, transposed }
  // fewer than four blocks in a slice cost more than they save
  return { rows: single ? 1 : 4, columns, slices: Math.min(THIN_WORKGROUP / columns, powerBelow(k / 16)), transposed }
}

/** Workgroups of a plan in one dispatch, by the smallest tile if it is by tiles: a function of the sizes. */
const leastGroups = (product: Product, plan: Direct | Tiles): number => {
  const { m, n } = product
  if ("tile" in plan) return outputsOf(product) * tilesGroups(SMALLEST, m, n)
  return outputsOf(product) * (plan.transposed ? directGroups(plan, n, m) : directGroups(plan, m, n))
}

/** The plan in parts, where they pay beside so many workgroups of another product. On a CPU there is nothing that idles. */
const inParts = (product: Product, plan: Direct | Tiles, { software, tile }: Planner, beside: number): PlanOfParts => {
  const { m, n, k, second, plus, activation, summed = false } = product
  if (software || second !== undefined || plus !== undefined || activation !== undefined || summed) return plan
  const groups = beside + leastGroups(product, plan)
  const parts = partsOf({ groups, slices: "tile" in plan ? undefined : plan.slices }, k)
  if (parts === 1) return plan
  return "tile" in plan ? { tile: tile(m, n, outputsOf(product) * parts), parts } : { ...plan, parts }
}

const storageOf = (length: number): "vec4f" | "f32" => (length % 4 === 0 ? "vec4f" : "f32")

const pairOf = (kind: Kind, m: number, n: number, k: number): Pair => ({
  a: storageOf(kind[0] === "n" ? k : m),
  b: storageOf(kind[1] === "t" ? k : n)
})

/** Cᵀ = Bᵀ·A by the same kind, `tn`. */
const turned = (product: Product): Product => {
  const { m, n, k, a, b, strides: { aBatch = m * k, bBatch = k * n, ...strides } = {} } = product
  return { ...product, m: n, n: m, a: b, b: a, strides: { ...strides, aBatch: bBatch, bBatch: aBatch } }
}

/** Computes C [m, n], or C in the given shape. */
export const multiply = (
  engine: WebgpuEngine,
  product: Product,
  shape: ReadonlyArray<number> = [product.m, product.n],
  plan: Plan = planOf(product, plannerOf(engine))
): TensorInfo => {
  const c = engine.output(shape)
  multiplyInto(engine, product, c, plan)
  return c
}

/** Computes C into an existing tensor or span. */
export const multiplyInto = (
  engine: WebgpuEngine,
  product: Product,
  c: Matrix,
  plan: Plan = planOf(product, plannerOf(engine))
): void => {
  if (plan === "small") runSmall(engine, product, c)
  else run(engine, [[product, c, plan]])
}

type Planned = readonly [Product, Matrix, PlanOfParts]

/** What one product is, or two products are: all that is in one dispatch, and then the sums over parts. */
const run = (engine: WebgpuEngine, all: ReadonlyArray<Planned>): void => {
  const partSums = all.map(([product, , { parts = 1 }]) =>
    parts === 1 ? undefined : engine.scratch(parts * sizeOf(product))
  )
  runDispatches(
    engine,
    all.map(([product, c, plan], i) =>
      dispatchOf(partSums[i] === undefined ? product : bare(product), partSums[i] ?? c, plan)
    )
  )
  const sums = all.flatMap(([product, c, { parts = 1 }], i) =>
    partSums[i] === undefined ? [] : [sumOfParts(product, partSums[i], c, parts)]
  )
  if (sums.length > 0) runDispatches(engine, sums)
  for (const span of partSums) if (span !== undefined) engine.release(span)
}

/** Numbers of all Cs. */
const sizeOf = (product: Product): number => outputsOf(product) * product.m * product.n

/** Without what is done to the sum of the parts. */
const bare = ({ scale: _, bias: __, ...product }: Product): Product => product

const sumOfParts = (product: Product, partialSums: Span, c: Matrix, parts: number): Dispatch => {
  const { m, n, bias, scale = 1 } = product
  const size = sizeOf(product)
  const { cBatch, biasBatch } = stridesOf(product)
  return {
    program: partSumProgram(bias === undefined ? "plain" : "biased"),
    buffers: bias === undefined ? { found: partialSums, c } : { found: partialSums, bias, c },
    words: { size, parts, one: m * n, n, cBatch, biasBatch, scale },
    groups: partSumGroups(size)
  }
}

/** A product by a plan that is not "small". */
const dispatchOf = (product: Product, c: Matrix, plan: PlanOfParts): Dispatch =>
  byForm("transposed" in plan && plan.transposed ? turned(product) : product, c, plan)

const byForm = (product: Product, c: Matrix, { parts = 1, ...plan }: PlanOfParts): Dispatch => {
  const { kind, m, n, k, a, b, packed, second, scale = 1, bias, plus, activation, batch = 1, summed = false } = product
  const pair = pairOf(kind, m, n, k)
  const form: Form = {
    kind,
    pair: packed === undefined ? pair : { ...pair, b: packed.packing },
    second: second === undefined ? null : pairOf(kind, m, n, second.k),
    summed,
    parts: parts > 1,
    bias: bias !== undefined,
    plus: plus !== undefined,
    activation: activation?.kernel ?? null,
    out: storageOf("rows" in plan && plan.transposed ? m : n)
  }
  const buffers: Record<string, Matrix> = { a, b, c }
  if (packed?.scales !== undefined) buffers["scales"] = packed.scales
  if (second !== undefined) {
    buffers["a2"] = second.a
    buffers["b2"] = second.b
  }
  if (bias !== undefined) buffers["bias"] = bias
  if (plus !== undefined) buffers["plus"] = plus
  if (activation !== undefined) buffers["derivative"] = activation.derivative
  const groups = parts * outputsOf(product) * ("tile" in plan ? tilesGroups(plan, m, n) : directGroups(plan, m, n))
  const words = { m, n, k, k2: second?.k ?? 0, scale, matrices: batch, ...stridesOf(product) }
  return {
    program: "tile" in plan ? tilesProgram({ ...form, ...plan }) : directProgram({ ...form, ...plan }),
    buffers,
    words: parts > 1 ? { ...words, partLength: partLengthOf(k, parts) } : words,
    groups
  }
}

/** In a batch without strides there is neither a second pair nor a bias. */
const stridesOf = ({ m, n, k, strides }: Product): Strides => ({
  ...{ aBatch: m * k, bBatch: k * n, a2Batch: 0, b2Batch: 0, biasBatch: 0, cBatch: m * n },
  ...strides
})

/** Computes two products that do not depend on each other, in one dispatch if possible. */
export const multiplyBoth = (
  engine: WebgpuEngine,
  both: readonly [readonly [Product, Matrix], readonly [Product, Matrix]]
): void => {
  const planner = plannerOf(engine)
  const plans = plansOfBoth([both[0][0], both[1][0]], planner)
  if (plans === "apart") for (const [product, c] of both) multiplyInto(engine, product, c)
  else
    run(engine, [
      [...both[0], plans[0]],
      [...both[1], plans[1]]
    ])
}

/** Returns the plans of both products for one dispatch; "apart" if one of them is small. */
export const plansOfBoth = (
  products: readonly [Product, Product],
  planner: Planner
): "apart" | readonly [PlanOfParts, PlanOfParts] => {
  const [first, second] = [wholePlan(products[0], planner), wholePlan(products[1], planner)]
  if (first === "small" || second === "small") return "apart"
  if (planner.software) return [first, second]
  const [one, other] = inStep([first, second])
  return [
    inParts(products[0], one, planner, leastGroups(products[1], second)),
    inParts(products[1], other, planner, leastGroups(products[0], first))
  ]
}

const workgroupOf = (plan: Direct | Tiles): number =>
  "tile" in plan ? tileWorkgroup(plan.tile) : plan.columns * plan.slices

/** Plans with as many invocations in a workgroup, where one of them can be cut otherwise. No slices depend on a tile. */
const inStep = (plans: readonly [Direct | Tiles, Direct | Tiles]): readonly [Direct | Tiles, Direct | Tiles] => {
  const [one, other] = plans
  if ("tile" in one && "tile" in other) return plans
  if ("tile" in one) return [one, beside(other as Direct, one)]
  if ("tile" in other) return [beside(one, other), other]
  const size = Math.max(workgroupOf(one), workgroupOf(other))
  return [
    { ...one, slices: size / one.columns },
    { ...other, slices: size / other.columns }
  ]
}

/** A thin product in workgroups of a tile's: they have more columns or fewer, and the same slices. */
const beside = (plan: Direct, tile: Tiles): Direct => {
  const slices = THIN_WORKGROUP / plan.columns
  return { ...plan, slices, columns: Math.max(1, tileWorkgroup(tile.tile) / slices) }
}

const runSmall = (engine: WebgpuEngine, product: Product, c: Matrix): void => {
  const { kind, m, n, k, a, b, packed, second, scale = 1, bias, batch = 1 } = product
  const size = batch * m * n
  engine.run(
    smallProgram(packed?.packing ?? "f32"),
    { a, b, c, scales: packed?.scales ?? a, a2: second?.a ?? a, b2: second?.b ?? a, bias: bias ?? a },
    {
      ...{ size, m, n, k, k2: second?.k ?? 0 },
      ...{ aAlong: Number(kind[0] === "n"), bAlong: Number(kind[1] === "t"), biased: Number(bias !== undefined) },
      ...(second === undefined ? { scale, scale2: 0 } : { scale: 1, scale2: scale }),
      ...stridesOf(product)
    },
    smallGroups(size)
  )
}
