/** The loop as a stream: groups of batches, laziness, and whose the optimizer's state is. */

import { beforeAll, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { mustBeDecided } from "../../../schemas/index.ts"
import { fromConfig } from "../../../src/optimizers/index.ts"
import { crossEntropy, type StepReport, sessionSteps, steps } from "../../../src/training/index.ts"
import { expectNoLeak } from "../../setup.ts"
import { adamw, loraProFull } from "./optimizers.ts"
import { randomBatch } from "./tiny-bert.ts"
import { tinyAdapted, tinySession, valuesOf } from "./tiny-session.ts"

beforeAll(() => tf.setBackend("cpu"))

const scoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))
const batches = [1, 2, 3, 4, 5].map((seed) => randomBatch(seed, 5, seed))

test("a report per step, numbered from 1; a session goes on where it stopped", () =>
  scoped(
    Effect.gen(function* () {
      const session = yield* tinySession(adamw)
      const first = yield* Stream.runCollect(sessionSteps(session)(Stream.fromIterable(batches.slice(0, 2))))
      const second = yield* Stream.runCollect(sessionSteps(session)(Stream.fromIterable(batches.slice(2))))
      expect([...first, ...second].map(({ step }) => step)).toEqual([1, 2, 3, 4, 5])
      expect([...first, ...second].map(({ rows }) => rows)).toEqual([1, 2, 3, 4, 5])
    })
  ))

test("accumulate groups batches; what is left at the end is a smaller step, not lost", () =>
  scoped(
    Effect.gen(function* () {
      const session = yield* tinySession(adamw, { accumulate: 2 })
      const reports = yield* Stream.runCollect(sessionSteps(session)(Stream.fromIterable(batches)))
      expect(reports.map(({ rows }) => rows)).toEqual([1 + 2, 3 + 4, 5])
    })
  ))

test("asks for no batch before it needs one, and for no step that nobody takes", () =>
  scoped(
    Effect.gen(function* () {
      let asked = 0
      const endless = Stream.fromIterable(
        (function* () {
          for (;;) yield batches[asked++ % batches.length]!
        })(),
        { chunkSize: 1 }
      )
      const session = yield* tinySession(adamw, { accumulate: 2 })
      const heard: Array<number> = []
      yield* Stream.runForEach(Stream.take(sessionSteps(session)(endless), 2), () =>
        Effect.sync(() => void heard.push(asked))
      )
      expect(heard).toEqual([2, 4])
      expect(session.step).toBe(2)
    })
  ))

test("an error of the data passes through, with the steps before it taken", () =>
  scoped(
    Effect.gen(function* () {
      const session = yield* tinySession(adamw)
      const broken = Stream.concat(Stream.fromIterable(batches.slice(0, 2)), Stream.fail("line 3" as const))
      expect(yield* Effect.flip(Stream.runDrain(sessionSteps(session)(broken)))).toBe("line 3")
      expect(session.step).toBe(2)
    })
  ))

test("and so it does behind steps that wait to be read together", () =>
  scoped(
    Effect.gen(function* () {
      const session = yield* tinySession(adamw)
      const broken = Stream.concat(Stream.fromIterable(batches.slice(0, 2)), Stream.fail("line 3" as const))
      expect(yield* Effect.flip(Stream.runDrain(sessionSteps(session, { stepsPerRead: () => 4 })(broken)))).toBe(
        "line 3"
      )
      expect(session.step).toBe(2)
    })
  ))

const together = 3

for (const optimizer of [adamw, loraProFull]) {
  test(`${optimizer.kind}: steps whose numbers are read together are the same steps`, () =>
    scoped(
      Effect.gen(function* () {
        const apart = yield* tinySession(optimizer)
        const joint = yield* tinySession(optimizer)
        const begun: Array<number> = []
        const expected = yield* Stream.runCollect(sessionSteps(apart)(Stream.fromIterable(batches)))
        const found = yield* Stream.runCollect(
          sessionSteps(joint, { stepsPerRead: () => together, begins: (step) => begun.push(step) })(
            Stream.fromIterable(batches)
          )
        )
        const timeless = (reports: Iterable<StepReport>) =>
          Array.from(reports, ({ milliseconds: _, tokensPerSecond: __, ...rest }) => rest)
        expect(timeless(found)).toEqual(timeless(expected))
        expect(begun).toEqual([1, 2, 3, 4, 5])
        expect(yield* valuesOf(joint.adapted.trainable)).toEqual(yield* valuesOf(apart.adapted.trainable))
        expect(joint.position).toEqual(apart.position)
      })
    ))
}

