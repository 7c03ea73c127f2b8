/** How many steps it takes to find all matches of a pattern in a text. */
import { parse } from "../../../src/patterns/parse.ts"
import { compile } from "../../../src/patterns/program.ts"
import { Search } from "../../../src/patterns/search.ts"

/** `remembers: false` counts what an engine takes that backtracks without a memory. */
export const stepsOf = (pattern: string, text: string, remembers = true): number => {
  const search = new Search(compile(parse(pattern)), text, remembers)
  for (let from = 0; ; ) {
    const found = search.find(from, false)
    if (found === undefined) return search.steps
    const [start = 0, end = 0] = found
    from = end > start ? end : end + 1
  }
}
