/**
 * Dropout in training: masks that every step, batch and site has of its own, that are the same whenever they are made
 * again, and that nothing but training sees.
 */

import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Adapted, adalora, dora, inject, lora } from "../../../adapters/index.ts"
import { mustBeDecided } from "../../../schemas/index.ts"
import type { Batch } from "../../../src/data/index.ts"
import { fromConfig } from "../../../src/optimizers/index.ts"
import { tensorsOf } from "../../../src/tensors/trainable.ts"
import { backward, backwardWithFull } from "../../../src/training/backward.ts"
import { takeProbedStep } from "../../../src/training/diagnostics/probe.ts"
import {
  crossEntropy,
  diagnose,
  evaluate,
  NotFinite,
  openSession,
  type SessionOptions,
  takeStep,
  takeSteps
} from "../../../src/training/index.ts"
import { describeOn, describeOnEach } from "../../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { adamw, loraProFull } from "./optimizers.ts"
import { randomBatch, tinyBert } from "./tiny-bert.ts"
import { STEPS, valuesOf } from "./tiny-session.ts"

const scoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

const options = { rank: 4, alpha: 8, scaling: "standard", init: { kind: "gaussian" }, targets: "all-linear" } as const
const budget = {
  budget: { start: 0.1, end: 0.7, every: 10 },
  sensitivityBetas: [0.85, 0.85],
  orthogonality: 0.5
} as const

type Method = "lora" | "dora" | "adalora"

const adaptedBy = (method: Method, dropout: number): Effect.Effect<Adapted, never, Scope.Scope> =>
  Effect.orDie(
    Effect.flatMap(tinyBert("mean"), (model) => {
      if (method === "lora") return inject(model, lora, { ...options, dropout })
      if (method === "dora") return inject(model, dora, { ...options, dropout })
      return inject(model, adalora, { rank: 4, alpha: 8, ...budget, targets: "all-linear", dropout })
    })
  )

/** Some way from its start, so that factors of 0 hide no mask. */
const later = (adapted: Adapted): Adapted => {
  const trained = adapted.trainable
  adapted.trainable = {
    pairs: trained.pairs.map((pair, i) => ({
      ...pair,
      B: tf.tidy(() => tf.add<tf.Tensor2D>(pair.B, tf.randomNormal(pair.B.shape, 0, 0.2, "float32", i + 1)))
    })),
    dense: trained.dense.map((entry, i) => ({
      ...entry,
      value: tf.tidy(() => tf.add(entry.value, tf.randomNormal(entry.value.shape, 0, 0.2, "float32", 100 + i)))
    }))
  }
  return adapted
}

const sessionBy = (method: Method, dropout: number, more: Partial<SessionOptions> = {}) =>
  Effect.gen(function* () {
    const adapted = yield* adaptedBy(method, dropout)
    const optimizer = yield* fromConfig(mustBeDecided(method === "lora" ? loraProFull : adamw), STEPS)
    return yield* openSession(adapted, { optimizer, loss: crossEntropy, ...more })
  })

const groups: ReadonlyArray<ReadonlyArray<Batch>> = [
  [randomBatch(4, 8, 1)],
  [randomBatch(3, 7, 2), randomBatch(3, 7, 2)],
  [randomBatch(1, 16, 3)],
  [randomBatch(2, 8, 4), randomBatch(3, 5, 5)]
]

const valuesAndRelease = async (tensors: ReadonlyArray<tf.Tensor>) => {
  const values = await Promise.all(tensors.map(async (tensor) => (await tensor.data()).slice()))
  tf.dispose([...tensors])
  return values
}

/** Loss and gradients of a step. */
const bitsOf = (
  session: Parameters<typeof backward>[0],
  batches: ReadonlyArray<Batch>
): Promise<ReadonlyArray<ArrayLike<number>>> => {
  const { loss, gradients } = backward(session, batches)
  return valuesAndRelease([loss, ...tensorsOf(gradients)])
}

const methods = ["lora", "dora", "adalora"] as const

