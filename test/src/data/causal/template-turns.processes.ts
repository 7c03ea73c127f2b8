/**
 * What is learned of conversations with the templates that TRL ships, held against transformers (test/golden/make/tool_templates.py): with
 * generation tags text, spans, ids and mask are equal; without, every turn is what inference would write after its prompt.
 */
import { describe, expect, test } from "bun:test"
import { chatTemplate } from "../../../../src/data/causal/chat-template.ts"
import { maskedIds } from "../../../../src/data/causal/encoder.ts"
import { messagesIn } from "../../../../src/data/causal/messages.ts"
import type { CausalContent } from "../../../../src/data/causal/row.ts"
import { toolsIn } from "../../../../src/data/causal/tools.ts"
import { writtenTurns } from "../../../../src/data/causal/turns.ts"
import { isBroken } from "../../../../src/data/columns.ts"
import {
  type GoldenConversation,
  goldenConversations,
  goldenSpecialTokens,
  goldenTemplates,
  goldenText,
  goldenTokens
} from "./chat-goldens.ts"
import { smollm2 } from "./smollm2.ts"

type Chat = Extract<CausalContent, { readonly kind: "chat" }>

const chatOf = ({ messages, tools }: GoldenConversation): Chat => {
  const [own, declared] = [messagesIn(messages), toolsIn(tools, "tools")]
  if (isBroken(own) || isBroken(declared)) throw new Error(JSON.stringify([own, declared]))
  return { kind: "chat", messages: own, tools: declared }
}

const unbroken = <A extends object>(value: A): Exclude<A, { readonly broken: string }> => {
  if (isBroken(value)) throw new Error(value.broken)
  return value as Exclude<A, { readonly broken: string }>
}

/** Numbers that JavaScript has not: 2.0, and integers beyond 2⁵³, which the reader rejects. */
const numbers = new Set(["whole-numbers", "large-numbers"])
const conversations = goldenConversations.filter(({ name }) => !numbers.has(name))

const compiled = (source: string, { values = {} }: GoldenConversation, specialTokens = goldenSpecialTokens) =>
  unbroken(chatTemplate(source, { specialTokens, templateValues: values, templateDate: "2026-11-30" }))

describe("with generation tags", () => {
  const marked = goldenTemplates.filter((template) => template.marked)
  test("there are 28", () => expect(marked).toHaveLength(28))

  test.each(marked.map(({ name, source }) => [name, source] as const))("%s: text and spans", (name, source) => {
    for (const conversation of conversations) {
      const { text, spans } = goldenText(name, conversation.name)
      const rendering = compiled(source, conversation).render(chatOf(conversation))
      if (typeof text === "string") {
        // an empty block, as a tag directly before another writes it, holds nothing to learn
        const filled = spans!.filter(([start, end]) => end > start)
        expect([conversation.name, rendering]).toEqual([conversation.name, { text, spans: filled }])
      } else expect([conversation.name, isBroken(rendering)]).toEqual([conversation.name, true])
    }
  })

  /** transformers marks the token in which an empty generation block is, although the block holds nothing. */
  const emptyBlocks = new Set(["diffusion_gemma_training"])

  test.each(marked.map(({ name, source }) => [name, source] as const))("%s: ids and mask", (name, source) => {
    for (const conversation of conversations) {
      const golden = goldenTokens.templates[name]![conversation.name]!
      if ("error" in golden) continue
      const template = compiled(source, conversation, goldenTokens.specialTokens)
      const { text, spans } = unbroken(template.render(chatOf(conversation)))
      const { ids, mask } = maskedIds(text, spans!, smollm2)
      const sha256 = new Bun.CryptoHasher("sha256").update(new Uint8Array(Int32Array.from(ids).buffer)).digest("hex")
      expect([conversation.name, sha256]).toEqual([conversation.name, golden.sha256])
      if (emptyBlocks.has(name)) continue
      const learned = golden.mask.flatMap(([start, end]) => Array.from({ length: end - start }, (_, i) => start + i))
      const own = [...mask.keys()].filter((i) => mask[i] === 1)
      expect([conversation.name, own]).toEqual([conversation.name, learned])
    }
  })
})

