/**
 * Reads a text that arrives in pieces. A reader is a generator that pauses where the text ends so far and continues when there is more,
 * so that no character is read twice, and a text read in pieces gives what the whole gives.
 */

/** A text and a place in it. */
export interface Input {
  /** what has arrived; it only grows at its end while something reads it */
  text: string
  /** of the next character */
  at: number
}

/** A reader at work; throws `noCall`. */
export type Reading<A> = Generator<void, A, void>

/** Thrown by readers: what is written here is not a call. */
export const noCall = new Error("not a call")

/** The next character, which stays. */
export const peek = function* (input: Input): Reading<string> {
  while (input.at >= input.text.length) yield
  return input.text[input.at]!
}

export const next = function* (input: Input): Reading<string> {
  const character = yield* peek(input)
  input.at++
  return character
}

export const skipSpace = function* (input: Input): Reading<void> {
  while (/\s/.test(yield* peek(input))) input.at++
}

/** Takes a text if it is the next one; returns whether it was. */
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

/** Takes texts, which white space may separate. */
export const take = function* (input: Input, ...texts: ReadonlyArray<string>): Reading<void> {
  for (const [i, text] of texts.entries()) {
    if (i > 0) yield* skipSpace(input)
    if (!(yield* takeIf(input, text))) throw noCall
  }
}

/** Takes all characters up to one that `stop` matches. */
export const takeRun = function* (input: Input, stop: RegExp): Reading<string> {
  const start = input.at
  while (!stop.test(yield* peek(input))) input.at++
  return input.text.slice(start, input.at)
}

/** Takes a name, which ends before white space or punctuation that forms use, or before what `stop` matches. */
export const takeName = function* (input: Input, stop = /[\s()[\]{}<>=,:;"'`]/): Reading<string> {
  const name = (yield* takeRun(input, stop)).trim()
  if (name === "") throw noCall
  return name
}

/** Takes all that precedes a text, and the text. */
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

/** Takes what `item` reads, separated by commas, up to a closing bracket, and the bracket. */
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
