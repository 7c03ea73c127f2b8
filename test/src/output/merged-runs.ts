/**
 * What tests of merged folders share: the runs of tiny models, and what is asked of each: the logits of the run, and the tensors
 * that the equation says, computed here in float64 from the adapter's files alone.
 */
import { beforeAll, expect, test } from "bun:test"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { type PackedHostMatrix, type Packing, packMatrix } from "../../../src/numbers/index.ts"
import { MERGE_BOUND } from "../../../src/output/index.ts"
import type { HostTensor } from "../../../src/safetensors/index.ts"
import { mergeRun } from "../../../src/trained/index.ts"
import { listing, type TinyModel, tensorsIn, type Workspace } from "../../e2e/fixtures.ts"
import { dequantizedOnHost } from "../tensors/dequantized-on-host.ts"
import { onDevice, trainTiny } from "./tiny-run.ts"

/** Float32 against float64 over sums of at most 6 products, with numbers of the order of 1. */
const ROUNDING = 1e-6

export const pooler = { kind: "classification", pooling: "pooler" }
export const lora = { method: "lora", rank: 4, alpha: 8 }
const adamw = { kind: "adamw", learningRate: 1e-2 }
const overrides = [
  { targets: ["query"], rank: 2 },
  { targets: ["encoder.layer.1.attention.self.value"], rank: 6, alpha: 3 }
]
export const modulesToSave = ["encoder.layer.1.output.LayerNorm", "embeddings.LayerNorm"]

export interface Case {
  readonly name: string
  readonly model: TinyModel
  readonly task?: object
  readonly adapter: object
  readonly optimizer?: object
  readonly weights?: Packing
  /** tensors that carry what was trained, in model.safetensors */
  readonly changed: number
  /** tensors that are the base's as the run rounded them, and nothing more */
  readonly rounded?: number
  /** of the base, not in the merged file */
  readonly leftOut?: number
}

const twoTargets = { ...lora, targets: ["query", "value"], modulesToSave: ["encoder.layer.0.output.dense"] }

const layers = 2 * 6
export const cases: ReadonlyArray<Case> = [
  { name: "minilm-mean", model: "minilm", adapter: lora, changed: layers },
  { name: "minilm-pooler", model: "minilm", task: pooler, adapter: lora, changed: layers + 4 },
  {
    name: "bert-mean",
    model: "bert",
    adapter: { ...lora, overrides, modulesToSave, scaling: "rank-stabilized" },
    changed: layers + 4,
    leftOut: 2
  },
  { name: "bert-pooler", model: "bert", task: pooler, adapter: { ...lora, modulesToSave }, changed: layers + 4 + 4 },
  {
    name: "bert-full",
    model: "bert",
    task: pooler,
    adapter: { method: "full", modulesToSave },
    optimizer: adamw,
    changed: 2 * layers + 4 + 4
  },
  { name: "minilm-full", model: "minilm", adapter: { method: "full" }, optimizer: adamw, changed: 2 * layers },
  {
    name: "bert-none",
    model: "bert",
    task: { ...pooler, headInit: "checkpoint" },
    adapter: { method: "none" },
    optimizer: adamw,
    changed: 4
  },
  { name: "minilm-none", model: "minilm", adapter: { method: "none" }, optimizer: adamw, changed: 0 },
  { name: "bert-int8", model: "bert", task: pooler, adapter: lora, weights: "int8", changed: layers + 4 },
  {
    name: "bert-int8-in-part",
    model: "bert",
    adapter: twoTargets,
    weights: "int8",
    changed: 4 + 2,
    rounded: layers - 4 - 1,
    leftOut: 2
  },
  {
    name: "bert-pissa",
    model: "bert",
    task: pooler,
    adapter: { ...lora, overrides, scaling: "rank-stabilized", init: { kind: "pissa" } },
    changed: layers + 4
  },
  {
    name: "minilm-pissa-int8",
    model: "minilm",
    adapter: { ...lora, init: { kind: "pissa", iterations: 1 } },
    weights: "int8",
    changed: layers
  },
  {
    name: "minilm-f16-none",
    model: "minilm",
    adapter: { method: "none" },
    optimizer: adamw,
    weights: "f16",
    changed: 0,
    rounded: layers
  },
  { name: "roberta-mean", model: "roberta", adapter: lora, changed: layers, leftOut: 4 },
  { name: "roberta-pooler", model: "roberta", task: pooler, adapter: lora, changed: layers + 4 },
  { name: "distilbert-mean", model: "distilbert", adapter: lora, changed: layers, leftOut: 4 },
  { name: "distilbert-pooler", model: "distilbert", task: pooler, adapter: lora, changed: layers + 4 },
  // four blocks of four layers, and in the head a norm without bias
  { name: "modernbert-mean", model: "modernbert", adapter: lora, changed: 16, leftOut: 4 },
  { name: "modernbert-pooler", model: "modernbert", task: pooler, adapter: lora, changed: 16 + 4 }
]

