/** Suites, scorers and what scores over rows say. */
import { afterAll, describe, expect, test } from "bun:test"
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { decodeSuite, scorerNames } from "../../../schemas/index.ts"
import { platform } from "../../../src/platform.ts"
import {
  majority,
  openRecord,
  passAtK,
  readShots,
  readSuite,
  readSuiteRows,
  rowMean,
  scorers,
  suites
} from "../../../src/scoring/index.ts"
import verdicts from "../../golden/scoring/gsm8k.json" with { type: "json" }

const folder = mkdtempSync(join(tmpdir(), "suites-"))
afterAll(() => rmSync(folder, { recursive: true }))
const file = (name: string, content: string) => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

const scored = (name: keyof typeof scorers, text: string, expected: string) =>
  Effect.runSync(scorers[name].score({ where: "test.jsonl:1", row: {}, form: "text", text, expected }))

describe("scorers", () => {
  test("gsm8k has the verdicts of lm-evaluation-harness", () => {
    const ours = verdicts.map(([text, expected]) => scored("gsm8k", text as string, expected as string))
    expect(ours).toEqual(verdicts.map(([, , flexible, strict]) => ({ flexible, strict }) as never))
  })

  test.each([
    ["exact", " Paris\n", "Paris", 1],
    ["exact", "paris", "Paris", 0],
    ["choice", "B", "B", 1],
    ["choice", "(b) because it is", "B", 1],
    ["choice", "The answer is: C.", "C", 1],
    ["choice", "Well, the answer is (A), not B", "A", 1],
    ["choice", "Both (C) and others", "C", 1],
    ["choice", "Because B", "B", 0],
    ["choice", "", "A", 0],
    ["number", "so it is 1,234.", "#### 1234", 1],
    ["number", "12 or 13", "12", 0],
    ["number", "none", "12", 0],
    ["json", '{"b": [1], "a": 2}', '{"a":2,"b":[1]}', 1],
    ["json", '{"a": 2', '{"a":2}', 0]
  ] as const)("%s: %p for %p is %p", (name, text, expected, score) => {
    expect(Object.values(scored(name, text, expected))[0]).toBe(score)
  })

  test.each([
    ["choice", "first", 'the answer is "first"; expected the letter of a choice'],
    ["number", "many", "the answer has no number; use another scorer"],
    ["json", "{", "the expected answer is not JSON; use another scorer"]
  ] as const)("%s cannot score by %p, and says so", (name, expected, message) => {
    const failed = Effect.runSync(
      Effect.flip(scorers[name].score({ where: "t:1", row: {}, form: "text", text: "", expected }))
    )
    expect(failed.message).toBe(`t:1: ${message}`)
  })

  test("are those that a suite may name", () => {
    expect(Object.keys(scorers)).toEqual([...scorerNames])
  })
})

describe("over rows", () => {
  /** Every choice of k of the samples. */
  const choices = (n: number, k: number): ReadonlyArray<ReadonlyArray<number>> =>
    k === 0 ? [[]] : Array.from({ length: n }, (_, last) => choices(last, k - 1).map((rest) => [...rest, last])).flat()

  test("pass@k is the share of choices of k samples with a right one", () => {
    for (let n = 1; n <= 6; n++)
      for (let right = 0; right <= n; right++)
        for (let k = 1; k <= n; k++) {
          const all = choices(n, k)
          const hits = all.filter((picked) => picked.some((i) => i < right)).length
          expect(passAtK(n, right, k)).toBeCloseTo(hits / all.length, 12)
        }
  })

  test("the majority is what most samples say, the earliest among equals", () => {
    const of = (...samples: ReadonlyArray<readonly [string, number]>) =>
      majority(samples.map(([vote, score]) => ({ vote, score })))
    expect(of(["a", 0], ["b", 1], ["b", 1])).toBe(1)
    expect(of(["a", 0], ["b", 1])).toBe(0)
    expect(of(["b", 1], ["a", 0], ["a", 0], ["b", 1])).toBe(1)
  })

  test("an interval has the width of the binomial, and is the same each time", () => {
    const values = Array.from({ length: 400 }, (_, i) => (i % 4 === 0 ? 1 : 0))
    const { mean, low, high } = rowMean(values)
    expect(mean).toBe(0.25)
    // 1.96 √(p (1 − p)/n); 2,000 draws know the percentile to about a twentieth of that
    const half = 1.96 * Math.sqrt((0.25 * 0.75) / 400)
    expect(Math.abs(high - mean - half)).toBeLessThan(half / 8)
    expect(Math.abs(mean - low - half)).toBeLessThan(half / 8)
    expect(rowMean(values)).toEqual({ mean, low, high })
    expect(rowMean([1, 1])).toEqual({ mean: 1, low: 1, high: 1 })
  })
})

const run = <A, E>(effect: Effect.Effect<A, E, never>) => Effect.runPromise(effect)
const message = <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>) =>
  run(Effect.map(Effect.flip(effect), ({ message }) => message).pipe(Effect.provide(platform)) as Effect.Effect<string>)

