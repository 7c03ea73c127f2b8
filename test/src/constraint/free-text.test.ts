/** Text that is free until one of some openings comes, and then follows a grammar: held against its definition by hand. */
import { expect, test } from "bun:test"
import { type Constraint, constraintOf, type Grammar } from "../../../src/constraint/index.ts"
import { bytesTokenizer } from "../generation/writing.ts"

const bytes = new TextEncoder()
const compiled = (grammar: Grammar): Constraint => {
  const constraint = constraintOf(grammar, bytesTokenizer)
  if ("broken" in constraint) throw new Error(constraint.broken.join())
  return constraint
}

/** Whether a text may be read, and whether it may end. */
const read = ({ start, advance, mayEnd }: Constraint, text: string): "ends" | "continues" | "no" => {
  let state: typeof start | null = start
  for (const byte of bytes.encode(text)) state = state === null ? null : advance(state, byte)
  return state === null ? "no" : mayEnd(state) ? "ends" : "continues"
}

const call: Grammar = {
  kind: "sequence",
  parts: [
    { kind: "text", text: "<ab>" },
    { kind: "json", schema: { type: "boolean" } },
    { kind: "text", text: "</ab>" }
  ]
}

test.each([
  ["", "ends"],
  ["any <a text <<", "ends"],
  ["<ab", "ends"],
  ["<ab>", "continues"],
  ["<ab>true", "continues"],
  ["é<ab>true</ab>", "ends"],
  ["<<ab>true</ab>", "ends"],
  ["<a<ab>false</ab>", "ends"],
  ["<ab>true</ab> ", "no"],
  ["<ab>x", "no"]
] as const)("%j: %s", (text, result) => {
  expect(read(compiled({ kind: "after-text", openings: ["<ab>"], body: call }), text)).toBe(result)
})

test("for every text of three letters: free exactly where no opening is in it", () => {
  const openings = ["aba", "bb", "abc"]
  const constraint = compiled({ kind: "after-text", openings, body: { kind: "text", text: "aba" } })
  const letters = ["a", "b", "c"]
  let texts: ReadonlyArray<string> = [""]
  for (let length = 0; length <= 6; length++) {
    for (const text of texts) {
      const free = openings.every((opening) => !text.includes(opening))
      // the body is "aba", after a text that is free
      const before = text.endsWith("aba") && openings.every((opening) => !text.slice(0, -3).includes(opening))
      expect([text, read(constraint, text) === "ends"]).toEqual([text, free || before])
    }
    texts = texts.flatMap((text) => letters.map((letter) => text + letter))
  }
})
