/**
 * Exported adapters in Hugging Face PEFT: the same base, the same texts, the same logits.
 *
 * Python computes them from the files alone (`peft_logits.py`): its own tokenizer, model and adapter code. Where Python has no torch,
 * transformers and peft, the skip is announced (REQUIRE_PEFT=1 makes it a failure; PYTHON names the interpreter), and what is left is
 * the comparison of names, shapes and configuration with adapters that PEFT saved itself.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync } from "node:fs"
import { join } from "node:path"
import { relativeError } from "../setup.ts"
import {
  onWasm,
  predicted,
  repository,
  run,
  succeed,
  TIMEOUT,
  type TinyModel,
  tensorsIn,
  tinyPlan,
  tinyRows,
  workspace
} from "./fixtures.ts"

/** Absolute, on logits of the order of 1: float32 through two layers in another order of sums; a forgotten scale is 1e-1. */
const LOGITS = 1e-4

const w = workspace()

const python = process.env["PYTHON"] ?? "python3"
const imports = Bun.which(python)
  ? await run([python, "-c", "import torch, transformers, peft, safetensors"], { cwd: w.directory })
  : { code: 127, stdout: "", stderr: `there is no ${python}` }
if (imports.code !== 0) {
  const reason = imports.stderr.trimEnd().split("\n").at(-1)
  if (process.env["REQUIRE_PEFT"] === "1") throw new Error(`REQUIRE_PEFT=1, but ${python} has no PEFT: ${reason}`)
  console.warn(`no PEFT in ${python} (${reason}): its logits are not compared (REQUIRE_PEFT=1 makes that a failure)`)
}

const pooler = { kind: "classification", pooling: "pooler" }
const lora = { method: "lora", rank: 4, alpha: 8 }
const loraPlus = { kind: "lora-plus", learningRate: 1e-2 }
const adalora = { method: "adalora", alpha: 8 }
// P diag(λ) Q starts at 0.02·0·0.02: three steps that make it large enough to be seen in the logits
const largeSteps = { kind: "adamw", learningRate: 0.1 }
const overrides = [
  { targets: ["query"], rank: 2 },
  { targets: ["encoder.layer.1.attention.self.value"], rank: 6 },
  { targets: ["encoder.layer.0.attention.self.query"], alpha: 2 },
  { targets: ["value"], alpha: 16 }
]

interface Case {
  readonly name: string
  readonly model: TinyModel
  readonly task?: object
  readonly adapter: Readonly<Record<string, unknown>>
  readonly optimizer?: object
}

