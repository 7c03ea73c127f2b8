/** Turns on a device, batches of requests, and what several models share: by themselves, without a model. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { sharedParts } from "../../../src/models/index.ts"
import { batches } from "../../../src/serve/batches.ts"
import { turns } from "../../../src/serve/turns.ts"

const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

describe("turns", () => {
  test("what asks again comes after all that asked before: two long texts and a short one go on by turns", async () => {
    const { run: turn, waiting } = turns()
    const seen: Array<string> = []
    const text = (name: string, tokens: number) =>
      Effect.forEach(
        Array.from({ length: tokens }),
        () =>
          turn(
            Effect.andThen(
              Effect.yieldNow,
              Effect.sync(() => seen.push(name))
            )
          ),
        { discard: true }
      )
    await run(Effect.all([text("a", 4), text("b", 4), text("c", 1)], { concurrency: "unbounded" }))
    expect(seen.join("")).toBe("abcababab")
    expect(waiting()).toBe(0)
  })

  test("one that is interrupted while it waits is passed over, and one in its turn gives it back", async () => {
    const { run: turn, busy } = turns()
    const seen: Array<string> = []
    const say = (name: string) => turn(Effect.sync(() => seen.push(name)))
    await run(
      Effect.gen(function* () {
        const first = yield* Effect.forkScoped(turn(Effect.never))
        yield* Effect.sleep(5)
        const second = yield* Effect.forkScoped(say("second"))
        const third = yield* Effect.forkScoped(say("third"))
        yield* Effect.sleep(5)
        yield* Fiber.interrupt(second)
        yield* Fiber.interrupt(first)
        yield* Fiber.join(third)
        yield* Effect.sleep(5)
      })
    )
    expect(seen).toEqual(["third"])
    expect(busy()).toBe(false)
  })

  test("a piece of work that fails gives its turn back", async () => {
    const { run: turn } = turns()
    expect(await run(Effect.exit(turn(Effect.fail("no"))))).toEqual(Exit.fail("no"))
    expect(await run(turn(Effect.succeed(1)))).toBe(1)
  })
})

/** Batches of texts, whose answers are in capitals; "bad" fails a batch. `seen`: the batches. */
const capitals = (size: number, wait = 2) =>
  Effect.gen(function* () {
    const seen: Array<ReadonlyArray<string>> = []
    const own = yield* batches({
      turns: turns(),
      size,
      wait,
      compute: (rows: ReadonlyArray<string>) =>
        Effect.suspend(() => {
          seen.push(rows)
          return rows.includes("bad") ? Effect.fail("a bad row") : Effect.succeed(rows.map((row) => row.toUpperCase()))
        }).pipe(Effect.delay(1)),
      onBatch: () => Effect.void
    })
    return { seen, ...own }
  })

describe("batches", () => {
  test("what comes together is computed together, and everyone has their own answers", async () => {
    const { seen, answers } = await run(
      Effect.gen(function* () {
        const { seen, ask } = yield* capitals(8)
        const answers = yield* Effect.all([ask(["a", "b"]), ask(["c"]), ask([]), ask(["d", "e", "f"])], {
          concurrency: "unbounded"
        })
        return { seen, answers }
      })
    )
    expect(answers).toEqual([["A", "B"], ["C"], [], ["D", "E", "F"]])
    expect(seen).toHaveLength(1)
    expect([...seen[0]!].sort()).toEqual(["a", "b", "c", "d", "e", "f"])
  })

  test("a request of one row is in the first batch, beside one of a hundred that came before", async () => {
    const { seen, order } = await run(
      Effect.gen(function* () {
        const { seen, ask } = yield* capitals(4)
        const order: Array<string> = []
        const many = Effect.map(ask(Array.from({ length: 100 }, (_, i) => `m${i}`)), (all) => {
          order.push("many")
          expect(all).toEqual(Array.from({ length: 100 }, (_, i) => `M${i}`))
        })
        const one = Effect.map(ask(["one"]), () => order.push("one"))
        yield* Effect.all([many, one], { concurrency: "unbounded" })
        return { seen, order }
      })
    )
    expect(seen[0]).toContain("one")
    expect(order).toEqual(["one", "many"])
    expect(seen).toHaveLength(26)
  })

  test("a row that cannot be computed fails its own request alone", async () => {
    const exits = await run(
      Effect.gen(function* () {
        const { ask } = yield* capitals(8)
        const all = [ask(["a"]), ask(["b", "bad"]), ask(["c"])]
        return yield* Effect.all(all.map(Effect.exit), { concurrency: "unbounded" })
      })
    )
    expect(exits).toEqual([Exit.succeed(["A"]), Exit.fail("a bad row"), Exit.succeed(["C"])])
  })

  test("who is interrupted takes the rows away that wait", async () => {
    const { seen, left } = await run(
      Effect.gen(function* () {
        const { seen, ask, waiting } = yield* capitals(2)
        const gone = yield* Effect.forkScoped(ask(Array.from({ length: 50 }, () => "x")))
        yield* Effect.sleep(8)
        yield* Fiber.interrupt(gone)
        const left = waiting()
        yield* ask(["last"])
        return { seen, left }
      })
    )
    expect(left).toBe(0)
    expect(seen.length).toBeLessThan(25)
    expect(seen.at(-1)).toEqual(["last"])
  })
})

test("a part lives as long as its last user, and a key that is free again is made anew", async () => {
  const parts = sharedParts()
  let [made, disposed] = [0, 0]
  const part = parts.part(
    "weights",
    () => ++made,
    () => {
      disposed += 1
    }
  )
  const [first, second] = [Scope.makeUnsafe(), Scope.makeUnsafe()]
  const inside = (scope: Scope.Scope) => Effect.runPromise(Effect.provideService(part, Scope.Scope, scope))
  expect(await inside(first)).toBe(1)
  expect(await inside(second)).toBe(1)
  await Effect.runPromise(Scope.close(first, Exit.void))
  expect([disposed, parts.has("weights")]).toEqual([0, true])
  await Effect.runPromise(Scope.close(second, Exit.void))
  expect([disposed, parts.has("weights")]).toEqual([1, false])
  expect(await run(part)).toBe(2)
  expect(disposed).toBe(2)
})
