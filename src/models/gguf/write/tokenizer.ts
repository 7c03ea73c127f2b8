/**
 * A Hugging Face tokenizer as metadata of a GGUF file: `tokenizer.ts` in the other direction.
 *
 *   byte-level BPE          tokenizer.ggml.model "gpt2": tokens, types, merges, and by name how a text is cut first (`pre`)
 *   BPE with byte fallback  "llama" (SentencePiece): tokens, types, and a score for each
 *
 * llama.cpp knows the cuts of texts by names, and its converter finds the name by a hash of what the tokenizer makes of one text. Here the
 * name is found by trying: the metadata are read back as this package reads them, and what comes of it has to give the tokenizer's own ids for
 * texts in which cuts differ, and for its own tokens in an order of their own. Where no name does, the tokenizer is refused: one that is
 * nearly right writes nearly what was learned.
 *
 * Scores: SentencePiece merges the two neighbours that make the piece of the best score, a list of merges the pair that comes first in it.
 * A piece's score is the place of its first merge, below zero.
 */

import * as Effect from "effect/Effect"
import { isRecord } from "../../../boundary/index.ts"
import type { CausalTokenizer } from "../../../tensors/index.ts"
import { causalTokenizer } from "../../causal/causal-tokenizer.ts"
import type { MetadataValue } from "../parse-header.ts"
import { cuttings } from "../pre-tokenizers.ts"
import { tokenizerOf } from "../tokenizer.ts"
import { tokenTypes } from "../vocabulary.ts"
import { type EncodedValue, encoded } from "./values.ts"

interface Source {
  /** tokenizer.json and tokenizer_config.json */
  readonly tokenizer: unknown
  readonly tokenizerConfig: unknown
  /** tokens at which a text ends */
  readonly eosIds: ReadonlyArray<number>
  /** rows of the embedding */
  readonly rows: number
  /** `general.architecture` of the file */
  readonly architecture: string
  /** the tokenizer itself */
  readonly loaded: CausalTokenizer
}

/** llama.cpp's: a row of the embedding without a token */
const UNUSED = 5

/** Returns the metadata by key, or the reason why the tokenizer cannot be written: the end of a sentence that begins with the model. */
export const tokenizerMetadata = (source: Source): Effect.Effect<ReadonlyMap<string, EncodedValue> | string> =>
  Effect.gen(function* () {
    const vocabulary = vocabularyIn(source)
    if (typeof vocabulary === "string") return vocabulary
    const texts = probesOf(source)
    const expected = texts.map((text) => source.loaded.encode(text, { special: true }).join())
    for (const candidate of candidates(source, vocabulary)) {
      const metadata = new Map([...candidate, ["general.architecture", source.architecture]])
      const { tokenizer, tokenizerConfig, problems } = tokenizerOf(metadata)
      if (problems.length > 0) return `has a tokenizer that GGUF files cannot represent: ${problems[0]}`
      const again = yield* Effect.option(
        causalTokenizer({ where: "tokenizer", tokenizer, tokenizerConfig }, { vocabularySize: source.rows })
      )
      if (again._tag === "None") continue
      const same = texts.every((text, i) => again.value.encode(text, { special: true }).join() === expected[i])
      if (same) return new Map(candidate.map(([key, value]) => [key, encodedValue(key, value)]))
    }
    return "has a tokenizer that llama.cpp does not know: with each one that it knows, some texts become other tokens"
  })

type Entry = readonly [key: string, value: MetadataValue]

const FLOATS = "tokenizer.ggml.scores"

const encodedValue = (key: string, value: MetadataValue): EncodedValue => {
  if (typeof value === "string") return encoded.string(value)
  if (typeof value === "boolean") return encoded.bool(value)
  if (typeof value === "number") return encoded.u32(value)
  if (typeof value[0] === "string") return encoded.strings(value as ReadonlyArray<string>)
  return key === FLOATS
    ? encoded.floats(value as ReadonlyArray<number>)
    : encoded.integers(value as ReadonlyArray<number>)
}

