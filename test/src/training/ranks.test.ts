/**
 * A session over ranks is the session of one rank, bit for bit: parameters, reports, and the state that a checkpoint has. Here ranks are fibers
 * of one process (`test/ranks.ts`).
 */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { OptimizerConfig } from "../../../schemas/index.ts"
import { Elsewhere } from "../../../src/optimizers/index.ts"
import { whitenPairs } from "../../../src/optimizers/whitening.ts"
import { takeSnapshot } from "../../../src/output/checkpoint-write.ts"
import { Ranks } from "../../../src/ranks/index.ts"
import { type FactorPair, readTogether, tensorsOf } from "../../../src/tensors/index.ts"
import { backward } from "../../../src/training/backward.ts"
import { dividedBackward } from "../../../src/training/divided-backward.ts"
import { type Session, sessionSteps, sharedState, takeStep } from "../../../src/training/index.ts"
import { describeOn } from "../../backends.ts"
import { ranksInProcess } from "../../ranks.ts"
import { adamw, loraProEfficient, loraProFull } from "./optimizers.ts"
import { randomBatch } from "./tiny-bert.ts"
import { type MethodName, tinySession, valuesOf } from "./tiny-session.ts"

const STEPS = 2
/** What ranks do differs by these: moments that they share, whitenings, none of them; a penalty on parameters; no pairs. */
const combinations = [
  ["lora", "lora-pro full", loraProFull],
  ["lora", "lora-pro efficient", loraProEfficient],
  ["lora", "adamw", adamw],
  ["adalora", "adamw", adamw],
  ["full", "adamw", adamw]
] as const
/** Of unequal rows, so that their shares differ; a number that 2, 3 and 4 do not divide. */
const microBatches = [3, 5, 2, 4, 1].map((rows, i) => randomBatch(rows, 6, i + 1))

/** Everything a step reports but the time that it took. */
const timeless = ({ milliseconds: _, tokensPerSecond: __, ...report }: object & Record<string, unknown>) => report

const context = { best: null, name: "tiny", plan: {}, inputs: {} }

/** What a checkpoint holds: the record, and the numbers of every tensor. */
const checkpointOf = (session: Session) =>
  Effect.gen(function* () {
    const { record, tensors } = yield* takeSnapshot(session, context)
    const read = yield* Effect.forEach(tensors, ([name, { shape, take }]) =>
      Effect.map(take, (data) => [name, shape, [...data]] as const)
    )
    return { record, read }
  })

const trained = (method: MethodName, config: OptimizerConfig, size: number, steps = STEPS) => {
  const { run, sent } = ranksInProcess(size)
  const program = Effect.gen(function* () {
    const session = yield* tinySession(config, { method })
    const reports = []
    for (let i = 0; i < steps; i++) reports.push(timeless({ ...(yield* takeStep(session, microBatches)) }))
    const state = sharedState(session.optimizerState).tensors
    const held = state.reduce((sum, tensor) => sum + (tensor instanceof Elsewhere ? 0 : tensor.size), 0)
    const values = [...(yield* valuesOf(session.adapted.trainable))].map(([name, own]) => [name, [...own]] as const)
    return { values, reports, held, checkpoint: yield* checkpointOf(session) }
  })
  return Effect.runPromise(Effect.scoped(run(() => Effect.scoped(program)))).then((ranks) => ({ ranks, sent }))
}

