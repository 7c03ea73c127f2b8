/**
 * Python's view of template values: text, JSON, equality and dates. Chat templates are written for Jinja in
 * Python, and models were trained on their exact output.
 */
import { Environment, type Interpreter } from "@huggingface/jinja"

/** A value within a template. */
export type Value = ReturnType<Interpreter["evaluate"]>

/** Converts a text, number, boolean, null, list, object or function to a template value. */
export const templateValue = (content: unknown): Value => {
  const value = converter.set("value", content)
  converter.variables.delete("value")
  return value
}
const converter = new Environment()

/** Returns `str(value)`; an empty text for undefined. */
export const pythonText = (value: Value): string => {
  const content: unknown = value.value
  return value.type === "UndefinedValue" ? "" : typeof content === "string" ? content : representation(value)
}

/** Returns `repr(value)`. */
const representation = (value: Value): string => {
  const content: unknown = value.value
  if (value.type === "NullValue") return "None"
  if (typeof content === "boolean") return content ? "True" : "False"
  if (typeof content === "number") return numberText(value)
  if (typeof content === "string") return quoted(content)
  if (Array.isArray(content)) {
    const parts = content.map(representation)
    return value.type === "TupleValue"
      ? `(${parts.join(", ")}${parts.length === 1 ? "," : ""})`
      : `[${parts.join(", ")}]`
  }
  if (!(content instanceof Map)) return value.toString()
  return `{${[...content].map(([key, each]) => `${quoted(String(key))}: ${representation(each)}`).join(", ")}}`
}

/** Formats with the fewest digits that parse to the number; floats from 1e16 and below 1e-4 with an exponent of at least two digits. */
const numberText = ({ type, value }: Value): string => {
  if (type !== "FloatValue" || !Number.isFinite(value)) return String(value)
  const [digits, exponent] = Number(value).toExponential().split("e") as [string, string]
  const power = Number(exponent)
  if (power < -4 || power >= 16) return `${digits}e${exponent[0]}${String(Math.abs(power)).padStart(2, "0")}`
  return Number.isInteger(value) ? `${value}.0` : String(value)
}

const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" }

