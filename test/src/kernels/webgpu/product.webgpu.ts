/**
 * Products on a GPU: every program, whichever the sizes and the device would choose, for every transposition, with a
 * second pair, a bias, a batch and a packed B, against float64; what is not finite stays in its row or column.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { Tensor, TensorInfo } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import type { WebgpuEngine } from "../../../../src/kernels/webgpu/engine.ts"
import { probeTiles, webgpuBackend } from "../../../../src/kernels/webgpu/index.ts"
import { multiply, multiplyBoth, type Plan, planOf, plansOfBoth } from "../../../../src/kernels/webgpu/product.ts"
import type { Kind } from "../../../../src/kernels/webgpu/product-blocks.ts"
import { type TileName, tileNames } from "../../../../src/kernels/webgpu/product-tiles.ts"
import { fixedTile, provideTiles } from "../../../../src/kernels/webgpu/tile-choice.ts"
import { type PackedHostMatrix, type Packing, packMatrix } from "../../../../src/numbers/index.ts"
import { webgpu } from "../../../runtime/runtimes.ts"
import { expectClose } from "../../../setup.ts"
import { holdWebgpu, onWebgpu } from "../../device/on-webgpu.ts"
import { dequantizedOnHost } from "../../tensors/dequantized-on-host.ts"
import { normals } from "../float64.ts"

type Shape = readonly [m: number, n: number, k: number]

interface Case {
  readonly kind: Kind
  readonly shape: Shape
  readonly batch?: number
  /** inner dimension of the second pair */
  readonly second?: number
  readonly bias?: boolean
  readonly scale?: number
  readonly packing?: Packing
  /** numbers to put into A and B, by their place */
  readonly spoilt?: { readonly a?: readonly [number, number]; readonly b?: readonly [number, number] }
}

const kinds = ["nt", "nn", "tn", "tt"] as const

/** All fours; none; fours in one dimension alone; more than a tile and than its rounds. */
const shapes: ReadonlyArray<Shape> = [
  [8, 12, 16],
  [5, 7, 9],
  [67, 36, 131],
  [72, 69, 20],
  [1, 130, 3]
]

const direct = { rows: 8, columns: 8, slices: 1, transposed: false }

interface Tested {
  readonly plan: Plan
  readonly kinds: ReadonlyArray<Kind>
  readonly shapes: ReadonlyArray<Shape>
  readonly packed: ReadonlyArray<readonly [Kind, Packing]>
}

/**
 * Programs, each in its own loops. How blocks are read is common to all: the first of them reads in every way, the
 * others from rows along the inner dimension and across it. (A software adapter takes up to a second to compile a
 * form.)
 */
const every = {
  kinds,
  shapes,
  packed: [
    ["nt", "f16"],
    ["nt", "int8"],
    ["nn", "f16"],
    ["nn", "int8"],
    ["nt", "q4"],
    ["nn", "q4"],
    ["nt", "q8"],
    ["nn", "q8"]
  ]
} as const
const ONE_ROW: ReadonlyArray<Shape> = [
  [1, 65, 131],
  [1, 64, 136]
]
const some = { kinds: ["nt", "tn"], shapes: [shapes[3]!, [131, 65, 67]], packed: [["nn", "int8"]] } as const
const programs: Readonly<Record<string, Tested>> = {
  small: { plan: "small", ...every },
  direct: { plan: { ...direct, rows: 4, columns: 2 }, ...every },
  "direct, as on a CPU": { plan: direct, ...some },
  "direct, of one row": { plan: { ...direct, rows: 1, columns: 2 }, ...some, shapes: ONE_ROW },
  "direct, by slices": { plan: { ...direct, rows: 4, slices: 16 }, ...some },
  "tiles of 32 × 32": { plan: { tile: "32x32" }, ...some },
  "tiles of 64 × 64": { plan: { tile: "64x64" }, ...some }
}

