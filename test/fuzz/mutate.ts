/**
 * Mutations of inputs, each a function of (input, random): bytes are flipped, cut, doubled and spliced, JSON gets numbers that
 * nothing can count to, nesting that no stack holds, and the keys that reach a prototype.
 */
import type { Random } from "../../src/numbers/random.ts"

export const pick = <A>(items: ReadonlyArray<A>, random: Random): A => items[Math.floor(random() * items.length)]!

export const below = (n: number, random: Random): number => Math.floor(random() * n)

/** 1 in half of the cases, so that many mutants get past the first check; up to 4; now and then none: the seed as it is. */
const few = (random: Random): number => (random() < 0.01 ? 0 : random() < 0.5 ? 1 : 1 + below(4, random))

/** No mutant is larger: what a case may take is bounded by what it is given. */
export const largestInput = 1 << 20

const encoder = new TextEncoder()

/** Bytes that a careless reader stumbles over. */
const spoilers: ReadonlyArray<Uint8Array> = [
  new Uint8Array([0]),
  new Uint8Array(64),
  new Uint8Array([0xff, 0xfe]),
  new Uint8Array([0xc3, 0x28]), // a two-byte letter without its second byte
  new Uint8Array([0xed, 0xa0, 0x80]), // half of a surrogate pair
  new Uint8Array([0xef, 0xbb, 0xbf]), // a byte order mark, where it is none
  ...[
    '"',
    '""',
    "\\",
    "\n",
    "\r",
    "\r\n",
    ",",
    ";",
    "{",
    "}",
    "[",
    "]",
    ":",
    "\u2028",
    "\u202e",
    "e999",
    "-",
    ".",
    "9"
  ].map((text) => encoder.encode(text)),
  ...[
    "9".repeat(400),
    "[".repeat(5_000),
    '{"a":'.repeat(5_000),
    "x".repeat(70_000),
    '"'.repeat(999),
    "\n".repeat(5_000)
  ].map((text) => encoder.encode(text))
]

type Mutation = (bytes: Uint8Array, random: Random, others: ReadonlyArray<Uint8Array>) => Uint8Array

const spliced = (bytes: Uint8Array, at: number, removed: number, added: Uint8Array): Uint8Array => {
  const result = new Uint8Array(bytes.length - removed + added.length)
  result.set(bytes.subarray(0, at))
  result.set(added, at)
  result.set(bytes.subarray(at + removed), at + added.length)
  return result
}

const stretch = (bytes: Uint8Array, random: Random): readonly [number, number] => {
  const at = below(bytes.length, random)
  return [at, 1 + below(Math.min(bytes.length - at, 1 + below(bytes.length, random)), random)]
}

const byteMutations: ReadonlyArray<Mutation> = [
  (bytes, random) => {
    const flipped = bytes.slice()
    for (let i = below(4, random); i >= 0; i--) flipped[below(bytes.length, random)]! ^= 1 << below(8, random)
    return flipped
  },
  (bytes, random) => bytes.slice(0, below(bytes.length, random)),
  (bytes, random) => bytes.slice(below(bytes.length, random)),
  (bytes, random) => spliced(bytes, below(bytes.length, random), 0, pick(spoilers, random)),
  (bytes, random) => {
    const [at, length] = stretch(bytes, random)
    return spliced(bytes, at, 0, bytes.subarray(at, at + length))
  },
  (bytes, random) => {
    const [at, length] = stretch(bytes, random)
    return spliced(bytes, at, length, new Uint8Array(0))
  },
  (bytes, random, others) => {
    const other = pick(others, random)
    const [from, length] = stretch(other, random)
    return spliced(bytes, below(bytes.length, random), 0, other.subarray(from, from + length))
  },
  (bytes, random) => {
    const noise = Uint8Array.from({ length: 1 + below(40, random) }, () => below(256, random))
    return spliced(bytes, below(bytes.length, random), 0, noise)
  }
]