test("steps are reported when their numbers are read: together, the last ones without waiting for more", () =>
  scoped(
    Effect.gen(function* () {
      const session = yield* tinySession(adamw)
      const heard: Array<readonly [step: number, taken: number]> = []
      const asked: Array<number> = []
      const until = (next: number) => {
        asked.push(next)
        return next === 1 ? 2 : together
      }
      yield* Stream.runForEach(
        sessionSteps(session, { stepsPerRead: until })(Stream.fromIterable(batches)),
        ({ step }) => Effect.sync(() => void heard.push([step, session.step]))
      )
      expect(heard).toEqual([
        [1, 2],
        [2, 2],
        [3, 5],
        [4, 5],
        [5, 5]
      ])
      expect([...new Set(asked)]).toEqual([1, 3])
    })
  ))

test("a step among several that is not finite: those before it are taken and reported, it is named, and nothing is left", () =>
  scoped(
    Effect.gen(function* () {
      /** a loss that is not finite for the third batch alone, which has three rows */
      const loss: typeof crossEntropy = (logits, labels) =>
        logits.shape[0] === 3
          ? tf.mul<tf.Scalar>(crossEntropy(logits, labels), Number.NaN)
          : crossEntropy(logits, labels)
      const apart = yield* tinySession(adamw)
      yield* Stream.runDrain(sessionSteps(apart)(Stream.fromIterable(batches.slice(0, 2))))
      const joint = yield* tinySession(adamw, { loss })
      const reported: Array<number> = []
      const record = (reports: ReadonlyArray<StepReport>) =>
        Effect.sync(() => void reported.push(...reports.map(({ step }) => step)))
      const tensors = tf.memory().numTensors
      const steps = sessionSteps(joint, { stepsPerRead: () => 4, record })(Stream.fromIterable(batches))
      const error = yield* Effect.flip(Stream.runDrain(steps))
      expect(error).toMatchObject({ _tag: "Diverged", step: 3, where: "the loss" })
      expect(joint.step).toBe(2)
      expect(yield* valuesOf(joint.adapted.trainable)).toEqual(yield* valuesOf(apart.adapted.trainable))
      expect(reported).toEqual([1, 2])
      // the first step parts what starts as a second handle of the model's own buffers; the number of tensors stays
      expect(tf.memory().numTensors).toBe(tensors)
    })
  ))

test("`steps` opens a session of its own: parameters stay, its state goes with the stream", () =>
  scoped(
    Effect.gen(function* () {
      const adapted = yield* tinyAdapted("lora")
      const optimizer = yield* fromConfig(mustBeDecided(adamw), 5)
      const run = Stream.runCollect(
        steps(adapted, { optimizer, loss: crossEntropy })(Stream.fromIterable(batches.slice(0, 2)))
      )
      // the first step parts what starts as a second handle of the model's own buffers
      yield* run
      const start = adapted.trainable
      yield* Effect.promise(() => expectNoLeak(() => Effect.runPromise(run)))
      expect(adapted.trainable).not.toBe(start)
      expect(start.pairs[0]!.A.isDisposed).toBe(true)
      expect(adapted.trainable.pairs[0]!.A.isDisposed).toBe(false)
    })
  ))

/** Turns of the event loop during six steps, each of which takes so many milliseconds by the clock. */
const turnsIn = (milliseconds: number): Promise<number> =>
  scoped(
    Effect.gen(function* () {
      const session = yield* tinySession(adamw)
      let now = 0
      const clock = yield* Clock.Clock
      const nanos = () => BigInt(1e6 * now)
      let turns = 0
      let next = setImmediate(function turn() {
        turns++
        next = setImmediate(turn)
      })
      const passes = () => {
        now += milliseconds
      }
      yield* Stream.fromIterable([...batches, batches[0]!], { chunkSize: 1 }).pipe(
        sessionSteps(session, { begins: passes }),
        Stream.runDrain,
        Effect.ensuring(Effect.sync(() => clearImmediate(next))),
        Effect.provideService(Clock.Clock, {
          ...clock,
          monotonicTimeNanosUnsafe: nanos,
          monotonicTimeNanos: Effect.sync(nanos)
        })
      )
      expect(session.step).toBe(6)
      return turns
    })
  )

test("gives up the thread every 50 ms, though nothing in a step waits, and not more often", async () => {
  // one before each step but the first
  const slow = await turnsIn(60)
  expect(slow).toBeGreaterThanOrEqual(5)
  // effect itself takes one in some thousand operations
  const quick = await turnsIn(6)
  expect(slow - quick).toBeGreaterThanOrEqual(4)
})
