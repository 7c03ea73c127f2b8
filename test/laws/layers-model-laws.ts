/**
 * Laws of a `tf.LayersModel` as a base (src/models/layers-model), over the table of kinds and topologies in
 * `layers-model-cases.ts`:
 *
 *   1  with the base's linear layers the forward pass gives what `predict` gives, and so does an adapter at its start
 *   2  own(held(w)) = w to the bit, and the network's sites, shapes and counts are those of the model
 *   3  an adapter's forward pass = predict of another model of the same layers with W + s·BA and what is trained put in
 *   4  gradients of factors, trained parameters and inputs equal finite differences; full ones give the factors'
 *   5  the user's model is the same before, while and after it is trained, to the bit; no tensor is left behind
 *
 * On wasm in layers-model.laws.test.ts, on cpu in layers-model.laws.processes.ts.
 */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Adapted, inject, lora } from "../../adapters/index.ts"
import { frozenLinear } from "../../src/kernels/dense-linear.ts"
import { embedded } from "../../src/kernels/embedding.ts"
import {
  fromLayersModel,
  type LayersBatch,
  type LayersNetwork
} from "../../src/models/layers-model/from-layers-model.ts"
import { layerKinds } from "../../src/models/layers-model/table.ts"
import { loraPro, chain as optimizers, scaleByAdam, scaleByLearningRate } from "../../src/optimizers/index.ts"
import { valueAndGradients } from "../../src/tensors/gradients.ts"
import { type Linear, mapTensors, sizeOf, type Trainable, tensorsOf, withTensors } from "../../src/tensors/trainable.ts"
import * as Training from "../../src/training/index.ts"
import { expectClose, expectNoLeak, relativeError, tolerance } from "../setup.ts"
import { normals } from "../src/kernels/float64.ts"
import { type LayersCase, layersCases } from "./layers-model-cases.ts"

const ROWS = 3

/** Central differences: the error of the step's square and that of float32's digits over the step meet. */
const STEP = 2 ** -9
/**
 * of the square, and of a unit that a step moves over a kink (ReLU, a maximum), over the lengths of gradient and
 * direction
 */
const DIFFERENCES = 1e-3
/**
 * of the digits, over the length of what is summed: a forward pass of several layers rounds by a few units of the last
 * place
 */
const DIGITS = (4 * 2 ** -24) / STEP

const normal = (name: string, shape: ReadonlyArray<number>, deviation = 1): tf.Tensor =>
  tf.tensor(normals(tf.util.sizeFromShape([...shape]), `${name}${shape}`, deviation), [...shape])

/** Numbers in every weight, so that no bias is 0 and no statistic 1. */
const fill = (model: tf.LayersModel): void =>
  tf.tidy(() =>
    model.setWeights(
      model.weights.map(({ originalName, shape }, i) => {
        const values = normal(`weight ${i}`, shape as Array<number>, 0.5)
        return /variance/.test(originalName) ? tf.add(tf.square(values), 0.5) : values
      })
    )
  )

const inputShapes = (model: tf.LayersModel): ReadonlyArray<ReadonlyArray<number>> =>
  model.inputs.map(({ shape }) => [ROWS, ...(shape.slice(1) as Array<number>)])

/** Rows of an input; the last `padded` steps of all but the first row are 0. */
const rowsOf = ({ ids, padded = 0 }: LayersCase, shape: ReadonlyArray<number>): tf.Tensor =>
  tf.tidy(() => {
    const values = normals(tf.util.sizeFromShape([...shape]), `input ${shape}`)
    const length = shape[1]!
    const step = tf.util.sizeFromShape(shape.slice(2))
    const kept = values.map((x, i) => {
      const [row, at] = [Math.floor(i / (step * length)), Math.floor(i / step) % length]
      if (row > 0 && at >= length - padded) return 0
      return ids === undefined ? x : 1 + (Math.floor(Math.abs(x) * 1000) % (ids - 1))
    })
    return tf.tensor(kept, [...shape], ids === undefined ? "float32" : "int32")
  })

const predicted = (model: tf.LayersModel, inputs: ReadonlyArray<tf.Tensor>): ReadonlyArray<tf.Tensor> =>
  [model.predict(inputs.length === 1 ? inputs[0]! : [...inputs])].flat()

const dataOf = (tensors: ReadonlyArray<tf.Tensor>): Promise<ReadonlyArray<Float32Array>> =>
  Promise.all(tensors.map(async (tensor) => (await tensor.data()).slice() as Float32Array))

