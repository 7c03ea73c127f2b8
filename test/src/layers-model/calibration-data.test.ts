/**
 * Starts that look at training data, through `adapt`: the numbers that the parts give when they are put together by hand,
 * what theory says of the first step and of the directions, and what is told where data is missing or wrong.
 */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { inject, lora } from "../../../adapters/index.ts"
import { epochOrder } from "../../../src/data/order.ts"
import {
  AdaptError,
  type AdaptOptionsInput,
  adapt,
  type CalibrationData,
  compiledLoss,
  LayersDataError
} from "../../../src/layers-model/index.ts"
import {
  fromLayersModel,
  type HostArray,
  type LayersBatch
} from "../../../src/models/layers-model/from-layers-model.ts"
import { calibrating } from "../../../src/training/calibrate.ts"
import { describeOnBoth } from "../../backends.ts"
import { expectClose, expectNoLeak, relativeError } from "../../setup.ts"
import { adaptedBy, datasetOf, numbersOf, rowsOf, twoLayers } from "./small-models.ts"

const { x, oneHot } = rowsOf(20)
const lossy = (model: tf.LayersModel, loss = "categoricalCrossentropy"): tf.LayersModel => {
  model.compile({ optimizer: "sgd", loss })
  return model
}

const array = (rows: ReadonlyArray<ReadonlyArray<number>>): HostArray => ({
  values: Float32Array.from(rows.flat()),
  shape: [rows.length, rows[0]!.length],
  dtype: "float32"
})

/** Rows of x and of the classes with these numbers. */
const batchOf = (rows: ArrayLike<number>): LayersBatch => {
  const own = Array.from(rows)
  const [inputs, targets] = [x, oneHot].map((all) => [array(own.map((row) => all[row]!))])
  return { size: own.length, tokens: own.length, inputs: inputs!, targets: targets! }
}

const inits = [
  { kind: "lora-ga", batches: 2, gamma: 16, direction: "ArB2r" },
  { kind: "lora-one", batches: 2, gamma: 128 },
  { kind: "gora", batches: 2, gamma: 0.05, maxRank: 3 },
  { kind: "eva", batches: 2 },
  { kind: "eva", batches: 2, rho: 3 }
] as const

/** The start from the parts, over two batches of eight rows in the order of `fit`'s first epoch. */
const byParts = (model: tf.LayersModel, init: (typeof inits)[number]) =>
  Effect.runPromise(
    Effect.gen(function* () {
      const order = epochOrder(x.length, 3, 0)
      const network = yield* fromLayersModel(model)
      const batches = [batchOf(order.subarray(0, 8)), batchOf(order.subarray(8, 16))]
      const calibrate = yield* calibrating(network, { batches, loss: yield* compiledLoss(network) })
      const own = { rank: 1, alpha: 2, scaling: "standard", init, targets: "all-linear", seed: 3, calibrate } as const
      const adapted = yield* inject(network, lora, own)
      return yield* Effect.promise(() => numbersOf(adapted))
    }).pipe(Effect.scoped)
  )

type LoraInput = Extract<AdaptOptionsInput, { readonly rank?: number; readonly method?: "lora" }>

const options = (own: Pick<LoraInput, "init">): AdaptOptionsInput => ({ rank: 1, alpha: 2, seed: 3, ...own })

const errorOf = async (promise: Promise<unknown>): Promise<Error> => {
  const error = await promise.then(
    () => undefined,
    (cause: unknown) => cause
  )
  expect(error).toBeInstanceOf(Error)
  return error as Error
}

/** Row-major, of a kernel as tfjs holds it [in, out]. */
const kernelOf = async (model: tf.LayersModel, layer: string): Promise<Float32Array> =>
  (await model.getLayer(layer).getWeights()[0]!.data()).slice() as Float32Array

