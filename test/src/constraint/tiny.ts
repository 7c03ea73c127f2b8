/** A tiny vocabulary: all bytes, tokens that cross the borders of JSON's syntax and of characters, special tokens. */
import type { CausalTokenizer } from "../../../src/tensors/rows.ts"

const utf8 = new TextEncoder()

const longer: ReadonlyArray<Uint8Array> = [
  ...[
    '{"',
    '"}',
    '":',
    '": ',
    '",',
    '", "',
    '"]',
    "[[",
    "]}",
    "}}",
    "},",
    '{"a":',
    '"a"',
    "a",
    "ab",
    "abc",
    "b",
    "key",
    '":"',
    'e"',
    "true"
  ],
  ...[
    "false",
    "null",
    "tr",
    "nul",
    "alse",
    "12",
    "1.",
    ".5",
    "-1",
    "00",
    "e1",
    "99",
    ", ",
    ' "',
    '\\"',
    "\\n",
    "\\u00",
    "\\ud83d",
    "\\ude00"
  ],
  ...[
    "é",
    'é"',
    "😀",
    'a😀"',
    "日本",
    "x,",
    "0}",
    "1]",
    '5,"',
    '["',
    "[]",
    "{}",
    '":[',
    '": [',
    '":{"',
    'z"}',
    "-0",
    "a-",
    "@a.",
    "2020-"
  ]
].map((text) => utf8.encode(text))
/** beginnings and ends of characters */
const parts = [[0xc3], [0xa9, 0x22], [0xf0, 0x9f], [0x98, 0x80], [0x80, 0x22], [0x22, 0xe6], [0xe6, 0x97]].map(
  (bytes) => Uint8Array.from(bytes)
)

const bytes: ReadonlyArray<Uint8Array> = [
  ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
  ...longer,
  ...parts
]

export const eosToken = bytes.length
export const callToken = bytes.length + 1

/** How a special token is written out. */
const names = new Map([
  [eosToken, "<eos>"],
  [callToken, "<call>"]
])

export const bytesOf = (id: number): Uint8Array | null => bytes[id] ?? null

const joined = (ids: ReadonlyArray<number>, special: boolean) =>
  Uint8Array.from(ids.flatMap((id) => [...(bytes[id] ?? utf8.encode(special ? (names.get(id) ?? "") : ""))]))

/** Longest tokens first from the left, special tokens by name. */
const encode = (text: string): ReadonlyArray<number> => {
  const special = [...names].find(([, name]) => text.includes(name))
  if (special !== undefined) {
    const at = text.indexOf(special[1])
    return [...encode(text.slice(0, at)), special[0], ...encode(text.slice(at + special[1].length))]
  }
  const all = utf8.encode(text)
  const ids: Array<number> = []
  for (let at = 0; at < all.length; ) {
    let best = all[at]!
    for (const [id, token] of bytes.entries()) {
      if (token.length > bytes[best]!.length && token.every((byte, i) => all[at + i] === byte)) best = id
    }
    ids.push(best)
    at += bytes[best]!.length
  }
  return ids
}

export const tiny: CausalTokenizer = {
  encode,
  decode: (ids, { special = false } = {}) => new TextDecoder().decode(joined(ids, special)),
  bosId: null,
  eosId: eosToken,
  padId: eosToken,
  vocabularySize: bytes.length + 2,
  specialIds: new Set(names.keys()),
  bytesOf,
  chatTemplate: null,
  specialTokens: {}
}
