/**
 * Parses a text that arrives in pieces. A parser is a generator that pauses at the end of the available text and continues when more arrives,
 * so that no character is read twice, and the result does not depend on the pieces.
 */

/** A text and a position in it. */
export interface Input {
  /** text received so far; only grows at its end during parsing */
  text: string
  /** index of the next character */
  at: number
}

/** A running parser. Throws `noCall`. */
export type Reading<A> = Generator<void, A, void>

/** Thrown by parsers for text that is not a call. */
export const noCall = new Error("not a call")

/** Returns the next character without consuming it. */
export const peek = function* (input: Input): Reading<string> {
  while (input.at >= input.text.length) yield
  return input.text[input.at]!
}

/** Consumes the next character and returns it. */
export const next = function* (input: Input): Reading<string> {
  const character = yield* peek(input)
  input.at++
  return character
}

/** Consumes white space. */
export const skipSpace = function* (input: Input): Reading<void> {
  while (/\s/.test(yield* peek(input))) input.at++
}

/** Consumes a text if it comes next, and returns whether it did. */
export const takeIf = function* (input: Input, text: string): Reading<boolean> {
  for (;;) {
    const there = input.text.slice(input.at, input.at + text.length)
    if (there === text) {
      input.at += text.length
      return true
    }
    if (!text.startsWith(there)) return false
    yield
  }
}

/** Consumes texts, which may be separated by white space. */
export const take = function* (input: Input, ...texts: ReadonlyArray<string>): Reading<void> {
  for (const [i, text] of texts.entries()) {
    if (i > 0) yield* skipSpace(input)
    if (!(yield* takeIf(input, text))) throw noCall
  }
}

/** Consumes all characters before the first that `stop` matches. */
export const takeRun = function* (input: Input, stop: RegExp): Reading<string> {
  const start = input.at
  while (!stop.test(yield* peek(input))) input.at++
  return input.text.slice(start, input.at)
}

/** Consumes a name, which ends before white space or punctuation used by the forms, or before a match of `stop`. */
export const takeName = function* (input: Input, stop = /[\s()[\]{}<>=,:;"'`]/): Reading<string> {
  const name = (yield* takeRun(input, stop)).trim()
  if (name === "") throw noCall
  return name
}

/** Consumes everything up to and including a text. */
export const takeUntil = function* (input: Input, text: string): Reading<string> {
  for (let from = input.at; ; ) {
    const end = input.text.indexOf(text, from)
    if (end >= 0) {
      const before = input.text.slice(input.at, end)
      input.at = end + text.length
      return before
    }
    from = Math.max(input.at, input.text.length - text.length + 1)
    yield
  }
}

/** Consumes comma-separated items, parsed by `item`, up to and including a closing bracket. */
export const takeItems = function* <A>(input: Input, close: string, item: () => Reading<A>): Reading<ReadonlyArray<A>> {
  const items: Array<A> = []
  yield* skipSpace(input)
  if (yield* takeIf(input, close)) return items
  for (;;) {
    yield* skipSpace(input)
    items.push(yield* item())
    yield* skipSpace(input)
    const character = yield* next(input)
    if (character === close) return items
    if (character !== ",") throw noCall
  }
}