/** Those that the fast tests train: plain LoRA with modules trained whole, and PiSSA with ranks of its own. */
export const everyDay = ["bert-pooler", "bert-pissa"]

const classes = {
  minilm: { name: "Bert", prefix: "bert." },
  bert: { name: "Bert", prefix: "bert." },
  roberta: { name: "Roberta", prefix: "roberta." },
  distilbert: { name: "DistilBert", prefix: "distilbert." },
  modernbert: { name: "ModernBert", prefix: "model." }
}

/** W + s·BA in float64. */
const sum = (W: HostTensor, A: HostTensor, B: HostTensor, s: number): Float64Array => {
  const [rank, width] = A.shape as [number, number]
  return Float64Array.from(W.data, (value, at) => {
    const [row, column] = [Math.floor(at / width), at % width]
    let product = 0
    for (let k = 0; k < rank; k++) product += B.data[row * rank + k]! * A.data[k * width + column]!
    return value + s * product
  })
}

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length)
  return Array.from(a).reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0)
}

interface PeftConfig {
  readonly r: number
  readonly lora_alpha: number
  readonly use_rslora: boolean
  readonly rank_pattern: Readonly<Record<string, number>>
  readonly alpha_pattern: Readonly<Record<string, number>>
}

const scaleIn = (config: PeftConfig, module: string): number => {
  const rank = config.rank_pattern[module] ?? config.r
  return (config.alpha_pattern[module] ?? config.lora_alpha) / (config.use_rslora ? Math.sqrt(rank) : rank)
}

/** What the adapter folder says each tensor of the merged model is, by its name in the class that transformers loads. */
const expectedChanges = async (w: Workspace, run: string, base: ReadonlyMap<string, HostTensor>) => {
  const folder = join("runs", run, "adapter")
  const trained = new Map<string, ArrayLike<number>>()
  if (existsSync(w.path(join(folder, "trained.safetensors")))) {
    for (const [name, { data }] of await tensorsIn(w, join(folder, "trained.safetensors"))) trained.set(name, data)
  }
  if (!existsSync(w.path(join(folder, "adapter_model.safetensors")))) return trained
  const config = w.json(join(folder, "adapter_config.json")) as unknown as PeftConfig
  const adapter = await tensorsIn(w, join(folder, "adapter_model.safetensors"))
  for (const [key, tensor] of adapter) {
    const name = key.slice("base_model.model.".length)
    if (name.endsWith(".lora_B.weight")) continue
    const module = name.slice(0, -".lora_A.weight".length)
    if (!name.endsWith(".lora_A.weight")) trained.set(name, tensor.data)
    else {
      const B = adapter.get(key.replace("lora_A", "lora_B"))!
      trained.set(`${module}.weight`, sum(base.get(`${module}.weight`)!, tensor, B, scaleIn(config, module)))
    }
  }
  return trained
}

/** The base as a run with packed weights sees it; a linear module that was trained itself started from its own numbers. */
const heldAs = (base: ReadonlyMap<string, HostTensor>, packing: Packing | undefined, saved: ReadonlyArray<string>) =>
  new Map(
    [...base].map(([name, tensor]): readonly [string, HostTensor] => {
      const linear = /\.layer\.\d+\..*(query|key|value|dense)\.weight$/.test(name)
      if (packing === undefined || !linear || saved.some((module) => name.endsWith(`${module}.weight`)))
        return [name, tensor]
      const { shape, data } = tensor
      const matrix = packMatrix(packing, data, shape as [number, number]) as PackedHostMatrix
      return [name, { shape, data: dequantizedOnHost(matrix) }]
    })
  )

/** A file's tensors by the names of the class with this prefix: the mean head's class is the bare encoder. */
const byClassName = (tensors: ReadonlyMap<string, HostTensor>, prefix: string, bare: boolean) =>
  new Map(
    [...tensors].map(([name, tensor]) => {
      const own = name.startsWith(prefix) ? name.slice(prefix.length) : name
      const outside = /^((pre_)?classifier|head)\b/.test(own)
      return [bare || outside ? own : prefix + own, tensor]
    })
  )