describeOnBoth(() => {
  test.each(inits)("the start that the parts give, $kind", async (init) => {
    const model = lossy(twoLayers())
    const expected = await byParts(model, init)
    const data = { examples: [x, oneHot], batchSize: 8 } as const
    const adapted = await adapt(model, options({ init }), data)
    expect(await numbersOf(adapted.adapted)).toEqual(expected)
    // another adapter sees the base, whatever the first has learnt
    await adapted.fit(x, oneHot, { epochs: 2 })
    await adapted.add("second", options({ init }), data)
    adapted.use("second")
    expect(await numbersOf(adapted.adapted)).toEqual(expected)
    await adapted.dispose()
    model.dispose()
  })

  test("from a dataset its first batches, in their order; EVA asks for no targets and no loss", async () => {
    const model = lossy(twoLayers())
    const start = async (init: Pick<LoraInput, "init">, data: CalibrationData) => {
      const adapted = await adapt(model, options(init), data)
      const found = await numbersOf(adapted.adapted)
      await adapted.dispose()
      return found
    }
    for (const kind of ["lora-ga", "eva"] as const) {
      const init = { init: { kind, batches: 2 } }
      const first = await start(init, { examples: datasetOf(x, oneHot, 5) })
      expect(await start(init, { examples: datasetOf(x.slice(0, 10), oneHot.slice(0, 10), 5) })).toEqual(first)
      expect(await start(init, { examples: datasetOf(x.slice(5), oneHot.slice(5), 5) })).not.toEqual(first)
    }
    const eva = { init: { kind: "eva", batches: 1 } } as const
    const inputs = await start(eva, { examples: [x] })
    expect(await start(eva, { examples: [x, oneHot] })).toEqual(inputs)
    const uncompiled = twoLayers()
    const adapted = await adapt(uncompiled, options({ init: { kind: "eva", batches: 1 } }), { examples: [x] })
    expect(await numbersOf(adapted.adapted)).toEqual(inputs)
    await adapted.dispose()
    for (const one of [model, uncompiled]) one.dispose()
  })

  test("LoRA-GA: one small step of descent is the full gradient's, where twice the rank is all of it", async () => {
    // W [4, 8] at rank 2: ΔW = −η·s²c²·g with s = 1 and c² = √4/16, g of rank 4
    const model = lossy(twoLayers({ outputs: 4, activation: "linear" }), "meanSquaredError")
    const y = x.map((row) => [row[0]! - row[5]!, row[1]! * row[2]!, Math.sin(3 * row[3]!), row[4]! ** 2])
    const [rate, learnt] = [1e-3, 2 / 16]
    const [inputs, outputs] = [tf.tensor2d(x), tf.tensor2d(y)]
    const kernel = model.getLayer("last_1").getWeights()[0] as tf.Variable
    const g = tf.tidy(() => {
      const loss = () => tf.mean<tf.Scalar>(tf.square(tf.sub(model.apply(inputs) as tf.Tensor, outputs)))
      return tf.variableGrads(loss, [kernel]).grads[kernel.name]!
    })
    const full = await g.data()
    /** ΔW of a step, over −η s²c². */
    const step = async (kind: "lora-ga" | "kaiming") => {
      const init = kind === "kaiming" ? { kind } : ({ kind, batches: 1 } as const)
      const own = { rank: 2, alpha: 2, targets: ["last_1"], init } as const
      const adapted = await adapt(model, own, { examples: [x, y] })
      const merged = await adapted.live()
      const before = await kernelOf(merged, "last_1")
      const optimizer = { kind: "sgd", learningRate: rate, schedule: { kind: "constant" } } as const
      await adapted.fit(x, y, { plan: { optimizer }, batchSize: x.length, epochs: 1 })
      const after = await kernelOf(merged, "last_1")
      await adapted.dispose()
      return { before, moved: after.map((value, i) => (before[i]! - value) / (rate * learnt)) }
    }
    const { before, moved } = await step("lora-ga")
    // s·BA − s·B₀A₀ is 0 up to the rounding of the sums in it
    expectClose(before, await kernelOf(model, "last_1"), 1e-6)
    // ΔW is a thousandth of W, whose last bit is 6e-8: a difference has four digits; what is of second order in η is less (measured: 6e-4)
    expect(relativeError(moved, full)).toBeLessThan(2e-3)
    expect(relativeError((await step("kaiming")).moved, full)).toBeGreaterThan(0.5)
    tf.dispose([inputs, outputs, g])
    model.dispose()
  })

  test("EVA: the rows of A are where the inputs vary most", async () => {
    const model = twoLayers()
    const adapted = await adapt(
      model,
      { rank: 2, targets: ["hidden_1"], init: { kind: "eva", batches: 1 } },
      { examples: [x] }
    )
    const [A, B] = await numbersOf(adapted.adapted)
    expect(B!.every((value) => value === 0)).toBe(true)
    const mean = x[0]!.map((_, j) => x.reduce((sum, row) => sum + row[j]!, 0) / x.length)
    const along = (direction: ReadonlyArray<number>) =>
      x.reduce((sum, row) => sum + row.reduce((dot, value, j) => dot + (value - mean[j]!) * direction[j]!, 0) ** 2, 0)
    const [first, second] = [A!.slice(0, 6), A!.slice(6)]
    for (const row of [first, second]) expect(Math.hypot(...row)).toBeCloseTo(1, 5)
    expect(first.reduce((dot, value, j) => dot + value * second[j]!, 0)).toBeCloseTo(0, 5)
    expect(along(first)).toBeGreaterThan(along(second))
    // no direction beside the first varies more
    for (let axis = 0; axis < 6; axis++) {
      for (const by of [-0.1, 0.1]) {
        const turned = first.map((value, j) => value + (j === axis ? by : 0))
        expect(along(turned) / Math.hypot(...turned) ** 2).toBeLessThanOrEqual(along(first) * (1 + 1e-6))
      }
    }
    await adapted.dispose()
    model.dispose()
  })

  test("ranks that an init decided come back with a saved adapter, without examples", async () => {
    const model = lossy(twoLayers())
    // all columns but one tripled: over x itself the layers explain alike
    const seen = x.map((row) => row.map((value, i) => (i === 0 ? value : 3 * value)))
    for (const init of [
      { kind: "eva", batches: 1, rho: 2 },
      { kind: "gora", batches: 1, minRank: 1 }
    ] as const) {
      const adapted = await adapt(model, { rank: 2, alpha: 8, init }, { examples: [seen, oneHot], batchSize: 20 })
      await adapted.fit(x, oneHot, { epochs: 1 })
      const ranks = adapted.adapted.selected.ranks!
      expect(Object.keys(ranks)).toEqual(["hidden_1", "last_1"])
      expect(ranks["hidden_1"]).not.toBe(ranks["last_1"])
      const input = tf.tensor2d(x)
      const answer = async () => {
        const output = adapted.predict(input) as tf.Tensor
        const values = await output.data()
        output.dispose()
        return values
      }
      const expected = await answer()
      const files = await adapted.files()
      const config = JSON.parse(new TextDecoder().decode(files["adapter_config.json"]))
      expect(config.target_modules).toEqual(Object.keys(ranks).filter((site) => ranks[site]! > 0))
      for (const site of config.target_modules) expect(config.rank_pattern[site] ?? config.r).toBe(ranks[site])
      await adapted.add("again", files)
      adapted.use("again")
      expect(adapted.adapted.selected.ranks).toEqual(ranks)
      expect(await answer()).toEqual(expected)
      input.dispose()
      await adapted.dispose()
    }
    model.dispose()
  })

  test("nothing is left behind, nor by what could not start", () => {
    const model = lossy(twoLayers())
    const tensors = [tf.tensor2d(x), tf.tensor2d(oneHot)] as const
    return expectNoLeak(async () => {
      for (const kind of ["lora-ga", "lora-one", "gora", "eva"] as const) {
        const adapted = await adapt(model, options({ init: { kind, batches: 1 } }), { examples: tensors })
        await adapted.dispose()
        const few = { init: { kind, batches: 9 } }
        await errorOf(adapt(model, options(few), { examples: datasetOf(x, oneHot, 5) }))
      }
    })
  })
})

