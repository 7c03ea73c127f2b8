/** From targets, overrides and modules to save to sites with options; or every problem of them at once. */
import { describe, expect, test } from "bun:test"
import * as Result from "effect/Result"
import { full } from "../../adapters/full.ts"
import { type LoraOptions, lora } from "../../adapters/lora.ts"
import { none } from "../../adapters/none.ts"
import { matches, type Selection, select } from "../../adapters/select.ts"
import { randomStream } from "../../src/numbers/random.ts"
import { described, short } from "./sites.ts"

const options: LoraOptions = { rank: 8, alpha: 16, scaling: "standard", init: { kind: "kaiming" } }

const selected = (selection: Selection<LoraOptions>, own: Partial<LoraOptions> = {}) =>
  Result.getOrThrow(select(described, lora, { ...options, ...own }, selection))

const problemsOf = (selection: Selection<LoraOptions>, own: Partial<LoraOptions> = {}) => {
  const result = select(described, lora, { ...options, ...own }, selection)
  return Result.isFailure(result) ? result.failure.problems.map(({ path, message }) => `${path}: ${message}`) : []
}

const settings = (selection: Selection<LoraOptions>) =>
  Object.fromEntries(selected(selection).sites.map(({ site, options: o }) => [short(site.name), [o.rank, o.alpha]]))

describe("targets", () => {
  test("all-linear is every linear layer of the blocks, in the model's order", () => {
    expect(selected({ targets: "all-linear" }).sites.map(({ site }) => site)).toEqual([...described.sites])
  })
  test("patterns choose, in the model's order and each site once", () => {
    const { sites } = selected({ targets: ["value", "query", "encoder.layer.0.attention.self.*"] })
    expect(sites.map(({ site }) => short(site.name))).toEqual([
      "0.attention.self.query",
      "0.attention.self.key",
      "0.attention.self.value",
      "1.attention.self.query",
      "1.attention.self.value"
    ])
  })
  test("presets are the parts of the blocks", () => {
    const names = (preset: "attention" | "mlp") =>
      selected({ targets: preset }).sites.map(({ site }) => short(site.name))
    expect(names("attention").filter((name) => name.startsWith("0."))).toEqual([
      "0.attention.self.query",
      "0.attention.self.key",
      "0.attention.self.value",
      "0.attention.output.dense"
    ])
    expect(names("mlp")).toEqual(["0.intermediate.dense", "0.output.dense", "1.intermediate.dense", "1.output.dense"])
  })
  test("a preset that a model has no layers for is an error", () => {
    const bare = { ...described, sites: described.sites.map(({ part: _, ...site }) => site) }
    const result = select(bare, lora, options, { targets: "mlp" })
    expect(Result.isFailure(result) && result.failure.message).toBe(
      'adapter.targets: found "mlp", but no linear layer of this model has that name; expected layer patterns, or "all-linear"'
    )
  })
  test("exclude takes sites away, of patterns and of presets", () => {
    const left = selected({ targets: "attention", exclude: ["encoder.layer.0.**", "key"] }).sites
    expect(left.map(({ site }) => short(site.name))).toEqual([
      "1.attention.self.query",
      "1.attention.self.value",
      "1.attention.output.dense"
    ])
  })
  test("what exclude says must be targeted, and something must be left", () => {
    expect(problemsOf({ targets: "mlp", exclude: ["qery"] })).toEqual([
      'adapter.exclude.0: found "qery", which matches no targeted layer of the model; nearest: encoder.layer.0.intermediate.dense, encoder.layer.0.output.dense, encoder.layer.1.intermediate.dense, … (4)'
    ])
    expect(problemsOf({ targets: ["query"], exclude: ["**"] })).toEqual([
      "adapter.exclude: excludes all targeted layers; expected fewer patterns here, or more targets"
    ])
  })
  test("no method: no sites, and targets are not looked at", () => {
    expect(Result.getOrThrow(select(described, none, {}, { targets: ["nothing"] })).sites).toEqual([])
  })
})

describe("overrides", () => {
  test("change some sites, leave the others, and never the given options", () => {
    const given = { ...options }
    const overrides = [{ targets: ["key"], rank: 2 }]
    const { sites } = Result.getOrThrow(select(described, lora, given, { targets: ["key", "value"], overrides }))
    expect(sites.map((one) => [short(one.site.name), one.options])).toEqual([
      ["0.attention.self.key", { ...options, rank: 2 }],
      ["0.attention.self.value", options],
      ["1.attention.self.key", { ...options, rank: 2 }],
      ["1.attention.self.value", options]
    ])
    expect(given).toEqual(options)
  })
  test("the later one wins, field by field", () => {
    const first = { targets: ["query"], rank: 4, alpha: 4 }
    const second = { targets: ["encoder.layer.1.**"], rank: 2 }
    expect(settings({ targets: ["query"], overrides: [first, second] })).toEqual({
      "0.attention.self.query": [4, 4],
      "1.attention.self.query": [2, 4]
    })
    expect(settings({ targets: ["query"], overrides: [second, first] })).toEqual({
      "0.attention.self.query": [4, 4],
      "1.attention.self.query": [4, 4]
    })
  })
  test("one that means no targeted layer is refused, though such a layer exists", () => {
    expect(problemsOf({ targets: ["query"], overrides: [{ targets: ["query", "key"], rank: 4 }] })).toEqual([
      'adapter.overrides.0.targets.1: found "key", which matches no targeted layer of the model; nearest: encoder.layer.0.attention.self.query, encoder.layer.1.attention.self.query'
    ])
  })
})

