/**
 * What the lessons of examples/pipelines make themselves, against its formulas: a loss, an optimizer transform, an
 * adapter method, schemas.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { inject, none } from "../../adapters/index.ts"
import { rowScaling } from "../../examples/pipelines/own-adapter-method.ts"
import { focal } from "../../examples/pipelines/own-loss.ts"
import { scaleBySignum } from "../../examples/pipelines/own-optimizer-transform.ts"
import { Review, ReviewInEffect } from "../../examples/pipelines/own-row-schema.ts"
import { adamw, Dataset, type Trainable, Training } from "../../src/index.ts"
import { valueAndGradients } from "../../src/tensors/gradients.ts"
import { toyModel, toyTokens } from "../adapters/toy-model.ts"
import { expectClose, expectNoLeak, tolerance } from "../setup.ts"

beforeAll(() => tf.setBackend("cpu"))

const LOGITS = [
  [2, -1, 0.5],
  [-3, 0.25, 0],
  [0, 0, 0],
  [30, -30, 1]
]
const TARGETS = [0, 2, 1, 0]

describe("own-loss: focal", () => {
  /** In float64, row by row, as the paper writes it. */
  const reference = (logits: ReadonlyArray<ReadonlyArray<number>>, gamma: number): number => {
    const rows = logits.map((z, i) => {
      const p = Math.exp(z[TARGETS[i]!]!) / z.reduce((sum, one) => sum + Math.exp(one), 0)
      return -((1 - p) ** gamma) * Math.log(p)
    })
    return rows.reduce((sum, row) => sum + row, 0) / rows.length
  }

  const valueAndGradient = (gamma: number) =>
    tf.tidy(() => {
      const logits = tf.tensor2d(LOGITS)
      const labels = tf.tensor1d(TARGETS, "int32")
      const { value, gradients } = valueAndGradients(() => focal(gamma)(logits, labels), [logits])
      return { value: value.dataSync()[0]!, gradient: gradients[0]!.dataSync() }
    })

  test.each([0, 0.5, 2, 5])("γ = %d is the paper's formula, and its gradient a difference quotient's", (gamma) => {
    const { value, gradient } = valueAndGradient(gamma)
    expectClose([value], [reference(LOGITS, gamma)], tolerance.forward)
    const h = 1e-5
    const moved = (row: number, column: number, by: number) =>
      reference(
        LOGITS.map((z, i) => z.map((one, j) => (i === row && j === column ? one + by : one))),
        gamma
      )
    const quotients = LOGITS.flatMap((z, i) => z.map((_, j) => (moved(i, j, h) - moved(i, j, -h)) / (2 * h)))
    expectClose(gradient, quotients, tolerance.gradient)
  })

  test("γ = 0 is cross-entropy", () => {
    const crossEntropy = tf.tidy(
      () => Training.crossEntropy(tf.tensor2d(LOGITS), tf.tensor1d(TARGETS, "int32")).dataSync()[0]!
    )
    expectClose([valueAndGradient(0).value], [crossEntropy], tolerance.operation)
  })
})

describe("own-optimizer-transform: Signum", () => {
  const treeOf = (values: ReadonlyArray<number>): Trainable => ({
    pairs: [],
    dense: [{ name: "w", role: "body", value: tf.tensor1d([...values]) }]
  })

  test("three steps are the paper's, in signs and in momentum", () => {
    const gradients = [
      [1, -2, 0.5, 0, 4],
      [-8, -1, 0.4, 0, -9],
      [-0.1, 3, -5, 0, 1]
    ]
    const b = 0.6
    const signum = scaleBySignum({ b })
    tf.tidy(() => {
      let state = signum.init(treeOf([0, 0, 0, 0, 0]))
      let momentum = [0, 0, 0, 0, 0]
      for (const gradient of gradients) {
        const next = signum.update(treeOf(gradient), state, treeOf([0, 0, 0, 0, 0]))
        momentum = momentum.map((m, i) => b * m + (1 - b) * gradient[i]!)
        const direction = momentum.map(Math.sign)
        expect([...next.updates.dense[0]!.value.dataSync()]).toEqual(direction)
        expectClose(next.state.momentum[0]!.dataSync(), momentum, tolerance.operation)
        state = next.state
      }
      // the second step's large gradient has turned the first entry against its momentum's start
      expect(Math.sign(momentum[0]!)).toBe(-1)
    })
  })
})

