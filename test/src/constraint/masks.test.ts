/** Laws of masks, steps and forced texts, against reading byte by byte. */
import { describe, expect, test } from "bun:test"
import {
  type Constraint,
  type ConstraintState,
  constrain,
  constraintOf,
  isAllowed
} from "../../../src/constraint/index.ts"
import { type State, type States, statesOf } from "../../../src/constraint/states.ts"
import { randomStream } from "../../../src/numbers/index.ts"
import type { CausalTokenizer } from "../../../src/tensors/rows.ts"
import { smollm2 } from "../data/causal/smollm2.ts"
import { compiled } from "./accepts.ts"
import { randomSchema } from "./random-schemas.ts"
import { bytesOf, callToken, eosToken, tiny } from "./tiny.ts"

const made = (...args: Parameters<typeof constraintOf>): Constraint => {
  const constraint = constraintOf(...args)
  if ("broken" in constraint) throw new Error(constraint.broken.join("\n"))
  return constraint
}

const afterBytes = ({ step }: States, from: State, bytes: Uint8Array): State | null => {
  let state: State | null = from
  for (const byte of bytes) if (state !== null) state = step(state, byte)
  return state
}

const afterTokens = (
  { advance }: Constraint,
  from: ConstraintState,
  ids: ReadonlyArray<number>
): ConstraintState | null => {
  let state: ConstraintState | null = from
  for (const id of ids) if (state !== null) state = advance(state, id)
  return state
}

describe("on texts of random schemas", () => {
  test("a token is in the mask if and only if its bytes can be read", () => {
    let checked = 0
    for (let seed = 0; seed < 60; seed++) {
      const random = randomStream(seed, "masks", 0)
      const grammar = compiled({ kind: "json", schema: randomSchema(random).json })
      const constraint = constrain(grammar, tiny)
      const plain = statesOf(grammar.rule)
      let [state, byBytes]: [ConstraintState, State] = [constraint.start, plain.start]
      for (let i = 0; i < 40 && !constraint.mustEnd(state); i++) {
        const mask = constraint.mask(state)
        const allowed: Array<number> = []
        for (let id = 0; id < tiny.vocabularySize; id++) {
          const bytes = bytesOf(id)
          const readable = bytes !== null && afterBytes(plain, byBytes, bytes) !== null
          if (isAllowed(mask, id) !== readable || (constraint.advance(state, id) !== null) !== readable) {
            throw new Error(`seed ${seed}, place ${i}, token ${id}: expected ${readable}`)
          }
          if (readable) allowed.push(id)
          checked++
        }
        expect(constraint.mayEnd(state)).toBe(byBytes.ends)
        if (allowed.length === 0) throw new Error(`seed ${seed}: nothing can follow`)
        const id = allowed[Math.floor(random() * allowed.length)]!
        state = constraint.advance(state, id)!
        byBytes = afterBytes(plain, byBytes, bytesOf(id)!)!
      }
    }
    expect(checked).toBeGreaterThan(200_000)
  }, 20_000)

  test("what is forced is all that can be read, and its tokens begin it", () => {
    let found = 0
    for (let seed = 0; seed < 200; seed++) {
      const random = randomStream(seed, "forced", 0)
      const grammar = compiled({ kind: "json", schema: randomSchema(random).json })
      const constraint = constrain(grammar, tiny)
      const plain = statesOf(grammar.rule)
      let state = constraint.start
      let byBytes = plain.start
      for (let i = 0; i < 20 && !constraint.mustEnd(state); i++) {
        const { text, tokens } = constraint.forced(state)
        let at = byBytes
        for (const byte of new TextEncoder().encode(text)) {
          const bytes = Array.from({ length: 256 }, (_, b) => b).filter((b) => plain.step(at, b) !== null)
          expect(bytes).toEqual([byte])
          expect(at.ends).toBe(false)
          at = plain.step(at, byte)!
          found++
        }
        expect(text.startsWith(tiny.decode(tokens))).toBe(true)
        const mask = constraint.mask(state)
        const allowed = Array.from({ length: tiny.vocabularySize }, (_, id) => id).filter((id) => isAllowed(mask, id))
        const id = allowed[Math.floor(random() * allowed.length)]!
        state = constraint.advance(state, id)!
        byBytes = afterBytes(plain, byBytes, bytesOf(id)!)!
      }
    }
    expect(found).toBeGreaterThan(1000)
  }, 20_000)
})

