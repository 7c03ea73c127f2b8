/** The loop as a stream: groups of batches, laziness, and whose the optimizer's state is. */
import { beforeAll, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { fromConfig } from "../../../src/optimizers/index.ts"
import { crossEntropy, steps, stepsOf } from "../../../src/training/index.ts"
import { expectNoLeak } from "../../setup.ts"
import { adamw } from "./optimizers.ts"
import { randomBatch } from "./tiny-bert.ts"
import { tinyAdapted, tinySession } from "./tiny-session.ts"

beforeAll(() => tf.setBackend("cpu"))

const scoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))
const batches = [1, 2, 3, 4, 5].map((seed) => randomBatch(seed, 5, seed))

test("a report per step, numbered from 1; a session goes on where it stopped", () =>
  scoped(
    Effect.gen(function* () {
      const session = yield* tinySession(adamw)
      const first = yield* Stream.runCollect(stepsOf(session)(Stream.fromIterable(batches.slice(0, 2))))
      const second = yield* Stream.runCollect(stepsOf(session)(Stream.fromIterable(batches.slice(2))))
      expect([...first, ...second].map(({ step }) => step)).toEqual([1, 2, 3, 4, 5])
      expect([...first, ...second].map(({ rows }) => rows)).toEqual([1, 2, 3, 4, 5])
    })
  ))

test("accumulate groups batches; what is left at the end is a smaller step, not lost", () =>
  scoped(
    Effect.gen(function* () {
      const session = yield* tinySession(adamw, { accumulate: 2 })
      const reports = yield* Stream.runCollect(stepsOf(session)(Stream.fromIterable(batches)))
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
      yield* Stream.runForEach(Stream.take(stepsOf(session)(endless), 2), () =>
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
      expect(yield* Effect.flip(Stream.runDrain(stepsOf(session)(broken)))).toBe("line 3")
      expect(session.step).toBe(2)
    })
  ))

test("`steps` opens a session of its own: parameters stay, its state goes with the stream", () =>
  scoped(
    Effect.gen(function* () {
      const adapted = yield* tinyAdapted("lora")
      const run = Stream.runCollect(
        steps(adapted, { optimizer: fromConfig(adamw, 5), loss: crossEntropy })(
          Stream.fromIterable(batches.slice(0, 2))
        )
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