describe("own-adapter-method: row scaling on a toy model", () => {
  const read = (tensor: tf.Tensor) => Effect.promise(() => tensor.data())

  /** Runs `f` with an adapted toy model, and fails where a tensor is left behind. */
  const withToy = async (f: (toy: ReturnType<typeof toyModel>["model"]) => Effect.Effect<unknown, unknown, never>) => {
    const toy = toyModel()
    await expectNoLeak(() => Effect.runPromise(f(toy.model)))
    toy.dispose()
  }

  test("starts as its base, learns, and is one weight afterwards", () =>
    withToy((model) =>
      Effect.gen(function* () {
        const method = rowScaling
        const adapted = yield* inject(model, method, { start: 1, targets: ["dense", "wide"] })
        const alone = yield* inject(model, none, {})
        expect(adapted.sites).toHaveLength(3)
        for (const site of adapted.sites) {
          const own = adapted.trainable.dense.filter(({ name }) => name.startsWith(`${site.name}.`))
          expect(own.reduce((sum, { value }) => sum + value.size, 0)).toBe(site.out)
          expect(method.size(site, { start: 1 })).toEqual({ factors: 0, dense: site.out, frozen: 0, state: 0 })
        }
        const logitsOf = (one: typeof adapted) => {
          const tokens = toyTokens()
          const logits = tf.tidy(() => one.forward(tokens, one.trainable))
          tf.dispose(Object.values(tokens))
          return Effect.ensuring(
            read(logits),
            Effect.sync(() => logits.dispose())
          )
        }
        expect(yield* logitsOf(adapted)).toEqual(yield* logitsOf(alone))

        const session = yield* Training.openSession(adapted, {
          optimizer: adamw({ learningRate: 0.05 }),
          loss: Training.crossEntropy
        })
        const row = (ids: ReadonlyArray<number>, label: number) => ({ ids, label, typeIds: ids.map(() => 0) })
        const rows = [row([1, 2, 3], 0), row([4, 5], 1), row([6, 7, 8], 2)]
        const batch = Dataset.padBatch(rows, { padId: 0, maxLength: 4, padMultiple: 1 })
        const first = yield* Training.takeStep(session, [batch])
        for (let i = 0; i < 20; i++) yield* Training.takeStep(session, [batch])
        const last = yield* Training.takeStep(session, [batch])
        expect(last.loss).toBeLessThan(first.loss / 2)

        // forward(x) = x·merge(W)ᵀ + bias, site by site
        for (const site of adapted.sites) {
          const part = adapted.parts(adapted.trainable).find((one) => one.site.name === site.name)!
          const base = {
            W: model.weights(`${site.name}.weight`) as tf.Tensor2D,
            bias: model.weights(`${site.name}.bias`) as tf.Tensor1D
          }
          const [forward, merged] = tf.tidy(() => {
            const x = tf.randomNormal<tf.Rank.R2>([4, site.in], 0, 1, "float32", 7)
            const weight = adapted.method.merge(part, base)
            const y = tf.add(tf.matMul(x, weight, false, true), base.bias)
            const moved = tf.max(tf.abs(tf.sub(weight, base.W))).dataSync()[0]!
            expect(moved).toBeGreaterThan(1e-3)
            return [adapted.method.forward(part, x, base).dataSync(), y.dataSync()]
          })
          expectClose(forward!, merged!, tolerance.forward)
        }
      }).pipe(Effect.scoped)
    ))
})

describe("own-row-schema: zod's and effect's", () => {
  const rows: ReadonlyArray<readonly [fits: boolean, row: unknown]> = [
    [true, { stars: "5", comment: " Fine. ", language: "en", id: "1" }],
    [true, { stars: "1", comment: "x", language: "en" }],
    [false, { stars: "0", comment: "x", language: "en" }],
    [false, { stars: "4.5", comment: "x", language: "en" }],
    [false, { stars: "many", comment: "x", language: "en" }],
    [false, { stars: "3", comment: "  ", language: "en" }],
    [false, { stars: "3", comment: "x", language: "de" }],
    [false, { stars: "3", comment: "x" }]
  ]

  test.each(rows)("agree (%p) on %j", async (fits, row) => {
    const [byZod, byEffect] = [Review, ReviewInEffect].map((schema) => schema["~standard"].validate(row))
    const verdicts = [await byZod, await byEffect]
    expect(verdicts.map((verdict) => verdict!.issues === undefined)).toEqual([fits, fits])
    if (fits) expect(verdicts[0]).toEqual(verdicts[1]!)
  })
})
