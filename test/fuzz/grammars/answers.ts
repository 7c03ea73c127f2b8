/** What decides over answers: rows with tools and calls, and JSON Schemas that a client sends. */
import * as Effect from "effect/Effect"
import { constraintOf } from "../../../src/constraint/index.ts"
import { chatTemplate } from "../../../src/data/causal/chat-template.ts"
import { messagesIn } from "../../../src/data/causal/messages.ts"
import { callProblems, toolsIn } from "../../../src/data/causal/tools.ts"
import { writtenTurns } from "../../../src/data/causal/turns.ts"
import { tiny } from "../../src/constraint/tiny.ts"
import { among, list, type Made, object, one, optional, seldom, size, sound, text } from "../grammar.ts"
import type { Target } from "../target.ts"

class Refused extends Error {
  readonly _tag = "Refused"
}

const name = among("a", "clock", "light")
const callArguments = one(among<unknown>('{"a": 1}', "{}", '{"a": "é"}', { a: [1, { b: null }] }), text)
const call = object({
  id: optional(among("c1", "c2")),
  type: optional(among("function")),
  function: sound(object({ name: sound(name), arguments: sound(callArguments, 20) }), 30)
})
const message = object({
  role: sound(among("system", "user", "assistant", "assistant", "tool", "developer")),
  content: sound(one<unknown>(text, among(null), list(object({ type: among("text"), text }), 2)), 30),
  tool_calls: optional(sound(list(call, 2)), 0.3),
  tool_call_id: optional(among("c1", "c2"), 0.2),
  reasoning_content: optional(sound(text), 0.2),
  weight: optional(sound(among(0, 1)), 0.2)
})
const tool = object({
  type: sound(among("function")),
  function: sound(object({ name: sound(name), parameters: optional(sound(among({ type: "object" }))) }), 30)
})

const template =
  "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}{% for m in messages %}<|{{ m.role }}|>{{ m.reasoning_content }}{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function | tojson }}{% endfor %}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"

export const toolRows: Target = () => (random) => {
  const [messages, tools] = [list(message, 5, 1)(random), one<unknown>(list(tool, 2), among(null, "[]", "{"))(random)]
  return Effect.suspend(() => {
    const [read, declared] = [messagesIn(messages), toolsIn(tools, "tools")]
    const compiled = chatTemplate(template, { specialTokens: {} })
    if ("broken" in read) return Effect.fail(new Refused(read.broken))
    if ("broken" in declared) return Effect.fail(new Refused(declared.broken))
    if ("broken" in compiled) throw new Error(compiled.broken)
    const chat = { kind: "chat", messages: read, tools: declared } as const
    const wrong = callProblems(chat, undefined) ?? writtenTurns(compiled, chat, { lossOn: "assistant" }, /<\|\w+\|>/g)
    return "broken" in wrong ? Effect.fail(new Refused(wrong.broken)) : Effect.succeed(wrong.examples.length)
  })
}

const pattern = among("^a+$", "(a|b)*a(a|b){9}", "^[a-z]{2,9}$", "(", "(?=a)", "^(a{99}){99}$", "\\p{L}+", "")
const schema = (depth: number): Made<unknown> => {
  const inner = depth === 0 ? among<unknown>(true, {}, { type: "null" }) : schema(depth - 1)
  const typed = one<unknown>(
    object({
      type: among("string"),
      minLength: optional(size),
      maxLength: optional(size),
      pattern: optional(pattern, 0.3)
    }),
    object({
      type: among("integer", "number"),
      minimum: optional(size),
      maximum: optional(size),
      exclusiveMaximum: optional(size, 0.2),
      multipleOf: optional(size, 0.1)
    }),
    object({
      type: among("array"),
      items: optional(inner),
      prefixItems: optional(list(inner, 2), 0.2),
      minItems: optional(size, 0.3),
      maxItems: optional(size)
    }),
    object({
      type: among("object"),
      properties: optional(object({ a: optional(inner), __proto: optional(inner, 0.1), é: optional(inner) })),
      required: optional(list(among("a", "b", "é"), 2), 0.4),
      additionalProperties: optional(one<unknown>(among(true, false), inner)),
      minProperties: optional(size, 0.1)
    })
  )
  return sound(
    one<unknown>(
      typed,
      typed,
      object({ enum: list(among<unknown>(1, "a", null, true, [1], { a: 1 }, 1e308, "\ud800"), 4, 1) }),
      object({ [depth % 2 === 0 ? "anyOf" : "allOf"]: list(inner, 3, 1) }),
      object({ $ref: among("#", "#/$defs/a", "#/nowhere", "https://example.org/a.json") }),
      object({ type: list(among("string", "null", "integer", "object"), 2, 1) }),
      seldom(2, inner, typed)
    ),
    40
  )
}

export const jsonSchemas: Target = () => (random) => {
  const own = schema(3)(random)
  return Effect.suspend(() => {
    const constraint = constraintOf({ kind: "json", schema: own }, tiny)
    if ("broken" in constraint) return Effect.fail(new Refused(constraint.broken.join("\n")))
    let state = constraint.start
    for (let i = 0; i < 40 && !constraint.mustEnd(state); i++) {
      const mask = constraint.mask(state)
      const allowed = Array.from({ length: tiny.vocabularySize }, (_, id) => id).filter(
        (id) => ((mask[id >> 5]! >>> (id & 31)) & 1) === 1
      )
      if (allowed.length === 0) {
        if (constraint.mayEnd(state)) break
        throw new Error("nothing may follow, and the text may not end")
      }
      const next = constraint.advance(state, allowed[Math.floor(random() * allowed.length)]!)
      if (next === null) throw new Error("a token that is allowed cannot be read")
      state = next
    }
    return Effect.succeed(state.ends)
  })
}
