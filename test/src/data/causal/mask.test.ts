/** Which tokens are learned: the goldens' masks (transformers), for a template that marks the assistant's turns and one that does not. */
import { describe, expect, test } from "bun:test"
import { type ChatTemplate, chatTemplate, withoutGenerationTags } from "../../../../src/data/causal/chat-template.ts"
import { maskedIds, rowEncoder, specialPattern } from "../../../../src/data/causal/encoder.ts"
import { type CausalContent, ignored, type Message, type Sequence } from "../../../../src/data/causal/row.ts"
import { writtenTurns } from "../../../../src/data/causal/turns.ts"
import { isBroken } from "../../../../src/data/columns.ts"
import type { CausalTokenizer } from "../../../../src/tensors/rows.ts"
import { chatSection, completionSection, textSection } from "./sections.ts"
import { goldenChats, markedTemplate, smollm2, templatesInUse } from "./smollm2.ts"

const compiled = (source: string): ChatTemplate => {
  const template = chatTemplate(source, smollm2)
  if (isBroken(template)) throw new Error(template.broken)
  return template
}

const plain = compiled(smollm2.chatTemplate!)
const marked = compiled(markedTemplate)

const encoded = (
  content: CausalContent,
  section: Parameters<typeof rowEncoder>[0],
  template: ChatTemplate | undefined = plain,
  tokenizer: CausalTokenizer = smollm2
): Sequence => {
  const sequences = rowEncoder(section, tokenizer, template).encode(content)
  if (isBroken(sequences)) throw new Error(sequences.broken)
  expect(sequences).toHaveLength(1)
  return sequences[0]!
}

/** The mask that labels imply: token t is learned where label t − 1 asks for it, and then it is that token. */
const maskOf = ({ ids, labels }: Sequence): ReadonlyArray<number> =>
  Array.from(ids, (id, t) => {
    if (t === 0 || labels[t - 1] === ignored) return 0
    expect(labels[t - 1]).toBe(id)
    return 1
  })

describe("chats of the goldens", () => {
  test("there are seven, 22 of their tokens learned", () => {
    expect(goldenChats.length).toBe(7)
    expect(goldenChats.flatMap(({ assistant_mask }) => assistant_mask).filter((bit) => bit === 1).length).toBe(22)
  })

  test.each(goldenChats.map((chat, i) => [i, chat] as const))("%i: text, ids and mask", (_, chat) => {
    expect(plain.render(chat)).toEqual({ text: chat.text })
    expect(plain.render(chat, { prompt: true })).toEqual({ text: chat.text_with_generation_prompt })
    for (const template of [plain, marked]) {
      const sequence = encoded({ kind: "chat", messages: chat.messages }, chatSection, template)
      expect([...sequence.ids]).toEqual([...chat.ids])
      expect(maskOf(sequence)).toEqual([...chat.assistant_mask])
    }
  })

  test("all tokens are learned where the plan says so, but the first", () => {
    for (const { messages, ids } of goldenChats) {
      const { labels } = encoded({ kind: "chat", messages }, { ...chatSection, lossOn: "all" })
      expect([...labels]).toEqual([...ids.slice(1), ignored])
    }
  })
})

const talk: ReadonlyArray<Message> = [
  { role: "user", content: "One?" },
  { role: "assistant", content: "<think>hm</think>First." },
  { role: "user", content: "Two?" },
  { role: "assistant", content: "Second." }
]

const turnsOf = (source: string, messages = talk): ReadonlyArray<string> => {
  const options = { lossOn: "assistant" } as const
  const turns = writtenTurns(compiled(source), { kind: "chat", messages }, options, specialPattern(smollm2))
  if (isBroken(turns)) return [turns.broken]
  return turns.examples.flatMap(({ text, spans }) => spans.map(([start, end]) => text.slice(start, end)))
}

test("without its generation tags a template writes the same, and marks nothing", () => {
  const unmarked = compiled(withoutGenerationTags(markedTemplate))
  expect([marked.marked, unmarked.marked]).toEqual([true, false])
  for (const chat of goldenChats) expect(unmarked.render(chat)).toEqual({ text: chat.text })
})