/** One to four mutations of the bytes of one seed. */
export const mutateBytes = (seeds: ReadonlyArray<Uint8Array>, random: Random): Uint8Array => {
  let bytes = pick(seeds, random)
  for (let i = few(random); i > 0 && bytes.length > 0; i--) {
    bytes = pick(byteMutations, random)(bytes, random, seeds).slice(0, largestInput)
  }
  return bytes
}

/** Stand for texts that no value has when it is written: a million brackets, the key that sets a prototype. */
const marks = [
  ['"@deep"', (random: Random) => nested(pick([65, 200, 20_000], random), pick(["[", '{"a":'], random))],
  ['"@huge"', (random: Random) => pick(["1e999", "-1e999", "9".repeat(400), "1e-999", "-0", "0.1e-5"], random)]
] as const

const nested = (levels: number, open: string): string =>
  open.repeat(levels) + (open === "[" ? "" : "1") + (open === "[" ? "]" : "}").repeat(levels)

const keys = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "length",
  "",
  "\u0000",
  "type",
  "then"
]

/** A JSON value that is none of those expected; `@deep` and `@huge` stand for texts that `jsonText` writes. */
export const hostile = (random: Random): unknown =>
  pick<() => unknown>(
    [
      () => null,
      () => true,
      () => pick([0, -1, 1, 0.5, 1e308, 5e-324, 2 ** 31, 2 ** 32 - 2, 2 ** 32, 2 ** 53, -(2 ** 53), 1e15], random),
      () =>
        pick(
          ["", " ", "\u0000", "\ud800", "../../etc/passwd", "/etc/passwd", "..\\x", "NaN", "1", "x".repeat(5_000)],
          random
        ),
      () => pick(keys, random),
      () => [],
      () => ({}),
      () => "@deep",
      () => "@huge",
      () => new Array(1_000).fill(pick([0, "", null, {}], random)),
      () => Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`k${i}`, i]))
    ],
    random
  )()

/** The value with one node changed: replaced, removed, doubled, renamed, or exchanged for another part of the tree. */
const changed = (root: unknown, random: Random): unknown => {
  const nodes: Array<{ readonly parent: Record<string, unknown>; readonly key: string }> = []
  const visit = (value: unknown) => {
    if (typeof value !== "object" || value === null) return
    for (const key of Object.keys(value)) {
      nodes.push({ parent: value as Record<string, unknown>, key })
      visit((value as Record<string, unknown>)[key])
    }
  }
  visit(root)
  if (nodes.length === 0 || random() < 0.02) return hostile(random)
  const { parent, key } = pick(nodes, random)
  const kind = below(6, random)
  if (kind === 0) delete parent[key]
  else if (kind === 1 && !Array.isArray(parent)) {
    const value = parent[key]
    delete parent[key]
    Object.defineProperty(parent, pick(keys, random), { value, enumerable: true, configurable: true, writable: true })
  } else if (kind === 2) {
    const other = pick(nodes, random)
    parent[key] = structuredClone(other.parent[other.key])
  } else if (kind === 3 && Array.isArray(parent)) parent.push(structuredClone(parent[Number(key)] ?? null))
  else parent[key] = hostile(random)
  return root
}

/** One to four changes to a JSON value, as text: also what no value can hold, like numbers of 400 digits. */
export const mutateJson = (seeds: ReadonlyArray<unknown>, random: Random): string => {
  let value = structuredClone(pick(seeds, random))
  for (let i = few(random); i > 0; i--) value = changed(value, random)
  return jsonText(value, random)
}

/** A value as JSON, with what no value can hold in the places of the marks. */
export const jsonText = (value: unknown, random: Random): string => {
  let text = JSON.stringify(value) ?? "null"
  for (const [mark, replacement] of marks) text = text.replaceAll(mark, () => replacement(random))
  return text.slice(0, largestInput)
}