/** As the families write their special tokens. */
const special =
  /<\|[a-z_]+>|<[a-z_]+\|>|<\|[^|>\n]+\|>|<｜[^｜\n]+｜>|<\/?s>|<\/?(?:end|start)_of_turn>|<eos>|<bos>|<turn\|>|<\|turn>|<\|END_OF_TURN_TOKEN\|>/g

/**
 * Conversations with a turn that begins differently from the generation prompt, so that what inference would write is not in the template: an
 * error that names templateValues and training templates. Everything else is learned.
 */
const unknown: Readonly<Record<string, { readonly conversations: number; readonly because: string }>> = {
  deepseek_r1_distill: { conversations: 26, because: "the prompt opens <think>, the turn has no reasoning" },
  deepseekv3: { conversations: 15, because: "the prompt opens <think>, the turn has no reasoning" },
  diffusion_gemma: { conversations: 4, because: "no header follows a tool's response" },
  gemma4_v5: { conversations: 4, because: "no header follows a tool's response" },
  gptoss: { conversations: 1, because: "the conversation begins with the assistant" },
  nemotron_3_5_lightning: { conversations: 23, because: "the prompt opens <think>, the turn has <think></think>" },
  nemotron_3_nano: { conversations: 23, because: "the prompt opens <think>, the turn has <think></think>" },
  nemotron_3_super: { conversations: 23, because: "the prompt opens <think>, the turn has <think></think>" },
  nemotron_3_ultra: { conversations: 23, because: "the prompt opens <think>, the turn has <think></think>" },
  phi3: { conversations: 1, because: "the conversation begins with the assistant" },
  phi3_5: { conversations: 1, because: "the conversation begins with the assistant" },
  qwen3_5_nothink: { conversations: 6, because: "the prompt closes <think> at once, the turn has reasoning" },
  qwen3_5_think: { conversations: 1, because: "the template rejects the part of a conversation that has no question" },
  qwen3_6: { conversations: 1, because: "the template rejects the part of a conversation that has no question" },
  qwen3_8: { conversations: 1, because: "the template rejects the part of a conversation that has no question" }
}

/** Whose turns end with nothing: `validate` rejects it, since no model would learn to stop. */
const endless = new Set(["glm4moe"])

describe("without generation tags", () => {
  const plain = goldenTemplates.filter((template) => !template.marked)
  test("there are 33", () => expect(plain).toHaveLength(33))

  test.each(plain.map(({ name, source }) => [name, source] as const))("%s: text and turns", (name, source) => {
    let refused = 0
    for (const conversation of conversations) {
      const { text, turns } = goldenText(name, conversation.name)
      const chat = chatOf(conversation)
      const template = compiled(source, conversation)
      const rendering = template.render(chat)
      if (typeof text !== "string") {
        expect([conversation.name, isBroken(rendering)]).toEqual([conversation.name, true])
        continue
      }
      expect([conversation.name, rendering]).toEqual([conversation.name, { text }])
      const learned = turns.filter(({ message }) => chat.messages[message]!.weight !== 0)
      if (learned.length === 0) continue
      const written = writtenTurns(template, chat, { lossOn: "assistant" }, special)
      if (isBroken(written)) {
        refused++
        continue
      }
      // together, all turns are in the whole text; apart, each is in an example of its own
      const places = written.examples.flatMap(({ text: own, spans }) => spans.map((span) => ({ own, span })))
      expect(places).toHaveLength(learned.length)
      for (const [i, { message, full, prompt }] of learned.entries()) {
        const { own, span } = places[i]!
        const where = [conversation.name, message]
        const follows = prompt === undefined || String(full).startsWith(String(prompt))
        // together, or the conversation up to the turn; where that writes what precedes the turn differently, the prompt and the turn
        const wanted = own === text || !follows ? own : full
        expect([...where, own]).toEqual([...where, String(wanted)])
        if (prompt !== undefined) expect([...where, own.slice(0, span[0])]).toEqual([...where, String(prompt)])
        const turn = own.slice(...span)
        expect([...where, String(full).includes(turn)]).toEqual([...where, true])
        // up to the token that ends it
        const end = [...turn.matchAll(special)].at(-1)
        const until = end === undefined ? -1 : end.index + end[0].length
        if (!endless.has(name)) expect([...where, turn, until]).toEqual([...where, turn, turn.length])
      }
    }
    expect(refused).toBe(unknown[name]?.conversations ?? 0)
  })
})
