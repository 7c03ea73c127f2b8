/**
 * Results in the comments of programs: what stands at the end of a line that prints is what the line prints, up to a semicolon.
 *
 *   console.log(await adapted.evaluate(x, y)) // { loss: 0.3131, acc: 0.9288 }; on the upright digits
 *
 * A program is run with its prints between marks, so that each result is compared with its own line's. Blanks, quotes and line breaks do
 * not count, a number has the digits that are shown, and … is anything. Times and sizes with their units are a machine's and not compared.
 */
import { withoutVarying } from "./printed.ts"

export interface Result {
  /** of the program, from 1 */
  readonly line: number
  readonly text: string
}

interface Language {
  /** a line that prints: what is before its arguments, they, and what closes them; then its comment */
  readonly print: RegExp
  /** any line with a comment at its end, and the comment */
  readonly comment: RegExp
}

const script: Language = {
  print: /^(\s*(?:yield\* )?[Cc]onsole\.log\()(.*)(\);?)\s*\/\/ (.*)$/,
  comment: /\S.*?\s\/\/ (.*)$/
}

const python: Language = {
  print: /^(\s*print\()(.*)(\))\s*# (.*)$/,
  comment: /\S.*?\s# (.*)$/
}

const languages: Readonly<Record<string, Language>> = { ts: script, js: script, python }

const untilRemark = (comment: string): string => comment.split(/;(?: |$)/)[0]!.trim()

const linesOf = (code: string): ReadonlyArray<{ readonly line: number; readonly text: string }> =>
  code.split("\n").map((text, at) => ({ line: at + 1, text }))

/** The results that a program shows. */
export const resultsIn = (code: string, language: string): ReadonlyArray<Result> =>
  linesOf(code).flatMap(({ line, text }) => {
    const comment = languages[language]!.print.exec(text)?.[4]
    return comment === undefined ? [] : [{ line, text: untilRemark(comment) }]
  })

/** A number, a string, or a list or object of them. */
const isValue = (text: string): boolean => {
  const rest = text
    .replace(/"[^"]*"|'[^']*'/g, "0")
    .replace(/\w+(?=:)/g, "0")
    .replace(/\b(true|false|null|undefined|None|True|False)\b/g, "0")
  return /\d/.test(rest) && /^[-+−\d.,e%:[\](){}\s…]+$/.test(rest)
}

/** Comments that are values and stand where nothing is printed, so that they would not be compared. */
export const strayIn = (code: string, language: string): ReadonlyArray<Result> =>
  linesOf(code).flatMap(({ line, text }) => {
    const { print, comment } = languages[language]!
    const found = print.test(text) ? undefined : comment.exec(text)?.[1]
    return found !== undefined && isValue(untilRemark(found)) ? [{ line, text: found }] : []
  })

const [BEGIN, END] = ["\u0002", "\u0003"]

/** The program with its shown prints between marks, line by line as before. `place` tells it from other programs that print to one stream. */
export const marked = (code: string, language: string, place = ""): string =>
  linesOf(code)
    .map(({ line, text }) =>
      text.replace(
        languages[language]!.print,
        (_, before: string, given: string, after: string) =>
          `${before}"${BEGIN}${place}:${line} ", ${given}, "${END}"${after}`
      )
    )
    .join("\n")

/** What was printed between the marks of a line, each time. */
export const printedAt = (printed: string, line: number, place = ""): ReadonlyArray<string> =>
  [...printed.matchAll(new RegExp(`${BEGIN}${place.replace(/\W/g, "\\$&")}:${line} ([^${END}]*)${END}`, "g"))].map(
    ([, text]) => text!
  )

/** What a reader sees of it. */
export const withoutMarks = (printed: string): string => printed.replace(new RegExp(`${BEGIN}\\S* +| ?${END}`, "g"), "")

const TOKEN = /…|[-+−]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:e[-+]?\d+)?|[\p{L}_][\p{L}\p{N}_]*|\S/gu

const tokensOf = (text: string): ReadonlyArray<string> =>
  withoutVarying(text)
    .replace(/["'`]/g, " ")
    .replace(/,(?=\s*[\]})])/g, "")
    .match(TOKEN) ?? []

const numberIn = (token: string): number | undefined =>
  /\d/.test(token) && !/[\p{L}_]/u.test(token[0]!) ? Number(token.replaceAll(",", "").replace("−", "-")) : undefined

/** Half of the last digit of 0.3131 is 0.00005; a whole number is all of it. */
const halfOfLast = (token: string): number => {
  const [, decimals, exponent = "0"] = /^[-+−]?[\d,]+(?:\.(\d+))?(?:e([-+]?\d+))?$/.exec(token)!
  return decimals === undefined ? 0 : 0.5 * 10 ** (Number(exponent) - decimals.length)
}

const isLike = (shown: string, printed: string, within: number): boolean => {
  const [one, other] = [numberIn(shown), numberIn(printed)]
  if (one === undefined || other === undefined) return shown === printed
  // in the middle between two numbers of so many digits, either is right
  const rounding = 4 * Number.EPSILON * Math.abs(one)
  return Math.abs(one - other) <= halfOfLast(shown) + within + rounding
}

const areLike = (shown: ReadonlyArray<string>, printed: ReadonlyArray<string>, within: number): boolean => {
  const [first, ...rest] = shown
  if (first === undefined) return printed.length === 0
  if (first === "…") return printed.some((_, at) => areLike(rest, printed.slice(at), within)) || rest.length === 0
  return printed.length > 0 && isLike(first, printed[0]!, within) && areLike(rest, printed.slice(1), within)
}

/** Is this what is printed where a page shows that? A number may be `within` as much away from what is shown as its rounding. */
export const isAsShown = (shown: string, printed: string, within = 0): boolean =>
  areLike(tokensOf(shown), tokensOf(printed), within)

/** The results of a program that are others, each with what was printed. `within` is their tolerance. */
export const othersThanShown = (
  code: string,
  language: string,
  printed: string,
  { place = "", within = 0 }: { readonly place?: string; readonly within?: number } = {}
): ReadonlyArray<string> =>
  resultsIn(code, language).flatMap(({ line, text }) => {
    const each = printedAt(printed, line, place)
    if (each.length === 0) return [`line ${line} shows ${text}, and was not run`]
    const others = each.filter((one) => !isAsShown(text, one, within))
    return others.map((one) => `line ${line} shows ${text}, and prints ${one.replace(/\s+/g, " ").trim()}`)
  })