const baseLinear =
  ({ weights }: LayersNetwork): Linear =>
  (site, x) => {
    const W = weights(`${site.name}.weight`) as tf.Tensor2D
    if (site.kind === "embedding") return embedded(x, W)
    return frozenLinear(x, W, site.bias === false ? null : (weights(`${site.name}.bias`) as tf.Tensor1D))
  }

interface Subject {
  readonly model: tf.LayersModel
  readonly inputs: ReadonlyArray<tf.Tensor>
  readonly network: LayersNetwork
  readonly adapted: Adapted<LayersNetwork>
  /** parameters as they are some steps later: every tensor has moved */
  readonly later: Trainable
}

const subject = (one: LayersCase): Effect.Effect<Subject, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const model = one.model()
    fill(model)
    const inputs = inputShapes(model).map((shape) => rowsOf(one, shape))
    const network = yield* fromLayersModel(model)
    const adapted = yield* inject(network, lora, {
      rank: 1,
      alpha: 2,
      scaling: "standard",
      init: { kind: "kaiming" },
      targets: one.targets ?? "all-linear",
      modulesToSave: one.trained ?? []
    })
    const later = mapTensors((t) => tf.tidy(() => tf.add(t, normal("later", t.shape, 0.3))), adapted.trainable)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        tf.dispose([...inputs, ...tensorsOf(later)])
        model.dispose()
      })
    )
    return { model, inputs, network, adapted, later }
  })

const withSubject = (one: LayersCase, check: (subject: Subject) => Promise<void>): Promise<void> =>
  subject(one).pipe(
    Effect.flatMap((own) => Effect.promise(() => check(own))),
    Effect.scoped,
    Effect.runPromise
  )

/** What predict says under the parameters, by another model with the merged weights. */
const mergedPrediction = async (one: LayersCase, { adapted, network, model, inputs, later }: Subject) => {
  const other = one.model()
  other.setWeights(model.getWeights())
  const scoped = Effect.gen(function* () {
    const { layerParameters } = yield* fromLayersModel(other)
    tf.tidy(() => {
      const values = new Map(later.dense.map(({ name, value }) => [name, value]))
      for (const site of adapted.sites) values.set(`${site.name}.weight`, adapted.merged(site, later))
      for (const { name, layer, index, layerForm: own } of layerParameters) {
        const value = values.get(name)
        if (value !== undefined) layer.weights[index]!.write(own(value))
      }
    })
    const outputs = yield* Effect.promise(() => dataOf(predicted(other, inputs)))
    return { outputs, names: layerParameters.map(({ name }) => name) }
  })
  const { outputs, names } = await Effect.runPromise(Effect.scoped(scoped))
  other.dispose()
  expect(names).toEqual(network.layerParameters.map(({ name }) => name))
  return outputs
}

const equalLaw = (one: LayersCase) =>
  test("1 the forward pass is predict's, and an adapter's at its start", () =>
    withSubject(one, async ({ model, inputs, network, adapted }) => {
      const expected = await dataOf(predicted(model, inputs))
      const base = await dataOf(network.forward(inputs, baseLinear(network), network.weights))
      const start = await dataOf(adapted.forward(inputs, adapted.trainable))
      for (const [i, values] of expected.entries()) {
        expect(values.some((x) => x !== 0)).toBe(true)
        expectClose(base[i]!, values, tolerance.forward)
        expectClose(start[i]!, values, tolerance.forward)
      }
    }))