describe("what is told", () => {
  const gradient = options({ init: { kind: "lora-ga" } })
  const told = async (
    model: tf.LayersModel,
    own: AdaptOptionsInput,
    data: Record<string, unknown> | undefined,
    kind: new (...args: never) => Error = AdaptError
  ) => {
    await tf.setBackend("cpu")
    const error = await errorOf(adapt(model, own, data as Parameters<typeof adapt>[2]))
    expect(error).toBeInstanceOf(kind)
    model.dispose()
    return error.message
  }

  test("missing examples", async () => {
    expect(await told(lossy(twoLayers()), gradient, undefined)).toEndWith(
      'init: "lora-ga" needs training data, but none was given; expected { examples: [x, y] }, or a dataset there, after the options'
    )
    expect(await told(twoLayers(), options({ init: { kind: "eva" } }), {})).toContain("{ examples: [x] }")
  })

  test("all that is wrong at once", async () => {
    const message = await told(twoLayers(), gradient, { examples: x[0], batchSize: 0, batchsize: 3 })
    expect(message).toContain("examples: expected [x, y] or a dataset")
    expect(message).toContain("loss: the model is not compiled")
    expect(message).toContain("batchSize: ")
    expect(message).toContain("batchsize: ")
  })

  test("too few", async () => {
    const data = { examples: [x, oneHot], batchSize: 8 }
    expect(await told(lossy(twoLayers()), gradient, data)).toContain(
      "init.batches: the init needs 8 batches, found 3 in the examples; set it to 3, pass more rows, or use a smaller batchSize"
    )
    expect(await told(lossy(twoLayers()), gradient, { examples: datasetOf(x, oneHot, 10) })).toContain(
      "found 2 in the examples; set it to 2, or pass a larger dataset"
    )
  })

  test("data that does not fit", async () => {
    const narrow = x.map((row) => row.slice(1))
    expect(await told(lossy(twoLayers()), gradient, { examples: [narrow, oneHot] }, LayersDataError)).toBe(
      "examples: xs: found shape [20, 5]; expected [rows, 6]"
    )
    expect(await told(lossy(twoLayers()), gradient, { examples: [x] }, LayersDataError)).toContain(
      "examples: ys: missing; expected data for"
    )
  })

  test("an adapter that is loaded or adapted otherwise takes no examples", async () => {
    await tf.setBackend("cpu")
    const model = lossy(twoLayers())
    const init = { kind: "lora-ga", batches: 1 } as const
    const adapted = await adapt(model, options({ init }), { examples: [x, oneHot] })
    await adapted.add("again", await adapted.files())
    await adapted.add("plain", { rank: 1 })
    expect(adapted.names).toEqual(["adapter", "again", "plain"])
    await adapted.dispose()
    expect(await adaptedBy(model, ({ sites }) => sites.length)).toBe(2)
    model.dispose()
  })
})
