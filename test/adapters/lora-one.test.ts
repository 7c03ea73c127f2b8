/**
 * LoRA-One: the pair is that of the golden file, a step along the negative gradient and no other start; and what cannot start says why
 * and leaves nothing behind.
 */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type { Calibrate } from "../../adapters/index.ts"
import { loraOne } from "../../adapters/init/lora-one.ts"
import { randomStream } from "../../src/numbers/random.ts"
import { describeOnEach } from "../backends.ts"
import golden from "../golden/lora_pro/init_lora_one.json"
import { expectNoLeak, tolerance } from "../setup.ts"
import { combine, deviation, inner, times, transpose } from "../src/optimizers/matrix.ts"
import { matrixOf, tensorOf } from "../src/optimizers/tensors.ts"

const { g, m, n, r, s, gamma } = golden
const site = { name: "some.site", kind: "dense", out: m, in: n } as const
const config = { kind: "lora-one", batches: 3, gamma } as const

const start = (calibrate: Calibrate) =>
  Effect.acquireUseRelease(
    Effect.sync(() => tf.zeros<tf.Rank.R2>([m, n])),
    (W) =>
      loraOne.init(
        config,
        { site, rank: r, scale: s },
        { W, bias: null, random: randomStream(0, site.name), calibrate }
      ),
    (W) => Effect.sync(() => W.dispose())
  )

describeOnEach(() => {
  test("A and B are those of the golden file, and BA is a step downhill", () =>
    expectNoLeak(async () => {
      const asked: Array<unknown> = []
      const started = await Effect.runPromise(
        start((where, wanted) => {
          asked.push([where.name, wanted])
          return Effect.sync(() => tensorOf(g))
        })
      )
      expect(asked).toEqual([[site.name, { init: "lora-one", what: "gradient", batches: 3 }]])
      const [A, B] = [await matrixOf(started.A), await matrixOf(started.B)]
      tf.dispose([started.A, started.B])
      // g, A and B rounded to float32 once each
      expect(deviation(combine([s, times(B, A)]), golden.s_BA)).toBeLessThan(tolerance.operation)
      expect(deviation(times(A, transpose(A)), golden.AAt)).toBeLessThan(tolerance.operation)
      expect(deviation(times(transpose(B), B), golden.BtB)).toBeLessThan(tolerance.operation)
      expect(inner(times(B, A), g)).toBeLessThan(0)
    }))
})

describe("cannot start", () => {
  const reasons = {
    "0 everywhere": () => tf.zeros<tf.Rank.R2>([m, n]),
    "not finite": () => tensorOf(g.map((row, i) => row.map((x, j) => (i === 3 && j === 5 ? Number.NaN : x))))
  }
  for (const [reason, gradient] of Object.entries(reasons)) {
    test(`from a gradient that is ${reason}`, () =>
      expectNoLeak(async () => {
        const error = await Effect.runPromise(Effect.flip(start(() => Effect.sync(gradient))))
        expect(error.message).toStartWith(
          'adapter.init "lora-one" cannot initialize some.site: its gradient over the first 3 '
        )
        expect(error.message).toContain(reason)
      }))
  }
})