const person = {
  type: "object",
  properties: {
    name: { type: "string" },
    city: { type: "string", maxLength: 40 },
    age: { type: "integer", minimum: 0, maximum: 120 },
    tags: { type: "array", items: { enum: ["new", "gold"] }, maxItems: 2 },
    note: { anyOf: [{ type: "null" }, { type: "string", pattern: "^[A-Z]" }] }
  },
  required: ["name", "city", "age", "tags", "note"]
}
const ada = '{"name": "Ada \\"é😀\\"", "city":"London", "age": 36,"tags": ["gold", "new"], "note": "日本 A"}'.replace(
  "日本 A",
  "A日本"
)

describe("every way to cut a text into tokens", () => {
  const cut = (text: string, tokenizer: CausalTokenizer, seed: number): ReadonlyArray<number> => {
    const random = randomStream(seed, "cut")
    const all = new TextEncoder().encode(text)
    const byFirst = Map.groupBy(
      Array.from({ length: tokenizer.vocabularySize }, (_, id) => ({ id, bytes: tokenizer.bytesOf(id) ?? [] })),
      ({ bytes }) => bytes[0]
    )
    const ids: Array<number> = []
    for (let at = 0; at < all.length; ) {
      const fitting = byFirst
        .get(all[at])!
        .flatMap(({ id, bytes }) => (bytes.every((byte, i) => all[at + i] === byte) ? [id] : []))
      const id = fitting[Math.floor(random() * fitting.length)]!
      ids.push(id)
      at += tokenizer.bytesOf(id)!.length
    }
    return ids
  }
  test("of the tiny vocabulary is read", () => {
    const constraint = made({ kind: "json", schema: person }, tiny)
    for (let seed = 0; seed < 50; seed++) {
      const state = afterTokens(constraint, constraint.start, cut(ada, tiny, seed))
      expect(state !== null && constraint.mustEnd(state)).toBe(true)
    }
  })
  test("of SmolLM2's is read, and each token is in the mask", () => {
    const constraint = made({ kind: "json", schema: person }, smollm2)
    for (const ids of [smollm2.encode(ada), cut(ada, smollm2, 1), cut(ada, smollm2, 2)]) {
      let state = constraint.start
      for (const id of ids) {
        expect(isAllowed(constraint.mask(state), id)).toBe(true)
        state = constraint.advance(state, id)!
      }
      expect(constraint.mustEnd(state)).toBe(true)
    }
  }, 20_000)
})

describe("SmolLM2's vocabulary", () => {
  test("masks are what reading each token gives, at every place of a text", () => {
    const constraint = made({ kind: "json", schema: person }, smollm2)
    let state = constraint.start
    for (const token of smollm2.encode(ada)) {
      const mask = constraint.mask(state)
      let wrong = 0
      for (let id = 0; id < smollm2.vocabularySize; id++) {
        if (isAllowed(mask, id) !== (constraint.advance(state, id) !== null)) wrong++
      }
      expect(wrong).toBe(0)
      state = constraint.advance(state, token)!
    }
  }, 30_000)
  test("names are forced as the tokenizer writes them", () => {
    const constraint = made({ kind: "json", schema: person, style: { comma: ", ", colon: ": " } }, smollm2)
    const { text, tokens } = constraint.forced(constraint.start)
    expect(text).toBe('{"name": "')
    // the last tokens wait: `"`, and `": "`, may begin longer ones
    expect(smollm2.encode(text).slice(0, tokens.length)).toEqual([...tokens])
    expect(smollm2.decode(tokens)).toBe('{"name":')
  })
})

describe("what a text spells out", () => {
  const grammar = {
    kind: "sequence",
    parts: [
      { kind: "text", text: "<call>" },
      { kind: "json", schema: { type: "string" } },
      {
        kind: "choice",
        options: [
          { kind: "text", text: "<eos>" },
          { kind: "text", text: "!" }
        ]
      }
    ]
  } as const
  test("may be a special token, or its letters", () => {
    const constraint = made(grammar, tiny)
    const mask = constraint.mask(constraint.start)
    expect(isAllowed(mask, callToken)).toBe(true)
    expect(isAllowed(mask, eosToken)).toBe(false)
    const called = constraint.advance(constraint.start, callToken)
    expect(called).not.toBeNull()
    expect(
      afterTokens(
        constraint,
        constraint.start,
        [..."<call>"].map((letter) => letter.charCodeAt(0))
      )
    ).toBe(called)
    expect(constraint.forced(constraint.start).tokens[0]).toBe(callToken)
    const text = afterTokens(constraint, called!, tiny.encode('"x'))!
    expect(isAllowed(constraint.mask(text), callToken)).toBe(false)
    expect(constraint.advance(text, callToken)).toBeNull()
    const after = afterTokens(constraint, text, tiny.encode('"'))!
    expect(isAllowed(constraint.mask(after), eosToken)).toBe(true)
    expect(constraint.mustEnd(constraint.advance(after, eosToken)!)).toBe(true)
  })
})
