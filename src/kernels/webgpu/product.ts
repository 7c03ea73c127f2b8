/**
 * Matrix products on the GPU: the host side of `product-tiles.ts`, `product-direct.ts` and `product-small.ts`, and
 * which of them a product takes.
 *
 *   C = scale · op(A)·op(B) + bias             or, with a second pair, whose inner dimension is its own,
 *   C = op(A)·op(B) + scale · op(A₂)·op(B₂) + bias
 *
 * in one dispatch: W + s·BA of a layer with LoRA is never formed, and neither is sB. B may be a packed weight, which is
 * dequantized as it is read. Numbers are added in an order that the sizes and the kind of device determine: the same bits
 * twice.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { Packing } from "../../numbers/index.ts"
import { type Dispatch, runDispatches } from "./beside.ts"
import type { Span, WebgpuEngine } from "./engine.ts"
import type { Form, Kind, Pair, Strides } from "./product-blocks.ts"
import { type Direct, directGroups, directProgram } from "./product-direct.ts"
import { smallGroups, smallProgram } from "./product-small.ts"
import { type Tiles, tilesGroups, tilesProgram } from "./product-tiles.ts"

type Matrix = TensorInfo | Span

/** Sizes are at least 1. */
export interface Product {
  /** how A and B lie */
  readonly kind: Kind
  readonly m: number
  readonly n: number
  readonly k: number
  readonly a: Matrix
  readonly b: Matrix
  /** B [rows, columns] is packed: words [rows, wordsOfRow] and, unless it is in blocks, a scale for each row; not in a batch */
  readonly packed?: { readonly packing: Packing; readonly scales: TensorInfo | undefined }
  /** added to C, by the same `kind` */
  readonly second?: { readonly a: Matrix; readonly b: Matrix; readonly k: number }
  /** 1 without */
  readonly scale?: number
  readonly bias?: Matrix | undefined // [n]
  /** a matrix like C, which is added to it; not in a batch */
  readonly plus?: Matrix | undefined
  /** C goes through this elementwise kernel of one number; its derivative is written here, a matrix like C */
  readonly activation?: { readonly kernel: string; readonly derivative: Matrix } | undefined
  /** as many A, B and C; one after the other, unless `strides` says otherwise */
  readonly batch?: number
  /** numbers from one matrix of the batch to the next, multiples of four; 0 where all have the same one. With bias and second pair, all of them */
  readonly strides?: Partial<Strides>
  /** C is the sum over the batch, and there is one; with `strides` */
  readonly summed?: boolean
}

/** How a product is computed. */
export type Plan = "small" | Direct | Tiles

/** Multiplications of a small product at most, and of one of its numbers. */
const SMALL = 1 << 15
const SMALL_DEPTH = 512
/** Tiles that keep a GPU busy: of 64 if there are so many, of 32 if there are so many of these. */
const MANY_TILES = 128
const SOME_TILES = 32
/** Rows or columns of which most of a tile would be outside of C. */
const THIN = 16
/** Invocations of a workgroup that computes a thin product on a GPU. */
const THIN_WORKGROUP = 128

const powerAbove = (n: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, n)))
const powerBelow = (n: number): number => 2 ** Math.floor(Math.log2(Math.max(1, n)))

/** Fours of columns of a workgroup: the fewer programs for it, the better. */
const columnsFor = (n: number): number => Math.max(2, Math.min(8, powerAbove(n / 4)))

