/** Texts under a constraint: what they are, which passes they take, and that nothing else about a generation changes. */
import { describe, expect, test } from "bun:test"
import { type } from "arktype"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as v from "valibot"
import { z } from "zod"
import type { Adapted } from "../../../adapters/index.ts"
import { Device } from "../../../src/device/device.ts"
import {
  type Constraint,
  constraintOf,
  type GenerateAsOptions,
  type GenerateOptions,
  type Grammar,
  generate,
  generateAs,
  type ObservedToken,
  promptCache,
  SchemaAnswerError,
  sampleAmong
} from "../../../src/generation/index.ts"
import type { CausalModel } from "../../../src/models/causal/index.ts"
import { randomStream } from "../../../src/numbers/index.ts"
import type { CausalTokenizer } from "../../../src/tensors/rows.ts"
import { describeOn } from "../../backends.ts"
import { expectNoLeak } from "../../setup.ts"
import { openGolden } from "../models/causal/causal-golden.ts"
import { runScoped } from "../models/golden.ts"
import { bytesTokenizer, ends, openDevice, untrained } from "./writing.ts"

/** The bytes, of which 1 is a special token that writes <call>, and a few tokens of several letters where control characters are. */
const merged = new Map([
  [16, '{"'],
  [17, '":'],
  [18, '", "'],
  [19, 'name"'],
  [20, "ag"],
  [21, '"}']
])
const utf8 = new TextEncoder()
const bytesOf = (id: number) => {
  const text = merged.get(id)
  return text === undefined ? bytesTokenizer.bytesOf(id) : utf8.encode(text)
}
const tokenizer: CausalTokenizer = {
  ...bytesTokenizer,
  encode: (text, { special = false } = {}) => {
    const ids: Array<number> = special ? [0] : []
    for (let rest = text; rest !== ""; ) {
      const [id, own] = rest.startsWith("<call>")
        ? [1, "<call>"]
        : ([...merged].find(([, one]) => rest.startsWith(one)) ?? [rest.charCodeAt(0), rest[0]!])
      ids.push(id)
      rest = rest.slice(own.length)
    }
    return ids
  },
  decode: (ids, { special = false } = {}) =>
    new TextDecoder().decode(
      Uint8Array.from(
        ids.flatMap((id) =>
          special && id === 1 ? [...utf8.encode("<call>")] : id === 1 ? [] : [...(bytesOf(id) ?? [])]
        )
      )
    ),
  bytesOf: (id) => (id === 1 ? null : bytesOf(id)),
  specialIds: new Set([0, 1, 2])
}

/** A golden that writes these tokens, and the passes it takes: their numbers of tokens. */
const speaking = (name: string) =>
  Effect.gen(function* () {
    const model = yield* openGolden(name)
    const adapted = yield* untrained({ ...model, tokenizer })
    const passes: Array<number> = []
    const counted: Adapted<CausalModel> = {
      ...adapted,
      forward: (input, trainable) => {
        passes.push(input.length)
        return adapted.forward(input, trainable)
      }
    }
    return { adapted: counted, passes }
  })

const made = (grammar: Grammar): Constraint => {
  const constraint = constraintOf(grammar, tokenizer)
  if ("broken" in constraint) throw new Error(constraint.broken.join("\n"))
  return constraint
}
const json = (schema: unknown) => made({ kind: "json", schema })

const person = {
  type: "object",
  properties: {
    name: { type: "string", minLength: 2, maxLength: 5, pattern: "^[a-z ]*$" },
    age: { type: "integer", minimum: 0, maximum: 99 },
    tags: { type: "array", items: { enum: ["new", "old"] }, maxItems: 2 }
  },
  required: ["name", "age", "tags"]
}
const isPerson = (text: string) => {
  const value = JSON.parse(text)
  expect(Object.keys(value)).toEqual(["name", "age", "tags"])
  expect(value.name).toMatch(/^[a-z ]{2,5}$/)
  expect(Number.isInteger(value.age) && value.age >= 0 && value.age <= 99).toBe(true)
  expect(value.tags.length <= 2 && value.tags.every((tag: string) => ["new", "old"].includes(tag))).toBe(true)
}