const cases: ReadonlyArray<Case> = [
  { name: "minilm, mean head", model: "minilm", adapter: lora },
  { name: "minilm, new pooler head over a bare encoder", model: "minilm", task: pooler, adapter: lora },
  { name: "bert, pooler head", model: "bert", task: pooler, adapter: lora },
  { name: "bert, mean head", model: "bert", adapter: lora },
  {
    name: "bert, pooler head, query and value",
    model: "bert",
    task: pooler,
    adapter: { ...lora, targets: ["query", "value"] }
  },
  { name: "bert, rank-stabilized", model: "bert", task: pooler, adapter: { ...lora, scaling: "rank-stabilized" } },
  {
    name: "bert, ranks and alphas by pattern",
    model: "bert",
    task: pooler,
    adapter: { ...lora, targets: ["query", "value"], overrides }
  },
  {
    name: "bert, rank-stabilized with ranks by pattern",
    model: "bert",
    adapter: { ...lora, scaling: "rank-stabilized", overrides }
  },
  {
    name: "bert, a norm saved beside",
    model: "bert",
    task: pooler,
    adapter: { ...lora, modulesToSave: ["encoder.layer.1.output.LayerNorm"] }
  },
  {
    name: "minilm, mean head and a norm saved beside",
    model: "minilm",
    adapter: { ...lora, modulesToSave: ["encoder.layer.0.attention.output.LayerNorm"] }
  },
  {
    name: "bert, pissa: the start is exported with the adapter",
    model: "bert",
    task: pooler,
    adapter: { ...lora, init: { kind: "pissa" } }
  },
  {
    name: "minilm, randomised pissa, rank-stabilized, ranks and alphas by pattern",
    model: "minilm",
    adapter: { ...lora, init: { kind: "pissa", iterations: 2 }, scaling: "rank-stabilized", overrides }
  },
  {
    name: "bert, lora-ga, ranks and alphas by pattern",
    model: "bert",
    task: pooler,
    adapter: { ...lora, init: { kind: "lora-ga", batches: 2 }, overrides }
  },
  {
    name: "bert, lora-one, whose first BA stays in the pair",
    model: "bert",
    adapter: { ...lora, init: { kind: "lora-one", batches: 2 }, scaling: "rank-stabilized" }
  },
  {
    name: "minilm, gora: ranks shared out by importance, s by each one's own rank",
    model: "minilm",
    adapter: { ...lora, init: { kind: "gora", batches: 2, minRank: 1 }, scaling: "rank-stabilized", overrides }
  },
  {
    name: "bert, eva with ranks that move, none at some layers",
    model: "bert",
    adapter: { ...lora, rank: 1, init: { kind: "eva", batches: 2, rho: 4 } }
  },
  { name: "minilm, dropout in training", model: "minilm", adapter: { ...lora, dropout: 0.1 } },
  { name: "minilm, eva", model: "minilm", adapter: { ...lora, init: { kind: "eva", batches: 2 } } },
  { name: "bert, orthogonal", model: "bert", adapter: { ...lora, init: { kind: "orthogonal" } } },
  {
    name: "bert, dora on query and value",
    model: "bert",
    task: pooler,
    adapter: { ...lora, method: "dora", targets: ["query", "value"] },
    optimizer: loraPlus
  },
  {
    name: "minilm, dora, rank-stabilized, ranks and alphas by pattern",
    model: "minilm",
    adapter: { ...lora, method: "dora", scaling: "rank-stabilized", overrides },
    optimizer: loraPlus
  },
  {
    name: "bert, adalora, all linear layers",
    model: "bert",
    task: pooler,
    adapter: { ...adalora, rank: 2 },
    optimizer: largeSteps
  },
  {
    name: "minilm, adalora, layers left without a rank",
    model: "minilm",
    adapter: { ...adalora, rank: 1, initialRank: 6 },
    optimizer: largeSteps
  },
  {
    name: "bert, vera, all linear layers",
    model: "bert",
    task: pooler,
    adapter: { method: "vera", rank: 6, projectionKey: 5 },
    optimizer: largeSteps
  },
  {
    name: "minilm, vera",
    model: "minilm",
    adapter: { method: "vera", rank: 40, dInitial: 0.5 },
    optimizer: largeSteps
  },
  {
    name: "bert, loha, all linear layers",
    model: "bert",
    task: pooler,
    adapter: { method: "loha", rank: 4, alpha: 6, overrides: [{ targets: ["query"], rank: 7, alpha: 3 }] },
    optimizer: largeSteps
  },
  { name: "roberta, classifier head", model: "roberta", task: pooler, adapter: lora },
  { name: "roberta, mean head", model: "roberta", adapter: lora },
  { name: "distilbert, classifier head", model: "distilbert", task: pooler, adapter: lora },
  { name: "distilbert, mean head", model: "distilbert", adapter: lora },
  { name: "modernbert, classifier head", model: "modernbert", task: pooler, adapter: lora },
  { name: "modernbert, mean head", model: "modernbert", adapter: lora }
]

/** Cases that golden adapters correspond to; our head trains `own` besides. */
const saved = [
  { name: "bert, pooler head, query and value", adapter: "bert/adapter-head", own: ["bert.pooler.dense"] },
  {
    name: "bert, ranks and alphas by pattern",
    adapter: "bert/adapter-patterns",
    own: ["bert.pooler.dense", "classifier"]
  },
  {
    name: "bert, dora on query and value",
    adapter: "bert/adapter-dora",
    own: ["bert.pooler.dense", "classifier"]
  },
  { name: "minilm, mean head", adapter: "minilm/adapter", own: [] }
]

const folderOf = ({ name }: Pick<Case, "name">): string => name.replaceAll(/\W+/g, "-")
const texts = [...tinyRows(5, 40).map(({ text }) => text), "Nobody knows these words!", "the film"]

beforeAll(async () => {
  for (const model of ["bert", "minilm", "modernbert", "roberta", "distilbert"] as const) w.model(model)
  for (const one of imports.code === 0 ? cases : cases.filter(({ name }) => saved.some((pair) => pair.name === name))) {
    const { model, task, adapter, optimizer } = one
    const sections = {
      adapter,
      training: { steps: 3, batchSize: 4 },
      ...(optimizer === undefined ? {} : { optimizer })
    }
    const plan = tinyPlan(model, sections)
    w.write("plan.json", { ...plan, model: { source: model, ...(task === undefined ? {} : { task }) } })
    await succeed(w.cli(["train", "plan.json", "--out", folderOf(one), ...onWasm]))
  }
}, cases.length * TIMEOUT)

/** What an init decided of a case, by run.json. */
const decidedIn = (name: string) => Object.values(w.json(join(folderOf({ name }), "run.json"))["ranks"] as object)

