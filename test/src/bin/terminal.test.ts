/** What a listener shows: one line that moves and never wraps on a terminal, plain lines that are few elsewhere. */
import { describe, expect, test } from "bun:test"
import { stripVTControlCharacters } from "node:util"
import * as Effect from "effect/Effect"
import { fitted, terminalListener } from "../../../src/bin/terminal.ts"
import { Work, working, workingThrough } from "../../../src/progress/index.ts"
import { Progress, type ProgressEvent } from "../../../src/run/index.ts"

const step = (number: number, of: number, milliseconds = 1000): ProgressEvent => ({
  kind: "step",
  step: number,
  of,
  unit: "tokens",
  loss: 0.5,
  learningRate: 1e-3,
  gradNorm: 1,
  rows: 8,
  tokens: 100,
  tokensPerSecond: 100,
  milliseconds,
  health: {}
})

const loading = (done: number, of = 200): ProgressEvent => ({
  kind: "working",
  what: "loading the weights",
  done,
  of,
  unit: "tensors"
})

/** A listener, its clock, and what it writes. */
const listening = (screen: { readonly isTTY: boolean; readonly columns?: number }) => {
  const clock = { now: 0 }
  const written: Array<string> = []
  const listener = terminalListener({ ...screen, write: (text) => written.push(text) }, () => clock.now)
  const tell = (at: number, event: ProgressEvent) => {
    clock.now = at
    Effect.runSync(listener(event))
  }
  return { tell, written, lines: () => written.map((text) => stripVTControlCharacters(text).trim()) }
}

describe("in a pipe", () => {
  test("work of less than two seconds says nothing; longer work does, and then every ten seconds, without a bar", () => {
    const { tell, lines } = listening({ isTTY: false })
    for (let at = 0; at <= 25_000; at += 250) tell(at, loading(at / 250))
    expect(lines()).toEqual([8, 48, 88].map((done) => `loading the weights ${done}/200 tensors`))
  })

  test("short work after silence says nothing, and several works share the ten seconds", () => {
    const { tell, lines } = listening({ isTTY: false })
    const hashing = (what: string, done: number): ProgressEvent => ({ kind: "working", what, done, of: 9, unit: "MB" })
    for (const at of [5_000, 6_000]) tell(at, hashing("hashing a", at / 1_000))
    for (const at of [7_000, 8_000, 9_000, 12_000, 18_000]) tell(at, hashing("hashing b", at / 9_000))
    for (const at of [18_500, 20_500, 21_000]) tell(at, loading(at / 500))
    expect(lines()).toEqual(["hashing b 1/9 MB", "loading the weights 41/200 tensors"])
  })

  test("work of which no one knows the end is said after two seconds of silence", () => {
    const { tell, lines } = listening({ isTTY: false })
    tell(1_000, { kind: "notice", message: "device: wasm" })
    tell(2_900, { kind: "working", what: "tracing the forward pass" })
    tell(3_100, { kind: "working", what: "writing model.onnx" })
    tell(6_000, { kind: "working", what: "writing another.onnx" })
    expect(lines()).toEqual(["device: wasm", "writing model.onnx …"])
  })

  test("steps: one in ten seconds, and none of a run of seconds", () => {
    const quick = listening({ isTTY: false })
    for (let n = 1; n <= 100; n++) quick.tell(n * 10, step(n, 100, 10))
    expect(quick.lines()).toEqual([])
    const slow = listening({ isTTY: false })
    for (let n = 1; n <= 20; n++) slow.tell(n * 6_000, step(n, 100, 6_000))
    const shown = slow.lines().map((line) => Number(/^step +(\d+)\/100 loss 0\.500 · /.exec(line)![1]))
    expect(shown).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18, 20])
  })

  test("one row is one row", () => {
    const { tell, lines } = listening({ isTTY: false })
    for (const rows of [1, 1_200])
      tell(1, { kind: "evaluation", step: 0, split: "test", rows, scores: "loss 0.5" } as unknown as ProgressEvent)
    expect(lines()).toEqual(["before training: test loss 0.5 (1 row)", "before training: test loss 0.5 (1,200 rows)"])
  })

  test("no line is written over, and there is no colour", () => {
    const { tell, written } = listening({ isTTY: false })
    tell(3_000, loading(3))
    tell(6_000, { kind: "notice", message: "warning: nothing is learned" })
    expect(written.join("")).not.toContain("\u001b")
    expect(written.every((text) => text.endsWith("\n"))).toBe(true)
  })
})

describe.each([20, 40, 80, 120])("on a terminal of %d columns", (columns) => {
  const events = (): ReadonlyArray<ProgressEvent> => [
    loading(100),
    {
      kind: "working",
      what: "writing adapter_model_with_a_rather_long_name.safetensors",
      done: 1,
      of: 2,
      unit: "tensors"
    },
    { kind: "working", what: "comparing the merged model with the run it came from" },
    { kind: "working", what: "reading 映画の文章と評価のとても長い名前のファイル.jsonl", done: 1, of: 9, unit: "MB" },
    { kind: "evaluating", split: "validation", rows: 10, of: 100 },
    step(12, 100)
  ]

  test("a line that moves never wraps", () => {
    const { tell, written } = listening({ isTTY: true, columns })
    events().forEach((event, i) => tell(1_000 * i, event))
    expect(written).toHaveLength(events().length)
    for (const text of written) {
      expect(text).not.toContain("\n")
      // Bun's own measure, which knows characters that take two places
      expect(Bun.stringWidth(text)).toBeLessThan(columns)
    }
  })

  test("what counts is still there where there is room for it", () => {
    const { tell, lines } = listening({ isTTY: true, columns })
    tell(0, step(12, 100))
    tell(1_000, loading(100))
    expect(lines()[0]).toStartWith("step  12/100")
    expect(lines()[1]).toContain("100/200")
  })
})

test("a terminal is drawn a few times a second, and the last line of a run stays", () => {
  const { tell, written } = listening({ isTTY: true, columns: 120 })
  for (let n = 0; n < 1_000; n++) tell(n, loading(n, 1_000))
  expect(written.length).toBeLessThan(15)
  tell(1_001, step(3, 3))
  expect(written.at(-1)).toEndWith("left\n")
})

test("the longest that fits; the shortest is cut where none does, at whole characters", () => {
  expect(fitted(["a long line", "a line"], 11)).toBe("a long line")
  expect(fitted(["a long line", "a line"], 10)).toBe("a line")
  expect(fitted(["a long line", "a line"], 4)).toBe("a l…")
  expect(fitted(["映画映画"], 6)).toBe("映画…")
})

test("who works hears no one; a run's listener hears who works in any room", async () => {
  const heard: Array<ProgressEvent> = []
  const work = workingThrough("counting", "numbers", [5, 6], (n) => Effect.succeed(n))
  expect(await Effect.runPromise(work)).toEqual([5, 6])
  const listener = (event: ProgressEvent) => Effect.sync(() => void heard.push(event))
  await Effect.runPromise(Effect.andThen(work, working("resting")).pipe(Effect.provideService(Progress, listener)))
  await Effect.runPromise(working("again").pipe(Effect.provideService(Work, listener)))
  expect(heard).toEqual([
    { kind: "working", what: "counting", done: 0, of: 2, unit: "numbers" },
    { kind: "working", what: "counting", done: 1, of: 2, unit: "numbers" },
    { kind: "working", what: "resting" },
    { kind: "working", what: "again" }
  ])
})