/** Quotes a text: with single quotes, unless it contains those and no double ones. */
const quoted = (text: string): string => {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'"
  const inner = text.replace(/[\p{C}\p{Z}\\'"]/gu, (character) => {
    const code = character.codePointAt(0)!
    if (character === mark) return `\\${mark}`
    if (/[ '"]/.test(character)) return character
    const hex = code.toString(16)
    return (
      escapes[character] ??
      (code < 256
        ? `\\x${hex.padStart(2, "0")}`
        : code < 65_536
          ? `\\u${hex.padStart(4, "0")}`
          : `\\U${hex.padStart(8, "0")}`)
    )
  })
  return mark + inner + mark
}

/** Options of `json.dumps`, as templates name them. */
export interface JsonOptions {
  /** escapes all characters beyond ASCII; default false */
  readonly ensure_ascii?: unknown
  /** spaces per level; default null: a single line */
  readonly indent?: unknown
  /** separators between elements and after keys; default ", " and ": ", the first without its space if there is an indent */
  readonly separators?: unknown
  /** sorts keys by code points; default false */
  readonly sort_keys?: unknown
}

/** Returns `json.dumps(value)`. Throws for an undefined value. */
export const pythonJson = (value: Value, options: JsonOptions = {}): string => {
  const indent = typeof options.indent === "number" ? " ".repeat(options.indent) : undefined
  const separators = Array.isArray(options.separators) ? options.separators.map((each: Value) => pythonText(each)) : []
  const [between = indent === undefined ? ", " : ",", colon = ": "] = separators
  const text = (content: string): string => {
    const json = JSON.stringify(content)
    if (options.ensure_ascii !== true) return json
    return json.replace(/[\x7f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
  }
  const block = (open: string, close: string, parts: ReadonlyArray<string>, depth: number): string => {
    if (parts.length === 0 || indent === undefined) return open + parts.join(between) + close
    const line = `\n${indent.repeat(depth)}`
    return `${open}${line}${indent}${parts.join(`${between}${line}${indent}`)}${line}${close}`
  }
  const write = (each: Value, depth: number): string => {
    const content: unknown = each.value
    if (each.type === "NullValue") return "null"
    if (typeof content === "boolean") return String(content)
    if (typeof content === "number") return numberText(each)
    if (typeof content === "string") return text(content)
    if (Array.isArray(content))
      return block(
        "[",
        "]",
        content.map((part) => write(part, depth + 1)),
        depth
      )
    if (!(content instanceof Map))
      throw new Error(`tojson takes no ${content === undefined ? "value that is not defined" : "function"}`)
    const keys = options.sort_keys === true ? [...content.keys()].sort(byCodePoints) : [...content.keys()]
    return block(
      "{",
      "}",
      keys.map((key) => text(key) + colon + write(content.get(key), depth + 1)),
      depth
    )
  }
  return write(value, 0)
}

const byCodePoints = (one: string, other: string): number => {
  const [a, b] = [[...one], [...other]]
  const at = a.findIndex((character, i) => character !== b[i])
  return at < 0 ? a.length - b.length : (a[at]!.codePointAt(0) ?? 0) - (b[at]?.codePointAt(0) ?? -1)
}

/** Returns `one == other`: compares lists and objects by content, and booleans as numbers. */
export const isEqual = (one: Value, other: Value): boolean => {
  const [a, b]: ReadonlyArray<unknown> = [one.value, other.value]
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((each, i) => isEqual(each, b[i]))
  if (a instanceof Map && b instanceof Map) {
    return a.size === b.size && [...a].every(([key, each]) => b.has(key) && isEqual(each, b.get(key)))
  }
  // the library stores the same value for null and undefined
  if (a === undefined || b === undefined) return one.type === other.type
  return (typeof a === "boolean" ? Number(a) : a) === (typeof b === "boolean" ? Number(b) : b)
}

// differs from JavaScript's: U+FEFF is not white space in Python, U+001C to U+001F and U+0085 are
const whiteSpace =
  "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"

/** Returns `text.strip(characters)`, or `lstrip` or `rstrip`; default: white space. */
export const strip = (text: string, characters: unknown, side: "left" | "right" | "both"): string => {
  const removed = new Set(typeof characters === "string" ? characters : whiteSpace)
  let [start, end] = [0, text.length]
  while (side !== "right" && start < end) {
    const first = String.fromCodePoint(text.codePointAt(start)!)
    if (!removed.has(first)) break
    start += first.length
  }
  while (side !== "left" && end > start) {
    const last = [...text.slice(Math.max(start, end - 2), end)].at(-1)!
    if (!removed.has(last)) break
    end -= last.length
  }
  return text.slice(start, end)
}

const months = "January February March April May June July August September October November December".split(" ")
const days = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ")
const two = (number: number): string => String(number).padStart(2, "0")

const dateCodes: Readonly<Record<string, (date: Date) => string>> = {
  Y: (date) => String(date.getFullYear()),
  y: (date) => two(date.getFullYear() % 100),
  m: (date) => two(date.getMonth() + 1),
  B: (date) => months[date.getMonth()]!,
  b: (date) => months[date.getMonth()]!.slice(0, 3),
  d: (date) => two(date.getDate()),
  e: (date) => String(date.getDate()).padStart(2),
  j: (date) =>
    String(
      Math.round(
        (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - Date.UTC(date.getFullYear(), 0, 0)) /
          86_400_000
      )
    ).padStart(3, "0"),
  A: (date) => days[date.getDay()]!,
  a: (date) => days[date.getDay()]!.slice(0, 3),
  H: (date) => two(date.getHours()),
  I: (date) => two(date.getHours() % 12 || 12),
  p: (date) => (date.getHours() < 12 ? "AM" : "PM"),
  M: (date) => two(date.getMinutes()),
  S: (date) => two(date.getSeconds()),
  F: (date) => strftime(date, "%Y-%m-%d"),
  T: (date) => strftime(date, "%H:%M:%S"),
  "%": () => "%"
}

/** Formats a local date with `strftime` codes, in English; `%-d` is `%d` without a leading zero. Keeps other codes. */
export const strftime = (date: Date, format: string): string =>
  format.replace(/%(-?)(.)/g, (code, bare: string, letter: string) => {
    const text = dateCodes[letter]?.(date) ?? code
    return bare === "" || text === code ? text : text.replace(/^[0 ]+(?=.)/, "")
  })
