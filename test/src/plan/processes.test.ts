/** What several processes are said to do, hold and send, beside what sessions on several ranks do. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { mustBeDecided, OptimizerConfig } from "../../../schemas/index.ts"
import { classification } from "../../../src/kinds/encoder/classification/index.ts"
import { describeProcesses, resolvePlan } from "../../../src/kinds/index.ts"
import { fromConfig, optimizerOf, optimizers } from "../../../src/optimizers/index.ts"
import { processesEstimate, processesProblem, readPlan, type Travel, travelOf } from "../../../src/plan/index.ts"
import { platform } from "../../../src/platform.ts"
import { Ranks } from "../../../src/ranks/index.ts"
import type { FactorPair } from "../../../src/tensors/index.ts"
import { takeStep } from "../../../src/training/index.ts"
import { describeOn } from "../../backends.ts"
import { ranksInProcess } from "../../ranks.ts"
import { adamw, loraProFull } from "../training/optimizers.ts"
import { randomBatch } from "../training/tiny-bert.ts"
import { tinySession } from "../training/tiny-session.ts"

/** Bytes that each rank sends. */
const sentOf = ({ gradients, moves, whitenings }: Travel, size: number) =>
  Array.from({ length: size }, (_, rank) =>
    [...gradients, ...moves, ...whitenings].reduce((sum, bytes) => sum + bytes[rank]!, 0)
  )

const shapeOf = ({ site, A }: FactorPair) => ({ site, rank: A.shape[0] })

describeOn("wasm", () => {
  for (const [name, config] of [
    ["lora-pro full", loraProFull],
    ["adamw", adamw]
  ] as const)
    for (const size of [2, 3])
      test(`a step of ${name} on ${size} ranks sends what is said`, async () => {
        const { run, sent } = ranksInProcess(size)
        const batches = [3, 5, 2, 4, 1].map((rows, i) => randomBatch(rows, 6, i + 1))
        const program = Effect.gen(function* () {
          const session = yield* tinySession(config)
          yield* takeStep(session, batches)
          const { pairs, dense } = session.adapted.trainable
          const sizes = [...pairs.flatMap(({ A, B }) => [A.size, B.size]), ...dense.map(({ value }) => value.size)]
          return { pairs: pairs.map(shapeOf), trained: sizes.reduce((sum, own) => sum + own, 0) }
        })
        const [counted] = await Effect.runPromise(run(() => Effect.scoped(program)))
        const shared = optimizerOf(config).shared(config)
        expect(sent).toEqual(sentOf(travelOf({ accumulate: batches.length, ...counted!, shared }, size), size))
      })

  const learningRate = 1e-3
  const sections: ReadonlyArray<Readonly<Record<string, unknown>>> = [
    ...Object.keys(optimizers).map((kind) => ({ kind })),
    ...["efficient", "sgd"].map((form) => ({ kind: "lora-pro", form })),
    { kind: "lora-pro", form: "full", moments: "factored" },
    { kind: "lora-pro", form: "efficient", moments: "invariant" },
    ...["full", "scalar"].map((form) => ({ kind: "reflora", form, warmupSteps: 1 }))
  ]
  for (const section of sections)
    test(`what ${JSON.stringify(section)} says that ranks share is what they send`, async () => {
      const config = Schema.decodeUnknownSync(OptimizerConfig)({ ...section, learningRate })
      const size = 2
      const pairs = [20, 24, 28].map(
        (width, i): FactorPair => ({
          site: { name: `${i}`, kind: "dense", out: width, in: 2 * width },
          scale: 2,
          A: tf.randomNormal([128, 2 * width], 0, 1, "float32", i + 1),
          B: tf.randomNormal([width, 128], 0, 1, "float32", i + 11)
        })
      )
      const params = { pairs, dense: [] }
      const gradients = () => ({
        pairs: pairs.map(({ A, B, ...own }) => ({ ...own, A: A.clone(), B: B.clone() })),
        dense: []
      })
      const { run, sent } = ranksInProcess(size)
      const before = [0, 0]
      const program = Effect.gen(function* () {
        const { rank } = yield* Ranks
        const optimizer = yield* fromConfig(mustBeDecided(config), 10)
        let state = optimizer.init(params)
        // some do nothing before their second step
        for (let step = 0; step < 2; step++) {
          before[rank] = sent[rank]!
          state = yield* optimizer.refresh?.(state, params) ?? Effect.succeed(state)
          const next = optimizer.update(gradients(), state, params)
          yield* optimizer.shared?.complete(next.updates) ?? Effect.void
          state = next.state
        }
      })
      await Effect.runPromise(run(() => program))
      const shared = optimizerOf(config).shared(config)
      const { moves, whitenings } = travelOf({ accumulate: 2, trained: 0, pairs: pairs.map(shapeOf), shared }, size)
      expect(sent.map((bytes, rank) => bytes - before[rank]!)).toEqual(
        sentOf({ gradients: [], moves, whitenings }, size)
      )
    })
})

