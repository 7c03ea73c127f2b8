/**
 * The facade over one model: predictions, adapters by name, what wrong options are told, and that nothing is changed or
 * left behind.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import { AdaptError, type AdaptedLayersModel, adapt } from "../../../src/layers-model/index.ts"
import { sizeOf } from "../../../src/tensors/trainable.ts"
import { describeOnBoth } from "../../backends.ts"
import { run } from "../../e2e/fixtures.ts"
import { expectClose, tolerance } from "../../setup.ts"
import { convnet, moved, numbers, sequential, siamese, uniform, weightsOf } from "./networks.ts"

const told = async (promise: Promise<unknown>): Promise<string> => {
  const error = await promise.then(
    () => undefined,
    (cause: unknown) => cause
  )
  expect(error).toBeInstanceOf(AdaptError)
  return (error as AdaptError).message
}

describeOnBoth(() => {
  let model: tf.LayersModel
  let adapted: AdaptedLayersModel
  let x: tf.Tensor

  beforeEach(async () => {
    model = convnet()
    x = uniform([5, 8, 8, 3], 3)
    adapted = await adapt(model, { rank: 2, alpha: 4, head: ["logits"] })
  })
  afterEach(async () => {
    await adapted.dispose()
    model.dispose()
    x.dispose()
  })

  test("an adapter starts as its base, and off is the base's own answer to the bit", async () => {
    const base = await numbers(model.predict(x) as tf.Tensor)
    expectClose(await numbers(adapted.predict(x)), base, tolerance.forward)
    moved(adapted)
    expect(await numbers(adapted.predict(x))).not.toEqual(base)
    adapted.off()
    expect(adapted.active).toBeNull()
    expect(await numbers(adapted.predict(x))).toEqual(base)
    adapted.on()
    expect(adapted.active).toBe("adapter")
    expect(await numbers(adapted.predict(x))).not.toEqual(base)
  })

  test("the base's weights and outputs stay to the bit, before, while and after it trains", async () => {
    const [weights, outputs] = [await weightsOf(model), await numbers(model.predict(x) as tf.Tensor)]
    const during: Array<ReadonlyArray<number>> = []
    const y = tf.oneHot(tf.tensor1d([0, 1, 2, 3, 0], "int32"), 4)
    const history = await adapted.fit(x, y, {
      loss: "categoricalCrossentropy",
      epochs: 3,
      batchSize: 5,
      callbacks: { onEpochEnd: async () => void during.push(await numbers(model.predict(x) as tf.Tensor)) }
    })
    const losses = history.history["loss"] as ReadonlyArray<number>
    expect(losses.at(-1)).toBeLessThan(losses[0]!)
    expect(during).toEqual([outputs, outputs, outputs])
    expect(await weightsOf(model)).toEqual(weights)
    expect(await numbers(model.predict(x) as tf.Tensor)).toEqual(outputs)
    y.dispose()
  })

  test("rows in batches give what they give together", async () => {
    moved(adapted)
    expectClose(
      await numbers(adapted.predict(x, { batchSize: 2 })),
      await numbers(adapted.predict(x)),
      tolerance.operation
    )
  })

  test("adapters over one base cost their own numbers alone", async () => {
    const before = tf.memory().numBytes
    await adapted.add("other", { rank: 1, targets: ["second"] })
    const own = adapted.network.head.parameters.reduce((size, { shape }) => size + shape.reduce((n, m) => n * m, 1), 0)
    adapted.use("other")
    expect(sizeOf(adapted.adapted.trainable)).toBe(1 * (54 + 6) + own)
    expect(tf.memory().numBytes - before).toBe(4 * sizeOf(adapted.adapted.trainable))
    expect(adapted.names).toEqual(["adapter", "other"])
    await adapted.remove("other")
    expect([tf.memory().numBytes, adapted.active]).toEqual([before, null])
  })

  test("each adapter keeps its own answer", async () => {
    await adapted.add("other", { rank: 3, seed: 4 })
    moved(adapted, 1)
    const first = await numbers(adapted.predict(x))
    adapted.use("other")
    moved(adapted, 50)
    const second = await numbers(adapted.predict(x))
    expect(second).not.toEqual(first)
    adapted.use("adapter")
    expect(await numbers(adapted.predict(x))).toEqual(first)
    adapted.use("other")
    expect(await numbers(adapted.predict(x))).toEqual(second)
  })

  test("nothing is left behind", async () => {
    const before = tf.memory()
    const other = await adapt(model, { method: "dora", rank: 2 })
    await other.add("more", { rank: 1 })
    const merged = await other.model()
    await other.live()
    other.use("more")
    tf.dispose(other.predict(x))
    await other.combine({ more: 2 }, { name: "twice" })
    merged.dispose()
    await other.dispose()
    const after = tf.memory()
    expect([after.numTensors, after.numBytes]).toEqual([before.numTensors, before.numBytes])
  })

  test("nor by what could not be", async () => {
    const before = tf.memory().numTensors
    await expect(adapt(model, { rank: 2, init: { kind: "lora-ga" } })).rejects.toThrow("needs training data")
    await told(adapt(model, { rank: 100 }))
    await told(adapted.add("adapter", {}))
    expect(tf.memory().numTensors).toBe(before)
  })
})

describe("inputs and outputs", () => {
  test("several, as a list or by name, in batches", async () => {
    await tf.setBackend("cpu")
    const model = siamese()
    const adapted = await adapt(model, { rank: 2, exclude: ["same"] })
    const inputs = [uniform([5, 6], 1), uniform([5, 6], 2)] as const
    const base = await numbers(model.predict([...inputs]) as Array<tf.Tensor>)
    expect(adapted.network.sites.map(({ name }) => name)).toEqual(["encoder.hidden", "encoder.code", "same", "code"])
    expectClose(await numbers(adapted.predict([...inputs])), base, tolerance.forward)
    moved(adapted)
    const listed = await numbers(adapted.predict([...inputs]))
    expect(listed).not.toEqual(base)
    expect(await numbers(adapted.predict({ right: inputs[1], left: inputs[0] }))).toEqual(listed)
    adapted.off()
    expect(await numbers(adapted.predict({ right: inputs[1], left: inputs[0] }))).toEqual(base)
    adapted.on()
    const outputs = adapted.predict([...inputs], { batchSize: 2 }) as Array<tf.Tensor>
    expect(outputs.map(({ shape }) => shape)).toEqual([
      [5, 1],
      [5, 5]
    ])
    expectClose(await numbers(outputs), listed, tolerance.operation)
    await adapted.dispose()
  })

  test("what the model rejected is told with its shape", async () => {
    const model = siamese()
    const adapted = await adapt(model, { rank: 1 })
    const [six, seven] = [tf.zeros([2, 6]), tf.zeros([3, 7])]
    expect(() => adapted.predict(six)).toThrow("siamese: found one tensor; expected 2 tensors, for left, right")
    expect(() => adapted.predict([six, seven])).toThrow("siamese: input right: found shape [3, 7], expected [rows, 6]")
    expect(() => adapted.predict([six, tf.zeros([3, 6])])).toThrow(
      "siamese: inputs have 2, 3 rows; expected as many in each"
    )
    expect(() => adapted.predict({ left: six, wright: six })).toThrow("found tensors for left, wright")
    expect(() => adapted.predict([six, six], { batchSize: 0 })).toThrow("batchSize: found 0")
    await adapted.dispose()
  })
})

describe("what is wrong is told, all of it at once", () => {
  test("options", async () => {
    const model = sequential()
    const section = "method, from, rank, alpha, scaling, init, targets, exclude, overrides, dropout, modulesToSave"
    const allowed = `${section}, seed, head, name`
    expect(await told(adapt(model, { rnk: 3, alpha: 0, sed: 3 } as never))).toBe(
      [
        "stack:",
        `  rnk: unknown key; did you mean "rank"? (allowed: ${allowed})`,
        `  sed: unknown key; did you mean "seed"? (allowed: ${allowed})`,
        "  alpha: found 0; expected a number greater than 0"
      ].join("\n")
    )
    expect(await told(adapt(model, { from: "somewhere" } as never))).toContain(
      'from: found "somewhere"; use loadAdapter to load a saved adapter, without options'
    )
    expect(await told(adapt(model, { method: "lorra" } as never))).toContain('did you mean "lora"?')
    expect(await told(adapt(model, { targets: ["twoo"] }))).toContain(
      'stack: targets.0: found "twoo", which matches no linear layer of the model; nearest: two'
    )
    expect(await told(adapt(model, { rank: 4 }))).toContain(
      "rank 4 is larger than two allows: W is [3, 7], so at most 3; exclude the layer, train it as head, or set its rank"
    )
  })

  test("models", async () => {
    expect(await told(adapt({} as never))).toBe("model: found no model; expected a tf.LayersModel")
    const stranger = { name: "theirs", predict: () => {}, layers: [] }
    expect(await told(adapt(stranger as never))).toContain(
      "theirs: found a LayersModel of another copy of @tensorflow/tfjs"
    )
    expect(await told(adapt(new tf.GraphModel("nowhere") as never))).toContain("found a tf.GraphModel")
  })

  test("names", async () => {
    const adapted = await adapt(sequential(), { name: "customer", rank: 2 })
    expect(() => adapted.use("custmer")).toThrow(
      'stack: found no adapter "custmer"; expected "customer"; did you mean "customer"?'
    )
    expect(await told(adapted.add("customer", { rank: 1 }))).toContain('an adapter "customer" already exists')
    expect(await told(adapted.add("more", { head: ["two"] }))).toContain(
      "head: found [two]; adapters of one base model share"
    )
    adapted.off()
    expect(() => adapted.adapted).toThrow("no adapter is active")
    await adapted.dispose()
    expect(() => adapted.use(null)).toThrow("its adapters are disposed")
    await adapted.dispose() // once more is no error
  })
})

test("on the stock wasm backend, which nobody here has opened", async () => {
  const { code, stdout, stderr } = await run(["bun", join(import.meta.dir, "stock-wasm.ts")], { cwd: import.meta.dir })
  expect(stderr).toBe("")
  expect(code).toBe(0)
  const { backend, start, learned, merged } = JSON.parse(stdout)
  expect(backend).toBe("wasm")
  expect(start).toBeLessThan(tolerance.forward)
  expect(learned).toBe(true)
  expect(merged).toBeLessThan(tolerance.forward)
})
