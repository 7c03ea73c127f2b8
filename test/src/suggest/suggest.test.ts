/**
 * A suggested plan: about the default for the embedded data, changed by what changes the task, within the memory there is, and always one
 * that `validate` takes.
 */
import { describe, expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { decodeRunPlan } from "../../../schemas/decode.ts"
import type { ClassificationPlan } from "../../../schemas/index.ts"
import { classification } from "../../../src/kinds/encoder/classification/index.ts"
import { choose, type Facts } from "../../../src/kinds/encoder/suggest.ts"
import { kindOf, resolve } from "../../../src/kinds/index.ts"
import { planFromValue, readPlan } from "../../../src/plan/index.ts"
import { platform } from "../../../src/platform.ts"
import { type Choice, findings, fitted, type Given, type SuggestOptions, suggest } from "../../../src/suggest/index.ts"
import { decoder, writeRows } from "../../e2e/causal-workspace.ts"
import { jsonLines, repository, succeed, tinyRows, workspace } from "../../e2e/fixtures.ts"

const plans = join(repository, "examples", "plans")
const roomy: SuggestOptions = { device: "wasm", memory: 16e9 }

const suggested = (given: Given, options = roomy, directory = repository) =>
  Effect.runPromise(
    Effect.flatMap(kindOf(given), (kind) => suggest(kind, given, directory, options)).pipe(
      Effect.scoped,
      Effect.provide(platform)
    )
  )

const embedded = () =>
  Effect.runPromise(
    readPlan(join(plans, "movies-lora-pro-full.json")).pipe(
      Effect.map(({ plan }) => ({ plan: plan as ClassificationPlan })),
      Effect.provide(platform)
    )
  )

const valuesOf = (choices: ReadonlyArray<Choice>) => Object.fromEntries(choices.map(({ path, value }) => [path, value]))

describe("the embedded data", () => {
  test("gets the default plan, but for its minute", async () => {
    const { plan: usual } = await embedded()
    const { plan, choices, warnings } = await suggested(usual)
    const decoded = (await Effect.runPromise(decodeRunPlan(plan))) as ClassificationPlan
    expect(decoded.adapter).toEqual(usual.adapter)
    expect(decoded.optimizer).toEqual(usual.optimizer)
    expect(decoded.data.maxLength).toBe(usual.data.maxLength)
    const { steps, ...training } = decoded.training
    const { steps: minute, ...others } = usual.training
    expect(training).toEqual(others)
    // more than fit into a minute, and no more than were measured
    expect(steps!).toBeGreaterThanOrEqual(minute!)
    expect(steps! * 8).toBeLessThanOrEqual(4800)
    // what else runs on the machine is no part of the suggestion
    expect(warnings.filter((warning) => !warning.startsWith("memory: about"))).toEqual([])
    for (const { path, reason } of choices) expect([path, reason.length > 20]).toEqual([path, true])
  })

  test("as a model and a file: a share is held out, and paths are those of where the plan stands", async () => {
    const { model, data } = (await embedded()).plan
    const { validation: _, test: __, ...rows } = data
    const { plan, choices, resolved } = await suggested({ seed: 3, model, data: rows }, roomy, plans)
    expect(plan.data).toMatchObject({ train: "../data/movies/train.jsonl", validation: 0.1 })
    expect(plan.model.source).toBe("../models/minilm")
    expect(resolved.data.splits.validation!.rows).toBe(150)
    expect(choices.find(({ path }) => path === "data.validation")!.reason).toContain("150 of 1,500 rows are held out")
    const again = planFromValue(plan, plans).pipe(Effect.flatMap((found) => resolve(found, "again")))
    const { steps } = await Effect.runPromise(again.pipe(Effect.scoped, Effect.provide(platform)))
    expect(steps).toBe(plan.training.steps!)
  })
})

const facts = (more: Partial<Facts> = {}): Facts => ({
  rows: 1500,
  classes: 2,
  p95: 28,
  median: 18,
  longest: 36,
  positions: 512,
  hiddenSize: 384,
  narrowest: 384,
  linear: 10_616_832,
  validation: 240,
  test: 800,
  newHead: true,
  words: false,
  ...more
})
const chosen = (more: Partial<Facts> = {}) => valuesOf(choose(facts(more)))

/** Paths whose values differ from those of the embedded data. */
const changed = (more: Partial<Facts>): ReadonlyArray<string> => {
  const [usual, other] = [chosen(), chosen(more)]
  return [...new Set([...Object.keys(usual), ...Object.keys(other)])]
    .filter((path) => usual[path] !== other[path])
    .sort()
}

describe("rules", () => {
  test("few rows: more passes and no more than ten; a short run has its own rate", () => {
    expect(changed({ rows: 60 })).toEqual(["training.steps"])
    expect(chosen({ rows: 60 })["training.steps"]).toBe(75)
    expect(chosen({ rows: 16 })["optimizer.learningRate"]).toBe(2e-4) // 20 steps
  })

  test("more than two classes: more steps", () => {
    expect(changed({ classes: 6 })).toEqual(["training.steps"])
    expect(chosen({ classes: 6 })["training.steps"]).toBe(600)
  })

  test("long texts: cut later, and at the model's positions at last", () => {
    expect(changed({ p95: 180 })).toEqual(["data.maxLength"])
    expect(chosen({ p95: 180 })["data.maxLength"]).toBe(192)
    expect(chosen({ p95: 900, longest: 2000 })["data.maxLength"]).toBe(512)
    const { reason } = choose(facts({ p95: 900, longest: 2000 })).find(({ path }) => path === "data.maxLength")!
    expect(reason).toContain("the model's token limit")
  })

  test("many rows: one pass, up to what a first run takes", () => {
    expect(chosen({ rows: 12_000 })["training.steps"]).toBe(1500)
    expect(chosen({ rows: 1_000_000 })["training.steps"]).toBe(2500)
  })

  test("a wider model: the rates of its own fine-tuning; a narrow one: a rank that it allows", () => {
    expect(changed({ hiddenSize: 768 })).toEqual(["optimizer.learningRate"])
    expect(chosen({ hiddenSize: 768 })["optimizer.learningRate"]).toBe(5e-5)
    expect(chosen({ narrowest: 4 })["adapter.rank"]).toBe(4)
  })

  test("no split to look at: no evaluation; a head on a pooler: no rate of its own", () => {
    expect(changed({ validation: null, test: null })).toEqual([])
    expect(changed({ newHead: false })).toEqual(["optimizer.headLearningRate"])
  })

  test("labels of words: more steps, and long texts are read in windows", () => {
    expect(changed({ words: true })).toEqual(["training.steps"])
    const reasonOf = (words: boolean) =>
      choose(facts({ words, longest: 99 })).find(({ path }) => path === "data.maxLength")
    expect(reasonOf(false)?.reason).toEndWith("the longest has 99 and is truncated")
    expect(reasonOf(true)?.reason).toEndWith("the longest has 99 and is read in windows")
  })

  test("every measured value names its source", () => {
    const sources = choose(facts()).filter(({ source }) => source !== undefined)
    expect(sources.length).toBeGreaterThan(8)
    for (const finding of Object.values(findings)) expect(finding.source.length).toBeGreaterThan(5)
  })
})

describe("memory", () => {
  test("a tight limit changes what costs least first, and the plan fits it", async () => {
    const { plan } = await embedded()
    const usual = await suggested(plan)
    const peak = usual.resolved.memory.total
    const seen: Array<ReadonlyArray<string>> = []
    for (const share of [1, 0.97, 0.75, 0.53]) {
      const tight = await suggested(plan, { device: "wasm", memory: share * peak })
      expect(tight.resolved.memory.total).toBeLessThanOrEqual(share * peak)
      const values = valuesOf(tight.choices)
      const before = valuesOf(usual.choices)
      seen.push(Object.keys({ ...before, ...values }).filter((path) => values[path] !== before[path]))
      // the rows of a step stay the same
      const { batchSize, accumulate } = tight.resolved.plan.training
      expect(batchSize * accumulate).toBe(8)
    }
    expect(seen[0]).toEqual([])
    expect(seen[1]).toEqual(["training.evaluateBatchSize"])
    expect(seen.at(-1)).toContain("optimizer.kind")
  })

  const w = workspace()
  test("a language model and a LayersModel are fitted by their own estimates", async () => {
    writeRows(w)
    const picture = Array.from({ length: 784 }, (_, i) => i % 256)
    w.write("pictures.jsonl", jsonLines(Array.from({ length: 40 }, (_, i) => ({ input: picture, label: i % 10 }))))
    const sections = [
      { model: { source: w.path(decoder(w, "llama")) }, data: { format: "chat", train: w.path("chat-train.jsonl") } },
      {
        model: { source: join(repository, "examples/models/digits/model.json") },
        data: { format: "arrays", train: w.path("pictures.jsonl") }
      }
    ]
    for (const given of sections) {
      const plan = await Effect.runPromise(
        decodeRunPlan({ ...given, optimizer: { kind: "adamw", learningRate: 1 }, training: { steps: 1 } })
      )
      const usual = await suggested(plan)
      const limit = usual.resolved.memory.total - 1
      const tight = await suggested(plan, { device: "wasm", memory: limit })
      expect(tight.resolved.memory.total).toBeLessThanOrEqual(limit)
      expect(valuesOf(usual.choices)["training.evaluateBatchSize"]).toBeUndefined()
      expect(valuesOf(tight.choices)["training.evaluateBatchSize"]).toBe(16)
    }
  })

  test("what fits nowhere is said", async () => {
    const { warnings } = await suggested((await embedded()).plan, { device: "wasm", memory: 200e6 })
    expect(warnings.join()).toContain("no change to the plan makes the run fit")
  })

  const choices = choose(facts({ p95: 512 }))
  const stagesOf = (fit: (values: Record<string, unknown>) => boolean) =>
    fitted(choices, classification.suggesting.turns(choices), (some) => fit(valuesOf(some)))

  test("what turned out needless is taken back", () => {
    // only the moments are too much: everything tried before is undone
    const { choices: found, fits } = stagesOf((values) => values["optimizer.kind"] === "adamw")
    expect(fits).toBe(true)
    const values = valuesOf(found)
    const paths = Object.keys(values).filter((path) => values[path] !== valuesOf(choices)[path])
    expect(paths.sort()).toEqual(["optimizer.kind", "optimizer.learningRate"])
    expect(values["optimizer.form"]).toBeUndefined()
    expect(values["optimizer.learningRate"]).toBe(1e-3)
  })

  test("the ends of texts go last, and not below 32 tokens", () => {
    const { choices: found, fits } = stagesOf(() => false)
    expect(fits).toBe(false)
    expect(valuesOf(found)).toMatchObject({
      "data.maxLength": 32,
      "training.batchSize": 1,
      "training.accumulate": 8,
      "training.recompute": "blocks",
      "model.weights": "int8"
    })
  })
})

describe("the command", () => {
  const w = workspace()
  w.model("bert")
  const flags = ["--model", "bert", "--data", "train.jsonl", "--test", "test.jsonl"]

  test("prints a plan and nothing else on stdout, which validate takes", async () => {
    const { stdout, stderr } = await succeed(w.cli(["suggest", ...flags]))
    const { stderr: all } = await succeed(w.cli(["suggest", ...flags, "--why"]))
    const plan = JSON.parse(stdout)
    expect(plan.data).toEqual({
      ...{ format: "classification", train: "train.jsonl", validation: 0.2, test: "test.jsonl" },
      ...{ text: "text", label: "label", maxLength: 16 }
    })
    expect(stderr).toContain("training.steps: ")
    const values = (text: string) => text.match(/^[a-z]\w*\.[\w.]+: /gm) ?? []
    expect(values(stderr)).toEqual(["data.validation: ", "data.maxLength: ", "training.steps: "])
    expect(stderr).toContain(`${values(all).length - 3} more values: --why shows all reasons.`)
    expect(stderr).not.toContain("    Source: ")
    expect(all).toContain("    Source: ")
    expect(stderr).toContain("warning: 19 training rows are about 6 for each of 3 classes")
    await succeed(w.cli(["suggest", ...flags, "--out", "mine.json"]))
    expect(JSON.parse(w.read("mine.json"))).toEqual(plan)
    await succeed(w.cli(["validate", "mine.json"]))
  })

  test("an edited plan is not written over; --json has plan and reasons", async () => {
    w.write("edited.json", "{}")
    const refused = await w.cli(["suggest", ...flags, "--out", "edited.json"])
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain("cannot write edited.json")
    expect(w.read("edited.json")).toBe("{}")
    const { stdout } = await succeed(w.cli(["suggest", ...flags, "--json"]))
    const { plan, choices } = JSON.parse(stdout)
    expect(choices.find(({ path }: Choice) => path === "training.steps").value).toBe(plan.training.steps)
  })

  test("a plan: its rows and its model, and what it has otherwise is named", async () => {
    w.write("given.json", {
      model: { source: "bert", weights: "int8" },
      data: {
        format: "classification",
        train: "train.jsonl",
        validation: "validation.jsonl",
        bucketPool: 3,
        labels: ["good", "fair", "bad"]
      },
      optimizer: { kind: "adamw", learningRate: 0.5 },
      training: { epochs: 1 }
    })
    const { stdout, stderr } = await succeed(w.cli(["suggest", "given.json"]))
    const { model, data } = JSON.parse(stdout)
    expect(data.labels).toEqual(["good", "fair", "bad"])
    // suggested anew, where memory asks for it
    expect([model.weights, data.bucketPool]).toEqual([undefined, undefined])
    expect(stderr).toContain("optimizer.learningRate: 0.0002 (the plan has 0.5)")
    expect(stderr).toContain("training.steps: 30 (the plan has none)")
  })

  test("rows in Windows-1252 are read as that, which is said and is in the plan", async () => {
    const rows = tinyRows(20).map(({ text, label }) => `${text} sch\u00f6n;${label}`)
    writeFileSync(w.path("umlauts.csv"), Buffer.from(["Kritik;Urteil", ...rows].join("\n"), "latin1"))
    const { stdout, stderr } = await succeed(w.cli(["suggest", "--model", "bert", "--data", "umlauts.csv"]))
    expect(stderr).toContain("note: Read as Windows-1252: line 2 has \u201csch\u00f6n\u201d.\n")
    expect(JSON.parse(stdout).data).toMatchObject({ text: "Kritik", label: "Urteil", encoding: "latin1" })
  })

  test("how a file is written is said by flags, and is in the plan", async () => {
    const rows = tinyRows(30).map(({ text, label }, i) => `${text};sch\u00f6n|${i};${label}`)
    writeFileSync(w.path("latin1.csv"), Buffer.from(["Kritik;a|b;Urteil", ...rows].join("\n"), "latin1"))
    const suggest = (...flags: ReadonlyArray<string>) =>
      w.cli(["suggest", "--model", "bert", "--data", "latin1.csv", ...flags])
    const { stdout } = await succeed(suggest("--encoding", "latin1", "--separator", "semicolon", "--text", "Kritik"))
    expect(JSON.parse(stdout).data).toMatchObject({
      separator: "semicolon",
      encoding: "latin1",
      text: "Kritik",
      label: "Urteil"
    })
  })

  test("without a model it takes the included one that suits, and says which", async () => {
    const { stdout, stderr } = await succeed(w.cli(["suggest", "--data", "train.jsonl"]))
    expect(JSON.parse(stdout)).toMatchObject({ model: { source: expect.stringMatching(/examples\/models\/minilm$/) } })
    expect(stderr).toContain("note: The package's small encoder (a trimmed all-MiniLM-L6-v2) is used")
    expect((await succeed(w.cli(["suggest", "--model", "bert", "--data", "train.jsonl"]))).stderr).not.toContain(
      "note:"
    )
  })

  test("what is wrong is said, all of it", async () => {
    const said = async (args: ReadonlyArray<string>) => {
      const { code, stderr, stdout } = await w.cli(["suggest", ...args])
      expect([code, stdout]).toEqual([1, ""])
      return stderr
    }
    expect(await said([])).toContain("found neither a plan nor --data; pass a plan, or your rows with --data FILE")
    expect(await said(["--model", "bert"])).toContain("found --model without --data")
    expect(await said(["given.json", "--test", "test.jsonl"])).toContain("pass one or the other")
    const both = await said(["--model", "nowhere", "--data", "rows.jsonl"])
    expect(both).toContain("nowhere")
    expect(both).toContain("rows.jsonl")
    w.write("other.jsonl", jsonLines(tinyRows(4).map(({ text, label }) => ({ body: text, label }))))
    expect(await said(["--model", "bert", "--data", "other.jsonl", "--text", "bdy"])).toContain(
      'no column "bdy" (found: body, label; did you mean "body"?)'
    )
    expect((await w.cli(["suggest", "--model", "bert", "--data", "other.jsonl"])).stdout).toContain('"text": "body"')
  })
})
