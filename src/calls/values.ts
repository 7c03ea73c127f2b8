/** Values in the notations that models use for arguments: JSON, Python literals, and those of Gemma's templates. */
import { limit } from "../boundary/index.ts"
import type { JsonFields } from "../data/causal/index.ts"
import {
  type Input,
  next,
  noCall,
  peek,
  type Reading,
  skipSpace,
  take,
  takeIf,
  takeItems,
  takeName,
  takeRun,
  takeUntil
} from "./input.ts"

/** A notation of values. */
export interface Notation {
  /** texts with which strings begin */
  readonly quotes: ReadonlyArray<string>
  /** Parses a string after its quote. */
  readonly string: (input: Input, quote: string) => Reading<string>
  /** whether keys of objects may be unquoted */
  readonly bareKeys: boolean
  /** values of unquoted words; numbers are as in JSON in every notation */
  readonly words: Readonly<Record<string, unknown>>
}

const jsonWords = { true: true, false: false, null: null }
/** Words of Python and JSON. */
export const pythonWords: Readonly<Record<string, unknown>> = { ...jsonWords, True: true, False: false, None: null }
const jsonEscapes = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" }
const pythonEscapes = { ...jsonEscapes, "'": "'", a: "\x07", v: "\v", "0": "\0", "\n": "" }

/** JSON (RFC 8259). */
export const json: Notation = {
  quotes: ['"'],
  string: (input, quote) => quoted(input, quote, jsonEscapes, { u: 4 }, true),
  bareKeys: false,
  words: jsonWords
}

/** Python literals; also accepts JSON's words and line breaks in strings, which templates write. */
export const python: Notation = {
  quotes: ["'", '"'],
  string: (input, quote) => quoted(input, quote, pythonEscapes, { x: 2, u: 4, U: 8 }, false),
  bareKeys: false,
  words: pythonWords
}

/** Creates a notation with strings between two marks, without escapes, and unquoted keys. */
export const marked = (mark: string): Notation => ({
  quotes: [mark],
  string: takeUntil,
  bareKeys: true,
  words: pythonWords
})

const quoted = function* (
  input: Input,
  quote: string,
  escapes: Readonly<Record<string, string>>,
  digits: Readonly<Record<string, number>>,
  strict: boolean
): Reading<string> {
  for (let text = ""; ; ) {
    const character = yield* next(input)
    if (character === quote) return text
    if (character !== "\\") {
      if (strict && character < " ") throw noCall
      text += character
      continue
    }
    const kind = yield* next(input)
    if (Object.hasOwn(escapes, kind)) text += escapes[kind]
    else if (Object.hasOwn(digits, kind)) {
      let code = ""
      while (code.length < digits[kind]!) code += yield* next(input)
      if (!/^[\da-f]+$/i.test(code) || Number.parseInt(code, 16) > 0x10ffff) throw noCall
      text += String.fromCodePoint(Number.parseInt(code, 16))
    } else if (strict) throw noCall
    else text += `\\${kind}`
  }
}

const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/

/** Parses a value. */
export const takeValue = function* (input: Input, notation: Notation, depth = 0): Reading<unknown> {
  if (depth >= limit("json-depth")) throw noCall
  if (yield* takeIf(input, "{")) return yield* takeFields(input, notation, depth)
  if (yield* takeIf(input, "[")) return yield* takeItems(input, "]", () => takeValue(input, notation, depth + 1))
  const string = yield* takeString(input, notation)
  if (string !== undefined) return string
  const word = yield* takeRun(input, /[^-+.\w]/)
  if (Object.hasOwn(notation.words, word)) return notation.words[word]
  if (!number.test(word) || !Number.isFinite(Number(word))) throw noCall
  return Number(word)
}

/** Parses the members of an object after its brace. `known`: names that members may have, or it is not a call; default: any. */
export const takeFields = function* (
  input: Input,
  notation: Notation,
  depth = 0,
  known?: ReadonlyArray<string>
): Reading<JsonFields> {
  const entries = yield* takeItems(input, "}", function* (): Reading<readonly [string, unknown]> {
    const string = yield* takeString(input, notation)
    const key = string ?? (notation.bareKeys ? yield* takeName(input, /[:,{}[\]<>]/) : undefined)
    if (key === undefined || known?.includes(key) === false) throw noCall
    yield* skipSpace(input)
    yield* take(input, ":")
    yield* skipSpace(input)
    return [key, yield* takeValue(input, notation, depth + 1)]
  })
  return Object.fromEntries(entries)
}

const takeString = function* (input: Input, notation: Notation): Reading<string | undefined> {
  yield* peek(input)
  for (const quote of notation.quotes) {
    if (yield* takeIf(input, quote)) return yield* notation.string(input, quote)
  }
  return undefined
}