/** Writes the models before the tests of a file. */
export const writeBases = (w: Workspace) =>
  beforeAll(() => {
    for (const model of ["bert", "minilm", "modernbert", "roberta", "distilbert"] as const) w.model(model)
    w.write("bert/LICENSE", "the licence of the base")
    w.write("bert/README.md", "---\nlicense: apache-2.0\n---\n# base\n")
    w.write("bert/tokenizer_config.json", { model_max_length: 40 })
    w.write("bert/optimizer.pt", "no part of a model")
  })

/** Trains and merges the run, and asks all of it that is asked of every merged folder. */
export const testMerged = (w: Workspace, one: Case) => {
  const { name, model, task, adapter, optimizer, weights, changed, rounded = 0, leftOut = 0 } = one
  test(`${name}: is loaded again and says what the run says`, async () => {
    const run = await trainTiny(w, name, model, {
      task,
      adapter,
      weights,
      ...(optimizer === undefined ? {} : { optimizer })
    })
    const report = await onDevice(mergeRun(run))
    expect(report.directory).toBe(join(run, "merged"))
    expect(report.check).toMatchObject({ split: "validation", rows: 6, sameLabel: 6, bound: MERGE_BOUND })
    expect(report.check.relativeDifference).toBeLessThan(MERGE_BOUND)
    expect(report.check.largestLogit).toBeGreaterThan(1e-2)
    expect(report.tensors).toMatchObject({ merged: changed, rounded })
    expect(report.tensors.leftOut.length).toBe(leftOut)
    expect(readdirSync(run).filter((file) => file.includes("tmp"))).toEqual([])
  })

  test(`${name}: every tensor is the base's or what the equation says`, async () => {
    const bare = task === undefined
    const { prefix } = classes[model]
    const stored = byClassName(await tensorsIn(w, `${model}/model.safetensors`), prefix, bare)
    const saved = (adapter as { modulesToSave?: ReadonlyArray<string> }).modulesToSave ?? []
    const base = heldAs(stored, weights, saved)
    const merged = byClassName(await tensorsIn(w, `runs/${name}/merged/model.safetensors`), prefix, bare)
    const expected = await expectedChanges(w, name, base)
    expect(expected.size).toBe(changed)
    for (const [parameter, values] of expected) {
      expect([parameter, largestDifference(merged.get(parameter)!.data, values) <= ROUNDING]).toEqual([parameter, true])
      const start = base.get(parameter)
      // unless trained and base differ, equal tensors would prove nothing
      if (start !== undefined && start.data.length === values.length) {
        expect([parameter, largestDifference(start.data, values) > 100 * ROUNDING]).toEqual([parameter, true])
      }
    }
    const untouched = [...merged.keys()].filter((parameter) => !expected.has(parameter))
    const different = untouched.filter(
      (parameter) => largestDifference(stored.get(parameter)!.data, merged.get(parameter)!.data) > 0
    )
    expect(different.length).toBe(rounded)
    for (const parameter of untouched) expect(merged.get(parameter)).toEqual(base.get(parameter)!)
    expect(merged.size).toBe(new Set([...base.keys(), ...expected.keys()]).size - leftOut)
    if (bare) {
      const head = await tensorsIn(w, `runs/${name}/merged/head.safetensors`)
      expect(head).toEqual(await tensorsIn(w, `runs/${name}/adapter/head.safetensors`))
    } else expect(listing(w.path(`runs/${name}/merged`))).not.toContain("head.safetensors")
  })

  test(`${name}: config.json names its class and float32, and its labels where that class has its head`, () => {
    const config = w.json(`runs/${name}/merged/config.json`)
    const { architectures, dtype, id2label, label2id, problem_type, ...rest } = config
    const kind = task === undefined ? "Model" : "ForSequenceClassification"
    expect({ architectures, dtype }).toEqual({ architectures: [`${classes[model].name}${kind}`], dtype: "float32" })
    // under another head they would make a classifier of a folder that is none
    expect(id2label).toEqual(task === undefined ? undefined : { 0: "bad", 1: "fair", 2: "good" })
    expect(label2id).toEqual(task === undefined ? undefined : { bad: 0, fair: 1, good: 2 })
    expect(problem_type).toBe(task === undefined ? undefined : "single_label_classification")
    expect(w.json(`${model}/config.json`)).toMatchObject(rest)
  })
}
