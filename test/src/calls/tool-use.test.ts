/** How a model uses tools: found from its template, reasoning apart from calls, streams as texts, and why it cannot. */
import { describe, expect, test } from "bun:test"
import { printed } from "../../../src/bin/generate.ts"
import { type CallEvent, endsThinking, type ToolUse, toolUse } from "../../../src/calls/index.ts"
import { answerMessage, said, waitingCalls } from "../../../src/calls/results.ts"
import type { Message, Tool } from "../../../src/data/causal/index.ts"
import { smollm2 } from "../data/causal/smollm2.ts"

const tools: ReadonlyArray<Tool> = [{ type: "function", function: { name: "clock", parameters: { type: "object" } } }]
const template = (tool: string, call: string) =>
  `{% for t in tools or [] %}${tool}{% endfor %}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content or '' }}{% for c in m.tool_calls or [] %}${call}{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}`
const hermesCall =
  '<tool_call>\n{"name": {{ c.function.name | tojson }}, "arguments": {{ c.function.arguments | tojson }}}\n</tool_call>'
const tokenizer = { ...smollm2, chatTemplate: template("{{ t.function.name }}", hermesCall) }

const found = (): ToolUse => {
  const use = toolUse(tokenizer, tools)
  if ("broken" in use) throw new Error(use.broken)
  return use
}
const call = '<tool_call>\n{"name": "clock", "arguments": {"zone": "UTC"}}\n</tool_call>'
const clock = { name: "clock", arguments: { zone: "UTC" } }

describe("a text", () => {
  const texts: Readonly<Record<string, readonly [text: string, read: object, thinking?: boolean]>> = {
    "with a call": [call, { content: "", calls: [clock] }],
    "with reasoning before it": [
      `<think>\nIs it late?\n</think>\n\n${call}`,
      { content: "", calls: [clock], reasoning: "Is it late?" }
    ],
    "with a call within its reasoning, which is not made": [
      `<think>${call}</think>It is noon.`,
      { content: "It is noon.", calls: [], reasoning: call }
    ],
    "whose reasoning the prompt begins": [
      `Hm.</think>${call}`,
      { content: "", calls: [clock], reasoning: "Hm." },
      true
    ],
    "with empty reasoning": ["<think>\n\n</think>\n\nNoon.", { content: "Noon.", calls: [] }],
    "with special tokens in it": ["<|im_start|>Noon.", { content: "Noon.", calls: [] }]
  }
  test.each(Object.entries(texts))("%s: whole, and in any two pieces", (_, [text, read, thinking = false]) => {
    const use = found()
    expect(use.name).toBe("hermes")
    expect(use.read(text, { thinking }) as object).toEqual(read)
    const eventsOf = (pieces: ReadonlyArray<string>) => {
      const reader = use.reader({ thinking })
      const events: ReadonlyArray<CallEvent> = [...pieces.flatMap((piece) => [...reader.push(piece)]), ...reader.end()]
      return {
        text: events.map((event) => (event.kind === "text" ? event.text : "")).join(""),
        calls: events.flatMap((event) => (event.kind === "call" ? [event.call] : []))
      }
    }
    const whole = eventsOf([text])
    expect(whole.calls).toEqual([...use.read(text, { thinking }).calls])
    // special tokens arrive whole
    if (text.includes("<|im_start|>")) return
    for (let at = 1; at < text.length; at++) expect(eventsOf([text.slice(0, at), text.slice(at)])).toEqual(whole)
  })
})

test.each([
  ["no template", null, "the model has no chat template"],
  ["one that writes no tools", template("", hermesCall), "the model's chat template omits tools"],
  ["one that writes no calls", template("{{ t.function.name }}", ""), "writes them in an unsupported form"],
  ["one that is not valid", "{% for %}", "the chat template is not valid Jinja"]
])("%s: a reason", (_, chatTemplate, reason) => {
  expect(toolUse({ ...smollm2, chatTemplate }, tools)).toEqual({ broken: expect.stringContaining(reason) })
})

describe("a conversation that is typed", () => {
  const answer = answerMessage({ content: "", calls: [clock, clock], reasoning: "Hm." }, 3)

  test("calls get ids of nine letters and digits, which their results name", () => {
    expect(answer).toEqual({
      role: "assistant",
      content: null,
      reasoning: "Hm.",
      calls: [
        { id: "call00300", ...clock },
        { id: "call00301", ...clock }
      ]
    })
    const results = said([answer], "noon\nmidnight")
    expect(results).toEqual([
      { role: "tool", content: "noon", name: "clock", call: "call00300" },
      { role: "tool", content: "midnight", name: "clock", call: "call00301" }
    ])
    expect(waitingCalls([answer, ...results])).toEqual([])
  })

  test("one after the other, and what is said when none waits is the user's", () => {
    const first = said([answer], "noon")
    expect(waitingCalls([answer, ...first]).map(({ id }) => id)).toEqual(["call00301"])
    const talk: ReadonlyArray<Message> = [{ role: "assistant", content: "Hello." }]
    expect(said(talk, "a\nb")).toEqual([{ role: "user", content: "a\nb" }])
  })
})

describe("a prompt that ends within reasoning", () => {
  const [before, after] = ["<|im_start|>assistant\n", "<|im_start|>assistant\n<think>\n"]

  test("is known by its last tokens", () => {
    const ends = [before, after, `${after}</think>`].map((text) => endsThinking(tokenizer, tokenizer.encode(text)))
    expect(ends).toEqual([false, true, false])
  })

  test("makes a call in it reasoning, printed as text and as JSON", () => {
    const text = `${call}</think>${call}`
    const end = {
      kind: "end",
      prompt: 0,
      text,
      ids: [1],
      finish: "eos",
      promptTokens: 1,
      cachedTokens: 0,
      tokensPerSecond: null
    } as const
    const events = [{ kind: "text", prompt: 0, text }, end] as const
    const shown = events.map(printed([{ text: "x", thinking: true }], false, found())).join("")
    expect(shown).toBe(`${call}</think>→ clock {"zone":"UTC"}\n\n`)
    expect(JSON.parse(events.map(printed([{ text: "x", thinking: true }], true, found())).join(""))).toMatchObject({
      text: "",
      calls: [clock]
    })
  })
})
