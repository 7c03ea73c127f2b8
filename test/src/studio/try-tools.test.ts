/** Tools in texts that the studio asks for: calls in what a run writes, their results, and which side is asked next. */
import { beforeAll, describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { askingHandlers } from "../../../src/studio/engine/asking.ts"
import { letRunsGo } from "../../../src/studio/engine/loaded-runs.ts"
import { writingHandlers } from "../../../src/studio/engine/writing.ts"
import { messagesOf, nextAsked, type Reply, type Turn } from "../../../src/studio/page/views/try/talk.ts"
import type { Askable, WatchInput, WritingEvent } from "../../../src/studio/protocol/index.ts"
import { causalPlan, decoder, writeRows } from "../../e2e/causal-workspace.ts"
import { TIMEOUT, workspace } from "../../e2e/fixtures.ts"
import { tools, writeTools } from "../../e2e/tools-workspace.ts"
import { complete } from "../../e2e/train-here.ts"
import { onDevice } from "../output/tiny-run.ts"

const w = workspace()
const run = w.path("runs/tools")
const typed = JSON.stringify(tools)
/** The tiny model's answer to "light on", as it writes it. */
const calling = '<tool_call>\n{"name": "set_light", "arguments": {"on": true}}\n</tool_call>'

interface Tokenizer {
  readonly added_tokens: ReadonlyArray<{ readonly content: string; readonly special: boolean }>
}

const user = (content: string) => ({ role: "user", content })
const assistant = (content: string) => ({ role: "assistant", content })

const device = <A>(program: Parameters<typeof onDevice<A, unknown>>[0]) => onDevice(Effect.ensuring(program, letRunsGo))

const write = (messages: WatchInput<"write">["messages"], more: Partial<WatchInput<"write">> = {}) =>
  writingHandlers.watches!.write!({
    id: run,
    messages,
    tools: typed,
    tokens: 40,
    temperature: 0,
    seed: 0,
    sides: ["trained"],
    ...more
  })

/** The end of the only side that is asked, and all that it wrote before. */
const answered = (...asked: Parameters<typeof write>) =>
  Effect.map(Stream.runCollect(write(...asked)), (events) => ({
    text: events.map((event) => (event.kind === "token" ? event.token.text : "")).join(""),
    end: events.at(-1) as Extract<WritingEvent, { kind: "end" }>
  }))

const refusal = (...asked: Parameters<typeof write>) =>
  Effect.map(Effect.flip(Stream.runCollect(write(...asked))), ({ message }) => message)

beforeAll(async () => {
  const plan = writeTools(w)
  // the marks of calls as special tokens, as in the tokenizers of Llama 3 and Mistral
  const { added_tokens: added, ...rest } = w.json("calling/tokenizer.json") as unknown as Tokenizer
  const marked = added.map((token) => ({ ...token, special: token.special || token.content.includes("tool_call") }))
  w.write("calling/tokenizer.json", { ...rest, added_tokens: marked })
  await complete(w, w.write("tools-plan.json", plan), "runs/tools")
  decoder(w, "llama")
  writeRows(w)
  for (const format of ["chat", "completion"] as const) {
    const plan = { ...causalPlan("llama", format), training: { steps: 1, batchSize: 4 } }
    await complete(w, w.write(`${format}.json`, plan), `runs/${format}`)
  }
}, TIMEOUT)

describe("the engine", () => {
  test("gives the calls of a text, which keeps its marks, and what is left without them", () =>
    device(
      Effect.gen(function* () {
        const { text, end } = yield* answered([user("light on")])
        expect(text).toBe(calling)
        expect(end).toMatchObject({
          finish: "eos",
          content: "",
          calls: [{ name: "set_light", arguments: { on: true } }]
        })
        expect((yield* answered([user("hi")])).end).toMatchObject({ content: "hello", calls: [] })
      })
    ))

  test("takes what is said after a call for its result, which the template writes as a tool's", () =>
    device(
      Effect.gen(function* () {
        const messages = [user("light on"), assistant(calling), user("ok")]
        expect((yield* answered(messages)).end).toMatchObject({ content: "done", calls: [] })
        // without tools these are texts, and no call is read
        const { end } = yield* answered([user("light on")], { tools: " " })
        expect(end.calls).toEqual([])
        const two = [user("light on"), assistant(`${calling}${calling}`)]
        expect(yield* refusal([...two, user("ok")])).toBe(
          "the result of set_light is missing; write one result per line"
        )
        expect((yield* answered([...two, user("ok\nok")])).end.kind).toBe("end")
      })
    ))

  test("refuses tools that are wrong, and runs that cannot call any", () =>
    device(
      Effect.gen(function* () {
        const asked = [user("light on")]
        expect(yield* refusal(asked, { tools: "[{" })).toBe('"tools" is not JSON: [{')
        expect(yield* refusal(asked, { tools: "{}" })).toContain('"tools" is an object, expected a list of tools')
        expect(yield* refusal(asked, { tools: "[{}]" })).toContain('"tools"[0].function has no name')
        expect(yield* refusal(asked, { id: w.path("runs/chat") })).toContain("the model's chat template omits tools")
        expect(yield* refusal(asked, { id: w.path("runs/completion") })).toBe(
          "this run does not hold conversations, so it cannot call tools"
        )
      })
    ))

  test("gives the tools of rows with the examples, where rows have some", () =>
    device(
      Effect.gen(function* () {
        const found = yield* askingHandlers.calls!.askable!({ id: run })
        const { examples, tools: given } = found as Extract<Askable, { kind: "conversation" }>
        expect(examples).toEqual(["light on", "light off", "hi", "light on"])
        expect(given!.map((text) => JSON.parse(text))).toEqual([tools, tools, tools, tools] as never)
        expect(yield* askingHandlers.calls!.askable!({ id: w.path("runs/chat") })).not.toHaveProperty("tools")
      })
    ))
})

describe("a talk", () => {
  const place = (text: string) => ({ token: { text, probability: 1, ends: false, rank: 0 }, likeliest: [] })
  const reply = (text: string, ...names: ReadonlyArray<string>): Reply => ({
    places: [place(text)],
    state: "eos",
    read: { content: text, calls: names.map((name) => ({ name, arguments: {} })) }
  })
  const turn = (message: string, replies: Turn["replies"]): Turn => ({ message, resultsOf: [], replies })
  const both = ["trained", "base"] as const

  test("asks for results those sides that wait for them, one tool after another", () => {
    expect(nextAsked([], both)).toEqual({ sides: both, resultsOf: [] })
    const same = [turn("x", { trained: reply("c", "a", "b"), base: reply("c", "a", "b") })]
    expect(nextAsked(same, both)).toEqual({ sides: both, resultsOf: ["a", "b"] })
    const one = [turn("x", { trained: reply("hello"), base: reply("c", "a") })]
    expect(nextAsked(one, both)).toEqual({ sides: ["base"], resultsOf: ["a"] })
    expect(nextAsked(one, ["trained"])).toEqual({ sides: ["trained"], resultsOf: [] })
    const others = [turn("x", { trained: reply("c", "a"), base: reply("c", "b") })]
    expect(nextAsked(others, both)).toEqual({ sides: ["trained"], resultsOf: ["a"] })
    const next = [...others, turn("ok", { trained: reply("done") })]
    expect(nextAsked(next, both)).toEqual({ sides: ["base"], resultsOf: ["b"] })
  })

  test("forgets what failed before its first token, so that it can be said again", () => {
    const turns = [
      turn("x", { trained: reply("c", "a") }),
      turn("ok", { trained: { places: [], state: "failed", problem: "no" } })
    ]
    expect(nextAsked(turns, both.slice(0, 1)).resultsOf).toEqual(["a"])
    expect(messagesOf(turns, "trained")).toEqual([user("x"), assistant("c")])
    const stopped = turns.with(1, turn("ok", { trained: { places: [], state: "stopped" } }))
    expect(messagesOf(stopped, "trained")).toEqual([user("x"), assistant("c"), user("ok")])
  })
})
