/**
 * Every kernel of tfjs that the wasm device replaces, against tfjs' own (of the cpu backend where that of wasm is wrong or missing), on
 * seeded random shapes, axes and permutations, empty ones and single elements among them.
 */
import { afterAll, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { BackendWasm } from "@tensorflow/tfjs-backend-wasm"
import { useBackend } from "../../../src/device/one-per-process.ts"
import { simdModule } from "../../../src/device/wasm-module.ts"
import { relativeError } from "../../setup.ts"
import { onWasm, random, tensorOf } from "./on-wasm.ts"

/** float32 sums of some hundred terms of either sign: the stock kernels' own rounding, which adds up one by one */
const SUMS = 1e-5

interface Case {
  readonly says: string
  readonly run: () => tf.Tensor
}

interface Kernel {
  readonly bound: number
  readonly make: (next: () => number) => Case
  /** another backend, where tfjs' wasm has none that is right */
  readonly oracle?: "cpu"
}

const pick = (next: () => number, most: number): number => Math.floor(next() * most)
/** mostly small, sometimes beyond a tile or a block, now and then 0 */
const length = (next: () => number): number => {
  const kind = next()
  return kind < 0.03 ? 0 : kind < 0.8 ? 1 + pick(next, 12) : 1 + pick(next, 90)
}
const shapeOf = (next: () => number, rank: number): Array<number> => Array.from({ length: rank }, () => length(next))
const shuffled = (next: () => number, rank: number): Array<number> =>
  Array.from({ length: rank }, (_, axis) => ({ axis, key: next() }))
    .sort((a, b) => a.key - b.key)
    .map(({ axis }) => axis)

const reduction =
  (name: "sum" | "mean") =>
  (next: () => number): Case => {
    const rank = 1 + pick(next, 4)
    const shape = shapeOf(next, rank)
    const axes = shuffled(next, rank).slice(0, 1 + pick(next, rank))
    const keep = next() < 0.5
    const seed = pick(next, 1e6)
    return {
      says: `${name} [${shape}] over ${axes}${keep ? ", kept" : ""}`,
      run: () => (name === "sum" ? tf.sum : tf.mean)(tensorOf(shape, random(seed)), axes, keep)
    }
  }

const kernels: Readonly<Record<string, Kernel>> = {
  BatchMatMul: {
    bound: SUMS,
    oracle: "cpu", // tfjs' own gives what lay in memory where the inner dimension is 0
    make: (next) => {
      const batch = shapeOf(next, pick(next, 3)).map((n) => Math.min(n, 5))
      const [m, k, n] = shapeOf(next, 3) as [number, number, number]
      const [tA, tB] = [next() < 0.5, next() < 0.5]
      const seed = pick(next, 1e6)
      return {
        says: `matMul [${batch}] ${m}×${k}×${n} ${tA} ${tB}`,
        run: () => {
          const values = random(seed)
          const a = tensorOf([...batch, ...(tA ? [k, m] : [m, k])], values)
          const b = tensorOf([...batch, ...(tB ? [n, k] : [k, n])], values)
          return tf.matMul(a, b, tA, tB)
        }
      }
    }
  },
  Transpose: {
    bound: 0,
    oracle: "cpu", // that of wasm divides by the lengths of the axes: 0 traps
    make: (next) => {
      const rank = 1 + pick(next, 4)
      const [shape, perm, seed] = [shapeOf(next, rank), shuffled(next, rank), pick(next, 1e6)]
      return {
        says: `transpose [${shape}] by ${perm}`,
        run: () => tf.transpose(tensorOf(shape, random(seed)), perm)
      }
    }
  },
  // tfjs' own sum adds up one by one, and gives what lay in memory for an empty one; the cpu backend sums in float64
  Sum: { bound: SUMS, make: reduction("sum"), oracle: "cpu" },
  Mean: { bound: SUMS, make: reduction("mean"), oracle: "cpu" },
  GatherV2: {
    bound: 0,
    oracle: "cpu",
    make: (next) => {
      const shape = shapeOf(next, 1 + pick(next, 3))
      const axis = next() < 0.7 ? 0 : pick(next, shape.length)
      const idShape = shapeOf(next, pick(next, 3))
      // now and then one beyond the last, which is refused
      const beyond = next() < 0.1 ? 1 : 0
      const [integers, seed] = [next() < 0.2, pick(next, 1e6)]
      return {
        says: `gather [${shape}] by [${idShape}] on axis ${axis}${integers ? ", integers" : ""}, ${beyond} beyond`,
        run: () => {
          const values = random(seed)
          const table = tf.cast(tf.mul(tensorOf(shape, values), 100), integers ? "int32" : "float32")
          const size = idShape.reduce((product, n) => product * n, 1)
          const ids = Int32Array.from({ length: size }, () => Math.floor(values() * (shape[axis]! + beyond)))
          return tf.gather(table, tf.tensor(ids, idShape, "int32"), axis)
        }
      }
    }
  },
  Identity: {
    bound: 0,
    make: (next) => {
      const [shape, seed] = [shapeOf(next, pick(next, 4)), pick(next, 1e6)]
      return { says: `clone [${shape}]`, run: () => tensorOf(shape, random(seed)).clone() }
    }
  },
  Unpack: {
    bound: 0,
    oracle: "cpu",
    make: (next) => {
      const shape = shapeOf(next, 1 + pick(next, 3))
      const axis = next() < 0.7 ? 0 : pick(next, shape.length)
      const [integers, place, seed] = [next() < 0.2, next(), pick(next, 1e6)]
      return {
        says: `unstack [${shape}] on axis ${axis}${integers ? ", integers" : ""}`,
        run: () => {
          const whole = tf.cast(tf.mul(tensorOf(shape, random(seed)), 100), integers ? "int32" : "float32")
          const parts = tf.unstack(whole, axis)
          return parts[Math.floor(place * parts.length)] ?? whole
        }
      }
    }
  },
  UnsortedSegmentSum: {
    bound: SUMS,
    oracle: "cpu",
    make: (next) => {
      const [rows, width, segments] = [1 + pick(next, 60), 1 + pick(next, 30), 1 + pick(next, 20)]
      const seed = pick(next, 1e6)
      return {
        says: `segment sum of ${rows}×${width} in ${segments}`,
        run: () => {
          const values = random(seed)
          const ids = Int32Array.from({ length: rows }, () => Math.floor(values() * segments))
          return tf.unsortedSegmentSum(tensorOf([rows, width], values), tf.tensor1d(ids, "int32"), segments)
        }
      }
    }
  }
}

const CASES = 200

type Result = { readonly shape: ReadonlyArray<number>; readonly values: Float32Array } | { readonly error: string }

/** What a case gives, or the message that it is refused with. */
const results = (cases: ReadonlyArray<Case>): Promise<ReadonlyArray<Result>> =>
  Promise.all(
    cases.map(async ({ run }): Promise<Result> => {
      try {
        const tensor = tf.tidy(run)
        const values = (await tensor.data()) as Float32Array
        tensor.dispose()
        return { shape: tensor.shape, values }
      } catch (cause) {
        return { error: (cause as Error).message }
      }
    })
  )

const onStockWasm = async <A>(f: () => Promise<A>): Promise<A> => {
  const factory = tf.findBackendFactory("wasm")
  await useBackend(
    "wasm",
    new BackendWasm((await simdModule()) as unknown as ConstructorParameters<typeof BackendWasm>[0])
  )
  try {
    return await f()
  } finally {
    tf.removeBackend("wasm")
    if (factory) tf.registerBackend("wasm", factory, 0)
    await tf.setBackend("cpu")
  }
}

const onCpu = async <A>(f: () => Promise<A>): Promise<A> => {
  await tf.setBackend("cpu")
  return f()
}

afterAll(() => tf.setBackend("cpu"))

/** What tfjs's table of wasm kernels holds. */
const registered = (): ReadonlyMap<string, unknown> =>
  new Map(tf.getKernelsForBackend("wasm").map(({ kernelName, kernelFunc }) => [kernelName, kernelFunc]))

test("every kernel that an open device replaces or adds is fuzzed below", async () => {
  await onWasm(() => undefined) // tfjs's own are there from the first time on
  const stock = registered()
  const open = await onWasm(registered)
  const changed = [...open.keys()].filter((name) => open.get(name) !== stock.get(name))
  expect(changed.toSorted()).toEqual(Object.keys(kernels).toSorted())
})

test.each(Object.entries(kernels))(
  "%s",
  async (name, { bound, make, oracle }) => {
    const cases = Array.from({ length: CASES }, (_, i) => make(random(1_000 * i + name.length)))
    const expected = await (oracle === "cpu" ? onCpu : onStockWasm)(() => results(cases))
    const actual = await onWasm(() => results(cases))
    const wrong = cases.flatMap(({ says }, i): ReadonlyArray<object> => {
      const [x, y] = [actual[i]!, expected[i]!]
      if ("error" in y || "error" in x) return JSON.stringify(x) === JSON.stringify(y) ? [] : [{ says, x, y }]
      if (`${x.shape}` !== `${y.shape}`) return [{ says, x: x.shape, y: y.shape }]
      const error = relativeError(x.values, y.values)
      return error <= bound ? [] : [{ says, error }]
    })
    expect(wrong).toEqual([])
    expect(expected.filter((result) => "values" in result && result.values.length > 0).length).toBeGreaterThan(
      CASES / 2
    )
  },
  60_000
)
