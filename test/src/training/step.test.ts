/** One step: what it reports, what it does with several batches, and that a step which is not finite did not happen. */
import { beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { labelTensor, tokenTensors } from "../../../src/models/load.ts"
import { sgd as sgdTransform } from "../../../src/optimizers/index.ts"
import type { State } from "../../../src/optimizers/transform.ts"
import { tensorsOf } from "../../../src/tensors/trainable.ts"
import {
  applyUpdates,
  backward,
  crossEntropy,
  Diverged,
  type Loss,
  refresh,
  takeStep,
  updatesOf
} from "../../../src/training/index.ts"
import { expectClose, expectNoLeak, relativeError, tolerance } from "../../setup.ts"
import { adamw, loraProEfficient, loraProFull } from "./optimizers.ts"
import { joined, randomBatch } from "./tiny-bert.ts"
import { STEPS, tinySession, valuesOf } from "./tiny-session.ts"

beforeAll(() => tf.setBackend("cpu"))

const scoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))
const plainSgd = sgdTransform({ learningRate: 1 })
const small = randomBatch(3, 6, 1)
const large = randomBatch(5, 6, 2)

const tensorsIn = (state: State): ReadonlyArray<tf.Tensor> => {
  if (state === null || typeof state !== "object") return []
  return state instanceof tf.Tensor ? [state] : Object.values(state).flatMap((part) => tensorsIn(part as State))
}

describe("several batches", () => {
  test("are one step over all their rows: gradients weighted by rows, one loss, one count", () =>
    scoped(
      Effect.gen(function* () {
        const apart = yield* tinySession(adamw, { optimizer: plainSgd })
        const together = yield* tinySession(adamw, { optimizer: plainSgd })
        const start = yield* valuesOf(apart.adapted.trainable)
        const a = yield* takeStep(apart, [small, large])
        const b = yield* takeStep(together, [joined(small, large)])
        expect([a.step, a.rows, a.tokens]).toEqual([1, 8, small.tokens + large.tokens])
        expect(apart.step).toBe(1)
        expectClose([a.loss], [b.loss], tolerance.forward)
        expectClose([a.gradNorm], [b.gradNorm], tolerance.gradient)
        // the moves, not the parameters, whose size would hide them: sums of rows in another order
        const moves = (after: ReadonlyMap<string, Float32Array>) =>
          [...after].map(([name, values]) => values.map((value, i) => value - start.get(name)![i]!))
        const [apartMoves, togetherMoves] = [
          moves(yield* valuesOf(apart.adapted.trainable)),
          moves(yield* valuesOf(together.adapted.trainable))
        ]
        const largest = Math.max(...togetherMoves.flatMap((move) => [...move].map(Math.abs)))
        expect(largest).toBeGreaterThan(0.01)
        expect(
          relativeError(
            Float32Array.from(apartMoves.flatMap((m) => [...m])),
            togetherMoves.flatMap((m) => [...m])
          )
        ).toBeLessThan(tolerance.gradient)
      })
    ))

  test("leave nothing behind but the new parameters and state", () =>
    scoped(
      Effect.gen(function* () {
        const session = yield* tinySession(adamw)
        yield* takeStep(session, [small])
        yield* Effect.promise(() => expectNoLeak(() => Effect.runPromise(takeStep(session, [small, large, small]))))
      })
    ))
})

test("a step by its parts is a step, and leaves nothing behind either", () =>
  scoped(
    Effect.gen(function* () {
      const whole = yield* tinySession(loraProFull)
      const parts = yield* tinySession(loraProFull)
      const byParts = Effect.gen(function* () {
        yield* refresh(parts)
        const { loss, gradients } = backward(parts, [small, large])
        applyUpdates(parts, updatesOf(parts, gradients))
        loss.dispose()
      })
      for (let step = 1; step <= 3; step++) {
        yield* takeStep(whole, [small, large])
        // the first step makes what the state keeps
        yield* step === 1 ? byParts : Effect.promise(() => expectNoLeak(() => Effect.runPromise(byParts)))
      }
      expect(parts.step).toBe(3)
      expect(yield* valuesOf(parts.adapted.trainable)).toEqual(yield* valuesOf(whole.adapted.trainable))
    })
  ))

