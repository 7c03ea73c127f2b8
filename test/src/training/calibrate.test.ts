/**
 * What training data shows: gradients and covariances against the same worked out at once on the host, the same bits whatever is held at a
 * time, and nothing left behind.
 */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Calibrate, type Calibration, inject, lora, none } from "../../../adapters/index.ts"
import type { Model } from "../../../src/models/index.ts"
import { tokenTensors } from "../../../src/models/load.ts"
import type { LinearSite } from "../../../src/tensors/trainable.ts"
import { fullGradients } from "../../../src/training/backward.ts"
import { type CalibratingOptions, calibrating, crossEntropy } from "../../../src/training/index.ts"
import { describeOn, describeOnEach } from "../../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { randomBatch, tinyBert } from "./tiny-bert.ts"

const batches = [randomBatch(4, 8, 1), randomBatch(2, 5, 2), randomBatch(3, 7, 3)]
const gradient: Calibration = { init: "lora-ga", what: "gradient", batches: 3 }
const inputs: Calibration = { init: "eva", what: "inputs", batches: 3 }

const scoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

const read = (tensor: tf.Tensor) => Effect.promise(async () => (await tensor.data()).slice() as Float32Array)

/** Every site's answer, in order. */
const answers = (calibrate: Calibrate, sites: ReadonlyArray<LinearSite>, calibration: Calibration) =>
  Effect.forEach(sites, (site) =>
    Effect.flatMap(calibrate(site, calibration), (tensor) =>
      Effect.ensuring(
        read(tensor),
        Effect.sync(() => tensor.dispose())
      )
    )
  )

const observed = (model: Model, calibration: Calibration, options: Partial<CalibratingOptions> = {}) =>
  Effect.scoped(
    Effect.flatMap(calibrating(model, { batches, loss: crossEntropy, ...options }), (calibrate) =>
      answers(calibrate, options.sites ?? model.sites, calibration)
    )
  )

/** x of each site over all batches, token by token without the padding, in float64; and the covariance of it. */
const covarianceOnHost = async (model: Model, site: LinearSite, masked = true) => {
  const rows: Array<Float64Array> = []
  const adapted = await scoped(
    Effect.gen(function* () {
      const alone = yield* inject(model, none, {})
      for (const batch of batches) {
        const seen: Array<tf.Tensor> = []
        tf.tidy(() => {
          alone.forward(tokenTensors(batch), alone.trainable, {
            tap: ({ name }, x, y) => {
              if (name === site.name) seen.push(tf.keep(x.clone()))
              return y
            }
          })
        })
        const values = yield* read(seen[0]!)
        tf.dispose(seen)
        for (let row = 0; row < batch.size * batch.length; row++) {
          if (masked && batch.attentionMask[row] === 0) continue
          rows.push(Float64Array.from(values.subarray(row * site.in, (row + 1) * site.in)))
        }
      }
      return rows
    })
  )
  const mean = Array.from({ length: site.in }, (_, j) => adapted.reduce((sum, x) => sum + x[j]!, 0) / adapted.length)
  return Float64Array.from({ length: site.in ** 2 }, (_, k) => {
    const [i, j] = [Math.floor(k / site.in), k % site.in]
    return adapted.reduce((sum, x) => sum + (x[i]! - mean[i]!) * (x[j]! - mean[j]!), 0) / adapted.length
  })
}

describeOnEach(() => {
  test("gradients: those of the frozen model over all rows at once", () =>
    scoped(
      Effect.gen(function* () {
        const model = yield* tinyBert("mean")
        const alone = yield* inject(model, none, {})
        const whole = fullGradients({ adapted: alone, loss: crossEntropy }, batches, model.sites)
        const own = yield* observed(model, gradient)
        expect(own).toHaveLength(12)
        for (const [i, { name }] of model.sites.entries()) {
          expectClose(own[i]!, yield* read(whole.get(name)!), tolerance.gradient)
        }
      })
    ))

  test("inputs: their covariance over the tokens, without the padding", () =>
    scoped(
      Effect.gen(function* () {
        const model = yield* tinyBert("mean")
        const own = yield* observed(model, inputs)
        for (const [i, site] of model.sites.entries()) {
          const expected = yield* Effect.promise(() => covarianceOnHost(model, site))
          // sums over 60 tokens of what a forward pass gave in float32
          expectClose(own[i]!, expected, tolerance.forward)
          const withPadding = yield* Effect.promise(() => covarianceOnHost(model, site, false))
          expect(() => expectClose(own[i]!, withPadding, 10 * tolerance.forward)).toThrow()
        }
      })
    ))
})

