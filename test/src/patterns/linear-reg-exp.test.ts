/** Regular expressions from outside: what the engine's own find, in time that is bounded. */
import { afterEach, describe, expect, test } from "bun:test"
import { limits, setLimits } from "../../../src/boundary/index.ts"
import { randomStream } from "../../../src/numbers/random.ts"
import { LinearRegExp } from "../../../src/patterns/index.ts"
import { parse } from "../../../src/patterns/parse.ts"
import { compile } from "../../../src/patterns/program.ts"
import { stepsOf } from "./steps.ts"

afterEach(() => {
  const names = ["pattern-steps", "pattern-characters"] as const
  setLimits(Object.fromEntries(names.map((name) => [name, limits[name].default])))
})

/** All that the library asks of a pattern, and what texts ask of one besides. */
const found = (text: string, pattern: RegExp) => [
  [...text.matchAll(pattern)].map((match) => [match.index, match.groups, ...match]),
  text.match(pattern),
  text.replaceAll(pattern, "<$1|$&|$<name>>"),
  text.split(pattern)
]

/** Random patterns of all that there is, and random choices. `captures`: with capturing groups. */
const randomPatterns = (seed: number, captures: boolean) => {
  const random = randomStream(seed)
  const below = (count: number) => Math.floor(random() * count)
  const oneOf = <T>(values: ReadonlyArray<T>): T => values[below(values.length)]!
  const atoms =
    "a b [ab] [^a] \\s \\S \\p{L} \\p{N} \\p{Lu} . 😀 \\u{1F600} [😀a] \\n $ ^ \\b \\B [\\s\\S] \\ud83d\\ude00 '".split(
      " "
    )
  const quantifiers = ["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "{0}"]
  const pattern = (depth: number): string => {
    const inner = () => pattern(depth - 1)
    const kind = depth === 0 ? 0 : below(7)
    if (kind === 0) return oneOf(atoms)
    if (kind === 1) return Array.from({ length: 1 + below(3) }, inner).join("")
    if (kind === 2) return `(?:${inner()}|${inner()}${oneOf(["", "", "|"])})`
    if (kind === 3) return `${captures ? "(" : "(?:"}${inner()}${oneOf(["", "|a"])})`
    if (kind === 4) return `(?${oneOf(["=", "!", "<=", "<!"])}${inner()}${oneOf(["", "|b"])})`
    return `(?:${inner()})${oneOf(quantifiers)}${oneOf(["", "", "?"])}`
  }
  return { pattern, below, oneOf }
}

describe("finds what the engine finds:", () => {
  const cases: ReadonlyArray<readonly [pattern: string, text: string]> = [
    ["(?<name>a)|b", "abc"],
    ["\\p{N}{1,3}", "12345 67²½Ⅷ"],
    [" {2,}", "a  b   c d"],
    ["[^\\r\\n\\p{L}\\p{N}]?\\p{L}+", "a-bc\r\n𝒜x é"],
    ["\\s+(?!\\S)|\\s+", "a   b \n c  "],
    ["(?:(?<![\\s\\S])|(?<=\\n))a", "a\nab a"],
    ["(?=(a+))a*b\\b", "baaabac aab"],
    ["(?<=(\\d+)(\\d+))$", "1053"],
    ["(z)((a+)?(b+)?(c))*", "zaacbbbcac"],
    ["(?!(a)b)(a)c|(?!(a)c)(a)b", "abacab"],
    ["(?:a*?|b)*?c", "aabbc"],
    ["(a?)*?b", "aab"],
    ["(?:a?){3,}", "aa"],
    ["(?:)", "a😀b"],
    ["\\ud83d\\ude00|\\u{1f601}|[😂-😄]", "😀😁😂😃😅"],
    [".", "\ud83d😀\ude00\n"],
    ["^a|a$", "aba"],
    ["[]|[^]", "ab"],
    ["\\//", "a//b"],
    ["a{2}b{0}c{1,2}?", "aaccaac"]
  ]
  for (const [pattern, text] of cases) {
    test(`${pattern} in ${JSON.stringify(text)}`, () => {
      expect(found(text, new LinearRegExp(pattern))).toEqual(found(text, new RegExp(pattern, "gu")))
    })
  }

  test("in 2,000 random patterns and 6,000 random texts", () => {
    const { pattern, below, oneOf } = randomPatterns(15, true)
    const characters = ["a", "a", "b", "b", " ", " ", "\n", "1", "A", "é", "😀", "'", "\ud83d", "漢"]
    const texts = Array.from(
      { length: 3 },
      () => () => Array.from({ length: below(9) }, () => oneOf(characters)).join("")
    )
    const different: Array<unknown> = []
    for (let i = 0; i < 2_000; i++) {
      const written = pattern(4)
      const [native, linear] = [new RegExp(written, "gu"), new LinearRegExp(written)]
      for (const make of texts) {
        const text = make()
        if (!Bun.deepEquals(found(text, linear), found(text, native))) different.push({ written, text })
      }
    }
    expect(different).toEqual([])
  })

  test("from any place on, and at one place alone", () => {
    const [linear, native] = [new LinearRegExp("a+|b", "guy"), /a+|b/guy]
    for (const from of [2, 0, 1, 3, 4, 9]) {
      linear.lastIndex = from
      native.lastIndex = from
      expect([linear.exec("aab-"), linear.lastIndex]).toEqual([native.exec("aab-"), native.lastIndex])
    }
  })

  test("in one text after another", () => {
    const pattern = new LinearRegExp("(a+)+$")
    for (const text of ["aab", "aaa", "aab", "", "ba"]) expect(pattern.test(text)).toBe(/(a+)+$/u.test(text))
  })
})

describe("twice the text, twice the steps:", () => {
  const hostile: ReadonlyArray<readonly [pattern: string, text: (length: number) => string]> = [
    ["(a+)+$", (n) => `${"a".repeat(n)}b`],
    ["(a*)*b", (n) => "a".repeat(n)],
    ["a+b|a", (n) => "a".repeat(n)],
    ["(?=.*b)a", (n) => `${"a".repeat(n)}b`],
    ["(?<=b.*)a", (n) => `b${"a".repeat(n)}`],
    ["(?!(?:a|aa)+$)a", (n) => `${"a".repeat(n)}b`],
    ["\\s+$", (n) => `${" ".repeat(n)}x`],
    ["(.*)(.*)(.*)x", (n) => "a".repeat(n)],
    ["((((a*)*)*)*)*b", (n) => "a".repeat(n)],
    ["(?:(?:a|b|c)*?d)*?e", (n) => "abc".repeat(n)],
    ["a?a?a?a?a?a?a?a?a?a?a?a?b", (n) => "a".repeat(n)],
    ["(?:a|a)(?:a|a)*c", (n) => "a".repeat(n)]
  ]
  for (const [pattern, text] of hostile) {
    test(pattern, () => {
      const [once, twice] = [stepsOf(pattern, text(500)), stepsOf(pattern, text(1_000))]
      expect(twice / once).toBeLessThan(2.1)
      expect(once).toBeLessThan(500 * 150)
    })
  }

  test("each instruction once at each place of a text, for each number of loops around it", () => {
    const { pattern, below, oneOf } = randomPatterns(16, false)
    let most = 0
    for (let i = 0; i < 1_000; i++) {
      const written = pattern(5)
      const { instructions, bits } = compile(parse(written))
      const text = Array.from({ length: 40 }, () => oneOf(["a", "a", "b", " ", "1"])).join("") + "a".repeat(below(20))
      const depths = Math.max(...instructions.map(({ depth }) => depth)) + 1
      // what is remembered, of matches and of lookarounds, is counted by the byte when it is made
      const memory = 2 * Math.ceil(bits / 32) * 4 * 2 * (text.length + 1)
      most = Math.max(most, (stepsOf(written, text) - memory) / (instructions.length * depths * (text.length + 1)))
    }
    expect(most).toBeLessThanOrEqual(1)
    expect(most).toBeGreaterThan(0.2)
  })

  test("which is not so without a memory", () => {
    const [once, twice] = [10, 11].map((n) => stepsOf("(a+)+$", `${"a".repeat(n)}b`, false))
    expect(twice! / once!).toBeGreaterThan(1.8)
  })
})

describe("refuses, with the pattern and the limit:", () => {
  test("too many steps", () => {
    setLimits({ "pattern-steps": 1_000 })
    expect(() => "a".repeat(2_000).match(new LinearRegExp("(a+)+$"))).toThrow(
      'the pattern "(a+)+$" takes, on a text of 2,000 characters, more than 1,000 steps (limit pattern-steps; TFJS_LORA_PRO_LIMITS=pattern-steps=N raises it)'
    )
  })

  test("repetitions that make a pattern too large", () => {
    expect(() => new LinearRegExp("(?:a{100}){100}")).toThrow(
      'the pattern "(?:a{100}){100}" has, with its repetitions written out, more than 4,096 characters (limit pattern-characters'
    )
  })

  test("what is remembered for captures in a lookahead, which has no bound but the steps", () => {
    setLimits({ "pattern-steps": 100_000 })
    expect(() => "a".repeat(1_000).match(new LinearRegExp("(?=(.*))a"))).toThrow("limit pattern-steps")
  })

  for (const pattern of ["(a+)\\1", "(?<b>a)\\k<b>"]) {
    test(pattern, () => {
      expect(() => new LinearRegExp(pattern)).toThrow("refers back to a group")
    })
  }

  test("what is no pattern", () => {
    expect(() => new LinearRegExp("(a")).toThrow(SyntaxError)
  })
})