describeOnEach(() => {
  for (const method of methods) {
    test(`${method}: recomputed blocks have the bits of kept ones, and nothing is left`, () =>
      scoped(
        Effect.gen(function* () {
          const adapted = later(yield* adaptedBy(method, 0.3))
          const bits = (recompute: "none" | "blocks", batches: ReadonlyArray<Batch>) =>
            bitsOf({ adapted, loss: crossEntropy, recompute, step: 5 }, batches)
          for (const batches of groups) {
            const kept = yield* Effect.promise(() => bits("none", batches))
            yield* Effect.promise(() => expectNoLeak(async () => expect(await bits("blocks", batches)).toEqual(kept)))
          }
        })
      ))
  }

  test("g from the dropped inputs: gA = s·Bᵀg and gB = s·gAᵀ, over several batches", () =>
    scoped(
      Effect.gen(function* () {
        const adapted = later(yield* adaptedBy("lora", 0.4))
        const session = { adapted, loss: crossEntropy, recompute: "none", step: 2 } as const
        const { gradients, full } = backwardWithFull(session, groups[3]!, adapted.sites)
        expect(full.size).toBe(12)
        for (const [i, { site, A, B, scale }] of adapted.trainable.pairs.entries()) {
          const g = full.get(site.name)!
          const own = gradients.pairs[i]!
          for (const [actual, expected] of [
            [own.A, tf.mul(tf.matMul(B, g, true), scale)],
            [own.B, tf.mul(tf.matMul(g, A, false, true), scale)]
          ] as const) {
            const [a, b] = yield* Effect.promise(() => Promise.all([actual.data(), expected.data()]))
            expectClose(a, b, tolerance.gradient)
          }
        }
        // of a pass without masks it would be another
        const whole = backwardWithFull({ adapted, loss: crossEntropy }, groups[3]!, adapted.sites).full
        const name = adapted.sites[3]!.name
        const [dropped, plain] = yield* Effect.promise(() =>
          Promise.all([full.get(name)!.data(), whole.get(name)!.data()])
        )
        expect(dropped).not.toEqual(plain)
      })
    ))
})

