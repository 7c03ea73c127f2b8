/** The studio's engine as its server sees it: started when it is asked, and gone when it is not. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Work } from "../../../src/progress/index.ts"
import { engineClient } from "../../../src/studio/server/engine-client.ts"

/** Answers each question with its own number; "die" by its end, and "long" after it has told what it does. */
const script = `
process.stdin.setEncoding("utf8")
process.stdin.on("data", (text) => {
  for (const line of text.trim().split("\\n")) {
    const { id, call, watch } = JSON.parse(line)
    if ((call ?? watch) === "long") console.log(JSON.stringify({ id, doing: { what: "fetching", done: 1, of: 2 } }))
    if (watch !== undefined) console.log(JSON.stringify({ id, end: true }))
    if (call === "die") process.exit(3)
    console.log(JSON.stringify({ id, value: process.pid }))
  }
})
process.stdin.on("end", () => process.exit(0))`

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test("a process answers question after question, ends when no more come, and is started anew by the next", async () => {
  const pids = await Effect.runPromise(
    Effect.gen(function* () {
      const command = { runtime: process.execPath, args: ["-e", script], env: process.env }
      const engine = yield* engineClient(command, () => {}, 100)
      const first = yield* engine.call("a", {})
      const second = yield* engine.call("b", {})
      while (isAlive(first as number)) yield* Effect.sleep(10)
      const third = yield* engine.call("c", {})
      const failed = yield* Effect.flip(engine.call("die", {}))
      const fourth = yield* engine.call("d", {})
      return { first, second, third, fourth, failed: failed.message }
    }).pipe(Effect.scoped)
  )
  expect(pids.second).toBe(pids.first)
  expect(pids.third).not.toBe(pids.first)
  expect(pids.failed).toBe("the studio's compute process has ended; try again")
  expect(pids.fourth).not.toBe(pids.third)
  while (isAlive(pids.fourth as number)) await Bun.sleep(10)
})

test("what the engine does for an answer hears whoever asks, and no one else", async () => {
  const heard: Array<readonly [who: string, what: string]> = []
  const by = (who: string) => Effect.provideService(Work, ({ what }) => Effect.sync(() => void heard.push([who, what])))
  await Effect.runPromise(
    Effect.gen(function* () {
      const command = { runtime: process.execPath, args: ["-e", script], env: process.env }
      const engine = yield* engineClient(command, () => {}, 100)
      yield* Effect.all([engine.call("long", {}).pipe(by("caller")), engine.call("a", {}).pipe(by("another"))], {
        concurrency: "unbounded"
      })
      yield* Stream.runDrain(engine.watch("long", {})).pipe(by("watcher"))
      yield* engine.call("long", {})
    }).pipe(Effect.scoped)
  )
  expect(heard).toEqual([
    ["caller", "fetching"],
    ["watcher", "fetching"]
  ])
})