/** Which program, a function of the sizes alone. `software`: is the GPU emulated on a CPU? */
export const planOf = (product: Product, software: boolean): Plan => {
  const { kind, m, n, k, second, bias, plus, activation, summed = false, batch = 1 } = product
  if (!summed && plus === undefined && activation === undefined && m * n * k <= SMALL && k <= SMALL_DEPTH)
    return "small"
  const tiles = (tile: Tiles["tile"]) => (summed ? 1 : batch) * tilesGroups({ tile }, m, n)
  if (!software && Math.min(m, n) > THIN) {
    if (tiles(64) >= MANY_TILES) return { tile: 64 }
    if (tiles(32) >= SOME_TILES) return { tile: 32 }
  }
  // with few columns most invocations would be without work, with few rows none is
  const transposed =
    kind === "tn" && n <= THIN && n < m && [second, bias, plus, activation].every((own) => own === undefined)
  const [rows, columns] = transposed ? [n, columnsFor(m)] : [m, columnsFor(n)]
  // of a model that writes: three rows that do not exist would be most of the work
  const single = m === 1 && !transposed
  if (software) return { rows: single ? 1 : rows <= 4 ? 4 : 8, columns, slices: 1, transposed }
  // fewer than four blocks in a slice cost more than they save
  return { rows: single ? 1 : 4, columns, slices: Math.min(THIN_WORKGROUP / columns, powerBelow(k / 16)), transposed }
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

/** C [m, n], or of the shape given. */
export const multiply = (
  engine: WebgpuEngine,
  product: Product,
  shape: ReadonlyArray<number> = [product.m, product.n],
  plan: Plan = planOf(product, engine.software)
): TensorInfo => {
  const c = engine.output(shape)
  multiplyInto(engine, product, c, plan)
  return c
}

/** Writes C [m, n] into what is given. */
export const multiplyInto = (
  engine: WebgpuEngine,
  product: Product,
  c: Matrix,
  plan: Plan = planOf(product, engine.software)
): void => {
  if (plan === "small") runSmall(engine, product, c)
  else runDispatches(engine, [dispatchOf(product, c, plan)])
}

/** A product by a plan that is not "small". */
const dispatchOf = (product: Product, c: Matrix, plan: Direct | Tiles): Dispatch =>
  byForm("transposed" in plan && plan.transposed ? turned(product) : product, c, plan)

const byForm = (product: Product, c: Matrix, plan: Direct | Tiles): Dispatch => {
  const { kind, m, n, k, a, b, packed, second, scale = 1, bias, plus, activation, batch = 1, summed = false } = product
  const pair = pairOf(kind, m, n, k)
  const form: Form = {
    kind,
    pair: packed === undefined ? pair : { ...pair, b: packed.packing },
    second: second === undefined ? null : pairOf(kind, m, n, second.k),
    summed,
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
  const groups = (summed ? 1 : batch) * ("tile" in plan ? tilesGroups(plan, m, n) : directGroups(plan, m, n))
  return {
    program: "tile" in plan ? tilesProgram({ ...form, ...plan }) : directProgram({ ...form, ...plan }),
    buffers,
    words: { m, n, k, k2: second?.k ?? 0, scale, matrices: batch, ...stridesOf(product) },
    groups
  }
}

/** In a batch without strides there is neither a second pair nor a bias. */
const stridesOf = ({ m, n, k, strides }: Product): Strides => ({
  ...{ aBatch: m * k, bBatch: k * n, a2Batch: 0, b2Batch: 0, biasBatch: 0, cBatch: m * n },
  ...strides
})

/** Two products that do not need one another's results, in one dispatch where that is possible. */
export const multiplyBoth = (
  engine: WebgpuEngine,
  both: readonly [readonly [Product, Matrix], readonly [Product, Matrix]]
): void => {
  const plans = both.map(([product]) => planOf(product, engine.software))
  if (plans.includes("small")) {
    for (const [product, c] of both) multiplyInto(engine, product, c)
    return
  }
  const matched = engine.software ? plans : inStep(plans as ReadonlyArray<Direct | Tiles>)
  runDispatches(
    engine,
    both.map(([product, c], i) => dispatchOf(product, c, matched[i] as Direct | Tiles))
  )
}

const workgroupOf = (plan: Direct | Tiles): number => ("tile" in plan ? 2 * plan.tile : plan.columns * plan.slices)

/** Plans with as many invocations in a workgroup, where one of them can be cut otherwise. */
const inStep = (plans: ReadonlyArray<Direct | Tiles>): ReadonlyArray<Direct | Tiles> => {
  const tiles = plans.filter((plan) => "tile" in plan)
  const size = Math.max(...(tiles.length > 0 ? tiles : plans).map(workgroupOf))
  return plans.map((plan) => ("tile" in plan ? plan : { ...plan, slices: size / plan.columns }))
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