describe("reading", () => {
  const suite = { name: "sums", rows: "sums.jsonl", prompt: "{a} + {b} =", answer: "sum", scorer: "number" }

  test("rows are asked by the suite's columns, in a file next to it", async () => {
    file("sums.jsonl", '{"a": 1, "b": 2, "sum": "3"}\n{"a": 4, "b": 5, "sum": "9"}\n')
    const read = await run(
      Effect.gen(function* () {
        const suiteRead = yield* readSuite(file("sums.json", JSON.stringify(suite)))
        return yield* readSuiteRows(suiteRead)
      }).pipe(Effect.provide(platform))
    )
    expect(read.map(({ question, expected }) => [question, expected])).toEqual([
      [[{ role: "user", content: "1 + 2 =" }], "3"],
      [[{ role: "user", content: "4 + 5 =" }], "9"]
    ])
    expect(read[1]!.where).toBe(`${join(folder, "sums.jsonl")}:2`)
  })

  test("a conversation asks all but its last message", async () => {
    const talk = (...contents: ReadonlyArray<string>) => ({
      talk: contents.map((content, i) => ({ role: i % 2 === 0 ? "user" : "assistant", content }))
    })
    const rows = [talk("1 + 2?", "3", "And 1?", "4"), talk("5?", "5")].map((row) => JSON.stringify(row)).join("\n")
    const talks = { name: "talks", rows: "talks.jsonl", messages: "talk", form: "chat", scorer: "number" } as const
    const decoded = Result.getOrThrow(decodeSuite(talks))
    const read = await run(readSuiteRows(decoded, undefined, file("talks.jsonl", rows)).pipe(Effect.provide(platform)))
    expect(read.map(({ question, expected }) => [question.map(({ content }) => content), expected])).toEqual([
      [["1 + 2?", "3", "And 1?"], "4"],
      [["5?"], "5"]
    ])
    const open = file("open.jsonl", `${JSON.stringify(talk("1?", "2", "3?"))}\n{"talk": "1?"}\n{"messages": []}\n`)
    const text = await message(readSuiteRows(decoded, undefined, open))
    expect(text).toContain('open.jsonl:1: "talk" does not end with an answer of the assistant in words')
    expect(text).toContain('open.jsonl:2: "talk" is a string, expected a list of messages')
    expect(text).toContain("open.jsonl:3: ")
    const both = decodeSuite({ ...talks, prompt: "{a}" })
    expect(Result.isFailure(both) && both.failure).toEqual([
      { path: "prompt", message: "expected either prompt and answer, or messages; found prompt and messages" }
    ])
  })

  test("every suite known by name is valid", () => {
    for (const [name, known] of Object.entries(suites)) {
      const decoded = Result.getOrThrow(decodeSuite(known))
      expect(decoded.name).toBe(name)
    }
  })

  test.each([
    [
      "nothing",
      "nothing: no such suite; expected gsm8k, gsm8k-zero-shot, humaneval, humaneval-instruct or a .json file"
    ],
    ["gsm8", "did you mean gsm8k?"],
    ["nowhere.json", "nowhere.json: "]
  ])("%p is no suite", async (name, says) => {
    expect(await message(readSuite(name))).toContain(says)
  })

  test("all problems of a suite are reported at once", async () => {
    const wrong = { ...suite, scorer: "numbr", promt: "{a}", prompt: "{a", system: "Be brief." }
    const text = await message(readSuite(file("wrong.json", JSON.stringify(wrong))))
    for (const says of ["scorer: ", '"number"', "promt: ", "prompt: "]) expect(text).toContain(says)
    const spoken = await message(readSuite(file("text.json", JSON.stringify({ ...suite, system: "Be brief." }))))
    expect(spoken).toContain('system: found a system message in "form": "text"; expected "form": "chat"')
    expect(await message(readSuite(file("list.json", "[]")))).toContain("found a list, expected an object")
  })

  test("rows without a column, and files without enough rows, are reported", async () => {
    const decoded = Result.getOrThrow(decodeSuite({ ...suite, scorer: "number" }))
    const rows = file("short.jsonl", '{"a": 1, "b": 2, "sum": "3"}\n{"a": 1, "sum": "3"}\n[1]\n')
    const text = await message(readSuiteRows(decoded, undefined, rows))
    expect(text).toContain("short.jsonl:2: ")
    expect(text).toContain("short.jsonl:3: ")
    const none = await message(readSuiteRows(decoded, undefined, file("none.jsonl", "\n")))
    expect(none).toContain("the file has no rows")
    expect(await message(readShots(decoded, 2))).toContain("found 2 shots, but the suite names no rows for them")
    const few = { ...decoded, shots: { rows: file("few.jsonl", '{"a": 1, "b": 2, "sum": "3"}\n'), count: 2 } }
    expect(await message(readShots(few))).toContain("has 1 rows; expected at least 2, the number of shots")
  })
})

test("a record outlives a killed writer: its half-written line is dropped, and the next one is whole", async () => {
  const schema = Schema.Struct({ text: Schema.String })
  const path = file("record.jsonl", "")
  const open = () => Effect.provide(openRecord(path, schema), platform)
  const first = await run(open())
  await run(first.add("a", { text: "1" }))
  await run(first.add("a", { text: "2" }))
  appendFileSync(path, '{"key":"b","te')
  const second = await run(open())
  expect([second.find("a"), second.find("b")]).toEqual([{ text: "1" }, undefined])
  await run(second.add("b", { text: "3" }))
  await run(second.add("c", { text: "4" }))
  const third = await run(open())
  expect([third.find("a"), third.find("b"), third.find("c")]).toEqual([{ text: "1" }, { text: "3" }, { text: "4" }])
  expect(readFileSync(path, "utf8").split("\n")).toHaveLength(5)
})