const read = (processes: number, ...settings: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { plan, name } = yield* readPlan("examples/plans/movies-lora-pro-full.json", settings)
    return yield* resolvePlan(classification, plan, name, processes)
  }).pipe(Effect.scoped, Effect.provide(platform))

test("of a plan on three processes: their shares, and what they wait for", async () => {
  const resolved = await Effect.runPromise(read(3, "training.accumulate=5"))
  const { pairs, trained } = { pairs: 36, trained: 332_546 }
  const estimate = processesEstimate(resolved, 3, 0.5)
  expect(estimate).toMatchObject({ microBatches: [1, 2, 2], uneven: 0.5 })
  // six layers of four weights 384 × 384 and two of 384 × 1536: two moments a number, and the head's
  const moments = 2 * 6 * (4 * 384 ** 2 + 2 * 384 * 1536)
  expect(resolved.selected.sites).toHaveLength(pairs)
  expect(estimate.stateAlone).toBe(4 * (moments + 2 * resolved.trainable.dense))
  // every process has the head's
  expect(estimate.state.reduce((sum, own) => sum + own, 0)).toBe(4 * (moments + 3 * 2 * resolved.trainable.dense))
  expect(Math.max(...estimate.state)).toBeLessThan(0.34 * estimate.stateAlone)
  // the process with one micro-batch receives those of the two others; a loss each, and a word from each process
  expect(resolved.trainable.total).toBe(trained)
  expect(estimate.receives.gradients).toBe(4 * (4 * (trained + 1) + 2))
  const [fast, slow] = estimate.connections
  const bytes = estimate.receives.gradients + estimate.receives.moves
  expect(fast!.network).toBeCloseTo(4 * 1e-3 + bytes / 125e6, 9)
  expect(slow!.step!.seconds).toBeCloseTo(0.2 + slow!.network, 9)
  const text = describeProcesses(estimate)
  expect(text).toContain(
    "processes  3, for the 5 micro-batches of a step: 1 has 1, 2 have 2; processes with 1 wait 50.0 % of the time of those with 2"
  )
  expect(text).toMatch(/about \d+ ms of waiting per step, \d\d\.\d % of its time; 1\.\d\d× as fast as one process/)
  // nothing is said of times where none is known
  expect(describeProcesses(processesEstimate(resolved, 3))).not.toContain("as fast as")
})

test("fewer micro-batches than processes are a problem, beside all others of the plan", async () => {
  const few = processesProblem({ training: { accumulate: 2, batchSize: 8 } } as never, 4)!
  expect(few).toContain("training.accumulate is 2, but the micro-batches of a step are divided among 4 processes")
  expect(few).toContain(
    "set training.accumulate to 4 or more and training.batchSize to 4, which keeps a step's 16 rows, or start at most 2 processes"
  )
  const error = await Effect.runPromise(Effect.flip(read(3, "data.train=none.jsonl")))
  expect(error.message).toContain("training.accumulate is 1, but")
  expect(error.message).toContain("or start one process")
  expect(error.message).toContain("none.jsonl")
  await Effect.runPromise(read(2, "training.accumulate=2"))
})