describe.skipIf(imports.code !== 0)("ranks that an init decided", () => {
  test("differ, and are none at some layers, so that PEFT reads what it would not find by the plan", () => {
    const [gora, eva] = cases.filter(({ name }) => /ranks shared|ranks that move/.test(name))
    expect(new Set(decidedIn(gora!.name)).size).toBeGreaterThan(1)
    expect(decidedIn(eva!.name)).toContain(0)
    expect(decidedIn(eva!.name)).toContain(2)
  })
})

describe.skipIf(imports.code !== 0)("PEFT gives the same logits:", () => {
  const ours: Array<ReadonlyArray<ReadonlyArray<number>>> = []
  let theirs: ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>> = []

  beforeAll(
    async () => {
      const labels = ["bad", "fair", "good"]
      for (const one of cases) {
        const predictions = await predicted(w, folderOf(one), texts)
        ours.push(predictions.map(({ logits }) => labels.map((label) => logits[label]!)))
      }
      const jobs = cases.map((one) => ({
        base: w.path(one.model),
        adapter: w.path(join(folderOf(one), "adapter")),
        dropout: one.adapter["dropout"] ?? 0,
        labels,
        texts
      }))
      // nothing here may reach for a hub
      const env = { HF_HUB_OFFLINE: "1", TRANSFORMERS_VERBOSITY: "error" }
      const script = join(import.meta.dir, "peft_logits.py")
      const { stdout } = await succeed(run([python, script], { cwd: w.directory, stdin: JSON.stringify(jobs), env }))
      theirs = JSON.parse(stdout.trimEnd().split("\n").at(-1)!)
    },
    2 * cases.length * TIMEOUT
  )

  cases.forEach(({ name }, i) => {
    test(name, () => {
      const expected = theirs[i]!.flat()
      expect(expected.length).toBe(3 * texts.length)
      const difference = ours[i]!.flat().map((logit, j) => Math.abs(logit - expected[j]!))
      expect(Math.max(...difference)).toBeLessThanOrEqual(LOGITS)
      // the texts are told apart, so that equal logits mean something
      expect(relativeError(theirs[i]![0]!, theirs[i]![1]!)).toBeGreaterThan(100 * LOGITS)
    })
  })
})

interface Config {
  readonly r: number
  readonly lora_alpha: number
  readonly target_modules: ReadonlyArray<string>
  readonly rank_pattern: Readonly<Record<string, number>>
  readonly alpha_pattern: Readonly<Record<string, number>>
}

/** Rank and alpha of a module as PEFT finds them: a pattern's key is the end of a module's path; the first one that fits wins. */
const ranksOf = (config: Config, modules: ReadonlyArray<string>) => {
  const find = (pattern: Readonly<Record<string, number>>, module: string) =>
    Object.entries(pattern).find(([end]) => module === end || module.endsWith(`.${end}`))?.[1]
  return Object.fromEntries(
    modules.map((module) => [
      module,
      [find(config.rank_pattern, module) ?? config.r, find(config.alpha_pattern, module) ?? config.lora_alpha]
    ])
  )
}

describe("names, shapes and configuration are those of adapters that PEFT saved:", () => {
  const golden = join(repository, "test", "golden", "models")
  for (const { name, adapter, own } of saved) {
    test(
      name,
      async () => {
        const run = folderOf({ name })
        cpSync(join(golden, adapter), w.path(join("golden", adapter)), { recursive: true })
        const theirs = await tensorsIn(w, join("golden", adapter, "adapter_model.safetensors"))
        const ours = await tensorsIn(w, join(run, "adapter", "adapter_model.safetensors"))
        const more = own.flatMap((module) => ["bias", "weight"].map((part) => `base_model.model.${module}.${part}`))
        expect([...ours.keys()].sort()).toEqual([...theirs.keys(), ...more].sort())
        for (const [key, { shape }] of theirs) expect([key, ours.get(key)!.shape]).toEqual([key, shape])

        const config = w.json(join(run, "adapter", "adapter_config.json"))
        const reference = w.json(join("golden", adapter, "adapter_config.json"))
        const unknown = Object.keys(config).filter((key) => !Object.hasOwn(reference, key))
        expect(unknown).toEqual([])
        for (const key of ["peft_type", "r", "lora_alpha", "use_rslora", "bias", "fan_in_fan_out", "use_dora"]) {
          expect([key, config[key]]).toEqual([key, reference[key]])
        }
        const modules = (config as unknown as Config).target_modules
        expect(ranksOf(config as unknown as Config, modules)).toEqual(ranksOf(reference as unknown as Config, modules))
      },
      TIMEOUT
    )
  }
})
