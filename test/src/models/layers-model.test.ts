/**
 * A LayersModel as a base: what it refuses, and what it leaves alone. The laws of its layers are in
 * `test/laws/layers-model-laws.ts`.
 */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { type AdapterMethod, dora, full, type InjectOptions, inject, lora } from "../../../adapters/index.ts"
import { frozenLinear } from "../../../src/kernels/dense-linear.ts"
import { fromLayersModel, type LayersBatch } from "../../../src/models/layers-model/from-layers-model.ts"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import type { Linear } from "../../../src/tensors/trainable.ts"
import * as Training from "../../../src/training/index.ts"
import { describeOnBoth } from "../../backends.ts"
import { expectClose, tolerance } from "../../setup.ts"
import { normals } from "../kernels/float64.ts"

const L = tf.layers
const asLayer = (model: tf.LayersModel) => model as unknown as tf.layers.Layer
const options = { rank: 2, alpha: 4, scaling: "standard", init: { kind: "kaiming" } } as const

const problemsOf = (model: tf.LayersModel, head: ReadonlyArray<string> = []): Promise<ReadonlyArray<string>> =>
  fromLayersModel(model, { head }).pipe(
    Effect.flip,
    Effect.map(({ problems }) => problems),
    Effect.scoped,
    Effect.runPromise
  )

/** Why `inject` refuses. */
const refusal = (model: tf.LayersModel, method: typeof lora | typeof dora, own: InjectOptions<object> & object) =>
  Effect.gen(function* () {
    const network = yield* fromLayersModel(model)
    return yield* Effect.flip(inject(network, method as AdapterMethod<object>, { ...options, ...own } as never))
  }).pipe(
    Effect.map((error) => (error as Error).message),
    Effect.scoped,
    Effect.runPromise
  )

const reader = () =>
  tf.sequential({
    layers: [
      L.embedding({ inputDim: 20, outputDim: 6, inputLength: 4, name: "table" }),
      L.lstm({ units: 3, recurrentInitializer: "glorotNormal", name: "r" }),
      L.dense({ units: 2, name: "out" })
    ]
  })

class Doubled extends tf.layers.Layer {
  static className = "Doubled"
  override call(inputs: tf.Tensor | Array<tf.Tensor>): tf.Tensor {
    return tf.mul([inputs].flat()[0]!, 2)
  }
}

