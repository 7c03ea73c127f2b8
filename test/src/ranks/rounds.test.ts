/** What ranks compute in turn, and how it travels. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { both, computesThing, floats, inRounds, json } from "../../../src/ranks/index.ts"
import { ranksInProcess } from "../../ranks.ts"

const bits = (values: Float32Array) => [...new Uint32Array(values.slice().buffer)]

test("numbers and texts arrive as they were sent, to the bit and wherever they lie in a message", () => {
  const numbers = Float32Array.of(-0, 0.1, Number.NaN, Number.NEGATIVE_INFINITY, 1e-45)
  const part = numbers.subarray(1, 4)
  expect(bits(floats.read(floats.write(part)))).toEqual(bits(part))
  // half of a surrogate pair has no UTF-8
  const texts = [{ text: "ä\u2028\ud83d", tokens: 3 }]
  const message = both(both(json<typeof texts>(), floats), floats)
  const odd = new Uint8Array(1 + message.write([[texts, numbers], part]).length)
  odd.set(message.write([[texts, numbers], part]), 1)
  const [[own, first], second] = message.read(odd.subarray(1))
  expect(own).toEqual(texts)
  expect(bits(first)).toEqual(bits(numbers))
  expect(bits(second)).toEqual(bits(part))
  const [empty, none] = both(floats, floats).read(both(floats, floats).write([new Float32Array(), new Float32Array()]))
  expect([empty.length, none.length]).toEqual([0, 0])
})

for (const size of [1, 2, 3, 4])
  for (const count of [0, 1, 4, 7])
    test(`${size} ranks: each of ${count} things is computed once, and used by all in order`, async () => {
      const computed: Array<readonly [rank: number, thing: number]> = []
      const program = (rank: number) =>
        Effect.gen(function* () {
          const used: Array<number> = []
          const computes = yield* computesThing
          yield* Stream.range(0, count - 1).pipe(
            Stream.take(count),
            inRounds({
              compute: (thing) =>
                Effect.gen(function* () {
                  expect(computes(thing)).toBe(true)
                  computed.push([rank, thing])
                  // the first rank is the last to have its own
                  yield* Effect.sleep(size - rank)
                  return Float32Array.of(thing, 0.1 * thing)
                }),
              as: floats,
              use: (thing, [own, tenth]) =>
                Effect.sync(() => {
                  expect([own, tenth]).toEqual([thing, Math.fround(0.1 * thing)])
                  used.push(thing)
                })
            })
          )
          return used
        })
      const all = await Effect.runPromise(ranksInProcess(size).run(program))
      const things = Array.from({ length: count }, (_, i) => i)
      expect(all).toEqual(Array.from({ length: size }, () => things))
      expect(computed.map(([, thing]) => thing).sort((a, b) => a - b)).toEqual(things)
      expect(computed.filter(([rank, thing]) => thing % size !== rank)).toEqual([])
    })

class Broken extends Schema.TaggedError<Broken>()("Broken", {}) {
  override get message() {
    return "the device is lost"
  }
}

test("a rank that cannot compute its part does not leave the others waiting", async () => {
  const program = Stream.range(1, 9).pipe(
    inRounds({
      compute: (thing) => (thing === 5 ? Effect.fail(new Broken()) : Effect.succeed(Float32Array.of(thing))),
      as: floats,
      use: () => Effect.void
    })
  )
  const exits = await Effect.runPromise(ranksInProcess(3).exits(() => program))
  expect(exits.map((exit) => (Exit.isSuccess(exit) ? "" : String(exit.cause)))).toEqual([
    expect.stringContaining("it failed"),
    expect.stringContaining("the device is lost"),
    expect.stringContaining("it failed")
  ])
})
