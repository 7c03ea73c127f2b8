/**
 * Messages become effects: what is asked is decoded, what is done meanwhile is told, a watch is taken back, and what is wrong in the program itself
 * is told as that.
 */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { working } from "../../../src/progress/index.ts"
import { Progress } from "../../../src/run/index.ts"
import { answering, type Handlers } from "../../../src/studio/engine/index.ts"
import type { Reply } from "../../../src/studio/protocol/index.ts"

const open = async (handlers: Partial<Handlers<never>>) => {
  const replies: Array<Reply> = []
  const bugs: Array<unknown> = []
  const { take, end } = await Effect.runPromise(
    answering(
      { calls: {}, watches: {}, ...handlers },
      (reply) => replies.push(reply),
      (cause) => bugs.push(cause)
    )
  )
  return { replies, bugs, take, end, settled: () => Bun.sleep(20) }
}

test("a watch that is taken back ends, and says nothing more; so does all that is under way at the end", async () => {
  const ended: Array<number> = []
  const { replies, take, end, settled } = await open({
    watches: {
      runs: () =>
        Stream.fromIterable([[]]).pipe(
          Stream.concat(Stream.never),
          Stream.ensuring(Effect.sync(() => void ended.push(ended.length)))
        )
    }
  })
  take({ id: 1, watch: "runs", input: {} })
  take({ id: 2, watch: "runs", input: {} })
  await settled()
  expect(replies).toEqual([
    { id: 1, event: [] },
    { id: 2, event: [] }
  ])
  take({ id: 1, cancel: true })
  await settled()
  expect(ended).toEqual([0])
  await Effect.runPromise(end)
  expect(ended).toEqual([0, 1])
  expect(replies).toHaveLength(2)
})

test("what is no verb, no input of it, or not to be had here is refused by name; a bug is no failure", async () => {
  const { replies, bugs, take, settled } = await open({
    calls: { stop: () => Effect.die(new Error("a secret of the inside")), runs: () => Effect.succeed([]) }
  })
  take({ id: 1, call: "constructor", input: {} })
  take({ id: 2, call: "stop", input: { id: 7 } })
  take({ id: 3, call: "resume", input: { id: "runs/a-1" } })
  take({ id: 4, call: "stop", input: { id: "runs/a-1" } })
  take({ id: 5, call: "runs", input: {} })
  await settled()
  const problems = Object.fromEntries(replies.map((reply) => [reply.id, "problem" in reply ? reply.problem : reply]))
  expect(problems[1]).toEqual({ tag: "VerbRefused", message: "constructor: not a request of the studio" })
  expect(problems[2]).toMatchObject({ tag: "VerbRefused", message: expect.stringContaining("string") })
  expect(problems[3]).toEqual({ tag: "VerbRefused", message: "resume: not supported here" })
  expect(problems[4]).toMatchObject({ tag: "Bug" })
  expect(JSON.stringify(problems[4])).not.toContain("secret")
  expect(String(bugs[0])).toContain("secret")
  expect(problems[5]).toEqual({ id: 5, value: [] })
})

test("what is done for an answer is told before it: other work at once, the same now and then, and no step of a run", async () => {
  const { replies, take, settled } = await open({
    calls: {
      runs: () =>
        Effect.gen(function* () {
          for (let done = 1; done <= 1_000; done++)
            yield* working("fetching", { done, of: 1_000, unit: "MB", isKept: true })
          // where it stands, it stands
          yield* Effect.sleep(300)
          yield* working("reading")
          yield* Effect.flatMap(Progress, (tell) => tell({ kind: "notice", message: "for a terminal" }))
          return []
        })
    },
    watches: { runs: () => Stream.fromEffect(Effect.as(working("looking"), [])) }
  })
  take({ id: 1, call: "runs", input: {} })
  while (replies.at(-1) === undefined || !("value" in replies.at(-1)!)) await settled()
  const fetching = { what: "fetching", of: 1_000, unit: "MB", isKept: true as const }
  expect(replies[0]).toEqual({ id: 1, doing: { ...fetching, done: 1 } })
  expect(replies.slice(-3)).toEqual([
    { id: 1, doing: { ...fetching, done: 1_000 } },
    { id: 1, doing: { what: "reading" } },
    { id: 1, value: [] }
  ])
  // of a thousand that came in milliseconds
  expect(replies.length).toBeLessThan(10)
  take({ id: 2, watch: "runs", input: {} })
  await settled()
  expect(replies.slice(-3)).toEqual([
    { id: 2, doing: { what: "looking" } },
    { id: 2, event: [] },
    { id: 2, end: true }
  ])
})