describeOn("wasm", () => {
  for (const [method, name, config] of combinations)
    test(`${method}, ${name}: 1, 2, 3 and 4 ranks have the same bits`, async () => {
      const {
        ranks: [alone]
      } = await trained(method, config, 1)
      for (const size of [2, 3, 4]) {
        const { ranks } = await trained(method, config, size)
        expect(ranks).toHaveLength(size)
        for (const rank of ranks) {
          expect(rank.reports).toEqual(alone!.reports)
          expect(rank.values).toEqual(alone!.values)
        }
        expect(ranks[0]!.checkpoint).toEqual(alone!.checkpoint)
      }
    })

  test("a sum of gradients that are −0 is −0, as in one process", async () => {
    const { run } = ranksInProcess(2)
    const gradients = (divided: boolean) =>
      Effect.gen(function* () {
        const { adapted } = yield* tinySession(adamw)
        // of the parameters alone: a sum over rows begins with 0, which −0 does not survive
        const loss = () =>
          tf.addN(tensorsOf(adapted.trainable).map((x) => tf.sum<tf.Scalar>(tf.mul(x, -0)))) as tf.Scalar
        const session = { adapted, loss }
        const made = divided
          ? yield* dividedBackward(yield* Ranks, session, microBatches)
          : backward(session, microBatches)
        const numbers = yield* readTogether(tensorsOf(made.gradients), "gradients")
        return [...new Uint32Array(numbers.buffer)]
      }).pipe(Effect.scoped)
    const alone = await Effect.runPromise(gradients(false))
    expect(alone).toContain(0x80000000)
    for (const rank of await Effect.runPromise(run(() => gradients(true)))) expect(rank).toEqual(alone)
  })

  test("LoRA-Pro's moments are each held by one rank, about as many by each", async () => {
    const {
      ranks: [alone]
    } = await trained("lora", loraProFull, 1)
    const { ranks } = await trained("lora", loraProFull, 3)
    const { ranks: others } = await trained("lora", loraProEfficient, 1)
    // what every rank has besides: whitenings, and the moments of dense tensors
    const common = ranks.reduce((sum, { held }) => sum + held, 0) - alone!.held
    const divided = alone!.held - common / 2
    expect(divided).toBeGreaterThan(0.8 * alone!.held)
    for (const { held } of ranks) expect(held - common / 2).toBeLessThan(0.45 * divided)
    expect(others[0]!.held).toBeLessThan(alone!.held)
  })

  test("a step sends a micro-batch's gradients once, and LoRA-Pro's moves", async () => {
    const numbers = (values: ReadonlyArray<readonly [string, ReadonlyArray<number>]>) =>
      values.reduce((sum, [, own]) => sum + own.length, 0)
    const { ranks, sent } = await trained("lora", loraProEfficient, 2, 1)
    const own = numbers(ranks[0]!.values)
    // a word that says whether to stop, and the losses
    expect(sent[0]! + sent[1]!).toBe(4 * (microBatches.length * (own + 1) + 2))
  })

  test("whitenings of large ranks are shared, and have the same bits", async () => {
    const r = 128
    const pairs = [20, 24, 28].map(
      (width, i): FactorPair => ({
        site: { name: `${i}`, kind: "dense", out: width, in: 2 * width },
        scale: 2,
        A: tf.randomNormal([r, 2 * width], 0, 1, "float32", i + 1),
        B: tf.randomNormal([width, r], 0, 1, "float32", i + 11)
      })
    )
    const numbers = Effect.gen(function* () {
      const { whitenings, smallest } = yield* whitenPairs(pairs, 1e-6)
      const tensors = [
        smallest,
        ...whitenings.flatMap(({ TB, TBgrad, TAt, TAgrad, S }) => [TB, TBgrad, TAt, TAgrad, S])
      ]
      return yield* Effect.forEach(tensors, (tensor) => Effect.promise(async () => [...(await tensor.data())]))
    })
    const alone = await Effect.runPromise(numbers)
    for (const size of [2, 4]) {
      const { run, sent } = ranksInProcess(size)
      for (const rank of await Effect.runPromise(run(() => numbers))) expect(rank).toEqual(alone)
      expect(sent.reduce((sum, bytes) => sum + bytes, 0)).toBe(4 * pairs.length * (5 * r * r + 1))
    }
  })

  test("ranks that are asked to stop do so after one step more, all of them", async () => {
    const { run, shapes } = ranksInProcess(2)
    const program = Effect.gen(function* () {
      const session = yield* tinySession(loraProFull)
      const { rank } = yield* Ranks
      const steps = Stream.fromIterable(
        Array.from({ length: 40 }, (_, i) => randomBatch(2, 4, i)),
        { chunkSize: 1 }
      ).pipe(
        sessionSteps({ ...session, accumulate: 4 } as typeof session),
        Stream.tap(({ step }) =>
          Effect.sync(() => {
            shapes[1]!.stop.requested ||= rank === 1 && step === 2
          })
        ),
        Stream.runCollect
      )
      const exit = yield* Fiber.await(yield* Effect.forkChild(steps))
      return { interrupted: exit._tag === "Failure", step: session.step }
    })
    const ended = await Effect.runPromise(Effect.scoped(run(() => Effect.scoped(program))))
    expect(ended.map(({ interrupted }) => interrupted)).toEqual([true, true])
  })
})
