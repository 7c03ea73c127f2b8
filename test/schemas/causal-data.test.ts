/** The data section of causal models: its defaults, and every kind of mistake in the words of plans. */
import { describe, expect, test } from "bun:test"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { strict } from "../../schemas/decode.ts"
import { CausalData, messagesColumn } from "../../schemas/index.ts"
import { problemsOf } from "../../schemas/issues.ts"

const decode = Schema.decodeUnknownResult(CausalData, strict)

const problems = (input: unknown): ReadonlyArray<string> => {
  const result = decode(input)
  if (Result.isSuccess(result)) throw new Error("the section was accepted")
  return problemsOf(result.failure.issue, CausalData.ast).map(({ path, message }) => `${path}: ${message}`)
}

describe("a sound section", () => {
  test.each([
    [
      { format: "chat", train: "a.jsonl" },
      { mapping: "openai", reasoning: "learn", lossOn: "assistant", maxLength: 512, packing: false, bucketPool: 8 }
    ],
    [
      { format: "completion", train: "a.csv.gz" },
      {
        prompt: "prompt",
        completion: "completion",
        lossOn: "completion",
        maxLength: 512,
        packing: false,
        bucketPool: 8
      }
    ],
    [
      { format: "text", train: "a.parquet" },
      { text: "text", maxLength: 512, packing: true, bucketPool: 8 }
    ]
  ])("%o gets every default", (input, defaults) => {
    expect(Result.getOrThrow(decode(input)) as unknown).toEqual({ ...input, ...defaults })
  })

  test("is the same when it is written out with its defaults and read again", () => {
    const section = Result.getOrThrow(
      decode({ format: "chat", train: "a.jsonl", validation: 0.1, system: "Be brief." })
    )
    expect(Result.getOrThrow(decode(JSON.parse(JSON.stringify(section))))).toEqual(section)
  })

  test("the column of messages depends on the mapping, unless it is named", () => {
    expect(messagesColumn({ mapping: "openai" })).toBe("messages")
    expect(messagesColumn({ mapping: "sharegpt" })).toBe("conversations")
    expect(messagesColumn({ mapping: "sharegpt", messages: "chat" })).toBe("chat")
  })
})

describe("mistakes, all at once", () => {
  test("in a section for conversations", () => {
    const section = { format: "chat", mapping: "shareGPT", maxLength: 2, packing: "yes", lossOn: "user", colums: 1 }
    expect(problems(section).toSorted()).toEqual([
      "colums: unknown key (allowed: format, train, validation, test, separator, encoding, mapping, messages, tools, system, chatTemplate, templateValues, templateDate, reasoning, lossOn, turns, maxLength, packing, bucketPool)",
      'lossOn: found "user"; expected one of "assistant", "last", "all"',
      'mapping: found "shareGPT"; expected one of "openai", "sharegpt", "alpaca"; did you mean "sharegpt"?',
      "maxLength: found 2; expected an integer from 4 to 131072",
      'packing: found "yes"; expected true or false',
      "train: missing; expected a path to a .jsonl, .csv or .parquet file"
    ])
  })

  test("in messages that are made of columns, a date", () => {
    const messages = [
      { role: "bot", content: "{question}" },
      { role: "assistant", content: "{answer" }
    ]
    const expected =
      "expected a column name, or a template with {column} placeholders, in which literal braces are doubled"
    expect(problems({ format: "chat", train: "a.csv", messages, templateDate: "30.11.2026" }).toSorted()).toEqual([
      'messages.0.role: found "bot"; expected one of "system", "user", "assistant"',
      `messages.1.content: found "{answer"; ${expected}`,
      'templateDate: found "30.11.2026"; expected a date, YYYY-MM-DD'
    ])
    expect(problems({ format: "completion", train: "a.csv", prompt: "Q: }" })).toEqual([
      `prompt: found "Q: }"; ${expected}`
    ])
  })

  test("in what a section is for", () => {
    expect(problems({ format: "chats", train: "a.jsonl" })).toEqual([
      'format: found "chats"; expected one of "chat", "completion", "text"; did you mean "chat"?'
    ])
    expect(problems({ format: "text", train: "a.jsonl", prompt: "p", validation: 1.5 }).toSorted()).toEqual([
      "prompt: unknown key (allowed: format, train, validation, test, separator, encoding, text, maxLength, packing, bucketPool)",
      "validation: found 1.5; expected a path to a .jsonl, .csv or .parquet file, or a fraction between 0 and 1 of the training rows"
    ])
  })
})
