/** Rows of preference data: every form in which data sets write pairs, and the sentence for each way in which a row is none. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import type { PreferenceData } from "../../../schemas/index.ts"
import { type Pair, padPairs, pairsOf, preferencesOf } from "../../../src/data/preference/index.ts"
import { formOf } from "../../../src/data/preference/row.ts"

type Section = Parameters<typeof preferencesOf>[1]
const section = (more: Partial<Section> = {}): Section => ({
  mapping: "trl",
  form: "messages",
  reasoning: "learn",
  ...more
})
const said = (role: string, content: string) => ({ role, content })
const user = said("user", "2 + 2?")
const [right, wrong] = [said("assistant", "4"), said("assistant", "5")]
const conversation = (...messages: ReadonlyArray<object>) => ({ kind: "chat", messages, given: messages.length - 1 })

const sides = { chosen: conversation(user, right), rejected: conversation(user, wrong) }

describe("pairs of conversations with tools", () => {
  const tool = { type: "function", function: { name: "clock", parameters: { type: "object" } } }
  const calling = (args: unknown) => ({
    role: "assistant",
    content: null,
    tool_calls: [{ id: "c1", type: "function", function: { name: "clock", arguments: args } }]
  })
  const call = (own: object) => ({
    role: "assistant",
    content: null,
    calls: [{ id: "c1", name: "clock", arguments: own }]
  })
  const rows: Readonly<Record<string, readonly [row: object, more?: Partial<Section>]>> = {
    "TRL's": [{ prompt: [user], chosen: [calling('{"zone": "UTC"}')], rejected: [calling("{}")], tools: [tool] }],
    "OpenAI's": [
      {
        input: { messages: [user], tools: [tool], parallel_tool_calls: true },
        preferred_output: [calling('{"zone": "UTC"}')],
        non_preferred_output: [calling("{}")]
      },
      { mapping: "openai" }
    ]
  }
  test.each(Object.entries(rows))("%s: tools reach both sides, arguments are objects", (_, [row, more]) => {
    const side = (own: object) => ({ kind: "chat", messages: [user, call(own)], tools: [tool], given: 1 })
    expect(preferencesOf(row, section(more)) as unknown).toEqual({ chosen: side({ zone: "UTC" }), rejected: side({}) })
  })

  test("a call of an undeclared tool is an error of its side", () => {
    const row = {
      prompt: [user],
      chosen: [right],
      rejected: [calling("{}")],
      tools: [{ ...tool, function: { name: "x" } }]
    }
    expect(preferencesOf(row, section())).toEqual({
      broken: '"rejected": message 2: calls "clock", which is not among the row\'s tools (x)'
    })
  })
})

describe("one pair, however it is written:", () => {
  const forms: Readonly<Record<string, readonly [row: object, more?: Partial<Section>]>> = {
    "a prompt of messages": [{ prompt: [user], chosen: [right], rejected: [wrong] }],
    "a prompt of messages as JSON text, as CSV has it": [
      { prompt: JSON.stringify([user]), chosen: JSON.stringify([right]), rejected: JSON.stringify([wrong]) }
    ],
    "two conversations that begin alike": [{ chosen: [user, right], rejected: [user, wrong] }],
    "with the prompt a second time, as a text": [{ prompt: "2 + 2?", chosen: [user, right], rejected: [user, wrong] }],
    "fields of messages in another order": [
      { chosen: [user, right], rejected: [{ content: user.content, role: "user" }, wrong] }
    ],
    "a prompt as a text, answers as messages": [{ prompt: "2 + 2?", chosen: [right], rejected: [wrong] }],
    "answers as texts": [{ prompt: [user], chosen: "4", rejected: "5" }],
    "OpenAI's form": [
      { input: { messages: [user] }, preferred_output: [right], non_preferred_output: [wrong] },
      { mapping: "openai" }
    ],
    "columns of other names": [
      { question: [user], good: [right], bad: [wrong] },
      { prompt: "question", chosen: "good", rejected: "bad" }
    ]
  }
  test.each(Object.entries(forms))("%s", (_, [row, more]) => {
    expect(preferencesOf(row, section(more)) as unknown).toEqual(sides)
  })

  test("what both conversations begin with is the prompt, turns of the assistant too", () => {
    const turns = [user, right, said("user", "and 3 + 3?")]
    const [six, seven] = [said("assistant", "6"), said("assistant", "7")]
    expect(preferencesOf({ chosen: [...turns, six], rejected: [...turns, seven] }, section()) as unknown).toEqual({
      chosen: conversation(...turns, six),
      rejected: conversation(...turns, seven)
    })
  })

  test("a system message comes before all, and is no part of an answer", () => {
    const read = preferencesOf({ prompt: [user], chosen: [right], rejected: [wrong] }, section({ system: "Add." }))
    expect(read as unknown).toEqual({
      chosen: conversation(said("system", "Add."), user, right),
      rejected: conversation(said("system", "Add."), user, wrong)
    })
  })

  test("texts: nothing is put between prompt and answer", () => {
    const row = { prompt: "2 + 2 =", chosen: " 4", rejected: " 5" }
    expect(preferencesOf(row, section({ form: "text" })) as unknown).toEqual({
      chosen: { kind: "completion", prompt: "2 + 2 =", completion: " 4" },
      rejected: { kind: "completion", prompt: "2 + 2 =", completion: " 5" }
    })
  })
})

test("what rows are, by the first of them", () => {
  const trl: Pick<PreferenceData, "mapping"> = { mapping: "trl" }
  expect(formOf({ prompt: "a", chosen: "b" }, trl)).toBe("text")
  expect(formOf({ prompt: "a", chosen: "[not a list]" }, trl)).toBe("text")
  expect(formOf({ chosen: [user, right] }, trl)).toBe("messages")
  expect(formOf({ chosen: JSON.stringify([user, right]) }, trl)).toBe("messages")
  expect(formOf({ preferred_output: [right] }, { mapping: "openai" })).toBe("messages")
})

const number = (ids: ReadonlyArray<number>, from: number, row = 0) => ({
  row,
  ids: Int32Array.from(ids),
  labels: Int32Array.from(ids, (_, t) => (t + 1 >= from && t + 1 < ids.length ? ids[t + 1]! : -100))
})

describe("batches", () => {
  const pair: Pair = { row: 0, chosen: number([5, 6, 7, 8], 2), rejected: number([5, 6, 9], 2) }

  test("the better answers come first, and both are marked", () => {
    const rows = padPairs([pair, pair], { padId: 0, padMultiple: 1, maxLength: 9, prompts: false })
    expect([rows.size, rows.length, rows.counted, rows.tokens]).toEqual([4, 4, 2, 14])
    expect([...rows.inputIds]).toEqual([5, 6, 7, 8, 5, 6, 7, 8, 5, 6, 9, 0, 5, 6, 9, 0])
    expect([...rows.answers]).toEqual([0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0])
    expect([...rows.labels.subarray(0, 4)]).toEqual([-100, 7, 8, -100])
  })

  test("with prompts, of the better answers alone", () => {
    const rows = padPairs([pair], { padId: 0, padMultiple: 1, maxLength: 9, prompts: true })
    expect([...rows.labels]).toEqual([6, 7, 8, -100, -100, 9, -100, -100])
    expect([...rows.answers]).toEqual([0, 1, 1, 0, 0, 1, 0, 0])
  })

  test("a pair that the cut leaves nothing of an answer of is left out, the others keep their numbers", async () => {
    const content = (text: string) => ({ kind: "text", text }) as const
    const texts = [
      ["ab", "abcd"],
      ["abc", "abd"],
      ["a", "abc"]
    ] as const
    const split = {
      rows: texts.length,
      where: "pairs",
      read: (indices: ArrayLike<number>) =>
        Effect.succeed(
          Array.from(indices, (i) => ({
            chosen: content(texts[i]![0]),
            rejected: content(texts[i]![1]),
            where: `${i}`
          }))
        ),
      // everything after two letters is an answer
      encode: (row: { readonly kind: string }) => {
        const { text } = row as ReturnType<typeof content>
        const letters = [...text].map((letter) => letter.charCodeAt(0))
        return [number(letters, 2)]
      }
    }
    const rows = async (maxLength: number) =>
      (await Effect.runPromise(pairsOf(split, [2, 1, 0], maxLength))).map(({ row }) => row)
    expect(await rows(4)).toEqual([1])
    expect(await rows(1)).toEqual([])
  })
})