describe("the report", () => {
  test("gradNorm is the norm of all raw gradients, before clipping; loss is the one before the update", () =>
    scoped(
      Effect.gen(function* () {
        const session = yield* tinySession({ ...adamw, clipNorm: 1e-3 })
        const { adapted } = session
        const params = tensorsOf(adapted.trainable)
        const lossOf = () => crossEntropy(adapted.forward(tokenTensors(small), adapted.trainable), labelTensor(small))
        const { value, grads } = tf.valueAndGrads(lossOf)([...params])
        const all = yield* Effect.promise(() => Promise.all(grads.map((gradient) => gradient.data())))
        const norm = Math.sqrt(all.flatMap((g) => [...g]).reduce((sum, x) => sum + x * x, 0))
        const loss = yield* Effect.promise(() => value.data())
        const report = yield* takeStep(session, [small])
        expect(norm).toBeGreaterThan(1e-2)
        expectClose([report.gradNorm], [norm], tolerance.forward)
        expectClose([report.loss], [loss[0]!], tolerance.operation)
      })
    ))

  test("learningRate is that of the step's own update; null where nothing sets one", () =>
    scoped(
      Effect.gen(function* () {
        const session = yield* tinySession(adamw)
        const rates: Array<number | null> = []
        for (let i = 0; i < 3; i++) rates.push((yield* takeStep(session, [small])).learningRate)
        // linear warm-up over a tenth of the steps
        const warm = STEPS / 10
        expectClose(
          rates as Array<number>,
          [1, 2, 3].map((t) => (1e-3 * t) / warm),
          1e-12
        )
        const none = yield* tinySession(adamw, {
          optimizer: { init: () => null, update: (updates, state) => ({ updates, state }) }
        })
        expect((yield* takeStep(none, [small])).learningRate).toBeNull()
      })
    ))

  test("counts tokens without padding, and time", () =>
    scoped(
      Effect.gen(function* () {
        const report = yield* takeStep(yield* tinySession(adamw), [small])
        expect(report.tokens).toBe(small.attentionMask.reduce((sum, value) => sum + value, 0))
        expect(report.tokens).toBeLessThan(small.size * small.length)
        expect(report.milliseconds).toBeGreaterThan(0)
        expect(report.tokensPerSecond).toBeCloseTo((1000 * report.tokens) / report.milliseconds, 6)
      })
    ))

  test("health: relative updates of A and B by hand, and B's conditioning", () =>
    scoped(
      Effect.gen(function* () {
        const session = yield* tinySession(loraProFull)
        const first = yield* takeStep(session, [small])
        // B = 0 at the first refresh
        expect(first.health.conditioning).toMatchObject({ median: 0, worst: 0 })
        const before = yield* valuesOf(session.adapted.trainable)
        const { health } = yield* takeStep(session, [large])
        const after = yield* valuesOf(session.adapted.trainable)
        const norm = (values: Iterable<number>) => Math.sqrt([...values].reduce((sum, x) => sum + x * x, 0))
        const sites = session.adapted.sites.map((site) => site.name)
        for (const [factor, summary] of [
          ["A", health.relativeUpdateA],
          ["B", health.relativeUpdateB]
        ] as const) {
          const ratios = sites.map((site) => {
            const [now, then] = [after.get(`${site}.${factor}`)!, before.get(`${site}.${factor}`)!]
            return norm(now.map((value, i) => value - then[i]!)) / norm(now)
          })
          const sorted = [...ratios].sort((a, b) => a - b)
          const middle = sorted.length / 2
          // ΔA is a difference of float32 numbers a thousand times as large
          expectClose([summary!.worst], [sorted.at(-1)!], 1e-3)
          expectClose([summary!.median], [(sorted[middle - 1]! + sorted[middle]!) / 2], 1e-3)
          expect(summary!.worstSite).toBe(sites[ratios.indexOf(sorted.at(-1)!)]!)
        }
        expect(health.conditioning!.worst).toBeLessThanOrEqual(health.conditioning!.median)
        expect(health.conditioning!.median).toBeGreaterThan(0)
      })
    ))

  test("health without LoRA-Pro has no conditioning, without pairs nothing", () =>
    scoped(
      Effect.gen(function* () {
        const lora = yield* takeStep(yield* tinySession(adamw), [small])
        expect(Object.keys(lora.health).sort()).toEqual(["relativeUpdateA", "relativeUpdateB"])
        expect((yield* takeStep(yield* tinySession(adamw, { method: "none" }), [small])).health).toEqual({})
      })
    ))
})