describe("rank", () => {
  test("up to the smaller side of W is allowed, one more is not", () => {
    expect(problemsOf({ targets: ["query"] }, { rank: 32 })).toEqual([])
    expect(problemsOf({ targets: ["query"] }, { rank: 33 })).toEqual([
      "adapter.rank: rank 33 is larger than encoder.layer.0.attention.self.query allows: W is [32, 32], so at most 32",
      "adapter.rank: rank 33 is larger than encoder.layer.1.attention.self.query allows: W is [32, 32], so at most 32"
    ])
  })
  test("too large for every layer is told in four sentences, not in twelve", () => {
    const problems = problemsOf({ targets: "all-linear" }, { rank: 1000 })
    expect(problems).toHaveLength(4)
    expect(problems.at(-1)).toBe("adapter.rank: and 9 more layers with the same problem")
  })
  test("an override can cause it, and can cure it", () => {
    expect(problemsOf({ targets: ["query"], overrides: [{ targets: ["encoder.layer.1.**"], rank: 40 }] })).toHaveLength(
      1
    )
    expect(problemsOf({ targets: ["query"], overrides: [{ targets: ["query"], rank: 4 }] }, { rank: 40 })).toEqual([])
  })
})

describe("modules to save", () => {
  test("give all parameters of the modules meant", () => {
    const modulesToSave = ["encoder.layer.1.attention.output.LayerNorm", "word_embeddings"]
    expect(selected({ targets: ["query"], modulesToSave }).parameters).toEqual([
      "embeddings.word_embeddings.weight",
      "encoder.layer.1.attention.output.LayerNorm.weight",
      "encoder.layer.1.attention.output.LayerNorm.bias"
    ])
  })
  test("work without a method, and for linear layers that are not adapted", () => {
    const alone = select(described, none, {}, { targets: "all-linear", modulesToSave: ["bert.embeddings.LayerNorm"] })
    expect(Result.getOrThrow(alone).parameters).toEqual(["embeddings.LayerNorm.weight", "embeddings.LayerNorm.bias"])
    expect(selected({ targets: ["query"], modulesToSave: ["encoder.layer.0.**.key"] }).parameters).toEqual([
      "encoder.layer.0.attention.self.key.weight",
      "encoder.layer.0.attention.self.key.bias"
    ])
  })
  test("an adapted layer is never also saved: neither by its own name nor by a wider pattern", () => {
    expect(problemsOf({ targets: ["query"], modulesToSave: ["query"] })).toHaveLength(1)
    const { parameters } = selected({ targets: ["query"], modulesToSave: ["encoder.layer.0.attention.self.*"] })
    expect(parameters.filter((name) => name.includes("query"))).toEqual([])
    expect(parameters).toHaveLength(4)
  })
  test("one that means nothing is named", () => {
    expect(problemsOf({ targets: ["query"], modulesToSave: ["layernorm_1"] })[0]).toStartWith(
      'adapter.modulesToSave.0: found "layernorm_1", which matches no module that is not adapted already'
    )
  })
})

test("all problems at once, one line each", () => {
  const overrides = [{ targets: ["key"], rank: 4 }]
  const result = select(
    described,
    lora,
    { ...options, rank: 40 },
    {
      targets: ["query", "vlaue"],
      overrides,
      modulesToSave: ["norm_7"]
    }
  )
  if (Result.isSuccess(result)) throw new Error("expected problems")
  expect(result.failure.problems.map((problem) => problem.path)).toEqual([
    "adapter.targets.1",
    "adapter.overrides.0.targets.0",
    "adapter.modulesToSave.0",
    "adapter.rank",
    "adapter.rank"
  ])
  expect(result.failure.message.split("\n")).toHaveLength(5)
  expect(result.failure._tag).toBe("InjectionError")
})

test("full fine-tuning takes any shape", () => {
  expect(Result.getOrThrow(select(described, full, {}, { targets: "all-linear" })).sites).toHaveLength(12)
})

/** What a glob says as a regular expression, which is slow and right. */
const expressionOf = (pattern: string): RegExp => {
  const written = pattern.includes(".") || pattern === "**" ? pattern.split(".") : ["**", pattern]
  const segments = written.filter((segment, i) => segment !== "**" || written[i - 1] !== "**")
  if (segments.length === 1 && segments[0] === "**") return /^.+$/
  const source = segments.reduce((before, segment, i) => {
    if (segment === "**") return i === 0 ? "(?:[^.]+\\.)*" : `${before}(?:\\.[^.]+)*`
    const dot = i === 0 || (i === 1 && segments[0] === "**") ? "" : "\\."
    return before + dot + segment.replaceAll("*", "[^.]*")
  }, "")
  return new RegExp(`^${source}$`)
}

test("5,000 random globs mean what they say", () => {
  const random = randomStream(15)
  const text = (characters: string, most: number) =>
    Array.from(
      { length: Math.floor(random() * most) + 1 },
      () => characters[Math.floor(random() * characters.length)]
    ).join("")
  const dotted = (characters: string) =>
    Array.from({ length: 1 + Math.floor(random() * 4) }, () => text(characters, 4)).join(".")
  const different: Array<unknown> = []
  let meant = 0
  for (let i = 0; i < 5_000; i++) {
    const [pattern, name] = [dotted("ab***"), dotted("ab")]
    const expected = expressionOf(pattern).test(name)
    meant += expected ? 1 : 0
    if (matches(pattern, name, "") !== expected) different.push({ pattern, name, expected })
  }
  expect(different).toEqual([])
  expect(meant).toBeGreaterThan(1_000)
})

test("a glob of many stars ends", () => {
  const name = `${"a".repeat(200)}.${"a".repeat(200)}`
  for (const pattern of [`${"*a".repeat(90)}*b`, `${"a*".repeat(90)}.${"*a".repeat(90)}`, `${"**.".repeat(300)}b`]) {
    expect(matches(pattern, name, "")).toBe(!pattern.endsWith("b"))
  }
})
