/**
 * What tokenizer.json must be before a library is built from it: a library trusts its input, and where it is wrong it does not
 * fail but loops (a vocabulary id of 4 billion, pieces of length 0) or hands out ids that are no numbers.
 *
 *   { "normalizer", "pre_tokenizer", "post_processor": { "type", … } or null, "added_tokens": [{ "content", "id" }],
 *     "model": { "vocab": { token: id } or [[token, score]], … } }
 */

/** Ids below this: sixty times the largest vocabulary in use, and a table of that many entries still fits everywhere. */
const mostIds = 2 ** 24
// A replacement, a prefix or a pattern is a few characters; each may be put between any two characters of a text.
const longestPart = 4_096
const problemsShown = 10

type Fields = { readonly [key: string]: unknown }

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isId = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0

export interface CheckedTokenizer {
  readonly json: Fields
  /** the largest id of any token */
  readonly largestId: number
}

/** The problems, each the end of a sentence that begins with `tokenizer.json:`, or the object with its largest id. */
export const checkTokenizerJson = (json: unknown): CheckedTokenizer | ReadonlyArray<string> => {
  if (!isFields(json)) return ["is not a JSON object"]
  const ids: Array<number> = []
  const problems: Array<string> = []
  const model = json["model"]
  if (!isFields(model)) problems.push(`cannot be used: has no object "model"`)
  else problems.push(...vocabularyProblems(model["vocab"], ids))
  problems.push(...addedTokenProblems(json["added_tokens"], ids))
  for (const part of ["normalizer", "pre_tokenizer", "post_processor"]) problems.push(...partProblems(part, json[part]))
  if (problems.length > 0) {
    const more = problems.length - problemsShown
    return more > 0 ? [...problems.slice(0, problemsShown), `has ${more} more problems of these kinds`] : problems
  }
  return { json, largestId: ids.reduce((largest, id) => Math.max(largest, id), 0) }
}

const vocabularyProblems = (vocabulary: unknown, ids: Array<number>): ReadonlyArray<string> => {
  if (Array.isArray(vocabulary)) {
    ids.push(vocabulary.length - 1)
    const isPiece = (piece: unknown) =>
      Array.isArray(piece) && typeof piece[0] === "string" && typeof piece[1] === "number"
    return vocabulary.flatMap((piece, i) => (isPiece(piece) ? [] : [`model.vocab.${i} is not a [token, score] pair`]))
  }
  if (!isFields(vocabulary)) return [`cannot be used: model.vocab is neither an object nor a list`]
  return Object.entries(vocabulary).flatMap(([token, id]) =>
    idProblems(`model.vocab: the token ${shown(token)}`, id, ids)
  )
}

const addedTokenProblems = (tokens: unknown, ids: Array<number>): ReadonlyArray<string> => {
  if (!Array.isArray(tokens)) return ["cannot be used: added_tokens is not a list"]
  return tokens.flatMap((token: unknown, i) => {
    if (!isFields(token) || typeof token["content"] !== "string" || token["content"] === "") {
      return [`added_tokens.${i} has no "content"`]
    }
    return idProblems(`added_tokens.${i}: the token ${shown(token["content"])}`, token["id"], ids)
  })
}

const idProblems = (what: string, id: unknown, ids: Array<number>): ReadonlyArray<string> => {
  if (!isId(id) || id >= mostIds)
    return [`${what} has the id ${shown(id)}; expected an integer from 0 to ${mostIds - 1}`]
  ids.push(id)
  return []
}

/** Normalizer, pre-tokenizer and post-processor nest (type Sequence); whatever is in them is looked at. */
const partProblems = (path: string, part: unknown): ReadonlyArray<string> => {
  if (typeof part === "string") {
    // a table in base64, which the library reads no further than to see that it is there
    if (part.length <= longestPart || path.endsWith(".precompiled_charsmap")) return []
    return [`${path} is a text of ${part.length} characters; at most ${longestPart} are accepted`]
  }
  if (typeof part !== "object" || part === null) return []
  const inside = Object.entries(part).flatMap(([key, value]) => partProblems(`${path}.${key}`, value))
  const { type, length } = part as Fields
  if (type !== "FixedLength" || (isId(length) && length > 0)) return inside
  return [...inside, `${path}.length is ${shown(length)}; expected an integer of at least 1`]
}

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? "missing"
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`
}
