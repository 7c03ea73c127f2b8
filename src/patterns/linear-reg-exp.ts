/** A regular expression with the flags g and u whose time is bounded by the lengths of pattern and text. */
import { cut } from "../boundary/index.ts"
import { parse, UnboundedPattern } from "./parse.ts"
import { compile, type Program } from "./program.ts"
import { Search } from "./search.ts"

/**
 * Finds the matches of a `RegExp` with the same source. All methods of strings and regular expressions call `exec`, as ECMAScript specifies, so
 * only that is replaced. Errors name the pattern and the limit.
 *
 * Does not reproduce one deviation of V8 from ECMAScript: V8 also finds empty matches between the halves of a surrogate pair.
 *
 * RE2 in JavaScript (re2js 2.10) was tried in its place: it finds one match in linear time, but all matches of `a+b|a` in 16,000 letters a
 * take it 4 s, four times as much in twice as many; it has no lookahead, which nearly every byte-level tokenizer uses, and tables of
 * Unicode that are not those of the engine around it.
 */
export class LinearRegExp extends RegExp {
  readonly #program: Program
  #search: { readonly text: string; readonly search: Search } | undefined

  /** Throws a SyntaxError if the pattern is invalid, and an Error if its time is unbounded. */
  constructor(pattern: string | RegExp, flags = "gu") {
    super(pattern, flags)
    this.#program = pattern instanceof LinearRegExp ? pattern.#program : this.#named(() => compile(parse(this.source)))
  }

  override exec(input: string): RegExpExecArray | null {
    const text = String(input)
    const from = this.lastIndex
    this.lastIndex = 0
    if (from > text.length) return null
    if (this.#search?.text !== text) this.#search = { text, search: new Search(this.#program, text) }
    const { search } = this.#search
    const borders = this.#named(() => search.find(from, this.sticky))
    if (borders === undefined) {
      // a sticky search goes on after a failure, any other ends here
      if (!this.sticky) this.#search = undefined
      return null
    }
    this.lastIndex = borders[1]!
    const groups = Array.from({ length: this.#program.groupCount }, (_, i) => {
      const [start, end] = [borders[2 * i]!, borders[2 * i + 1]!]
      return start < 0 || end < 0 ? undefined : text.slice(start, end)
    }) as [string, ...Array<string>] // undefined for a group that took no part, which TypeScript leaves out too
    const match = Object.assign(groups, { index: borders[0]!, input: text })
    const { names } = this.#program
    return names.length === 0
      ? match
      : Object.assign(match, { groups: Object.fromEntries(names.map(([name, i]) => [name, groups[i]!])) })
  }

  #named<T>(action: () => T): T {
    try {
      return action()
    } catch (cause) {
      this.#search = undefined
      if (cause instanceof UnboundedPattern)
        throw new Error(`the pattern ${JSON.stringify(cut(this.source))} ${cause.message}`)
      throw cause
    }
  }
}
