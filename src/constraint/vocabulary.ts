/**
 * The tokens of a tokenizer as a trie of their bytes, in depth-first order: a node is followed by its descendants, so a walk reads
 * arrays from left to right and skips the descendants of a byte that is not allowed.
 */
import type { CausalTokenizer } from "../tensors/index.ts"

export interface Vocabulary {
  readonly size: number
  /** Returns a token's bytes; null: the token has no bytes of its own. */
  readonly bytesOf: (token: number) => Uint8Array | null
  /** byte of each node except the first, which is the empty prefix */
  readonly byte: Uint8Array
  readonly depth: Uint16Array
  /** index of the first node after its descendants */
  readonly end: Uint32Array
  /** index in `tokens` of each node's first token; one entry more than there are nodes */
  readonly first: Uint32Array
  readonly tokens: Uint32Array
  readonly deepest: number
  /** special tokens, and their bytes when they are written out */
  readonly special: ReadonlyArray<{ readonly token: number; readonly bytes: Uint8Array }>
  readonly tokenizer: CausalTokenizer
}

const vocabularies = new WeakMap<CausalTokenizer, Vocabulary>()

/** Returns the trie of a tokenizer's vocabulary, built once per tokenizer. */
export const vocabularyOf = (tokenizer: CausalTokenizer): Vocabulary => {
  const known = vocabularies.get(tokenizer)
  if (known !== undefined) return known
  const made = madeOf(tokenizer)
  vocabularies.set(tokenizer, made)
  return made
}

const compare = (a: Uint8Array, b: Uint8Array): number => {
  const shorter = Math.min(a.length, b.length)
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return a.length - b.length
}

const madeOf = (tokenizer: CausalTokenizer): Vocabulary => {
  const size = tokenizer.vocabularySize
  const bytes = Array.from({ length: size }, (_, id) => tokenizer.bytesOf(id))
  // a token of no bytes changes nothing, so that a text of such tokens would not end
  const spelledTokens = bytes.flatMap((spelling, token) =>
    spelling === null || spelling.length === 0 ? [] : [{ spelling, token }]
  )
  spelledTokens.sort((a, b) => compare(a.spelling, b.spelling) || a.token - b.token)
  const most = spelledTokens.reduce((sum, { spelling }) => sum + spelling.length, 1)
  const [byte, depth, end] = [new Uint8Array(most), new Uint16Array(most), new Uint32Array(most)]
  const first = new Uint32Array(most + 1)
  const tokens = Uint32Array.from(spelledTokens, ({ token }) => token)
  const open: Array<number> = [0]
  let nodes = 1
  let before: Uint8Array = new Uint8Array()
  const close = (length: number) => {
    while (open.length > length + 1) end[open.pop()!] = nodes
  }
  for (const [i, { spelling }] of spelledTokens.entries()) {
    let same = 0
    while (same < before.length && before[same] === spelling[same]) same++
    close(same)
    for (let at = same; at < spelling.length; at++) {
      byte[nodes] = spelling[at]!
      depth[nodes] = at + 1
      first[nodes] = i
      open.push(nodes++)
    }
    before = spelling
  }
  close(0)
  end[0] = nodes
  first[nodes] = spelledTokens.length
  const utf8 = new TextEncoder()
  const special = [...tokenizer.specialIds].flatMap((token) => {
    const content = utf8.encode(tokenizer.decode([token], { special: true }))
    return content.length === 0 ? [] : [{ token, bytes: content }]
  })
  return {
    size,
    bytesOf: (token) => bytes[token] ?? null,
    byte: byte.slice(0, nodes),
    depth: depth.slice(0, nodes),
    end: end.slice(0, nodes),
    first: first.slice(0, nodes + 1),
    tokens,
    deepest: spelledTokens.reduce((longest, { spelling }) => Math.max(longest, spelling.length), 0),
    special,
    tokenizer
  }
}