describeOn("wasm", () => {
  const model = Effect.orDie(tinyBert("mean"))

  for (const calibration of [gradient, inputs]) {
    test(`${calibration.what}: the same bits however little is held at a time, in any order, and with recompute`, () =>
      scoped(
        Effect.gen(function* () {
          const own = yield* model
          const atOnce = yield* observed(own, calibration)
          for (const bytes of [0, 4 * 32 * 32, 10_000])
            expect(yield* observed(own, calibration, { bytes })).toEqual(atOnce)
          expect(yield* observed(own, calibration, { recompute: "blocks" })).toEqual(atOnce)
          const turned = own.sites.toReversed()
          expect((yield* observed(own, calibration, { sites: turned })).toReversed()).toEqual(atOnce)
          // sites that nobody announced, and one twice
          const some = [own.sites[7]!, own.sites[2]!, own.sites[7]!]
          const calibrate = yield* calibrating(own, { batches, loss: crossEntropy, sites: [own.sites[7]!] })
          expect(yield* answers(calibrate, some, calibration)).toEqual([atOnce[7]!, atOnce[2]!, atOnce[7]!])
        })
      ))

    test(`${calibration.what}: nothing is left, whoever asked for how much`, () =>
      scoped(
        Effect.gen(function* () {
          const own = yield* model
          const some = (asked: ReadonlyArray<number>) =>
            Effect.gen(function* () {
              const calibrate = yield* calibrating(own, { batches, loss: crossEntropy })
              yield* answers(
                calibrate,
                asked.map((i) => own.sites[i]!),
                calibration
              )
            })
          for (const asked of [[], [0], [3, 0], own.sites.keys()]) {
            yield* Effect.promise(() => expectNoLeak(() => scoped(some([...asked]))))
          }
          const interrupted = Effect.gen(function* () {
            const calibrate = yield* calibrating(own, { batches, loss: crossEntropy })
            return yield* Effect.timeoutOption(calibrate(own.sites[0]!, calibration), 0)
          })
          yield* Effect.promise(() => expectNoLeak(async () => expect((await scoped(interrupted))._tag).toBe("None")))
        })
      ))
  }

  test("sites that share an input share the work and the memory", () =>
    scoped(
      Effect.gen(function* () {
        const own = yield* model
        const calibrate = yield* calibrating(own, { batches, loss: crossEntropy })
        const [query, key, value, output] = own.sites
        const first = yield* calibrate(query!, inputs)
        const before = tf.memory().numDataBuffers
        first.dispose()
        expect(tf.memory().numDataBuffers).toBe(before) // key and value still hold it
        tf.dispose([yield* calibrate(key!, inputs), yield* calibrate(value!, inputs)])
        expect(tf.memory().numDataBuffers).toBe(before - 1)
        ;(yield* calibrate(output!, inputs)).dispose()
        expect(tf.memory().numDataBuffers).toBe(before - 2)
      })
    ))

  test("one pass over the batches where everything fits, one a site where nothing does", () =>
    scoped(
      Effect.gen(function* () {
        const own = yield* model
        const passes = (bytes: number, twice = false) => {
          let count = 0
          const counted: Model = {
            ...own,
            forward: (...args) => {
              count++
              return own.forward(...args)
            }
          }
          const asking = Effect.gen(function* () {
            const calibrate = yield* calibrating(counted, { batches, loss: crossEntropy, bytes })
            const before = twice ? yield* answers(calibrate, own.sites, { ...gradient, again: true }) : undefined
            const after = yield* answers(calibrate, own.sites, gradient)
            expect(before ?? after).toEqual(after)
          })
          return Effect.map(Effect.scoped(asking), () => count / batches.length)
        }
        expect(yield* passes(2 ** 28)).toBe(1)
        // asked again, as by an init that decides ranks first: held where everything fits, else worked out once more
        expect(yield* passes(2 ** 28, true)).toBe(1)
        expect(yield* passes(1, true)).toBe(24)
        expect(yield* passes(1)).toBe(12)
        // query, key, value and the output are [32, 32] each
        expect(yield* passes(4 * 4 * 32 * 32)).toBeWithin(2, 12)
      })
    ))
})

describe("too few batches", () => {
  test("are told with what to do", () =>
    scoped(
      Effect.gen(function* () {
        const model = yield* tinyBert("mean")
        const calibrate = yield* calibrating(model, { batches, loss: crossEntropy })
        const options = { rank: 4, alpha: 8, scaling: "standard", init: { kind: "eva", batches: 4 } } as const
        const error = yield* Effect.flip(inject(model, lora, { ...options, targets: "all-linear", calibrate }))
        expect(error.message).toBe(
          `adapter.init "eva" cannot initialize ${model.sites[0]!.name}: it needs 4 training batches, but 3 were given; give Training.calibrating more, or set the init's batches to 3`
        )
      })
    ))
})