describe("templates of other kinds", () => {
  const loop = (body: string) => `{% for message in messages %}${body}{% endfor %}`

  test("white space around generation tags is what transformers' Jinja makes of it", () => {
    const source = [
      "{% for message in messages %}",
      "{{- '<|im_start|>' + message['role'] + ':' }}",
      "  {%- if message['role'] == 'assistant' %}",
      "    {% generation %}",
      "{{ message['content'] }}<|im_end|>",
      "    {% endgeneration %}",
      "  {%- else %}",
      "{{ message['content'] }}<|im_end|>",
      "  {%- endif %}",
      "{% endfor %}"
    ].join("\n")
    // jinja2 3.1 with trim_blocks and lstrip_blocks, the tags as a block of an extension, as in transformers
    const text = "<|im_start|>user:Two?<|im_end|><|im_start|>assistant:Second.<|im_end|>"
    expect(compiled(source).render({ messages: talk.slice(2) })).toEqual({ text: `${text}\n`, spans: [[53, 71]] })
    const stripped = source.replaceAll(/\{% ((?:end)?generation) %\}/g, "{%- $1 -%}")
    expect(compiled(stripped).render({ messages: talk.slice(2) })).toEqual({ text, spans: [[53, 70]] })
  })

  test("content that the template trims", () => {
    const source =
      loop("[{{ message.role }}]{{ message.content | trim }}<|im_end|>\n") +
      "{% if add_generation_prompt %}[assistant]{% endif %}"
    const messages = [talk[0]!, { role: "assistant", content: "  words \n" }]
    expect(turnsOf(source, messages)).toEqual(["words<|im_end|>"])
  })

  test("a call of a tool, which has no content", () => {
    const source = `${loop(
      "[{{ message.role }}]{% if message.tool_calls %}CALL {{ message.tool_calls[0].function.name }}{% else %}{{ message.content }}{% endif %}<|im_end|>"
    )}{% if add_generation_prompt %}[assistant]{% endif %}`
    const call = { role: "assistant", content: null, calls: [{ name: "clock", arguments: {} }] }
    expect(turnsOf(source, [talk[0]!, call, { role: "tool", content: "noon" }, talk[3]!])).toEqual([
      "CALL clock<|im_end|>",
      "Second.<|im_end|>"
    ])
  })

  test("one that takes the reasoning out of earlier turns: each turn is an example of its own", () => {
    const source = `${loop(
      "[{{ message.role }}]{% if loop.last %}{{ message.content }}{% else %}{{ message.content.split('</think>')[-1] }}{% endif %}<|im_end|>"
    )}{% if add_generation_prompt %}[assistant]{% endif %}`
    expect(turnsOf(source)).toEqual(["<think>hm</think>First.<|im_end|>", "Second.<|im_end|>"])
    const written = (turns: "together" | "apart" | undefined) =>
      writtenTurns(
        compiled(source),
        { kind: "chat", messages: talk },
        { lossOn: "assistant", turns },
        specialPattern(smollm2)
      )
    const reason = "the chat template changes message 2 or what precedes it once others follow"
    expect(written(undefined)).toMatchObject({ examples: [{}, {}], apart: reason })
    expect(written("apart")).not.toHaveProperty("apart")
    expect(written("together")).toEqual({
      broken: `the turns cannot be learned together: ${reason}; remove data.turns, or set data.chatTemplate to another template`
    })
  })

  test("one whose prompt is not how it begins a turn is refused", () => {
    const source =
      loop("[{{ message.role }}]{{ message.content }}<|im_end|>") +
      "{% if add_generation_prompt %}[assistant]<think>{% endif %}"
    expect(turnsOf(source, talk.slice(2))[0]).toContain("begins the turn differently from its generation prompt")
  })

  test("a refusal of the template is a reason, not an exception", () => {
    const source = "{{ raise_exception('roles must alternate') }}"
    expect(compiled(source).render({ messages: talk })).toEqual({
      broken: "the chat template rejects the conversation: roles must alternate"
    })
    expect(chatTemplate("{% for %}", smollm2)).toMatchObject({ broken: expect.stringContaining("not valid Jinja") })
  })

  test("a text that holds a mark is refused, not taken for one", () => {
    expect(marked.render({ messages: [{ role: "assistant", content: "a\uFDD1b" }] })).toMatchObject({
      broken: expect.stringContaining("U+FDD1")
    })
  })
})