const shapeLaw = (one: LayersCase) =>
  test("2 own(held(w)) = w; names, shapes and counts are the model's", () =>
    withSubject(one, async ({ model, network, adapted }) => {
      const { sites, layerParameters, parameters } = network
      expect(sites.map(({ name }) => name)).toEqual([...one.sites])
      expect(parameters).toEqual(layerParameters.map(({ name, shape }) => ({ name, shape })))
      const seen = new Set<unknown>()
      for (const { name, shape, layer, index, held, layerForm: own } of layerParameters) {
        const original = layer.getWeights()[index]!
        const [there, back] = tf.tidy(() => [tf.clone(held(original)), tf.clone(own(held(original)))])
        expect([name, there!.shape, network.weights(name).shape]).toEqual([name, [...shape], [...shape]])
        expect(back!.shape).toEqual(original.shape)
        expect(await back!.data()).toEqual(await original.data())
        seen.add(layer.weights[index])
      }
      // a weight has one name
      expect(seen.size).toBe(layerParameters.length)
      for (const { name, out, in: inputs, bias } of sites) {
        expect(network.weights(`${name}.weight`).shape).toEqual([out, inputs])
        if (bias !== false) expect(network.weights(`${name}.bias`).shape).toEqual([out])
      }
      const factors = adapted.sites.reduce((sum, site) => sum + lora.size(site, adaptOptions).factors, 0)
      const trained = parameters.filter(({ name }) => one.trained?.some((module) => name.startsWith(`${module}.`)))
      const themselves = trained.reduce((sum, { shape }) => sum + tf.util.sizeFromShape([...shape]), 0)
      expect(sizeOf(adapted.trainable)).toBe(factors + themselves)
      expect(factors + themselves).toBeGreaterThan(0)
      const formula = adapted.sites.reduce((sum, site) => sum + site.out + site.in, 0)
      expect(factors).toBe(formula)
      const all = layerParameters.reduce((sum, { shape }) => sum + tf.util.sizeFromShape([...shape]), 0)
      expect(all).toBeLessThanOrEqual(model.countParams())
    }))

const adaptOptions = { rank: 1, alpha: 2, scaling: "standard", init: { kind: "kaiming" } } as const

const mergeLaw = (one: LayersCase) =>
  test("3 the forward pass is predict's with the merged weights", () =>
    withSubject(one, async (own) => {
      const { adapted, inputs, later, model } = own
      const expected = await mergedPrediction(one, own)
      const actual = await dataOf(adapted.forward(inputs, later))
      const before = await dataOf(predicted(model, inputs))
      for (const [i, values] of expected.entries()) expectClose(actual[i]!, values, tolerance.forward)
      // else the law would hold for an adapter that is not there
      expect(expected.some((values, i) => relativeError(values, before[i]!) > 1e-2)).toBe(true)
    }))

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

const gradientLaw = (one: LayersCase) =>
  test("4 gradients equal finite differences", () =>
    withSubject(one, async ({ adapted, inputs, later }) => {
      const own = tensorsOf(later)
      const floats = one.ids === undefined ? inputs : []
      const run = (tensors: ReadonlyArray<tf.Tensor>) =>
        adapted.forward(
          floats.length === 0 ? inputs : tensors.slice(own.length),
          withTensors(later, tensors.slice(0, own.length))
        )
      const variables = [...own, ...floats]
      const slopes = run(variables).map((y, i) => normal(`slope ${i}`, y.shape))
      const loss = () => tf.addN(run(variables).map((y, i) => tf.sum(tf.mul(y, slopes[i]!)))) as tf.Scalar
      const { gradients } = tf.tidy(() => valueAndGradients(loss, variables) as never) as ReturnType<
        typeof valueAndGradients
      >
      const weights = await dataOf(slopes)
      const total = async (tensors: ReadonlyArray<tf.Tensor>) => {
        const values = await dataOf(tf.tidy(() => [...run(tensors)]))
        const each = values.flatMap((y, i) => Array.from(y, (own, j) => own * weights[i]![j]!))
        return { sum: each.reduce((sum, own) => sum + own, 0), length: Math.sqrt(dot(each, each)) }
      }
      for (const [i, variable] of variables.entries()) {
        // what is padding stays padding: a mask has no derivative
        const direction = await dataOf([
          tf.mul(normal(`way ${i}`, variable.shape), tf.cast(tf.notEqual(variable, 0), "float32"))
        ])
        const way = tf.tensor(direction[0]!, variable.shape)
        const moved = (h: number) => variables.map((v, j) => (i === j ? tf.add(v, tf.mul(way, h)) : v))
        const [above, below] = [await total(moved(STEP)), await total(moved(-STEP))]
        const difference = (above.sum - below.sum) / (2 * STEP)
        const [gradient] = await dataOf([gradients[i]!])
        const size = Math.sqrt(dot(gradient!, gradient!) * dot(direction[0]!, direction[0]!))
        expect(size).toBeGreaterThan(0)
        const error =
          Math.abs(dot(gradient!, direction[0]!) - difference) / (DIFFERENCES * size + DIGITS * above.length)
        const says = `variable ${i} ${variable.shape}`
        expect({ says, error: error <= 1 ? 0 : error }).toEqual({ says, error: 0 })
      }
    }))

const meanSquare = (outputs: ReadonlyArray<tf.Tensor>): tf.Scalar =>
  tf.addN(outputs.map((y) => tf.mean(tf.square(tf.sub(y, 0.3))))) as tf.Scalar