describe("a step that is not finite", () => {
  /** Cross-entropy that is NaN the n-th time it is called. */
  const brokenAt = (n: number): Loss => {
    let calls = 0
    return (logits, labels) => {
      calls += 1
      const loss = crossEntropy(logits, labels)
      return calls === n ? tf.mul(loss, Number.NaN) : loss
    }
  }

  test("fails with its number, changes nothing and leaves nothing", () =>
    scoped(
      Effect.gen(function* () {
        const session = yield* tinySession(adamw, { loss: brokenAt(3) })
        yield* takeStep(session, [small])
        yield* takeStep(session, [large])
        const { trainable } = session.adapted
        const state = tensorsIn(session.optimizerState)
        const before = yield* valuesOf(trainable)
        yield* Effect.promise(() =>
          expectNoLeak(async () => {
            const error = await Effect.runPromise(Effect.flip(takeStep(session, [small])))
            expect(error).toBeInstanceOf(Diverged)
            expect(error.message).toBe(
              "step 3 is not finite (loss NaN; first at the loss): lower the learning rate, add warm-up, or set optimizer.clipNorm; the parameters of step 2 are kept"
            )
          })
        )
        expect(session.step).toBe(2)
        expect(session.adapted.trainable === trainable).toBe(true)
        const now = tensorsIn(session.optimizerState)
        expect(now.length).toBeGreaterThan(0)
        expect(now.map(({ id, isDisposed }) => [id, isDisposed])).toEqual(state.map(({ id }) => [id, false]))
        expect(yield* valuesOf(session.adapted.trainable)).toEqual(before)
      })
    ))

  test("is as if it had not been tried: the steps after it are the same bits", () =>
    scoped(
      Effect.gen(function* () {
        for (const config of [loraProFull, loraProEfficient]) {
          const broken = yield* tinySession(config, { loss: brokenAt(2) })
          const whole = yield* tinySession(config)
          yield* takeStep(broken, [small])
          yield* takeStep(whole, [small])
          expect((yield* Effect.flip(takeStep(broken, [large])))._tag).toBe("Diverged")
          yield* takeStep(broken, [large])
          yield* takeStep(whole, [large])
          expect(yield* valuesOf(broken.adapted.trainable)).toEqual(yield* valuesOf(whole.adapted.trainable))
        }
      })
    ))

  test("names what was not finite first", () =>
    scoped(
      Effect.gen(function* () {
        const where = (session: Parameters<typeof takeStep>[0]) =>
          Effect.map(Effect.flip(takeStep(session, [small])), (error) =>
            error instanceof Diverged ? error.where : error._tag
          )
        // a finite loss whose gradient is not: √|z| at z = 0
        const kink: Loss = (logits) => tf.mean(tf.sqrt(tf.abs(tf.sub(logits, logits))))
        expect(yield* where(yield* tinySession(adamw, { loss: kink }))).toBe(
          "the gradient of A of encoder.layer.0.attention.self.query"
        )
        // a loss that is not, because of one layer: the first to show it is named, not the loss
        const broken = yield* tinySession(adamw)
        const { pairs } = broken.adapted.trainable
        const [third, others] = [pairs[3]!, pairs.filter((_, i) => i !== 3)]
        const B = tf.fill<tf.Rank.R2>([third.site.out, 4], Number.POSITIVE_INFINITY)
        broken.adapted.trainable = { ...broken.adapted.trainable, pairs: others.toSpliced(3, 0, { ...third, B }) }
        expect(yield* where(broken)).toBe(`the output of ${third.site.name}`)
        const huge = sgdTransform({ learningRate: 3e38 })
        expect(yield* where(yield* tinySession(adamw, { optimizer: huge }))).toEndWith(
          "B of encoder.layer.0.attention.self.query"
        )
      })
    ))
})
