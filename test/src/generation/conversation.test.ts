/** Prompts of conversations are transformers' own (`apply_chat_template` with a generation prompt), with one BOS; and what `generate` prints. */
import { expect, test } from "bun:test"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { printed } from "../../../src/bin/generate.ts"
import { type Conversation, conversation, type GenerationEvent } from "../../../src/generation/index.ts"
import { causalTokenizer } from "../../../src/models/causal/index.ts"
import type { CausalTokenizer } from "../../../src/tensors/rows.ts"
import { jsonOf } from "../models/causal/causal-golden.ts"
import { failure, goldens, runScoped } from "../models/golden.ts"
import { bytesTokenizer } from "./writing.ts"

interface Chat {
  readonly messages: ReadonlyArray<{ readonly role: "system" | "user" | "assistant"; readonly content: string }>
  readonly ids_with_generation_prompt: ReadonlyArray<number>
}

const folder = "tokenizers/smollm2"
const smollm2 = Effect.gen(function* () {
  const file = (name: string) => Effect.promise(() => jsonOf(`${folder}/${name}`))
  const tokenizer = yield* file("tokenizer.json")
  return yield* causalTokenizer({
    where: join(goldens, folder),
    tokenizer,
    tokenizerConfig: yield* file("tokenizer_config.json")
  })
})

test("messages, given or said one after another, become the ids that transformers makes of them", () =>
  runScoped(
    Effect.gen(function* () {
      const tokenizer = yield* smollm2
      const { chats } = (yield* Effect.promise(() => jsonOf(`${folder}/goldens.json`))) as {
        readonly chats: ReadonlyArray<Chat>
      }
      expect(chats.length).toBeGreaterThan(2)
      for (const { messages, ids_with_generation_prompt: ids } of chats) {
        const given = yield* conversation(tokenizer, { messages })
        expect(yield* given.prompt).toEqual(ids)
        const system = messages.find(({ role }) => role === "system")?.content
        const said = messages
          .filter(({ role }) => role !== "system")
          .reduce(
            (talk, { role, content }) => talk.say(role as "user" | "assistant", content),
            yield* conversation(tokenizer, { system })
          )
        expect(yield* said.prompt).toEqual(ids)
        expect(said.messages).toEqual(messages)
      }
    })
  ))

test("the oldest exchange goes, whatever it consists of; the system message and the last question stay", () =>
  runScoped(
    Effect.gen(function* () {
      const tokenizer = { ...bytesTokenizer, chatTemplate: bosTemplate, specialTokens: { bos_token: "" } }
      const roles = (talk: Conversation | null) => talk?.messages.map(({ role, content }) => `${role} ${content}`)
      const talk = (yield* conversation(tokenizer, { system: "S" }))
        .say("user", "1")
        .say("assistant", "a")
        .say("assistant", "b")
        .say("user", "2")
        .say("assistant", "c")
        .say("user", "3")
      const less = talk.withoutOldest()
      expect(roles(less)).toEqual(["system S", "user 2", "assistant c", "user 3"])
      const least = less!.withoutOldest()
      expect(roles(least)).toEqual(["system S", "user 3"])
      expect(yield* least!.prompt).toEqual(bytesTokenizer.encode("<system>S<user>3"))
      expect(least!.withoutOldest()).toBeNull()
      const plain = (yield* conversation(tokenizer)).say("user", "1").say("assistant", "a").say("user", "2")
      expect(roles(plain.withoutOldest())).toEqual(["user 2"])
      expect(plain.withoutOldest()!.withoutOldest()).toBeNull()
    })
  ))

const bosTemplate = "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"

test("a template that writes BOS writes the only one", () =>
  runScoped(
    Effect.gen(function* () {
      const encode: CausalTokenizer["encode"] = (text, options) =>
        bytesTokenizer.encode(text, options).flatMap((id) => (id === 1 ? [0] : [id]))
      const tokenizer = { ...bytesTokenizer, encode, chatTemplate: bosTemplate, specialTokens: { bos_token: "\u0001" } }
      const talk = yield* conversation(tokenizer)
      expect(yield* talk.say("user", "hi").prompt).toEqual([0, ...bytesTokenizer.encode("<user>hi")])
    })
  ))

test("without a template, or with one that refuses, there is no prompt", async () => {
  expect((await failure(conversation(bytesTokenizer))).message).toContain("has no chat template")
  const broken = { ...bytesTokenizer, chatTemplate: "{% for m in messages %}" }
  expect((await failure(conversation(broken))).message).toContain("not valid Jinja")
  const strict = { ...bytesTokenizer, chatTemplate: "{{ raise_exception('roles must alternate') }}" }
  const refused = await failure(Effect.flatMap(conversation(strict), (talk) => talk.say("user", "x").prompt))
  expect(refused.message).toContain("rejects the conversation")
})

test("texts that are written together are printed one behind another", () => {
  const text = (prompt: number, piece: string): GenerationEvent => ({ kind: "text", prompt, text: piece })
  const end = (prompt: number, whole: string): GenerationEvent => ({
    kind: "end",
    prompt,
    text: whole,
    ids: [5, 6],
    finish: "eos",
    promptTokens: 1,
    cachedTokens: 0,
    tokensPerSecond: null
  })
  const events = [
    text(1, "B"),
    text(0, "A"),
    end(1, "B"),
    text(2, "C"),
    text(0, "a"),
    end(0, "Aa"),
    text(2, "c"),
    end(2, "Cc")
  ]
  const xyz = ["x", "y", "z"].map((text) => ({ text, thinking: false }))
  const plain = printed(xyz, false)
  expect(events.map(plain)).toEqual(["", "A", "", "", "a", "\nB\nC", "c", "\n"])
  const json = printed(xyz, true)
  const lines = events.map(json).join("").trim().split("\n")
  expect(lines.map((line) => JSON.parse(line))).toEqual(
    [
      ["x", "Aa"],
      ["y", "B"],
      ["z", "Cc"]
    ].map(([prompt, whole]) => ({ prompt, text: whole, tokens: 2, finish: "eos", tokensPerSecond: null }))
  )
})
