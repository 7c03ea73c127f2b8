/**
 * Checks tokenizer.json before the library is built from it: the library trusts its input, and where that is wrong it does not fail but
 * loops (a vocabulary id of 4 billion, pieces of length 0) or returns ids that are not numbers.
 *
 *   { "normalizer", "pre_tokenizer", "post_processor": { "type", … } or null, "added_tokens": [{ "content", "id" }],
 *     "model": { "vocab": { token: id } or [[token, score]], … } }
 */
import * as Effect from "effect/Effect"
import { isRecord, limit, messageOf, overLimit, wholeNumber } from "../boundary/index.ts"
import { ModelError } from "./model.ts"

/** Ids below this: sixty times the largest vocabulary in use, and a table of that many entries still fits everywhere. */
const mostIds = 2 ** 24
const mostProblems = 10

/** Fields of a JSON object. */
export type Fields = Readonly<Record<string, unknown>>

const isId = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0

interface CheckedTokenizer {
  readonly json: Fields
  /** the largest id of any token */
  readonly largestId: number
}

/** Checks a tokenizer.json. Returns the object with its largest id, or the problems: ends of sentences that begin with `tokenizer.json:`. */
export const checkTokenizerJson = (json: unknown): CheckedTokenizer | ReadonlyArray<string> => {
  if (!isRecord(json)) return ["is not a JSON object"]
  const ids: Array<number> = []
  const problems: Array<string> = []
  const model = json["model"]
  if (!isRecord(model)) problems.push(`cannot be used: has no object "model"`)
  else problems.push(...vocabularyProblems(model["vocab"], ids), ...modelProblems(model))
  problems.push(...addedTokenProblems(json["added_tokens"], ids))
  for (const part of partNames) problems.push(...partProblems(part, json[part]))
  const parts = partNames.reduce((count, part) => count + partsIn(json[part]), 0)
  if (parts > limit("tokenizer-parts"))
    problems.push(`has ${wholeNumber(parts)} parts, more than ${overLimit("tokenizer-parts")}`)
  if (problems.length > 0) {
    const more = problems.length - mostProblems
    return more > 0 ? [...problems.slice(0, mostProblems), `has ${more} more problems of these kinds`] : problems
  }
  return { json, largestId: ids.reduce((largest, id) => Math.max(largest, id), 0) }
}

const partNames = ["normalizer", "pre_tokenizer", "post_processor", "decoder"]

/** What is gone through for every text: parts of sequences, pieces of templates. */
const partsIn = (part: unknown): number => {
  if (typeof part !== "object" || part === null) return 0
  const inside = Object.values(part).reduce((count: number, value) => count + partsIn(value), 0)
  const { normalizers, pretokenizers, processors, decoders, single, pair } = part as Fields
  const lists = [normalizers, pretokenizers, processors, decoders, single, pair].filter(Array.isArray)
  return lists.reduce((count, { length }) => count + length, inside)
}

/** Affixes and lengths of words that make a word take long. */
const modelProblems = (model: Fields): ReadonlyArray<string> => {
  const affixes = ["continuing_subword_prefix", "continuing_subword_suffix", "end_of_word_suffix"].flatMap((name) => {
    const affix = model[name]
    if (typeof affix !== "string" || affix.length <= longestAffix) return []
    return [`model.${name} has ${wholeNumber(affix.length)} characters; at most ${longestAffix} are accepted`]
  })
  const { max_input_chars_per_word: longest } = model
  if (longest == null || (isId(longest) && longest <= limit("word-characters"))) return affixes
  return [
    ...affixes,
    `model.max_input_chars_per_word is ${shown(longest)}; expected an integer of at most ${overLimit("word-characters")}`
  ]
}

// "##" and "</w>" are in use; every piece that is looked up has one
const longestAffix = 64

const vocabularyProblems = (vocabulary: unknown, ids: Array<number>): ReadonlyArray<string> => {
  if (Array.isArray(vocabulary)) {
    ids.push(vocabulary.length - 1)
    const isPiece = (piece: unknown): piece is readonly [string, number] =>
      Array.isArray(piece) && typeof piece[0] === "string" && typeof piece[1] === "number"
    const tree = treeProblems(
      "model.vocab",
      vocabulary.flatMap((piece) => (isPiece(piece) ? [piece[0]] : []))
    )
    const wrong = vocabulary.flatMap((piece, i) =>
      isPiece(piece) ? lengthProblems(`model.vocab.${i}`, piece[0]) : [`model.vocab.${i} is not a [token, score] pair`]
    )
    return [...wrong, ...tree]
  }
  if (!isRecord(vocabulary)) return [`cannot be used: model.vocab is neither an object nor a list`]
  return Object.entries(vocabulary).flatMap(([token, id]) =>
    idProblems(`model.vocab: the token ${shown(token)}`, id, ids)
  )
}

/** Words are found in a tree with a node for each character, but for those that a word begins with in common with another. */
const treeProblems = (where: string, words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const most = limit("token-tree")
  if (words.reduce((sum, { length }) => sum + length, 0) <= most) return []
  let nodes = 0
  let before = ""
  for (const word of [...words].sort()) {
    nodes += word.length - sharedBeginning(before, word)
    before = word
  }
  return nodes <= most ? [] : [`${where} has more text than ${overLimit("token-tree")}`]
}

