/** What ranks tell each other, and how things are divided among them. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { alone, begunTogether, fromAll, onFirst, Ranks, rangesOf } from "../../../src/ranks/index.ts"
import { ranksInProcess } from "../../ranks.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

test("ranges are consecutive, cover everything, and differ by one at most", () => {
  for (const size of [1, 2, 3, 4, 7])
    for (const count of [0, 1, 2, 3, 4, 5, 12, 13]) {
      const ranges = rangesOf(count, size)
      expect(ranges).toHaveLength(size)
      expect(ranges.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i))).toEqual(
        Array.from({ length: count }, (_, i) => i)
      )
      const lengths = ranges.map(({ start, end }) => end - start)
      expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1)
    }
})

test("one process is one rank, and meets itself", async () => {
  const bytes = Uint8Array.of(1, 2, 3)
  expect(await Effect.runPromise(alone.allGather(bytes))).toEqual([bytes])
  expect(await Effect.runPromise(fromAll({ a: 1 }))).toEqual([{ a: 1 }])
  expect(await Effect.runPromise(onFirst(Effect.succeed(5)))).toBe(5)
  expect(await Effect.runPromise(Effect.map(Ranks, ({ size }) => size))).toBe(1)
})

test("what the first rank comes to is everybody's, and runs once", async () => {
  let runs = 0
  const once = Effect.sync(() => ({ number: ++runs }))
  const { run } = ranksInProcess(3)
  expect(await Effect.runPromise(run(() => onFirst(once)))).toEqual([{ number: 1 }, { number: 1 }, { number: 1 }])
})

test("where the first rank fails, it has its error and the others its message", async () => {
  const { run } = ranksInProcess(3)
  const refused = Effect.fail(new Refused({ reason: "the folder exists" }))
  const failures = await Effect.runPromise(run(() => Effect.flip(onFirst(refused))))
  expect(failures.map(({ _tag, message }) => `${_tag}: ${message}`)).toEqual([
    "Refused: the folder exists",
    "RankError: rank 0 of 3: the folder exists",
    "RankError: rank 0 of 3: the folder exists"
  ])
})

test("values of all ranks come in their order", async () => {
  const { run } = ranksInProcess(4)
  const seen = await Effect.runPromise(run((rank) => fromAll({ rank })))
  for (const one of seen) expect(one).toEqual([{ rank: 0 }, { rank: 1 }, { rank: 2 }, { rank: 3 }])
})

test("a rank that does not come to the first meeting is not waited for beyond a limit", async () => {
  const together = ranksInProcess(3)
  expect(await Effect.runPromise(together.run(() => begunTogether(10_000)))).toHaveLength(3)
  const late = ranksInProcess(3)
  const program = (rank: number) => (rank === 1 ? Effect.sleep(60) : begunTogether(20))
  const exits = await Effect.runPromise(late.exits(program))
  expect(exits.map((exit) => exit._tag)).toEqual(["Failure", "Success", "Failure"])
  expect(JSON.stringify(exits[0])).toContain("another process of the run has not started after 1 seconds")
})