interface Vocabulary {
  readonly tokens: ReadonlyArray<string>
  readonly types: ReadonlyArray<number>
  readonly merges: ReadonlyArray<readonly [string, string]>
  /** pieces have byte fallback, rather than being made of bytes */
  readonly fallback: boolean
}

const BYTE = /^<0x[0-9A-F]{2}>$/
const TAB = "<0x09>"

const vocabularyIn = ({ tokenizer, rows }: Source): Vocabulary | string => {
  const model = isRecord(tokenizer) ? tokenizer["model"] : undefined
  const type = isRecord(model) ? model["type"] : undefined
  if (!isRecord(tokenizer) || !isRecord(model) || !isRecord(model["vocab"]) || (type !== undefined && type !== "BPE")) {
    return `has a tokenizer of type ${JSON.stringify(type)}, but llama.cpp supports only byte-level BPE and SentencePiece; use --format huggingface`
  }
  const fallback = model["byte_fallback"] === true
  const tokens = Array.from({ length: rows }, (_, id) => `[PAD${id}]`)
  const types = new Array<number>(rows).fill(UNUSED)
  const put = (id: unknown, token: string, kind: number) => {
    if (typeof id !== "number" || id >= rows) return
    tokens[id] = token
    types[id] = kind
  }
  for (const [token, id] of Object.entries(model["vocab"])) {
    put(id, token, fallback && BYTE.test(token) ? tokenTypes.byte : tokenTypes.normal)
  }
  const bytes = types.filter((kind) => kind === tokenTypes.byte).length
  const tab = tokens.indexOf("\t")
  // some files have the tab by itself in place of its byte
  if (fallback && bytes === 255 && tab >= 0 && !tokens.includes(TAB)) put(tab, TAB, tokenTypes.byte)
  const unknown = model["unk_token"]
  for (const added of Array.isArray(tokenizer["added_tokens"]) ? tokenizer["added_tokens"] : []) {
    if (!isRecord(added) || typeof added["content"] !== "string") continue
    const content = added["content"]
    const special = added["special"] === true
    if (fallback && !special && types[added["id"] as number] === tokenTypes.byte) continue
    // SentencePiece's files have runs of spaces that users defined as spaces
    const token = fallback && !special ? content.replaceAll("\u2581", " ") : content
    const kind = special ? tokenTypes.control : tokenTypes.userDefined
    put(added["id"], token, fallback && content === unknown ? tokenTypes.unknown : kind)
  }
  const merges = (Array.isArray(model["merges"]) ? model["merges"] : []).map((merge) =>
    Array.isArray(merge)
      ? ([String(merge[0]), String(merge[1])] as const)
      : (String(merge).split(" ") as unknown as readonly [string, string])
  )
  return { tokens, types, merges, fallback }
}