const sharedBeginning = (one: string, other: string): number => {
  let shared = 0
  while (shared < one.length && one.charCodeAt(shared) === other.charCodeAt(shared)) shared++
  return shared
}

const addedTokenProblems = (tokens: unknown, ids: Array<number>): ReadonlyArray<string> => {
  if (!Array.isArray(tokens)) return ["cannot be used: added_tokens is not a list"]
  const tooMany = charactersProblem(tokens.filter(isRecord).map(({ content }) => content))
  if (tooMany !== undefined) return [`added_tokens has ${tooMany}`]
  const contents = tokens.map((token: unknown) => (isRecord(token) ? token["content"] : null))
  const tree = treeProblems(
    "added_tokens",
    contents.filter((content) => typeof content === "string")
  )
  const wrong = tokens.flatMap((token: unknown, i) => {
    if (!isRecord(token) || typeof token["content"] !== "string" || token["content"] === "") {
      return [`added_tokens.${i} has no "content"`]
    }
    const idWrong = idProblems(`added_tokens.${i}: the token ${shown(token["content"])}`, token["id"], ids)
    return [...idWrong, ...lengthProblems(`added_tokens.${i}`, token["content"])]
  })
  return [...wrong, ...tree]
}

/** Returns why special or added tokens are too long in total, as the end of a sentence; undefined: they are not. */
export const charactersProblem = (tokens: ReadonlyArray<unknown>): string | undefined => {
  const characters = tokens.reduce((sum: number, token) => sum + (typeof token === "string" ? token.length : 0), 0)
  if (characters <= limit("added-tokens")) return undefined
  return `tokens of ${wholeNumber(characters)} characters together, more than ${overLimit("added-tokens")}`
}

/** These are looked for at every character of a text, up to their lengths. */
const lengthProblems = (where: string, { length }: string): ReadonlyArray<string> =>
  length <= limit("token-characters")
    ? []
    : [`${where} has ${wholeNumber(length)} characters, more than ${overLimit("token-characters")}`]

const idProblems = (what: string, id: unknown, ids: Array<number>): ReadonlyArray<string> => {
  if (!isId(id) || id >= mostIds)
    return [`${what} has the id ${shown(id)}; expected an integer from 0 to ${mostIds - 1}`]
  ids.push(id)
  return []
}

/** Normalizer, pre-tokenizer and post-processor nest (type Sequence); everything in them is checked. */
const partProblems = (path: string, part: unknown): ReadonlyArray<string> => {
  if (typeof part === "string") {
    // a table in base64, of which the library only checks that it exists
    if (part.length <= limit("pattern-characters") || path.endsWith(".precompiled_charsmap")) return []
    return [`${path} has ${wholeNumber(part.length)} characters, more than ${overLimit("pattern-characters")}`]
  }
  if (typeof part !== "object" || part === null) return []
  const inside = Object.entries(part).flatMap(([key, value]) => partProblems(`${path}.${key}`, value))
  const { type, length, single } = part as Fields
  if (Array.isArray(single) && single.filter((piece) => isRecord(piece) && "Sequence" in piece).length > 1) {
    return [...inside, `${path}.single writes the text more than once`]
  }
  if (type !== "FixedLength" || (isId(length) && length > 0)) return inside
  return [...inside, `${path}.length is ${shown(length)}; expected an integer of at least 1`]
}

/** Formats a value of the file for a message. */
export const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? "missing"
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`
}

/**
 * Builds a tokenizer from a checked tokenizer.json. Fails if it has ids of `rows` or more, the rows of the model's embedding, or if `build`
 * throws: the library reports unsupported features only when a tokenizer is built and tried.
 */
export const buildTokenizer = <T extends object>(
  folder: string,
  json: unknown,
  rows: number | undefined,
  build: (json: Fields, largestId: number) => T | { readonly problem: string }
): Effect.Effect<T, ModelError> =>
  Effect.suspend(() => {
    const fail = (...problems: ReadonlyArray<string>) =>
      Effect.fail(new ModelError({ folder, problems: problems.map((problem) => `tokenizer.json: ${problem}`) }))
    const checked = checkTokenizerJson(json)
    if (!("json" in checked)) return fail(...checked)
    const { largestId } = checked
    if (rows !== undefined && largestId >= rows) {
      return fail(
        `has ids up to ${largestId}, but the model's embedding has only ${rows} rows; it belongs to another model`
      )
    }
    return Effect.try({ try: () => build(checked.json, largestId), catch: (cause) => cause }).pipe(
      Effect.catch((cause) => fail(`cannot be used: ${messageOf(cause)}`)),
      Effect.flatMap((built) => ("problem" in built ? fail(built.problem) : Effect.succeed(built)))
    )
  })

/** Throws if the library returned an id outside of the vocabulary. */
export const checkIds = (ids: ReadonlyArray<number>, largestId: number): void => {
  if (ids.every((id) => isId(id) && id <= largestId)) return
  throw new Error("a token is not in the vocabulary; add the unknown token (unk_token, unk_id) to it")
}
