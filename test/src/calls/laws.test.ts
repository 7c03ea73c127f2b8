/** Laws of all forms: what is written is read, in any pieces, and nothing is lost. */
import { describe, expect, test } from "bun:test"
import { type CallEvent, type CallForm, callForms, callReader } from "../../../src/calls/index.ts"
import type { Tool } from "../../../src/data/causal/index.ts"
import { type Choices, choices, randomCalls, writers } from "./writers.ts"

const forms: ReadonlyArray<readonly [string, CallForm]> = Object.entries(callForms)

/** Neighboring texts as one. */
const merged = (events: ReadonlyArray<CallEvent>): ReadonlyArray<CallEvent> => {
  const all: Array<CallEvent> = []
  for (const event of events) {
    const last = all.at(-1)
    if (last?.kind === "text" && event.kind === "text") all[all.length - 1] = { ...event, text: last.text + event.text }
    else all.push(event)
  }
  return all
}

const readIn = (form: CallForm, pieces: ReadonlyArray<string>, tools: ReadonlyArray<Tool>) => {
  const reader = callReader(form, tools)
  return merged([...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()])
}

const textOf = (events: ReadonlyArray<CallEvent>) =>
  events.map((event) => (event.kind === "text" ? event.text : "")).join("")

/** An answer with calls in the form, and what it says. */
const randomAnswer = (name: string, random: Choices, marks?: () => string) => {
  const writer = writers[name]!
  const { calls, tools } = randomCalls(writer, random, marks)
  const prose = () => random.oneOf(["Let me look.", "", "It is 5 < 6; {ok}", "日本 (1) 👍:"]) + (marks?.() ?? "")
  const [before, after] = [writer.first ? "" : prose(), prose()]
  const [gap, rest] = [random.oneOf(["", "\n", " \n\n"]), random.oneOf(["\n", " "])]
  const text = before + (before === "" ? "" : gap) + writer.write(calls, random) + (after === "" ? gap : rest + after)
  return { text, calls, tools, content: before + (before === "" || after === "" ? after : rest + after) }
}

test("every form has a writer", () => {
  expect(Object.keys(writers).toSorted()).toEqual(Object.keys(callForms).toSorted())
})

describe.each(forms)("%s:", (name, form) => {
  test("what is written is read, whatever the values", () => {
    const random = choices(1, name)
    for (let i = 0; i < 500; i++) {
      const { text, calls, tools, content } = randomAnswer(name, random)
      expect([text, form.parse(text, tools)]).toEqual([text, { content, calls }])
    }
  })

  test("a text in pieces gives what the whole gives", () => {
    const random = choices(2, name)
    for (let i = 0; i < 16; i++) {
      const { text, tools } = randomAnswer(name, random)
      // half of the texts are cut off somewhere
      const shown = i % 2 === 0 ? text : text.slice(0, random.below(text.length))
      const whole = readIn(form, [shown], tools)
      const { content, calls } = form.parse(shown, tools)
      expect([textOf(whole), whole.filter(({ kind }) => kind === "call")]).toEqual([
        content,
        calls.map((call) => ({ kind: "call", call }))
      ])
      for (let at = 0; at <= shown.length; at++) {
        expect(readIn(form, [shown.slice(0, at), shown.slice(at)], tools)).toEqual(whole)
      }
      expect(readIn(form, shown.split(""), tools)).toEqual(whole)
    }
  })

  test("the calls are there with the last character that they need", () => {
    const random = choices(3, name)
    for (let i = 0; i < 50; i++) {
      const { calls, tools } = randomCalls(writers[name]!, random)
      const block = writers[name]!.write(calls, random)
      const reader = callReader(form, tools)
      const events = block.split("").flatMap((character) => reader.push(character))
      expect([block, events]).toEqual([block, calls.map((call) => ({ kind: "call", call }))])
      expect(reader.end()).toEqual([])
    }
  })

  test("what follows calls and plain text arrive at once", () => {
    const random = choices(4, name)
    const { calls, tools } = randomCalls(writers[name]!, random)
    const reader = callReader(form, tools)
    if (!writers[name]!.first) expect(reader.push("Two words")).toEqual([{ kind: "text", text: "Two words" }])
    reader.push(writers[name]!.write(calls, random))
    expect(reader.push("Done. ")).toEqual([{ kind: "text", text: "Done." }])
    expect(reader.push("x")).toEqual([{ kind: "text", text: " x" }])
  })

  test("damage loses nothing", () => {
    const random = choices(5, name)
    let [damaged, intact] = [0, 0]
    for (let i = 0; i < 400; i++) {
      let count = 0
      const { text, tools } = randomAnswer(name, random, () => `ω${count++}ω`)
      const [at, other] = [random.below(text.length), random.below(text.length)]
      const kinds = [
        text.slice(0, at) + text.slice(at + 1),
        text.slice(0, at) + text.slice(at + 1 + random.below(12)),
        text.slice(0, at),
        text.slice(at),
        text.slice(0, at) +
          random.oneOf([..."{}[]<>()\"'\\:,x ", "</tool_call>", "`"]) +
          text.slice(at + random.below(2)),
        text.slice(0, at) + text[other]! + text.slice(at + 1)
      ]
      const shown = random.oneOf(kinds)
      const { content, calls } = form.parse(shown, tools)
      const read = content + JSON.stringify(calls)
      for (const [mark] of shown.matchAll(/ω\d+ω/g)) expect([shown, read.includes(mark)]).toEqual([shown, true])
      if (calls.length === 0) expect(content).toBe(shown)
      // the content is characters of the text, in order
      let from = 0
      for (const character of content.replaceAll(/\s/g, "")) from = shown.indexOf(character, from) + 1 || Number.NaN
      expect(from).not.toBeNaN()
      if (calls.length === 0) damaged++
      else intact++
    }
    expect(Math.min(damaged, intact)).toBeGreaterThan(20)
  })

  test("deep values and thousands of openings are read in bounded time", () => {
    const random = choices(6, name)
    const [before, after] = writers[name]!.write([{ name: "f", arguments: { a: "mark" } }], random).split("mark")
    const texts = [
      form.openings.at(-1)!.repeat(2_000),
      before!.repeat(2_000),
      `${before}${"[{".repeat(50_000)}${after}`
    ]
    for (const text of texts) {
      const started = performance.now()
      const { content, calls } = form.parse(text)
      expect(content.length + JSON.stringify(calls).length).toBeGreaterThanOrEqual(
        text.length - before!.length - after!.length
      )
      // 0.1 s here
      expect(performance.now() - started).toBeLessThan(10_000)
    }
    const deep = `${before}mark${after}`.replace(/(["']?)mark\1/, "[".repeat(100_000))
    const { content, calls } = form.parse(deep)
    expect(content).toBe(calls.length === 0 ? deep : "")
  })
})