/** Entries of metadata under which the tokenizer may be the same, the likely ones first. */
const candidates = function* (source: Source, vocabulary: Vocabulary): Generator<ReadonlyArray<Entry>> {
  const { tokens, types, merges, fallback } = vocabulary
  const { loaded: tokenizer, eosIds } = source
  const around = tokenizer.encode("a", { special: true })
  const inside = tokenizer.encode("a")
  const unknown = types.indexOf(tokenTypes.unknown)
  const unkToken = isRecord(source.tokenizerConfig) ? tokenizer.specialTokens["unk_token"] : undefined
  const unkId = unknown >= 0 ? unknown : unkToken === undefined ? -1 : tokens.indexOf(unkToken)
  const eosId = tokenizer.eosId ?? eosIds[0]
  const others = eosIds.filter((id) => id !== eosId && id < tokens.length)
  const padToken = tokenizer.specialTokens["pad_token"]
  const common: ReadonlyArray<Entry> = [
    ["tokenizer.ggml.tokens", tokens],
    ["tokenizer.ggml.token_type", types],
    ...idEntry("bos", tokenizer.bosId),
    ...idEntry("eos", eosId),
    ...idEntry("eot", others[0]),
    ...idEntry("unknown", unkId < 0 ? null : unkId),
    ...idEntry("padding", padToken === undefined ? null : tokens.indexOf(padToken)),
    [
      "tokenizer.ggml.add_bos_token",
      tokenizer.bosId !== null && around[0] === tokenizer.bosId && inside[0] !== tokenizer.bosId
    ],
    [
      "tokenizer.ggml.add_eos_token",
      eosId !== undefined && around.at(-1) === eosId && around.length > 1 && inside.at(-1) !== eosId
    ],
    ...(tokenizer.chatTemplate === null ? [] : [["tokenizer.chat_template", tokenizer.chatTemplate] as const])
  ]
  if (fallback) {
    const scores = scoresOf(vocabulary)
    for (const prefix of [true, false]) {
      yield [
        ["tokenizer.ggml.model", "llama"],
        ["tokenizer.ggml.pre", "default"],
        ...common,
        [FLOATS, scores],
        ["tokenizer.ggml.add_space_prefix", prefix]
      ]
    }
    return
  }
  const seen = new Set<string>()
  // "default" is llama.cpp's name for what it does not know, which it warns of
  const names = [...Object.keys(cuttings).filter((name) => name !== "default"), "default"]
  for (const name of names) {
    const cut = JSON.stringify(cuttings[name]!)
    if (seen.has(cut)) continue
    seen.add(cut)
    yield [
      ["tokenizer.ggml.model", "gpt2"],
      ["tokenizer.ggml.pre", name],
      ...common,
      ["tokenizer.ggml.merges", merges.map((pair) => pair.join(" "))]
    ]
  }
}

const idEntry = (name: string, id: number | null | undefined): ReadonlyArray<Entry> =>
  id == null || id < 0 ? [] : [[`tokenizer.ggml.${name}_token_id`, id]]

const scoresOf = ({ tokens, merges }: Vocabulary): ReadonlyArray<number> => {
  const first = new Map<string, number>()
  for (const [i, [left, right]] of merges.entries()) if (!first.has(left + right)) first.set(left + right, -i - 1)
  return tokens.map((token) => first.get(token) ?? -merges.length - 1)
}

/** Texts in which cuts differ: numbers, contractions, marks, scripts, spaces, lines, code. */
const texts = [
  "a",
  " Hello  World, it's 2024-11-28: don't WE'LL they'Re 1234567 x10^3 3.14\u00bd \u2167 \u0663\u0664",
  '\tdef f(x):\n\n    return x**2  # caf\u00e9 na\u00efve cafe\u0301\r\n\r\n  {"a": [1,22,333]}\n',
  "\u4eca\u5929\u5929\u6c14\u5f88\u597d\u3002 \u0420\u0443\u0441\u0441\u043a\u0438\u0439 \u0442\u0435\u043a\u0441\u0442 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0939\u093f\u0928\u094d\u0926\u0940 \ud55c\uad6d\uc5b4 \u{1F680}\u{1F468}\u200d\u{1F469} \u2026 \u20ac100 $5.00",
  "camelCaseWord HTTPServer iPhone ABCdef   trailing spaces   ",
  'Is `x`. What\'s 7 \u00d7 (8 + 9)?!... "quoted" \u2014 <tag/> https://example.org/a?b=c&d=%20'
]

/** Tokens of a tokenizer that a text is made of, every so many. */
const TOKENS = 400

const probesOf = ({ loaded: tokenizer, rows }: Source): ReadonlyArray<string> => {
  const step = Math.max(1, Math.floor(rows / TOKENS))
  const ids = Array.from({ length: Math.floor(rows / step) }, (_, i) => i * step)
  const pieces = ids.filter((id) => !tokenizer.specialIds.has(id)).map((id) => tokenizer.decode([id]))
  return [...texts, pieces.join(""), pieces.join(" ")]
}