const prompts = ["x", "One, ", "a longer beginning. "]

describeOn("wasm", () => {
  test("prompts together write what each writes alone, and it is a value of the schema", () =>
    runScoped(
      Effect.gen(function* () {
        for (const name of ["llama", "gemma3", "qwen2"]) {
          const { adapted, passes } = yield* speaking(name)
          const options = { maxNewTokens: 100, temperature: 1, constraint: json(person) }
          const together = yield* ends(adapted, prompts, options)
          const batched = passes.splice(0).length
          for (const [first, prompt] of prompts.entries()) {
            const [alone] = yield* ends(adapted, [prompt], { ...options, first })
            expect(together[first]).toMatchObject({ text: alone!.text, ids: alone!.ids, finish: "eos" })
            isPerson(alone!.text)
            // several tokens to a pass where they are forced; the last tokens of a text need none
            expect(passes.splice(0).length).toBeLessThan(alone!.ids.length - 10)
          }
          const most = Math.max(...together.map(({ ids }) => ids.length))
          expect(batched).toBeLessThan(most)
        }
      })
    ))

  test("forced tokens are those that would have been chosen", () =>
    runScoped(
      Effect.gen(function* () {
        const { adapted, passes } = yield* speaking("qwen2")
        const options = { maxNewTokens: 100, constraint: json(person) }
        const [fast] = yield* ends(adapted, ["x"], options)
        const few = passes.splice(0).length
        // with an observer each token has a pass of its own; where there is one token, it is the same
        const seen: Array<ObservedToken> = []
        const observer = { likeliest: 2, tell: (token: ObservedToken) => Effect.sync(() => void seen.push(token)) }
        const single: CausalTokenizer = {
          ...tokenizer,
          bytesOf: (id) => (merged.has(id) ? null : tokenizer.bytesOf(id)),
          encode: bytesTokenizer.encode
        }
        const own = { ...adapted, model: { ...adapted.model, tokenizer: single } }
        const constraint = constraintOf({ kind: "json", schema: person }, single) as Constraint
        const [slow] = yield* ends(own, ["x"], { ...options, constraint, observer })
        const many = passes.splice(0).length
        const [forced] = yield* ends(own, ["x"], { ...options, constraint })
        expect(forced!.ids).toEqual(slow!.ids)
        expect(many).toBe(slow!.ids.length)
        expect(passes.length).toBeLessThan(many / 2)
        expect(seen.map(({ text }) => text).join("")).toBe(slow!.text)
        expect(few).toBeLessThan(many)
        isPerson(fast!.text)
      })
    ))

  test("forced tokens that outgrow the frequencies of rotary positions (LongRoPE) are read again with the text", () =>
    runScoped(
      Effect.gen(function* () {
        // 32 tokens, letters from the third on; frequencies change after 20 tokens
        const letterOf = (id: number) => (id > 2 ? String.fromCharCode(94 + id) : "")
        const letters: CausalTokenizer = {
          ...bytesTokenizer,
          encode: (text) => [...text].map((letter) => letter.charCodeAt(0) - 94),
          decode: (ids) => ids.map(letterOf).join(""),
          bytesOf: (id) => (id > 2 && id < 32 ? utf8.encode(letterOf(id)) : null),
          vocabularySize: 32
        }
        const model = yield* openGolden("rope/phi3-longrope")
        const adapted = yield* untrained({ ...model, tokenizer: letters })
        const choice = {
          kind: "choice",
          options: [..."abcdefghijklmnop"].map((text) => ({ kind: "text", text }) as const)
        } as const
        const forced = { kind: "text", text: "qrstuvwxyz" } as const
        const parts = [choice, choice, forced, choice, choice, choice, choice, forced, choice, choice]
        const constraint = constraintOf({ kind: "sequence", parts }, letters) as Constraint
        const some = [3, 6, 9, 12, 15, 18].map((length) =>
          Array.from({ length }, (_, i) => 3 + ((5 * i + length) % 20))
        )
        const observer = { likeliest: 1, tell: () => Effect.void }
        const together = yield* ends(adapted, some, { constraint })
        for (const [i, prompt] of some.entries()) {
          const [alone] = yield* ends(adapted, [prompt], { constraint })
          const [slow] = yield* ends(adapted, [prompt], { constraint, observer })
          expect(alone!.ids).toEqual(slow!.ids)
          expect(together[i]!.ids).toEqual(slow!.ids)
          expect(slow!.ids.length).toBe(28)
        }
      })
    ))

  test("a text without a choice takes no pass, and its pieces are the text", () =>
    runScoped(
      Effect.gen(function* () {
        const { adapted, passes } = yield* speaking("llama")
        const constraint = json({ const: { name: "Ada", n: [1] }, $comment: "" })
        const strict = made({
          kind: "json",
          schema: { const: { name: "Ada", n: [1] } },
          style: { comma: ",", colon: ":" }
        })
        const events = yield* generate(adapted, ["x"], { constraint: strict }).pipe(
          Stream.runCollect,
          Effect.provideService(Device, openDevice())
        )
        expect(passes).toEqual([])
        expect(events.map((event) => event.kind)).toEqual(["text", "end"])
        expect(events.at(-1)).toMatchObject({ text: '{"name":"Ada","n":[1]}', finish: "eos", tokensPerSecond: null })
        const [end] = yield* ends(adapted, ["x"], { constraint })
        expect(JSON.parse(end!.text)).toEqual({ name: "Ada", n: [1] })
      })
    ))

  test("a text that may go on ends by a token that ends texts, one that is cut off by its length", () =>
    runScoped(
      Effect.gen(function* () {
        const { adapted } = yield* speaking("llama")
        const constraint = json({ type: "integer" })
        const all = yield* ends(adapted, prompts, { constraint, temperature: 3, maxNewTokens: 40 })
        for (const { text, ids, finish } of all) {
          expect(finish).toBe("eos")
          expect(text).toMatch(/^-?(0|[1-9]\d{0,14})$/)
          // fifteen digits or a 0 are followed by nothing
          expect(ids.at(-1) === 2 || text.replace("-", "").length === 15 || text === "0").toBe(true)
        }
        const [cut] = yield* ends(adapted, ["x"], { constraint: json(person), maxNewTokens: 7 })
        expect(cut!.finish).toBe("length")
        expect(cut!.ids.length).toBe(7)
        const [stopped] = yield* ends(adapted, ["x"], { constraint: json(person), stop: ['"age"'] })
        expect(stopped!.finish).toBe("stop")
        expect(stopped!.text).toMatch(/^\{"name": ?"[a-z ]+", ?$/)
        // without tokens that end texts only what must end does
        const [endless] = yield* ends(adapted, ["x"], {
          constraint: json({ type: "string" }),
          eosIds: [],
          maxNewTokens: 30
        })
        expect(["eos", "length"]).toContain(endless!.finish)
      })
    ))

  test("a kept reading is continued as if it had been read anew", () =>
    runScoped(
      Effect.gen(function* () {
        const { adapted, passes } = yield* speaking("llama")
        const constraint = json(person)
        const options: GenerateOptions = { maxNewTokens: 100, constraint }
        const cache = yield* promptCache
        const [first] = yield* ends(adapted, ["One, "], { ...options, promptCache: cache })
        const next = [...tokenizer.encode("One, ", { special: true }), ...first!.ids, 44, 65]
        passes.length = 0
        const [kept] = yield* ends(adapted, [next], { ...options, promptCache: cache })
        const [anew] = yield* ends(adapted, [next], options)
        expect(kept!.ids).toEqual(anew!.ids)
        expect(kept!.cachedTokens).toBeGreaterThan(5)
      })
    ))

  test("special tokens are written where the grammar spells them, and in the text where that is asked for", () =>
    runScoped(
      Effect.gen(function* () {
        const { adapted } = yield* speaking("llama")
        const constraint = made({
          kind: "sequence",
          parts: [
            { kind: "text", text: "<call>" },
            { kind: "repeat", body: { kind: "json", schema: { enum: ["a", "b"] } }, between: "<call>", min: 1, max: 3 }
          ]
        })
        const [end] = yield* ends(adapted, ["x"], { constraint, special: true, temperature: 1 })
        expect(end!.ids[0]).toBe(1)
        expect(end!.text).toMatch(/^<call>"[ab]"(<call>"[ab]"){0,2}$/)
        const [without] = yield* ends(adapted, ["x"], { constraint, temperature: 1 })
        expect(without!.text).toBe(tokenizer.decode(without!.ids.filter((id) => id !== 2)))
        expect(without!.text).not.toContain('<call>"<call>')
      })
    ))

  test("a vocabulary without a letter that must come is said so", () =>
    runScoped(
      Effect.gen(function* () {
        const { adapted } = yield* speaking("llama")
        const poor = { ...tokenizer, bytesOf: (id: number) => (id === 113 ? null : tokenizer.bytesOf(id)) }
        const constraint = constraintOf({ kind: "json", schema: { enum: ["q", "qq"] } }, poor) as Constraint
        const error = yield* Effect.flip(ends(adapted, ["x"], { constraint }))
        expect(error.message).toContain("no token of the vocabulary can continue the text under its constraint")
      })
    ))

  test("nothing stays on the device", () =>
    runScoped(
      Effect.gen(function* () {
        const { adapted } = yield* speaking("llama")
        const constraint = json(person)
        yield* ends(adapted, prompts, { constraint, maxNewTokens: 100 })
        yield* Effect.promise(() =>
          expectNoLeak(() => Effect.runPromise(ends(adapted, prompts, { constraint, maxNewTokens: 100 })))
        )
      })
    ))
})

describe("sampling among some tokens", () => {
  test("is sampling where the others have no probability", () => {
    const random = randomStream(1, "logits")
    const logits = Float32Array.from({ length: 70 }, () => 6 * random() - 3)
    const ids = [0, 3, 31, 32, 40, 63, 69]
    const allowed = new Uint32Array(3)
    for (const id of ids) allowed[id >> 5]! |= 1 << (id & 31)
    const sampling = { temperature: 0.7, topK: null, topP: 1, repetitionPenalty: 1.3 }
    const counts = new Map<number, number>()
    const draws = 20_000
    for (let i = 0; i < draws; i++) {
      const id = sampleAmong(logits, allowed, [3, 40], sampling, random)!
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    const weight = (id: number) => {
      const z = logits[id]!
      return Math.exp(([3, 40].includes(id) ? (z < 0 ? z * 1.3 : z / 1.3) : z) / 0.7)
    }
    const sum = ids.reduce((total, id) => total + weight(id), 0)
    expect([...counts.keys()].every((id) => ids.includes(id))).toBe(true)
    for (const id of ids) {
      const p = weight(id) / sum
      // five standard deviations of a count
      expect(Math.abs((counts.get(id) ?? 0) - draws * p)).toBeLessThan(5 * Math.sqrt(draws * p * (1 - p)) + 1)
    }
    const best = ids.reduce((a, b) => (logits[b]! > logits[a]! ? b : a))
    expect(sampleAmong(logits, allowed, [], { ...sampling, temperature: 0, repetitionPenalty: 1 }, random)).toBe(best)
    expect(sampleAmong(logits, new Uint32Array(3), [], sampling, random)).toBeNull()
    // more may be allowed than the model has logits for
    expect(sampleAmong(logits.slice(0, 1), allowed, [], sampling, random)).toBe(0)
  })
})

describeOn("wasm", () => {
  const answer = <Output>(schema: Parameters<typeof generateAs<Output>>[2], options: GenerateAsOptions = {}) =>
    Effect.gen(function* () {
      const { adapted } = yield* speaking("llama")
      return yield* generateAs(adapted, "x", schema, { temperature: 1, maxNewTokens: 200, ...options })
    }).pipe(Effect.provideService(Device, openDevice()))

  test("answers have the type of an Effect Schema", () =>
    runScoped(
      Effect.gen(function* () {
        const Answer = Schema.Struct({
          name: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(4)),
          age: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })),
          half: Schema.FiniteFromString.check(Schema.isBetween({ minimum: 0, maximum: 1 })).pipe(Schema.optionalKey),
          kind: Schema.Union([
            Schema.TaggedStruct("A", {}),
            Schema.TaggedStruct("B", { n: Schema.NullOr(Schema.Boolean) })
          ])
        })
        for (let seed = 0; seed < 5; seed++) {
          const result = yield* answer(Answer, { seed }).pipe(Effect.catchTag("SchemaAnswerError", Effect.succeed))
          if (result instanceof SchemaAnswerError) {
            // a number in a string is more than JSON Schema says of it
            expect(result.reason).toBe("invalid")
            expect(result.message).toContain("half")
          } else {
            const { age, kind }: { readonly age: number; readonly kind: { readonly _tag: "A" | "B" } } = result
            expect(age >= 1 && age <= 9).toBe(true)
            expect(["A", "B"]).toContain(kind._tag)
          }
        }
      })
    ))

  test("and of Standard Schemas that write JSON Schema", () =>
    runScoped(
      Effect.gen(function* () {
        const ofZod = z.object({
          n: z.int().min(3).max(5),
          s: z
            .string()
            .max(3)
            .transform((text) => text.length)
        })
        const { n, s }: { readonly n: number; readonly s: number } = yield* answer(ofZod)
        expect(n >= 3 && n <= 5).toBe(true)
        expect(s).toBeLessThanOrEqual(3)
        const ofArk = type({ a: "'x'|'y'", b: "1<number.integer<5" })
        const { a, b }: { readonly a: "x" | "y"; readonly b: number } = yield* answer(ofArk)
        expect(["x", "y"]).toContain(a)
        expect(b > 1 && b < 5).toBe(true)
        const checked = z.object({ n: z.int().min(0).max(9) }).refine(({ n }) => n > 9, "is too small")
        const invalid = yield* Effect.flip(answer(checked))
        expect(invalid).toMatchObject({ _tag: "SchemaAnswerError", reason: "invalid", problem: "is too small" })
      })
    ))

  test("a text that is cut off, a schema that is not supported, one without a JSON Schema", () =>
    runScoped(
      Effect.gen(function* () {
        const cut = yield* Effect.flip(answer(z.object({ name: z.string() }), { maxNewTokens: 4 }))
        expect(cut).toMatchObject({ _tag: "SchemaAnswerError", reason: "unfinished" })
        expect(cut.message).toContain(
          'the text is incomplete: it reached maxNewTokens or the model\'s token limit: {"name":'
        )
        const unsupported = yield* Effect.flip(answer(z.object({ url: z.url(), n: z.number().multipleOf(0.5) })))
        expect(unsupported.message.split("\n")).toEqual([
          'schema: #/properties/url/format: format "uri" is not supported (date, time, date-time, uuid, email, ipv4 are)',
          "schema: #/properties/n/multipleOf: multipleOf is supported for integers above 0 only"
        ])
        const none = yield* Effect.flip(answer(v.object({ a: v.string() }) as never))
        expect(none.message).toContain("the schema cannot be written as JSON Schema")
      })
    ))
})