describeOnBoth((backend) => {
  test("a stateful layer is refused", async () => {
    const layer = L.lstm({ units: 2, stateful: true, batchInputShape: [1, 3, 2], name: "memory" })
    expect(await problemsOf(tf.sequential({ layers: [layer] }))).toEqual([
      "layer memory: found stateful: true, with which a step depends on the batches before; expected false"
    ])
  })

  test("a model without layers is refused", async () => {
    expect(await problemsOf(tf.sequential())).toEqual([
      "found a model without layers; expected at least one, with an inputShape"
    ])
  })

  test("two layers at one path are refused", async () => {
    const inner = tf.sequential({ layers: [L.dense({ units: 2, inputShape: [2], name: "b" })], name: "a" })
    const model = tf.sequential({ layers: [asLayer(inner), L.dense({ units: 2, name: "a.b" })] })
    expect(await problemsOf(model)).toEqual([
      "found two layers at the path a.b; expected names without dots that look like those of a model inside"
    ])
  })

  test("a head is a layer, or all that is in a model or a wrapper", async () => {
    const model = reader()
    expect(await problemsOf(model, ["nowhere"])).toEqual([
      'head: found "nowhere"; expected a layer with weights, one of table, r, out'
    ])
    expect(await problemsOf(model, ["tabel"])).toEqual([
      'head: found "tabel"; expected a layer with weights, one of table, r, out; did you mean "table"?'
    ])
    const inner = tf.sequential({ layers: [L.dense({ units: 2, inputShape: [3], name: "b" })], name: "a" })
    const outer = tf.sequential({ layers: [L.dense({ units: 3, inputShape: [2], name: "in" }), asLayer(inner)] })
    const network = await Effect.runPromise(Effect.scoped(fromLayersModel(outer, { head: ["a"] })))
    expect(network.head.parameters.map(({ name }) => name)).toEqual(["a.b.weight", "a.b.bias"])
    expect(network.sites.map(({ name }) => name)).toEqual(["in"])
  })

  test("an embedding is adapted where a target names it, by methods that look rows up", async () => {
    const model = reader()
    const sites = await Effect.gen(function* () {
      const { sites } = yield* inject(yield* fromLayersModel(model), lora, { ...options, targets: "all-linear" })
      return sites.map(({ name }) => name)
    }).pipe(Effect.scoped, Effect.runPromise)
    expect(sites).toEqual(["r.kernel", "r.recurrent", "out"])
    expect(await refusal(model, dora, { targets: ["table"] })).toBe(
      "adapter.rank: table is an embedding, which dora does not adapt; " +
        'expected targets without it, or method "lora" or "full"'
    )
    const eva = { targets: ["table"], init: { kind: "eva", batches: 1 } }
    expect(await refusal(model, lora, eva)).toBe(
      'adapter.rank: table is an embedding, whose inputs are row numbers, and "eva" is computed from the inputs; ' +
        "expected targets without it, or another init"
    )
  })

  test("starts that look at data pass an embedding by, or look its rows up", async () => {
    const [numbers, ids] = [tf.input({ shape: [3] }), tf.input({ shape: [2] })]
    const dense = (units: number, name: string) => L.dense({ units, name })
    const a = ["a", "b", "c"].reduce((x, name) => dense(4, name).apply(x) as tf.SymbolicTensor, numbers)
    const table = L.embedding({ inputDim: 9, outputDim: 4, name: "table" }).apply(ids) as tf.SymbolicTensor
    const flat = L.flatten().apply(table) as tf.SymbolicTensor
    const joined = L.concatenate().apply([a, flat]) as tf.SymbolicTensor
    const outputs = dense(2, "out").apply(joined) as tf.SymbolicTensor
    const model = tf.model({ inputs: [numbers, ids], outputs })
    const batch: LayersBatch = {
      size: 4,
      tokens: 4,
      inputs: [
        { values: normals(12, "numbers"), shape: [4, 3], dtype: "float32" },
        { values: Int32Array.from([0, 1, 2, 3, 4, 5, 1, 1]), shape: [4, 2], dtype: "int32" }
      ],
      targets: []
    }
    await Effect.gen(function* () {
      const network = yield* fromLayersModel(model)
      // looked at together: the embedding stands between the others
      expect(network.sites.findIndex(({ name }) => name === "table")).toBeGreaterThan(0)
      const loss = ([y]: ReadonlyArray<tf.Tensor>) => tf.mean(tf.square(y!)) as tf.Scalar
      const calibrate = yield* Training.calibrating(network, { batches: [batch], loss })
      const eva = { ...options, init: { kind: "eva", batches: 1 } } as const
      const seen = yield* inject(network, lora, { ...eva, targets: "all-linear", calibrate })
      expect(seen.sites.map(({ name }) => name)).toEqual(["a", "b", "c", "out"])
      const ga = { ...options, init: { kind: "lora-ga", batches: 1, gamma: 16, direction: "ArB2r" } } as const
      const { trainable } = yield* inject(network, lora, { ...ga, targets: ["table"], calibrate })
      const rows = yield* Effect.promise(() => tf.any(tf.notEqual(trainable.pairs[0]!.A, 0), 0).data())
      // directions of the gradient, which rows that nobody named have no part in
      expect([...rows].flatMap((one, id) => (one ? [id] : []))).toEqual([0, 1, 2, 3, 4, 5])
    }).pipe(Effect.scoped, Effect.runPromise)
  })

  test("full fine-tuning trains an embedding's table and counts no bias that is not there", async () => {
    const model = reader()
    await Effect.gen(function* () {
      const network = yield* fromLayersModel(model)
      const adapted = yield* inject(network, full, { targets: ["table", "r.recurrent"] })
      const size = adapted.sites.reduce((sum, site) => sum + full.size(site, {}).dense, 0)
      expect(size).toBe(20 * 6 + 3 * 12)
      expect(adapted.trainable.dense.reduce((sum, { value }) => sum + value.size, 0)).toBe(size)
      const ids = tf.tensor2d([1, 2, 3, 19, 1, 1, 0, 5], [2, 4], "int32")
      const expected = yield* Effect.promise(() => (model.predict(ids) as tf.Tensor).data())
      const actual = yield* Effect.promise(() => adapted.forward([ids], adapted.trainable)[0]!.data())
      expectClose(actual, expected, tolerance.forward)
      const [table] = adapted.trainable.dense
      const { gradients } = valueAndGradients(
        () => tf.sum(adapted.forward([ids], adapted.trainable)[0]!) as tf.Scalar,
        [table!.value]
      )
      const touched = yield* Effect.promise(() => tf.any(tf.notEqual(gradients[0]!, 0), 0).data())
      expect([...touched].flatMap((one, id) => (one ? [id] : []))).toEqual([0, 1, 2, 3, 5, 19])
    }).pipe(Effect.scoped, Effect.runPromise)
  })

  test("a layer of somebody's own class computes as it does, and gradients come through", async () => {
    const model = tf.sequential({
      layers: [L.dense({ units: 3, inputShape: [2], name: "in" }), new Doubled({}), L.dense({ units: 1, name: "out" })]
    })
    await Effect.gen(function* () {
      const {
        model: network,
        forward,
        trainable
      } = yield* inject(yield* fromLayersModel(model), lora, {
        ...options,
        rank: 1,
        targets: "all-linear"
      })
      const x = tf.tensor2d([[1, 2]])
      expectClose(
        yield* Effect.promise(() => forward([x], trainable)[0]!.data()),
        yield* Effect.promise(() => (model.predict(x) as tf.Tensor).data()),
        tolerance.forward
      )
      expect(network.sites.map(({ name }) => name)).toEqual(["in", "out"])
      const { gradients } = valueAndGradients(
        () => tf.sum(forward([x], trainable)[0]!) as tf.Scalar,
        [trainable.pairs[0]!.B]
      )
      expect((yield* Effect.promise(() => gradients[0]!.data())).some((g) => g !== 0)).toBe(true)
    }).pipe(Effect.scoped, Effect.runPromise)
  })

  test("a gradient of tfjs's that is wrong is refused where one is asked for", async () => {
    const model = tf.sequential({
      layers: [
        L.dense({ units: 2, inputShape: [2, 2, 2, 2], name: "in" }),
        L.averagePooling3d({ poolSize: 2, strides: 1, padding: "same", name: "pool" } as never),
        L.maxPooling3d({ poolSize: 2, name: "max" })
      ]
    })
    await Effect.gen(function* () {
      const network = yield* fromLayersModel(model)
      const linear: Linear = (site, x) => frozenLinear(x, network.weights(`${site.name}.weight`) as tf.Tensor2D, null)
      const x = tf.ones([1, 2, 2, 2, 2])
      const run = () => tf.sum(network.forward([x], linear, network.weights)[0]!) as tf.Scalar
      // the forward pass has nothing against it
      expect(run().shape).toEqual([])
      expect(() => valueAndGradients(run, [x])).toThrow(
        backend === "wasm"
          ? "layer max: tfjs's gradient of MaxPooling3D is wrong on wasm; expected no trained layer"
          : 'layer pool: tfjs\'s gradient of AveragePooling3D is wrong with padding "same"; expected no trained layer'
      )
    }).pipe(Effect.scoped, Effect.runPromise)
  })
})
