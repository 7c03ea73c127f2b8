/** Which modules a configuration means: as PEFT's own functions decide (test/golden/make/peft_folders.py), in bounded time. */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { matched } from "../../../src/peft/matching.ts"
import { fullMatch, UnusablePattern } from "../../../src/peft/python-pattern.ts"

interface Config {
  readonly target_modules: string | ReadonlyArray<string>
  readonly exclude_modules?: string | ReadonlyArray<string>
  readonly modules_to_save?: ReadonlyArray<string>
  readonly layers_to_transform?: number | ReadonlyArray<number>
  readonly layers_pattern?: string | ReadonlyArray<string>
}

const golden = JSON.parse(readFileSync(join(import.meta.dirname, "../../golden/peft/matching.json"), "utf8")) as {
  readonly modules: ReadonlyArray<string>
  readonly matching: ReadonlyArray<{ readonly config: Config; readonly targets: ReadonlyArray<string> }>
  readonly patterns: ReadonlyArray<{
    readonly patterns: Readonly<Record<string, number>>
    readonly values: ReadonlyArray<number | null>
  }>
}

const listed = <A>(value: A | ReadonlyArray<A> | undefined): ReadonlyArray<A> =>
  value === undefined ? [] : Array.isArray(value) ? value : [value as A]

const rulesOf = (config: Config) =>
  matched(
    {
      targets: config.target_modules,
      exclude: config.exclude_modules ?? [],
      layers: config.layers_to_transform === undefined ? null : listed(config.layers_to_transform),
      layersPattern: listed(config.layers_pattern)
    },
    config.modules_to_save ?? []
  )

test.each(golden.matching.map(({ config, targets }) => [JSON.stringify(config), config, targets] as const))(
  "%s",
  (_, config, targets) => {
    const rules = rulesOf(config)
    expect(golden.modules.filter(rules.isTarget)).toEqual([...targets])
    expect(rules.problems).toEqual([])
  }
)

test.each(golden.patterns.map(({ patterns, values }) => [JSON.stringify(patterns), patterns, values] as const))(
  "%s",
  (_, patterns, values) => {
    const valueAt = rulesOf({ target_modules: [] }).patternValue(patterns)
    expect(golden.modules.map((module) => valueAt(module) ?? null)).toEqual([...values])
  }
)

test.each([
  ["(a)(?P=a)", "a backreference"],
  ["(?i)query", "flags in a group"],
  ["(?>q)", "an atomic group"],
  ["(a)?(?(1)b|c)", "a conditional group"],
  ["q(?#x)", "a comment"],
  ["q*+", "a possessive quantifier"],
  ["\\bquery", "an escape that module names do not need"],
  ["(query", "is not a regular expression"],
  ["query\\", "ends in a backslash"],
  ["a".repeat(5_000), "pattern-characters"]
])("the pattern %s is refused with its reason", (pattern, reason) => {
  expect(() => fullMatch(pattern)).toThrow(UnusablePattern)
  expect(() => fullMatch(pattern)).toThrow(reason)
})

test("a pattern that backtracks for ever elsewhere takes no time, and one that means nothing finds nothing", () => {
  const means = fullMatch("(a*)*b")
  expect(means("a".repeat(5_000))).toBe(false)
  const { isTarget, problems } = matched({ targets: "(?i)x", exclude: [], layers: null, layersPattern: [] }, [])
  expect(isTarget("x")).toBe(false)
  expect(problems).toEqual(['target_modules: the pattern "(?i)x" has flags in a group, (?i), which is not supported'])
})