const valuesOf = ({ kind, shape: [m, n, k], batch = 1, second = 0, packing, spoilt }: Case) => {
  const own = (name: string, size: number) => normals(size, `${name} of ${kind} ${m} ${n} ${k} ${second}`)
  const values = { a: own("a", batch * m * k), b: own("b", batch * k * n) }
  for (const name of ["a", "b"] as const) {
    const [at, value] = spoilt?.[name] ?? []
    if (at !== undefined) values[name][at] = value!
  }
  const rows = kind[1] === "t" ? n : k
  const packed =
    packing === undefined
      ? undefined
      : (packMatrix(packing, values.b, [rows, values.b.length / rows]) as PackedHostMatrix)
  return {
    a: values.a,
    b: packed === undefined ? values.b : dequantizedOnHost(packed),
    packed,
    ...{ a2: own("a2", m * second), b2: own("b2", second * n), bias: own("bias", n) }
  }
}

/** C in float64. */
const exact = (own: Case): Float64Array => {
  const { kind, shape, batch = 1, second, bias = false, scale = 1 } = own
  const [m, n, k] = shape
  const values = valuesOf(own)
  const c = new Float64Array(batch * m * n)
  const sum = (a: Float32Array, b: Float32Array, inner: number, matrix: number, i: number, j: number) => {
    let total = 0
    for (let l = 0; l < inner; l++) {
      const left = a[matrix * m * inner + (kind[0] === "n" ? i * inner + l : l * m + i)]!
      const right = b[matrix * inner * n + (kind[1] === "t" ? j * inner + l : l * n + j)]!
      total += left * right
    }
    return total
  }
  for (let at = 0; at < c.length; at++) {
    const [matrix, i, j] = [Math.floor(at / (m * n)), Math.floor(at / n) % m, at % n]
    const first = sum(values.a, values.b, k, matrix, i, j)
    c[at] =
      (second === undefined ? scale * first : first + scale * sum(values.a2, values.b2, second, 0, i, j)) +
      (bias ? values.bias[j]! : 0)
  }
  return c
}

const onGpu = async (engine: WebgpuEngine, own: Case, plan?: Plan): Promise<Float32Array> => {
  const { kind, shape, batch = 1, second, bias = false, scale } = own
  const [m, n, k] = shape
  const { a, b, packed, a2, b2, bias: row } = valuesOf(own)
  const tensors: Array<Tensor> = []
  const kept = <T extends Tensor>(tensor: T): T => {
    tensors.push(tensor)
    return tensor
  }
  const flat = (values: Float32Array): TensorInfo => kept(tf.tensor1d(values))
  const info = multiply(
    engine,
    {
      ...{ kind, m, n, k, batch, a: flat(a), b: packed === undefined ? flat(b) : kept(tf.tensor1d(packed.words)) },
      ...(packed === undefined
        ? {}
        : { packed: { packing: packed.packing, scales: packed.scales === null ? undefined : flat(packed.scales) } }),
      ...(second === undefined ? {} : { second: { a: flat(a2), b: flat(b2), k: second } }),
      ...(bias ? { bias: flat(row) } : {}),
      ...(scale === undefined ? {} : { scale })
    },
    [batch, m, n],
    plan
  )
  const c = kept(tf.engine().makeTensorFromTensorInfo(info))
  const numbers = (await c.data()) as Float32Array
  tf.dispose(tensors)
  return numbers.slice()
}

/** A sum of at most 131 products, of one rounding each, by the largest of all: 2⁻²⁴·√131 and some. */
const BOUND = 1e-6

/** Each program is compiled for several forms, which takes a software adapter some hundred milliseconds each. */
const COMPILING = 180_000