const batchOf = async (inputs: ReadonlyArray<tf.Tensor>): Promise<LayersBatch> => ({
  size: ROWS,
  tokens: ROWS,
  inputs: (await dataOf(inputs)).map((values, i) => ({
    values,
    shape: inputs[i]!.shape,
    dtype: inputs[i]!.dtype as "float32" | "int32"
  })),
  targets: []
})

const fullLaw = (one: LayersCase) =>
  test("4 the full gradient gives the factors' own", () =>
    withSubject(one, async ({ adapted, inputs, later }) => {
      const at = { ...adapted, trainable: later }
      const session = { adapted: at, loss: meanSquare, recompute: "none", accumulate: 1 } as const
      const { gradients, full, loss } = Training.backwardWithFull(session, [await batchOf(inputs)], adapted.sites)
      for (const [i, { site, A, B, scale }] of later.pairs.entries()) {
        const g = full.get(site.name)!
        const pair = gradients.pairs[i]!
        // gA = s·Bᵀg and gB = s·gAᵀ
        const [gA, gB] = [tf.mul(tf.matMul(B, g, true), scale), tf.mul(tf.matMul(g, A, false, true), scale)]
        expectClose(await pair.A.data(), await gA.data(), tolerance.gradient)
        expectClose(await pair.B.data(), await gB.data(), tolerance.gradient)
      }
      tf.dispose([...tensorsOf(gradients), ...full.values(), loss])
    }))

const frozenLaw = (one: LayersCase) =>
  test("5 the model is the same before, while and after, and nothing is left behind", async () => {
    const model = one.model()
    fill(model)
    const inputs = inputShapes(model).map((shape) => rowsOf(one, shape))
    const batch = await batchOf(inputs)
    const state = async () => {
      const outputs = predicted(model, inputs)
      const seen = await dataOf([...outputs, ...model.getWeights()])
      tf.dispose([...outputs])
      return { seen, layers: model.layers.map(({ name }) => name), trainable: model.trainableWeights.length }
    }
    const before = await state()
    const steps = Effect.gen(function* () {
      const network = yield* fromLayersModel(model)
      const options = {
        ...adaptOptions,
        targets: one.targets ?? "all-linear",
        modulesToSave: one.trained ?? []
      } as const
      const adapted = yield* inject(network, lora, options)
      const start = yield* Effect.promise(() => dataOf(tensorsOf(adapted.trainable)))
      const session = yield* Training.openSession(adapted, {
        optimizer: optimizers(loraPro({ inner: scaleByAdam() }), scaleByLearningRate(1e-2)),
        loss: meanSquare
      })
      const reports = yield* Stream.fromIterable([batch, batch]).pipe(Training.sessionSteps(session), Stream.runCollect)
      const end = yield* Effect.promise(() => dataOf(tensorsOf(adapted.trainable)))
      return {
        reports,
        during: yield* Effect.promise(state),
        moved: end.map((values, i) => relativeError(values, start[i]!))
      }
    })
    await expectNoLeak(async () => {
      const { reports, during, moved } = await Effect.runPromise(Effect.scoped(steps))
      expect(reports.length).toBe(2)
      expect(moved.filter((change) => change === 0)).toEqual([])
      expect(during).toEqual(before)
    })
    expect(await state()).toEqual(before)
    tf.dispose(inputs)
    model.dispose()
  })

const laws = [equalLaw, shapeLaw, mergeLaw, gradientLaw, fullLaw, frozenLaw]

export const layersLaws = () => {
  for (const one of layersCases)
    describe(one.name, () => {
      for (const law of laws) law(one)
    })

  test("every kind of the table is in a case", () => {
    const names = layersCases.flatMap((one) => {
      const model = one.model()
      const found: Array<string> = []
      const visit = (layer: tf.layers.Layer): void => {
        found.push(layer.getClassName())
        const { layer: wrapped, layers = [] } = layer as {
          readonly layer?: tf.layers.Layer
          readonly layers?: Array<tf.layers.Layer>
        }
        for (const inner of [...layers, ...(wrapped === undefined ? [] : [wrapped])]) visit(inner)
      }
      visit(model as unknown as tf.layers.Layer)
      model.dispose()
      return found
    })
    expect([...layerKinds.keys()].filter((name) => !names.includes(name))).toEqual([])
    // public layer kinds, the table's and those by their own call
    expect(new Set(names).size).toBeGreaterThan(40)
  })
}
