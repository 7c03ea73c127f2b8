/** Generated answers against expected ones: which prompt a row asks, what is expected, how it is scored, and rows that ask nothing. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import type { CausalContent } from "../../../src/data/causal/index.ts"
import { Device } from "../../../src/device/device.ts"
import type { CausalModel } from "../../../src/models/causal/index.ts"
import { finalNumber, type GeneratedScoreOptions, generatedScores } from "../../../src/trained/index.ts"
import { describeOn } from "../../backends.ts"
import { bytesTokenizer, ends, openDevice, untrained } from "../generation/writing.ts"
import { openGolden } from "../models/causal/causal-golden.ts"
import { failure, runScoped } from "../models/golden.ts"

/** The chat template writes <role> before a message, a line break behind it. */
const chatTemplate = `{% for m in messages %}<{{ m.role }}>{{ m.content }}
{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}`

/** A golden with a tokenizer whose tokens are bytes: it writes what its random weights say. */
const speaking = Effect.gen(function* () {
  const model: CausalModel = yield* openGolden("llama")
  return yield* untrained({ ...model, eosIds: [], tokenizer: { ...bytesTokenizer, chatTemplate } })
})

const splitOf = (contents: ReadonlyArray<CausalContent>) => ({
  rows: contents.length,
  where: "test.jsonl",
  read: (indices: ArrayLike<number>) =>
    Effect.succeed(Array.from(indices, (i) => ({ content: contents[i]!, where: `test.jsonl:${i + 1}` })))
})

const scored = <E = never>(contents: ReadonlyArray<CausalContent>, options: GeneratedScoreOptions<E, never> = {}) =>
  Effect.gen(function* () {
    const adapted = yield* speaking
    return yield* generatedScores(adapted, splitOf(contents), { maxNewTokens: 9, ...options })
  }).pipe(Effect.provideService(Device, openDevice()))

const completion = (prompt: string, text: string): CausalContent => ({ kind: "completion", prompt, completion: text })
const chat = (...said: ReadonlyArray<readonly [string, string]>): CausalContent => ({
  kind: "chat",
  messages: said.map(([role, content]) => ({ role, content }))
})

/** What the model says behind a prompt. */
const saidBehind = (prompt: string, special = true) =>
  Effect.gen(function* () {
    const adapted = yield* speaking
    const [end] = yield* ends(adapted, [bytesTokenizer.encode(prompt, { special })], { maxNewTokens: 9 })
    return end!.text
  })

test("final numbers: the last of a text, however it is written", () => {
  const score = (text: string, expected: string) =>
    Effect.runSync(finalNumber({ text, expected, where: "", content: { kind: "text", text: "" }, finish: "eos" }))
  const same: ReadonlyArray<readonly [string, string]> = [
    ["2 + 3 = 5, so the answer is: 5.", "#### 5"],
    ["It costs $1,234.50 in all", "#### 1234.5"],
    ["-7", "3 - 10 = -7"],
    ["#### 12", "10 apples and 2 are 12"],
    ["72.0", "#### 72"]
  ]
  const different: ReadonlyArray<readonly [string, string]> = [
    ["5 and then 6", "#### 5"],
    ["no number", "#### 5"],
    ["no number", "none either"],
    ["7", "-7"],
    ["1,23", "#### 123"]
  ]
  expect(same.map(([text, expected]) => score(text, expected))).toEqual(same.map(() => 1))
  expect(different.map(([text, expected]) => score(text, expected))).toEqual(different.map(() => 0))
})

describeOn("wasm", () => {
  test("the answer to a completion's prompt and to a conversation without its last message", () =>
    runScoped(
      Effect.gen(function* () {
        const first = yield* saidBehind("One, ")
        // the template writes what begins a text, so nothing is put before it
        const second = yield* saidBehind("<user>a\n<assistant>b\n<user>c\n<assistant>", false)
        expect(new Set([first, second, ""]).size).toBe(3)
        const turns = [
          ["user", "a"],
          ["assistant", "b"],
          ["user", "c"]
        ] as const
        const rows = [
          completion("One, ", first),
          chat(...turns, ["assistant", ` ${second}\n`]),
          completion("One, ", `${first}!`)
        ]
        const { score, answers } = yield* scored(rows)
        expect(answers.map(({ text }) => text)).toEqual([first, second, first])
        expect(answers.map((answer) => answer.score)).toEqual([1, 1, 0])
        expect(answers.map(({ where }) => where)).toEqual(["test.jsonl:1", "test.jsonl:2", "test.jsonl:3"])
        expect(score).toBeCloseTo(2 / 3, 12)
      })
    ))

  test("a score of one's own, over some rows, in batches of any size", () =>
    runScoped(
      Effect.gen(function* () {
        const rows = ["a", "bc", "def", "g", "h"].map((prompt) => completion(prompt, prompt))
        const heard: Array<number> = []
        const options = {
          rows: 4,
          score: ({ expected }: { readonly expected: string }) => Effect.succeed(expected.length),
          done: (count: number) => Effect.sync(() => heard.push(count)).pipe(Effect.asVoid)
        }
        const small = yield* scored(rows, { ...options, batchSize: 3 })
        expect(heard).toEqual([3, 4])
        expect(small.rows).toBe(4)
        expect(small.score).toBe(7 / 4)
        expect(yield* scored(rows, options)).toEqual(small)
      })
    ))

  test("a score that fails fails the whole", async () => {
    const score = () => Effect.fail({ _tag: "NoCompiler" as const })
    expect(await failure(scored([completion("a", "b")], { score }))).toEqual({ _tag: "NoCompiler" })
  })

  test("rows that ask nothing or expect nothing, all of a batch at once", async () => {
    const rows = [
      { kind: "text", text: "a" } as const,
      completion("a", "b"),
      chat(["user", "a"]),
      chat(["assistant", "a"])
    ]
    expect(await failure(scored(rows))).toMatchObject({
      _tag: "DataError",
      problems: [
        "test.jsonl:1: is a plain text without a question; use completions or conversations",
        "test.jsonl:3: the conversation does not end with a trained answer of the assistant, so there is no expected answer",
        "test.jsonl:4: the conversation does not end with a trained answer of the assistant, so there is no expected answer"
      ]
    })
  })
})
