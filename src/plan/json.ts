/**
 * Parses JSON (RFC 8259) with positions: the value, or the line, the column and the reason.
 *
 * Plans are written by hand, and the messages of engines for invalid JSON differ (JavaScriptCore reports no position), hence this
 * parser. It also rejects duplicate keys, which `JSON.parse` accepts.
 */
import { cut, limit, overLimit } from "../boundary/index.ts"

/** A JSON syntax error. Line and column count from 1; columns are UTF-16 code units, as in editors. */
export class JsonSyntaxError extends Error {
  readonly position: { readonly line: number; readonly column: number }
  constructor(text: string, offset: number, reason: string) {
    super(reason)
    const before = text.slice(0, offset)
    this.position = { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") }
  }
}

const space = /[ \t\n\r]*/y
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const unescaped = /[^"\\\r\n]*/y // not the whole string at once: engines give up on an alternative a character, a megabyte long
const word = /[A-Za-z_$][\w$]*/y

class Reader {
  readonly text: string
  offset = 0
  constructor(text: string) {
    this.text = text
  }

  fail(reason: string, offset = this.offset): never {
    throw new JsonSyntaxError(this.text, offset, reason)
  }

  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.offset
    const match = pattern.exec(this.text)?.[0]
    if (match !== undefined) this.offset += match.length
    return match
  }

  /** Returns the next character that is not white space, without consuming it. */
  peek(): string {
    this.take(space)
    const next = this.text[this.offset]
    if (next === "/") this.fail("comments are not allowed in a plan")
    return next ?? ""
  }

  nextCharacter(): string {
    return this.offset >= this.text.length ? "the end of the file" : JSON.stringify(this.text[this.offset])
  }

  string(): string {
    const start = this.offset
    this.offset++
    while (this.take(unescaped) !== undefined && this.text[this.offset] === "\\") this.offset += 2
    if (this.text[this.offset++] !== '"') return this.fail("a string that is not closed on its line", start)
    try {
      return JSON.parse(this.text.slice(start, this.offset)) as string
    } catch {
      return this.fail("a string with a backslash or control character that JSON does not allow", start)
    }
  }

  value(depth: number): unknown {
    if (depth > limit("json-depth")) this.fail(`more than ${overLimit("json-depth")}`)
    const next = this.peek()
    if (next === "{") return this.object(depth)
    if (next === "[") return this.array(depth)
    if (next === '"') return this.string()
    const start = this.offset
    const digits = this.take(number)
    if (digits !== undefined) return Number(digits)
    const name = this.take(word)
    if (name === "true" || name === "false") return name === "true"
    if (name === "null") return null
    this.offset = start
    if (next === "'") this.fail("strings need double quotes")
    return this.fail(
      `found ${name === undefined ? this.nextCharacter() : JSON.stringify(cut(name))} instead of a value`
    )
  }

  /** Consumes the separator after an element. Returns whether another follows. */
  another(close: string): boolean {
    const next = this.peek()
    if (next !== "," && next !== close) this.fail(`found ${this.nextCharacter()}; expected "," or "${close}"`)
    const comma = this.offset++
    if (next === close) return false
    if (this.peek() === close) this.fail(`a comma before "${close}"`, comma)
    return true
  }

  array(depth: number): ReadonlyArray<unknown> {
    this.offset++
    const items: Array<unknown> = []
    let more = this.peek() !== "]"
    if (!more) this.offset++
    while (more) {
      items.push(this.value(depth + 1))
      more = this.another("]")
    }
    return items
  }

  object(depth: number): Record<string, unknown> {
    this.offset++
    const entries = new Map<string, unknown>()
    let more = this.peek() !== "}"
    if (!more) this.offset++
    while (more) {
      const next = this.peek()
      const start = this.offset
      if (next !== '"') this.fail(`found ${this.nextCharacter()}; expected a key in double quotes`)
      const key = this.string()
      if (entries.has(key)) this.fail(`the key ${JSON.stringify(cut(key))} a second time in the same object`, start)
      if (this.peek() !== ":")
        this.fail(`found ${this.nextCharacter()}; expected ":" after the key ${JSON.stringify(cut(key))}`)
      this.offset++
      entries.set(key, this.value(depth + 1))
      more = this.another("}")
    }
    return Object.fromEntries(entries)
  }
}

/** Parses a JSON text. Skips a leading byte order mark. Throws a JsonSyntaxError. */
export const parseJson = (text: string): unknown => {
  const reader = new Reader(text.replace(/^\uFEFF/, ""))
  if (reader.peek() === "") reader.fail("the file is empty")
  const value = reader.value(0)
  if (reader.peek() !== "") reader.fail(`found ${reader.nextCharacter()} after the end of the document`)
  return value
}