/** Templates as they are published; what they write is held against transformers 5.24 (`test/golden/make/chat_templates.py`). */
describe("templates in use", () => {
  test("there are several", () => expect(templatesInUse.length).toBe(6))

  test.each(templatesInUse.map((one) => [one.name, one] as const))("%s: text and turns", (_, one) => {
    const template = chatTemplate(one.template, one)
    if (isBroken(template)) throw new Error(template.broken)
    const special = new RegExp(one.special.map((word) => word.replaceAll("|", "\\|")).join("|"), "g")
    const turns = writtenTurns(template, { kind: "chat", ...one }, { lossOn: "assistant" }, special)
    if (isBroken(turns)) throw new Error(turns.broken)
    expect(template.render(one)).toEqual({ text: one.text })
    const learned = turns.examples.flatMap(({ text, spans }) => spans.map(([start, end]) => text.slice(start, end)))
    expect(learned).toEqual([...one.turns])
    expect(template.render({ messages: one.messages.slice(0, 1) }, { prompt: true })).toEqual({ text: one.prompt })
  })
})

describe("tokens at a border", () => {
  const { encode } = smollm2
  const learnt = (text: string, from: number, to: number) => {
    const { ids, mask } = maskedIds(text, [[from, to]], smollm2)
    expect([...ids]).toEqual([...encode(text)])
    return [...ids].filter((_, t) => mask[t] === 1).map((id) => smollm2.decode([id]))
  }

  test("that no token crosses", () => expect(learnt("The answer is yes", 14 - 1, 17)).toEqual([" yes"]))
  test("that a token crosses: it counts to the span, at either end", () => {
    expect(learnt("The answer is yes", 2, 17)[0]).toBe("The")
    expect(learnt("The answer is", 4, 7)).toEqual([" answer"])
  })
  test("that a token crosses, while the pieces have as many tokens as the whole", () => {
    const vocabulary = ["abc", "ab", "cd", "d"]
    const greedy = (text: string): ReadonlyArray<number> => {
      const id = vocabulary.findIndex((word) => text.startsWith(word))
      return id < 0 ? [] : [id, ...greedy(text.slice(vocabulary[id]!.length))]
    }
    const words = { encode: greedy, decode: () => "", bytesOf: () => null }
    expect([greedy("abcd"), greedy("ab"), greedy("cd")]).toEqual([[0, 3], [1], [2]])
    expect([...maskedIds("abcd", [[2, 4]], words).mask]).toEqual([1, 1]) // abc has c in it
    expect([...maskedIds("abcd", [[0, 2]], words).mask]).toEqual([1, 0])
  })
  test("in the middle of a character of several tokens", () => expect(learnt("a 😀b", 4, 5)).toEqual(["b"]))
})

describe("completions and texts", () => {
  const content = { kind: "completion", prompt: "2+2=", completion: "4 of course" } as const

  test("learned are the completion and the end of the text", () => {
    const sequence = encoded(content, completionSection)
    const prompt = smollm2.encode("2+2=").length
    expect([...sequence.ids]).toEqual([...smollm2.encode("2+2=4 of course"), 2])
    expect(maskOf(sequence)).toEqual(Array.from(sequence.ids, (_, t) => (t < prompt ? 0 : 1)))
    const all = encoded(content, { ...completionSection, lossOn: "all" })
    expect(maskOf(all)).toEqual(Array.from(all.ids, (_, t) => (t === 0 ? 0 : 1)))
  })

  test("a tokenizer that begins texts with BOS begins these with it, once", () => {
    const beginning: CausalTokenizer = {
      ...smollm2,
      encode: (text, { special = false } = {}) => [...(special ? [1] : []), ...smollm2.encode(text)]
    }
    const text = { kind: "text", text: "Some words" } as const
    const sequence = encoded(text, textSection, undefined, beginning)
    expect([...sequence.ids]).toEqual([1, ...smollm2.encode("Some words"), 2])
    expect([...sequence.labels]).toEqual([...smollm2.encode("Some words"), 2, ignored])
    expect(encoded(content, completionSection, undefined, beginning).labels[0]).toBe(ignored)
  })
})