describe.skipIf(!webgpu.exists)("products on a GPU", () => {
  const held = holdWebgpu()
  beforeAll(held.open)
  afterAll(held.close)

  const expectExact = async (engine: WebgpuEngine, own: Case, plan: Plan) =>
    expectClose(await onGpu(engine, own, plan), exact(own), BOUND)

  for (const [name, { plan, kinds, shapes, packed }] of Object.entries(programs)) {
    describe(name, () => {
      test(
        "equals float64, in both orders",
        () =>
          onWebgpu(async (engine) => {
            for (const shape of [...shapes, ...shapes.toReversed()])
              for (const kind of kinds) await expectExact(engine, { kind, shape, batch: 2, scale: -1.5 }, plan)
          }),
        COMPILING
      )

      test(
        "equals float64 with a second pair and a bias",
        () =>
          onWebgpu(async (engine) => {
            await expectExact(engine, { kind: "nt", shape: shapes.at(-1)!, second: 8, bias: true, scale: 0.5 }, plan)
            await expectExact(engine, { kind: "nn", shape: shapes[0]!, second: 3, scale: 0.5 }, plan)
          }),
        COMPILING
      )

      test(
        "equals float64 with a packed B",
        () =>
          onWebgpu(async (engine) => {
            for (const shape of shapes)
              for (const [kind, packing] of packed) await expectExact(engine, { kind, shape, packing }, plan)
          }),
        COMPILING
      )

      test(
        "what is not finite in A shows in its row of C, in B in its column",
        () =>
          onWebgpu(async (engine) => {
            for (const shape of shapes.slice(0, 2))
              for (const kind of kinds) {
                const [m, n, k] = shape
                const spoilt = (own: Case["spoilt"] & object) => onGpu(engine, { kind, shape, spoilt: own }, plan)
                const clean = await spoilt({})
                for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
                  for (const at of [0, m * k - 1]) {
                    const row = kind[0] === "n" ? Math.floor(at / k) : at % m
                    for (const [i, x] of (await spoilt({ a: [at, value] })).entries())
                      if (Math.floor(i / n) === row) expect(x).not.toBeFinite()
                      else expect(x).toBe(clean[i]!)
                  }
                for (const at of [0, k * n - 1]) {
                  const column = kind[1] === "t" ? Math.floor(at / k) : at % n
                  for (const [i, x] of (await spoilt({ b: [at, Number.NaN] })).entries())
                    expect(Number.isNaN(x)).toBe(i % n === column)
                }
              }
          }),
        COMPILING
      )
    })
  }

  test(
    "few columns by the transpose",
    () =>
      onWebgpu(async (engine) => {
        for (const shape of [
          [37, 3, 50],
          [64, 16, 33]
        ] as const)
          for (const slices of [1, 16])
            await expectExact(engine, { kind: "tn", shape, scale: 2 }, { ...direct, slices, rows: 4, transposed: true })
      }),
    COMPILING
  )

  test(
    "more workgroups than fit into one dimension",
    () =>
      onWebgpu(async (engine) => {
        const own = { kind: "nt", shape: [1, 1, 3], batch: 70_000 } as const
        await expectExact(engine, own, { ...direct, rows: 4, columns: 2 })
      }),
    COMPILING
  )

  test(
    "what a device chooses, for the products of a layer with LoRA",
    () =>
      onWebgpu(async (engine) => {
        for (const software of [true, false])
          for (const own of [
            { kind: "nt", shape: [200, 200, 64], second: 8, bias: true, scale: 2 },
            { kind: "nt", shape: [136, 8, 512] },
            { kind: "nn", shape: [136, 8, 512], scale: 2 },
            { kind: "tn", shape: [8, 64, 136] },
            { kind: "tn", shape: [96, 8, 136], scale: 2 }
          ] as const satisfies ReadonlyArray<Case>)
            expectClose(await onGpu({ ...engine, software }, own), exact(own), BOUND)
      }),
    COMPILING
  )

  test("which programs they are", () => {
    const plan = (kind: Kind, [m, n, k]: Shape, software = false) =>
      planOf({ kind, m, n, k, a: SOME, b: SOME }, { software, tile: fixedTile })
    // y of many and of few tokens; h; dA; dB of a layer [1536, 384] with rank 8
    expect(plan("nt", [4096, 1536, 384])).toEqual({ tile: "64x64" })
    expect(plan("nt", [128, 1536, 384])).toEqual({ tile: "32x32" })
    expect(plan("nt", [1024, 8, 384])).toEqual({ rows: 4, columns: 2, slices: 16, transposed: false })
    expect(plan("tn", [8, 384, 1024])).toEqual({ rows: 4, columns: 8, slices: 16, transposed: false })
    expect(plan("tn", [1536, 8, 1024])).toEqual({ rows: 4, columns: 8, slices: 16, transposed: true })
    expect(plan("tn", [1536, 8, 1024], true)).toEqual({ rows: 8, columns: 8, slices: 1, transposed: true })
    expect(plan("nt", [128, 1536, 384], true)).toEqual({ rows: 8, columns: 8, slices: 1, transposed: false })
    expect(plan("nn", [8, 8, 8])).toBe("small")
    // one number of two long rows is not small
    expect(plan("nt", [1, 1, 8000])).toEqual({ rows: 1, columns: 2, slices: 64, transposed: false })
    expect(plan("nt", [1, 1536, 576], true)).toEqual({ rows: 1, columns: 8, slices: 1, transposed: false })
    expect(plan("tn", [64, 1, 1024], true)).toEqual({ rows: 4, columns: 8, slices: 1, transposed: true })
    // in parts: dA of many tokens; the gradient of few hidden states under a vocabulary. On a CPU nothing idles
    expect(plan("tn", [8, 384, 16384])).toEqual({ rows: 4, columns: 8, slices: 16, transposed: false, parts: 16 })
    expect(plan("nn", [64, 384, 30522])).toMatchObject({ rows: 4, slices: 16, parts: 2 })
    expect(plan("nn", [128, 384, 30522])).toEqual({ tile: "32x32", parts: 10 })
    expect(plan("tn", [8, 384, 16384], true)).toEqual({ rows: 8, columns: 8, slices: 1, transposed: false })
  })

  test("no step of MiniLM at 4 × 32 or 8 × 128 tokens has a product in parts", () => {
    const planner = { software: false, tile: fixedTile }
    for (const tokens of [128, 1024])
      for (const [from, to] of [
        [384, 384],
        [384, 1536],
        [1536, 384]
      ] as const)
        for (const [kind, m, n, k] of [
          ["nt", tokens, to, from],
          ["nn", tokens, from, to],
          ["nt", tokens, 8, from],
          ["nn", tokens, 8, to],
          ["tn", 8, from, tokens],
          ["tn", to, 8, tokens]
        ] as const)
          expect(planOf({ kind, m, n, k, a: SOME, b: SOME }, planner)).not.toHaveProperty("parts")
  })

  describe("in parts of the inner dimension", () => {
    for (const [name, plan] of [
      ["direct, by slices", { ...direct, rows: 4, slices: 4, parts: 3 }],
      ["tiles", { tile: "32x32", parts: 3 }]
    ] as const satisfies ReadonlyArray<readonly [string, Plan]>)
      test(
        `${name}: equal float64, with a scale, a bias and a batch`,
        () =>
          onWebgpu(async (engine) => {
            // parts of 48, 48 and 35
            for (const own of [
              { kind: "nt", shape: [67, 36, 131], bias: true, scale: -1.5 },
              { kind: "tn", shape: [37, 65, 131], batch: 2, scale: 2 }
            ] as const satisfies ReadonlyArray<Case>)
              await expectExact(engine, own, plan)
          }),
        COMPILING
      )

    test(
      "the transpose, and what a GPU chooses by itself, within the bound that it states",
      () =>
        onWebgpu(async (engine) => {
          const own = { kind: "tn", shape: [33, 3, 3000], scale: 2 } as const
          await expectExact(engine, own, { ...direct, slices: 16, rows: 4, transposed: true, parts: 2 })
          const [m, n, k] = [4, 8, 9000]
          const product = { kind: "nt", m, n, k, a: SOME, b: SOME } as const
          const chosen = planOf(product, { software: false, tile: fixedTile })
          expect(chosen).toMatchObject({ parts: 2 })
          const long = { kind: "nt", shape: [m, n, k] } as const
          const numbers = await onGpu({ ...engine, software: false }, long)
          const { a, b } = valuesOf(long)
          for (const [at, expected] of exact(long).entries()) {
            const [i, j] = [Math.floor(at / n), at % n]
            let absolute = 0
            for (let l = 0; l < k; l++) absolute += Math.abs(a[i * k + l]! * b[j * k + l]!)
            expect(Math.abs(numbers[at]! - expected)).toBeLessThanOrEqual((k / 2 + 2) * 2 ** -24 * absolute)
          }
          // the same bits again
          expect(await onGpu({ ...engine, software: false }, long)).toEqual(numbers)
        }),
      COMPILING
    )
  })

  describe("whichever the tile", () => {
    test(
      "C has the same bits",
      () =>
        onWebgpu(async (engine) => {
          for (const own of [
            { kind: "nt", shape: [160, 136, 132] },
            { kind: "tn", shape: [131, 65, 67], batch: 2, scale: -1.5 }
          ] as const satisfies ReadonlyArray<Case>) {
            const first = await onGpu(engine, own, { tile: tileNames[0]! })
            expectClose(first, exact(own), BOUND)
            for (const tile of tileNames.slice(1)) expect(await onGpu(engine, own, { tile })).toEqual(first)
          }
        }),
      COMPILING
    )

    test(
      "a thin product beside it has the same bits, and slices that the tile does not change",
      () =>
        onWebgpu(async (engine) => {
          const [wide, thin] = [
            { kind: "nn", shape: [200, 164, 36] },
            { kind: "tn", shape: [8, 164, 200] }
          ] as const satisfies ReadonlyArray<Case>
          const both = async (tile: TileName) => {
            const own = { ...engine, software: false }
            provideTiles(own, () => tile)
            const tensors: Array<Tensor> = []
            const productOf = ({ kind, shape: [m, n, k], ...rest }: Case) => {
              const { a, b } = valuesOf({ kind, shape: [m, n, k], ...rest })
              tensors.push(tf.tensor1d(a), tf.tensor1d(b))
              const [left, right] = tensors.slice(-2) as [Tensor, Tensor]
              return [{ kind, m, n, k, a: left, b: right }, engine.output([m, n])] as const
            }
            const products = [productOf(wide), productOf(thin)] as const
            multiplyBoth(own, products)
            const cs = products.map(([, c]) => tf.engine().makeTensorFromTensorInfo(c as TensorInfo))
            const found = await Promise.all(cs.map(async (c) => (await c.data()).slice()))
            tf.dispose([...tensors, ...cs])
            return found
          }
          const first = await both("32x32")
          expectClose(first[0]!, exact(wide), BOUND)
          expectClose(first[1]!, exact(thin), BOUND)
          expect(await both("64x64")).toEqual(first)
          for (const tile of tileNames) {
            const products = [wide, thin].map(({ kind, shape: [m, n, k] }) => ({ kind, m, n, k, a: SOME, b: SOME }))
            const plans = plansOfBoth([products[0]!, products[1]!], { software: false, tile: () => tile })
            expect(plans[1]).toMatchObject({ rows: 4, slices: 16 })
          }
        }),
      COMPILING
    )

    test(
      "a GPU's are timed, and one with other bits is refused",
      () =>
        onWebgpu(async (engine) => {
          const backend = webgpuBackend(tf.backend())
          const worked = async () => true
          // without time there is no result, and with the limits of a small device no large tile
          expect(await probeTiles(engine, backend, { worked, budget: -1 })).toEqual({ times: {}, refused: [] })
          const limits = { ...LIMITS, maxComputeInvocationsPerWorkgroup: 128 } as unknown as GPUSupportedLimits
          const small: WebgpuEngine = { ...engine, limits }
          const found = (await probeTiles(small, backend, { worked, budget: COMPILING, areas: 2 }))!
          expect(found.refused).toEqual([])
          expect(Object.keys(found.times)).toEqual(["32x32", "32x64", "64x64"])
          const [times, ...others] = Object.values(found.times)
          expect(times).toHaveLength(2)
          for (const own of others) expect(own).toHaveLength(times!.length)
          for (const time of Object.values(found.times).flat()) expect(time).toBeGreaterThan(0)
          const other: WebgpuEngine = {
            ...small,
            run: (program, buffers, words, groups) =>
              engine.run(
                program,
                buffers,
                program.workgroup === 128 ? { ...words, scale: 1 + 2 ** -20 } : words,
                groups
              )
          }
          expect(await probeTiles(other, backend, { worked, budget: COMPILING })).toMatchObject({
            refused: ["32x64", "64x64"]
          })
          const broken = async () => false
          expect(await probeTiles(small, backend, { worked: broken, budget: COMPILING })).toEqual({
            times: {},
            refused: ["32x32", "32x64", "64x64"]
          })
        }),
      COMPILING
    )
  })
})

const LIMITS = {
  maxComputeWorkgroupStorageSize: 32768,
  maxComputeInvocationsPerWorkgroup: 1024,
  maxComputeWorkgroupSizeX: 1024
}

/** An operand whose numbers nobody reads. */
const SOME: TensorInfo = { dataId: {}, shape: [], dtype: "float32" }
