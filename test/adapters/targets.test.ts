/** Site patterns: what a dotted glob means, and what is said about one that means nothing. */
import { describe, expect, test } from "bun:test"
import { matches, unmatched } from "../../adapters/select.ts"
import { described, short } from "./sites.ts"

const names = described.sites.map((site) => site.name)
const chosen = (pattern: string) => names.filter((name) => matches(pattern, name, described.prefix)).map(short)
const everyLayer = (name: string) => [`0.${name}`, `1.${name}`]
const attention = (layer: number) =>
  ["self.query", "self.key", "self.value", "output.dense"].map((name) => `${layer}.attention.${name}`)

describe("one star is one segment", () => {
  test("in the middle", () => {
    expect(chosen("encoder.layer.*.attention.self.query")).toEqual(everyLayer("attention.self.query"))
  })
  test("at the end: not two segments, not none", () => {
    expect(chosen("encoder.layer.0.*")).toEqual([])
    expect(chosen("encoder.layer.0.attention.self.*")).toEqual(attention(0).slice(0, 3))
    expect(chosen("encoder.layer.0.attention.self.query.*")).toEqual([])
  })
  test("at the start", () => {
    expect(chosen("*.layer.1.output.dense")).toEqual(["1.output.dense"])
    expect(chosen("*.attention.self.key")).toEqual([])
  })
  test("inside a segment it is part of one", () => {
    expect(chosen("encoder.layer.0.attention.self.*y")).toEqual(["0.attention.self.query", "0.attention.self.key"])
    expect(matches("*_lin", "transformer.layer.0.attention.q_lin", "")).toBe(true)
    expect(matches("*_lin", "transformer.layer.0.ffn.lin1", "")).toBe(false)
  })
})

describe("two stars are any number of segments", () => {
  test("leading", () => {
    expect(chosen("**.self.value")).toEqual(everyLayer("attention.self.value"))
    expect(matches("**.query", "query", "")).toBe(true)
    expect(matches("**.query", "other_query", "")).toBe(false)
  })
  test("in the middle, also for none", () => {
    expect(chosen("encoder.**.key")).toEqual(everyLayer("attention.self.key"))
    expect(chosen("encoder.layer.**.0.intermediate.dense")).toEqual(["0.intermediate.dense"])
    expect(matches("a.**.b", "ab", "")).toBe(false)
  })
  test("trailing, also for none", () => {
    expect(chosen("encoder.layer.1.attention.**")).toEqual(attention(1))
    expect(chosen("encoder.layer.1.intermediate.dense.**")).toEqual(["1.intermediate.dense"])
    expect(matches("encoder.layer.1.**", "encoder.layer.10.dense", "")).toBe(false)
  })
  test("on both sides", () => {
    expect(chosen("**.attention.**")).toEqual([...attention(0), ...attention(1)])
  })
  test("alone, and twice in a row", () => {
    expect(chosen("**")).toHaveLength(names.length)
    expect(chosen("**.**")).toHaveLength(names.length)
    expect(chosen("**.**.query")).toEqual(chosen("**.query"))
    expect(chosen("encoder.**.**.query")).toEqual(chosen("**.query"))
  })
})

describe("a name without a dot is any site that ends in it, as in PEFT's lists", () => {
  test("wherever it stands", () => {
    expect(chosen("query")).toEqual(everyLayer("attention.self.query"))
    expect(chosen("dense")).toEqual(
      [0, 1].flatMap((layer) => ["attention.output", "intermediate", "output"].map((name) => `${layer}.${name}.dense`))
    )
    expect(matches("query", "query", "")).toBe(true)
  })
  test("whole segments only, and only the last", () => {
    expect(chosen("quer")).toEqual([])
    expect(chosen("uery")).toEqual([])
    expect(chosen("attention")).toEqual([])
  })
  test("a star alone is any last segment", () => {
    expect(chosen("*")).toHaveLength(names.length)
  })
})

test("the checkpoint's prefix may be written or left out, another one not", () => {
  const site = "encoder.layer.0.attention.self.query"
  expect(chosen(site)).toEqual(["0.attention.self.query"])
  expect(chosen(`bert.${site}`)).toEqual(["0.attention.self.query"])
  expect(chosen("bert.**.query")).toEqual(everyLayer("attention.self.query"))
  expect(chosen(`roberta.${site}`)).toEqual([])
  expect(matches(`bert.${site}`, site, "")).toBe(false)
})

test("what means something to regular expressions is taken literally", () => {
  expect(matches("a.b", "axb", "")).toBe(false)
  expect(matches("a+", "aa", "")).toBe(false)
  expect(chosen("encoder.layer.[01].output.dense")).toEqual([])
  expect(chosen("encoder.layer.(0|1).output.dense")).toEqual([])
  for (const name of ["a+", "a?b", "w[0]", "f(x)", "{1}", "^a$", "a|b", "a\\b"]) {
    expect(matches(name, `block.${name}`, "")).toBe(true)
  }
})

describe("a pattern that matches nothing", () => {
  const told = (...patterns: ReadonlyArray<string>) =>
    unmatched(patterns, names, described.prefix, "adapter.targets", "linear layer")

  test("is named with the sites whose last segment is nearest", () => {
    expect(told("qeury")).toEqual([
      {
        path: "adapter.targets.0",
        message:
          'found "qeury", which matches no linear layer of the model; nearest: encoder.layer.0.attention.self.query, encoder.layer.1.attention.self.query'
      }
    ])
  })
  test("with some of the sites when there is no near one, and their number", () => {
    expect(told("encoder.layer.7.gate_proj").map((problem) => problem.message)).toEqual([
      'found "encoder.layer.7.gate_proj", which matches no linear layer of the model; nearest: encoder.layer.0.attention.self.query, encoder.layer.0.attention.self.key, encoder.layer.0.attention.self.value, … (12)'
    ])
  })
  test("every one of them, at its own place", () => {
    expect(told("kye", "query", "valeu").map((problem) => problem.path)).toEqual([
      "adapter.targets.0",
      "adapter.targets.2"
    ])
  })
})
