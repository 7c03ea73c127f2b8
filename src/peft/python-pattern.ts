/**
 * Converts a regular expression of Python's `re` to ECMAScript with the flag `u`, where both mean the same in module names. Syntax that only Python
 * has is rejected by name. Matching takes linear time, since adapter_config.json is untrusted input.
 */
import { cut, limit, messageOf, overLimit } from "../boundary/index.ts"
import { LinearRegExp } from "../patterns/index.ts"

/** Error of a pattern that cannot be used. The message is the reason, as the end of a sentence. */
export class UnusablePattern extends Error {}

const pythonOnly: ReadonlyArray<readonly [start: RegExp, name: string]> = [
  [/\(\?P=/uy, "a backreference, (?P=…)"],
  [/\(\?\(/uy, "a conditional group, (?(…)…)"],
  [/\(\?>/uy, "an atomic group, (?>…)"],
  [/\(\?#/uy, "a comment, (?#…)"],
  [/\(\?[aiLmsux-]/uy, "flags in a group, (?i)"],
  [/[*+?}]\+/uy, "a possessive quantifier"],
  [/\\[abBfNnrtUuvx0-9]/uy, "an escape that module names do not need"]
]

const quantifier = /\{(\d*)(?:(,)(\d*))?\}/uy

/** Translates a pattern to ECMAScript. */
const translated = (source: string): string => {
  let at = 0
  let inClass = false
  let text = ""
  const take = (expression: RegExp): RegExpExecArray | null => {
    expression.lastIndex = at
    return expression.exec(source)
  }
  while (at < source.length) {
    const foreign = inClass ? undefined : pythonOnly.find(([start]) => take(start) !== null)
    if (foreign !== undefined) throw new UnusablePattern(`has ${foreign[1]}, which is not supported`)
    const character = String.fromCodePoint(source.codePointAt(at)!)
    const next = source[at + 1] ?? ""
    const count = character === "{" && !inClass ? take(quantifier) : null
    const [part, length] =
      count !== null && (count[1] !== "" || count[3] !== undefined)
        ? [`{${count[1] || "0"}${count[2] ?? ""}${count[3] ?? ""}}`, count[0].length]
        : character === "\\"
          ? [escaped(next), 2]
          : !inClass && source.startsWith("(?P<", at)
            ? ["(?<", 4]
            : inClass && character === "["
              ? ["\\[", 1]
              : !inClass && /[{}\]]/.test(character)
                ? [`\\${character}`, 1]
                : [character, character.length]
    text += part
    at += length
    if (character === "[" && !inClass) {
      inClass = true
      // the first bracket of a class is one of its characters
      const first = /\^?\]/uy.exec(source.slice(at))
      if (first !== null) {
        text += first[0].replace("]", "\\]")
        at += first[0].length
      }
    } else if (character === "]") inClass = false
  }
  return text
}

const escaped = (character: string): string => {
  if (character === "A") return "^"
  if (character === "Z") return "$"
  if (/[dDsSwW]/.test(character)) return `\\${character}`
  if (/[a-zA-Z0-9]/.test(character)) throw new UnusablePattern(`has the escape \\${character}, which is not supported`)
  if (character === "") throw new UnusablePattern("ends in a backslash")
  return /[\^$\\.*+?()[\]{}|/-]/.test(character) ? `\\${character === "-" ? "x2d" : character}` : character
}

/** Returns what is wrong with a pattern that threw, as the end of a sentence. Drops the pattern with which LinearRegExp's errors begin. */
export const reasonOf = (cause: unknown): string =>
  cause instanceof UnusablePattern ? cause.message : messageOf(cause).replace(/^the pattern "(?:[^"\\]|\\.)*" /, "")

/** Returns a predicate: whether `before`, the pattern and `after` together match a whole name. */
export const fullMatch = (source: string, before = "", after = ""): ((name: string) => boolean) => {
  const expression = expressionOf(source, (body) => `^${before}${body}${after}$`)
  return (name) => match(expression, name) !== null
}

/** Finds the first number between dots after a match of the pattern, which starts at the beginning of a name or after a dot. */
export const numberAfter = (source: string): ((name: string) => number | undefined) => {
  const expression = expressionOf(source, (body) => `^(?:.*?\\.)?${body}\\.(?<number>\\d+)\\.`)
  return (name) => {
    const number = match(expression, name)?.groups?.["number"]
    return number === undefined ? undefined : Number(number)
  }
}

const match = (expression: LinearRegExp, name: string): RegExpExecArray | null => {
  expression.lastIndex = 0
  return expression.exec(name)
}

const expressionOf = (source: string, whole: (body: string) => string): LinearRegExp => {
  if (source.length > limit("pattern-characters")) {
    throw new UnusablePattern(`has ${source.length} characters, more than ${overLimit("pattern-characters")}`)
  }
  try {
    return new LinearRegExp(whole(`(?:${translated(source)})`), "u")
  } catch (cause) {
    if (cause instanceof UnusablePattern) throw cause
    throw new UnusablePattern(`is not a regular expression: ${cut(messageOf(cause))}`)
  }
}
