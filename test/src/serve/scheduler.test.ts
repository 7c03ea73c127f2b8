/** Turns on a device by client, batches of requests, and what several models share: by themselves, without a model. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { sharedParts } from "../../../src/models/index.ts"
import { batches } from "../../../src/serve/batches.ts"
import { holdings } from "../../../src/serve/clients.ts"
import { scheduler } from "../../../src/serve/scheduler.ts"

const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

/** A clock that work moves. */
const clocked = (places = 1) => {
  let time = 0
  const turns = scheduler({ places, now: () => time })
  const piece = (client: string, kind: string, took: number, seen: Array<string> = []) =>
    turns.run(
      { client, kind, units: () => 1 },
      Effect.sync(() => {
        time += took
        seen.push(client)
      })
    )
  return { turns, piece }
}
const job = (client: string) => ({ client, kind: "a token", units: () => 1 })
const together = <A, E>(all: ReadonlyArray<Effect.Effect<A, E>>) => Effect.all(all, { concurrency: "unbounded" })
const times = <A, E>(count: number, effect: Effect.Effect<A, E>) =>
  Effect.forEach(Array.from({ length: count }), () => effect, { discard: true })
/** How often each is in a list. */
const counted = (seen: ReadonlyArray<string>) =>
  Object.fromEntries([...Map.groupBy(seen, (own) => own)].map(([own, all]) => [own, all.length]))

