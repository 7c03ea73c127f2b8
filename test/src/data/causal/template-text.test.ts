/** Templates write what transformers writes with them, to the last character: 61 of TRL's over 29 conversations, and single expressions. */
import { describe, expect, test } from "bun:test"
import { boundedTemplate, templateReason } from "../../../../src/data/causal/bounded-template.ts"
import { withoutGenerationTags } from "../../../../src/data/causal/chat-template.ts"
import {
  asTransformers,
  type GoldenConversation,
  goldenConversations,
  goldenExpressions,
  goldenSpecialTokens,
  goldenTemplates,
  goldenText,
  type Text
} from "./chat-goldens.ts"

const now = new Date(2026, 10, 30)

/** Differences that stay, by conversation: what our text has in the place of transformers'. */
const differences: Readonly<
  Record<string, { readonly reason: string; readonly as: Readonly<Record<string, string>> }>
> = {
  "whole-numbers": {
    reason: "JavaScript has one kind of number: a row does not say that a whole number is a float",
    as: { "2.0": "2", "-40.0": "-40" }
  },
  "large-numbers": {
    reason: "the same, and it has 53 bits of a number; rows with such numbers are rejected",
    as: { "1e+16": "10000000000000000", "12345678901234567890": "12345678901234567000" }
  }
}

/** Expressions that stay different, with our text. */
const expressionDifferences: Readonly<Record<string, string>> = {
  // pairs of a dictionary and further arguments of a macro are tuples in Python, and lists here
  "[{{ map|dictsort }}]": `[[['a', {'c': 'x"\\'y'}], ['b', 1], ['Z', [0.5, 'é\\n']]]]`,
  "[{{ map.items()|list }}]": `[[['b', 1], ['a', {'c': 'x"\\'y'}], ['Z', [0.5, 'é\\n']]]]`,
  "{% for x in map.items() %}{{ x }},{% else %}else{% endfor %}": `['b', 1],['a', {'c': 'x"\\'y'}],['Z', [0.5, 'é\\n']],`,
  "{% macro m(a, b=none) %}{{ a }}{{ b }}{{ varargs }}{% endmacro %}{{ m(1) }} {{ m(no, [yes]) }} {{ m(1, 2, 3) }}":
    "1None[] None[True][] 12[3]"
}

/** The text, or the template's own reason, or that it refuses for another one. */
const attempt = (write: () => string): string => {
  try {
    return write()
  } catch (cause) {
    const reason = templateReason(cause)
    return "over" in reason ? `limit: ${reason.over}` : `TemplateError: ${reason.refused}`
  }
}

const expectText = (written: string, golden: Text, conversation = "") => {
  if (typeof golden !== "string") {
    return golden.error.startsWith("TemplateError: ")
      ? expect(written).toBe(golden.error)
      : expect(written).toStartWith("TemplateError: ")
  }
  const replaced = Object.entries(differences[conversation]?.as ?? {})
  expect(written).toBe(replaced.reduce((text, [theirs, ours]) => text.replaceAll(theirs, ours), golden))
}

const sizeOf = (messages: GoldenConversation["messages"], tools: GoldenConversation["tools"] = []): number =>
  messages.length + tools.length + JSON.stringify([messages, tools]).length / 1_000

test("there are 61 templates and 29 conversations, with and without generation tags, and some are refused", () => {
  expect(goldenTemplates).toHaveLength(61)
  expect(goldenTemplates.filter(({ marked }) => marked)).toHaveLength(28)
  expect(goldenConversations).toHaveLength(29)
  const texts = goldenTemplates.flatMap(({ name }) => goldenConversations.map((each) => goldenText(name, each.name)))
  expect(texts.filter(({ text }) => typeof text !== "string")).toHaveLength(161)
})

describe("all conversations, whole, up to every answer and with a prompt for it:", () => {
  test.each(goldenTemplates)("$name", ({ name, source }) => {
    const template = boundedTemplate(withoutGenerationTags(source))
    for (const { name: conversation, messages, tools, values } of goldenConversations) {
      const write = (count: number, prompt: boolean) => {
        const some = messages.slice(0, count)
        const given = {
          messages: some.map(asTransformers),
          tools: tools ?? null,
          documents: null,
          add_generation_prompt: prompt
        }
        return attempt(() => template.render({ ...goldenSpecialTokens, ...values, ...given }, sizeOf(some, tools), now))
      }
      const { text, turns } = goldenText(name, conversation)
      expectText(write(messages.length, false), text, conversation)
      for (const { message, full, prompt } of turns) {
        expectText(write(message + 1, false), full, conversation)
        if (prompt !== undefined) expectText(write(message, true), prompt, conversation)
      }
    }
  })
})

describe("expressions:", () => {
  test.each(goldenExpressions.cases.map(([template, text]) => ({ template, text, shown: JSON.stringify(template) })))(
    "$shown",
    ({ template, text }) => {
      const written = attempt(() =>
        boundedTemplate(template).render({ ...goldenExpressions.given, tools: null }, 1, now)
      )
      expectText(written, expressionDifferences[template] ?? text)
    }
  )

  test("those that differ are among them", () => {
    const all = goldenExpressions.cases.map(([template]) => template)
    expect(all).toEqual(expect.arrayContaining(Object.keys(expressionDifferences)))
  })
})
