/** How a folder is used, by its own README.md: the code in it, each piece under the sentence that introduces it. */
import type { CodeToUse } from "../protocol/index.ts"

/** "In Python, with PEFT, from the folder that …:" without its colon; a heading without its marks. */
const titleOf = (before: string): string => {
  const last = before
    .trim()
    .split(/\n\s*\n/)
    .at(-1)!
  return last
    .replace(/^#+\s*/, "")
    .replaceAll(/\s*\n\s*/g, " ")
    .replace(/:$/, "")
}

/** The fenced code of a text in Markdown. */
export const usesIn = (markdown: string): ReadonlyArray<CodeToUse> => {
  const fence = /^```(\w*)\n([\s\S]*?)^```$/gm
  const uses: Array<CodeToUse> = []
  let end = 0
  for (const match of markdown.matchAll(fence)) {
    const [whole, language = "", code = ""] = match
    uses.push({ title: titleOf(markdown.slice(end, match.index)), language, code: code.trimEnd() })
    end = match.index + whole.length
  }
  return uses
}