describe("turns", () => {
  test("what asks again comes after all that asked before: two long texts and a short one alternate", async () => {
    const { turns, piece } = clocked()
    const seen: Array<string> = []
    await run(
      together([times(4, piece("a", "x", 1, seen)), times(4, piece("b", "x", 1, seen)), piece("c", "x", 1, seen)])
    )
    expect(seen.join("")).toBe("abcababab")
    expect(turns.waiting()).toBe(0)
  })

  test("a client with a thousand pieces that wait has no more time than one that sends the next after an answer", async () => {
    const { piece } = clocked()
    const seen: Array<string> = []
    const one = Effect.andThen(
      times(40, piece("one", "x", 1, seen)),
      Effect.sync(() => seen.push("end"))
    )
    await run(together([...Array.from({ length: 1_000 }, () => piece("many", "x", 1, seen)), one]))
    const { one: own, many } = counted(seen.slice(0, seen.indexOf("end")))
    expect(own).toBe(40)
    expect(many).toBeLessThanOrEqual(42)
  })

  test("time is shared, not turns: whose pieces take ten times as long has a tenth of them", async () => {
    const { piece } = clocked()
    const seen: Array<string> = []
    const large = times(100, piece("large", "large", 10, seen))
    const small = Effect.andThen(
      times(300, piece("small", "small", 1, seen)),
      Effect.sync(() => seen.push("end"))
    )
    await run(together([large, small]))
    const { large: most } = counted(seen.slice(0, seen.indexOf("end")))
    expect(most).toBeGreaterThanOrEqual(28)
    expect(most).toBeLessThanOrEqual(33)
  })

  test("who has part of another's turn is charged for it", async () => {
    let time = 0
    const turns = scheduler({ now: () => time })
    const seen: Array<string> = []
    const turn = (client: string, parts: Record<string, number>) =>
      turns.run(
        { client, kind: "rows", units: () => 1, parts: () => new Map(Object.entries(parts)) },
        Effect.sync(() => {
          seen.push(client)
          time += Object.values(parts).reduce((sum, own) => sum + own, 0)
        })
      )
    // each of a's turns has three rows of c
    await run(
      together([times(40, turn("a", { a: 1, c: 3 })), times(40, turn("b", { b: 1 })), times(40, turn("c", { c: 1 }))])
    )
    const before = counted(seen.slice(0, seen.lastIndexOf("b") + 1))
    expect(before["c"] ?? 0).toBeLessThan(5)
  })

  test("of places a client takes no more than it leaves free, and others have theirs at once", async () => {
    const turns = scheduler({ places: 16 })
    const held = (client: string) => Effect.forkScoped(turns.run(job(client), Effect.never))
    const entered = await run(
      Effect.gen(function* () {
        const fibers = yield* Effect.forEach(Array.from({ length: 50 }), () => held("many"))
        yield* Effect.sleep(2)
        const waiting = turns.waiting()
        for (const other of ["b", "c", "d"]) yield* turns.run(job(other), Effect.void)
        yield* Effect.forEach(fibers, Fiber.interrupt, { discard: true })
        return 50 - waiting
      })
    )
    expect(entered).toBe(8)
  })

  test("one that is interrupted while it waits is passed over, and one in its turn gives it back", async () => {
    const { run: turn, busy } = scheduler()
    const seen: Array<string> = []
    const say = (name: string) =>
      turn(
        job("a"),
        Effect.sync(() => seen.push(name))
      )
    await run(
      Effect.gen(function* () {
        const first = yield* Effect.forkScoped(turn(job("a"), Effect.never))
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
    const { run: turn } = scheduler()
    expect(await run(Effect.exit(turn(job("a"), Effect.fail("no"))))).toEqual(Exit.fail("no"))
    expect(await run(turn(job("a"), Effect.succeed(1)))).toBe(1)
  })
})

test("of what has a limit a client holds as much as it leaves free: however much a few take, others find room", () => {
  const { take, give } = holdings("serve-requests")
  const taken = (client: string) => {
    let count = 0
    while (take(client, 1)) count++
    return count
  }
  expect(taken("a")).toBe(512)
  expect(taken("b")).toBe(256)
  expect(taken("c")).toBe(128)
  expect(take("d", 1)).toBe(true)
  give("b", 256)
  expect(take("a", 1)).toBe(false)
  expect(taken("b")).toBeGreaterThan(100)
})

/** Batches of texts, whose answers are in capitals; "bad" fails a batch. `seen`: the batches. */
const capitals = (size: number, wait = 2) =>
  Effect.gen(function* () {
    const seen: Array<ReadonlyArray<string>> = []
    const own = yield* batches({
      turns: scheduler(),
      kind: "rows",
      size,
      wait,
      compute: (rows: ReadonlyArray<string>) =>
        Effect.succeed(
          Effect.suspend(() => {
            seen.push(rows)
            return rows.includes("bad")
              ? Effect.fail("a bad row")
              : Effect.succeed(rows.map((row) => row.toUpperCase()))
          }).pipe(Effect.delay(1))
        ),
      onBatch: () => Effect.void
    })
    const ask = (rows: ReadonlyArray<string>, client = "a") => own.ask({ client, rows })
    return { seen, ...own, ask }
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

  test("a client of one row waits for no more than one batch of another's thousand", async () => {
    const { seen, answers } = await run(
      Effect.gen(function* () {
        const { seen, ask } = yield* capitals(16)
        yield* Effect.forkScoped(
          ask(
            Array.from({ length: 1_000 }, (_, i) => `m${i}`),
            "many"
          )
        )
        const answers: Array<number> = []
        for (let i = 0; i < 10; i++) {
          yield* ask([`one${i}`], "one")
          answers.push(seen.length)
        }
        return { seen, answers }
      })
    )
    for (const [i, count] of answers.entries()) if (i > 0) expect(count - answers[i - 1]!).toBeLessThanOrEqual(2)
    // once both are known to ask, a batch is half of each at most
    for (const rows of seen.slice(2)) expect(rows.filter((row) => row.startsWith("m")).length).toBeLessThanOrEqual(8)
  })

  test("no batch has more rows than its size, and none but the last has fewer, with one client or several", async () => {
    for (const clients of [["a"], ["a", "b", "c"]]) {
      const { seen } = await run(
        Effect.gen(function* () {
          const { seen, ask } = yield* capitals(6)
          const rows = (client: string) => Array.from({ length: 24 }, (_, i) => `${client}${i}`)
          yield* Effect.all(
            clients.map((client) => ask(rows(client), client)),
            { concurrency: "unbounded" }
          )
          return { seen }
        })
      )
      expect(seen.map(({ length }) => length)).toEqual(Array.from({ length: 4 * clients.length }, () => 6))
      expect(new Set(seen.flat()).size).toBe(24 * clients.length)
    }
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