describeOn("wasm", () => {
  const trained = (method: Method, more: Partial<SessionOptions> = {}, rate = 0.2) =>
    scoped(
      Effect.gen(function* () {
        const session = yield* sessionBy(method, rate, more)
        const losses: Array<number> = []
        for (const batches of groups) losses.push((yield* takeStep(session, batches)).loss)
        return { losses, values: yield* valuesOf(session.adapted.trainable) }
      })
    )

  for (const method of methods) {
    test(`${method}: the same run twice, and another with another rate`, async () => {
      const once = await trained(method)
      expect(await trained(method)).toEqual(once)
      expect(await trained(method, { recompute: "blocks" })).toEqual(once)
      expect((await trained(method, {}, 0.3)).values).not.toEqual(once.values)
    })
  }

  test("rate 0 is no dropout, bit for bit", () =>
    scoped(
      Effect.gen(function* () {
        const adapted = later(yield* adaptedBy("lora", 0))
        for (const batches of groups) {
          const [training, without] = yield* Effect.promise(() =>
            Promise.all([
              bitsOf({ adapted, loss: crossEntropy, step: 4 }, batches),
              bitsOf({ adapted, loss: crossEntropy }, batches)
            ])
          )
          expect(training).toEqual(without)
        }
      })
    ))

  test("steps and the batches of a step have masks of their own", () =>
    scoped(
      Effect.gen(function* () {
        const adapted = later(yield* adaptedBy("lora", 0.4))
        const at = (step: number, batches: ReadonlyArray<Batch>) =>
          Effect.promise(() => bitsOf({ adapted, loss: crossEntropy, step }, batches))
        const batch = groups[1]![0]!
        const [first, again, next] = [yield* at(1, [batch]), yield* at(1, [batch]), yield* at(2, [batch])]
        expect(again).toEqual(first)
        expect(next[0]).not.toEqual(first[0])
        // with one mask for both, the mean over a batch and itself would be the batch's
        const twice = yield* at(1, [batch, batch])
        expect(Math.abs(twice[0]![0]! - first[0]![0]!)).toBeGreaterThan(1e-4)
      })
    ))

  test("steps whose numbers are read together are those that are taken alone", () =>
    scoped(
      Effect.gen(function* () {
        const [alone, together] = [yield* sessionBy("lora", 0.2), yield* sessionBy("lora", 0.2)]
        const losses: Array<number> = []
        for (const batches of groups) losses.push((yield* takeStep(alone, batches)).loss)
        const reports = yield* takeSteps(together, groups)
        if (reports instanceof NotFinite) throw new Error(reports.symptom)
        expect(reports.map(({ loss }) => loss)).toEqual(losses)
        expect(yield* valuesOf(together.adapted.trainable)).toEqual(yield* valuesOf(alone.adapted.trainable))
      })
    ))

  test("a session that goes on elsewhere after two steps takes the same third", () =>
    scoped(
      Effect.gen(function* () {
        const [whole, first, second] = [
          yield* sessionBy("lora", 0.2),
          yield* sessionBy("lora", 0.2),
          yield* sessionBy("lora", 0.2)
        ]
        for (const batches of groups.slice(0, 2)) {
          yield* takeStep(whole, batches)
          yield* takeStep(first, batches)
        }
        second.adapted.trainable = first.adapted.trainable
        second.optimizerState = first.optimizerState
        second.step = first.step
        const [a, b] = [yield* takeStep(whole, groups[2]!), yield* takeStep(second, groups[2]!)]
        expect(b.loss).toBe(a.loss)
        expect(yield* valuesOf(second.adapted.trainable)).toEqual(yield* valuesOf(whole.adapted.trainable))
      })
    ))

  test("evaluation sees no mask", () =>
    scoped(
      Effect.gen(function* () {
        const dropping = later(yield* adaptedBy("lora", 0.5))
        const plain = { ...(yield* adaptedBy("lora", 0)), trainable: dropping.trainable }
        const batches = groups.flat()
        const [a, b] = [
          yield* evaluate(dropping)(Stream.fromIterable(batches)),
          yield* evaluate(plain)(Stream.fromIterable(batches))
        ]
        expect(a.loss).toBe(b.loss)
        const inTraining = yield* Effect.promise(() =>
          bitsOf({ adapted: dropping, loss: crossEntropy, step: 0 }, [batches[0]!])
        )
        const outside = yield* Effect.promise(() => bitsOf({ adapted: dropping, loss: crossEntropy }, [batches[0]!]))
        expect(inTraining[0]).not.toEqual(outside[0])
      })
    ))

  describe("diagnostics", () => {
    test("LoRA-Pro's theorem holds for the gradient under the masks; the step is the one without a look", () =>
      scoped(
        Effect.gen(function* () {
          const [looked, plain] = [yield* sessionBy("lora", 0.3), yield* sessionBy("lora", 0.3)]
          for (const batches of groups) {
            const { report, diagnostics } = yield* takeProbedStep(looked, batches, {
              sites: looked.adapted.sites,
              theorem: true,
              // each site in a pass of its own: the masks are made again in every one
              passBytes: 1
            })
            expect(diagnostics.warnings).toEqual([])
            expect(diagnostics.sites).toHaveLength(12)
            for (const { theorem } of diagnostics.sites) {
              expect(theorem!.tolerance).not.toBeNull()
              expect(theorem!.fromDamped!).toBeLessThanOrEqual(theorem!.tolerance!)
            }
            expect(report.loss).toBe((yield* takeStep(plain, batches)).loss)
          }
          expect(yield* valuesOf(looked.adapted.trainable)).toEqual(yield* valuesOf(plain.adapted.trainable))
        })
      ))

    test("what is diagnosed is the step that comes next", () =>
      scoped(
        Effect.gen(function* () {
          const session = yield* sessionBy("lora", 0.3)
          yield* takeStep(session, groups[0]!)
          const seen = yield* diagnose(session, groups[1]!, "all", { theorem: true })
          const { diagnostics } = yield* takeProbedStep(session, groups[1]!, {
            sites: session.adapted.sites,
            theorem: true
          })
          expect(seen.sites).toEqual(diagnostics.sites)
        })
      ))
  })
})
