/**
 * Merged folders of tiny runs: the logits of the run, and the tensors that the equation says, computed here in float64 from the
 * adapter's files alone. In transformers they are loaded by test/e2e/merge.test.ts.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { type Adapted, methods } from "../../../adapters/index.ts"
import { type PackedHostMatrix, type Packing, packMatrix } from "../../../src/numbers/index.ts"
import { compareOutputs, fenced, MERGE_BOUND, mergedCard } from "../../../src/output/index.ts"
import { type HostTensor, readHeader, streamSafetensors, type TensorType } from "../../../src/safetensors/index.ts"
import { loadRun, mergeLoaded, mergeRun } from "../../../src/trained/index.ts"
import { listing, type TinyModel, tensorsIn, workspace } from "../../e2e/fixtures.ts"
import { dequantizedOnHost } from "../tensors/dequantized-on-host.ts"
import { onDevice, trainTiny } from "./tiny-run.ts"

/** Float32 against float64 over sums of at most 6 products, with numbers of the order of 1. */
const ROUNDING = 1e-6

const w = workspace()

const pooler = { kind: "classification", pooling: "pooler" }
const lora = { method: "lora", rank: 4, alpha: 8 }
const adamw = { kind: "adamw", learningRate: 1e-2 }
const overrides = [
  { targets: ["query"], rank: 2 },
  { targets: ["encoder.layer.1.attention.self.value"], rank: 6, alpha: 3 }
]
const modulesToSave = ["encoder.layer.1.output.LayerNorm", "embeddings.LayerNorm"]

interface Case {
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
const cases: ReadonlyArray<Case> = [
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
  { name: "distilbert-pooler", model: "distilbert", task: pooler, adapter: lora, changed: layers + 4 }
]

const classNames = { minilm: "Bert", bert: "Bert", roberta: "Roberta", distilbert: "DistilBert" }

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
const expectedChanges = async (run: string, base: ReadonlyMap<string, HostTensor>) => {
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
const byClassName = (tensors: ReadonlyMap<string, HostTensor>, family: string, bare: boolean) =>
  new Map(
    [...tensors].map(([name, tensor]) => {
      const own = name.startsWith(`${family}.`) ? name.slice(family.length + 1) : name
      const outside = /^(pre_)?classifier\b/.test(own)
      return [bare || outside ? own : `${family}.${own}`, tensor]
    })
  )

beforeAll(() => {
  for (const model of ["bert", "minilm", "roberta", "distilbert"] as const) w.model(model)
  w.write("bert/LICENSE", "the licence of the base")
  w.write("bert/README.md", "---\nlicense: apache-2.0\n---\n# base\n")
  w.write("bert/tokenizer_config.json", { model_max_length: 40 })
  w.write("bert/optimizer.pt", "no part of a model")
})

describe("a merged run", () => {
  for (const one of cases) {
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
      const family = model === "minilm" ? "bert" : model
      const stored = byClassName(await tensorsIn(w, `${model}/model.safetensors`), family, bare)
      const saved = (adapter as { modulesToSave?: ReadonlyArray<string> }).modulesToSave ?? []
      const base = heldAs(stored, weights, saved)
      const merged = byClassName(await tensorsIn(w, `runs/${name}/merged/model.safetensors`), family, bare)
      const expected = await expectedChanges(name, base)
      expect(expected.size).toBe(changed)
      for (const [parameter, values] of expected) {
        expect([parameter, largestDifference(merged.get(parameter)!.data, values) <= ROUNDING]).toEqual([
          parameter,
          true
        ])
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

    test(`${name}: config.json names its class, its classes and float32`, () => {
      const config = w.json(`runs/${name}/merged/config.json`)
      const { architectures, dtype, id2label, label2id, problem_type, ...rest } = config
      const kind = task === undefined ? "Model" : "ForSequenceClassification"
      expect({ architectures, dtype }).toEqual({ architectures: [`${classNames[model]}${kind}`], dtype: "float32" })
      expect(id2label).toEqual({ 0: "bad", 1: "fair", 2: "good" })
      expect(label2id).toEqual({ bad: 0, fair: 1, good: 2 })
      expect(problem_type).toBe(task === undefined ? undefined : "single_label_classification")
      expect(w.json(`${model}/config.json`)).toMatchObject(rest)
    })
  }

  test("has the base's names for its tensors; a bare encoder with a classification head, those of the class", async () => {
    const namesIn = async (folder: string) => [...(await tensorsIn(w, `${folder}/model.safetensors`)).keys()].sort()
    const bare = await namesIn("minilm")
    expect(await namesIn("runs/minilm-mean/merged")).toEqual(bare)
    expect(await namesIn("runs/bert-pooler/merged")).toEqual(await namesIn("bert"))
    expect(await namesIn("runs/minilm-pooler/merged")).toEqual(
      [...bare.map((name) => `bert.${name}`), "classifier.bias", "classifier.weight"].sort()
    )
  })

  test("has the base's tokenizer files and licence, and nothing else of its folder", () => {
    expect(listing(w.path("runs/bert-pooler/merged"))).toEqual([
      "LICENSE",
      "README.md",
      "config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json"
    ])
    for (const file of ["LICENSE", "tokenizer.json", "tokenizer_config.json"]) {
      expect(w.read(`runs/bert-pooler/merged/${file}`)).toBe(w.read(`bert/${file}`))
    }
  })

  test("says in its card what was merged into what, how exactly, and how to load it", () => {
    const card = w.read("runs/bert-pooler/merged/README.md")
    expect(card).toStartWith("---\nlibrary_name: transformers\npipeline_tag: text-classification\n")
    expect(card).toContain('license: "apache-2.0"')
    expect(card).toContain("LoRA of rank 4 (s = 2) in 12 linear layers")
    expect(card).toContain('["bad","fair","good"]')
    expect(card).toContain("| 6 (validation) | 6 |")
    expect(card).toContain(new Bun.CryptoHasher("sha256").update(w.bytes("bert/model.safetensors")).digest("hex"))
    expect(card).toContain("BertForSequenceClassification")
    expect(card).not.toContain(w.directory)
    const mean = w.read("runs/bert-mean/merged/README.md")
    expect(mean).toContain("LoRA of rank 2, 4, 6")
    expect(mean).toContain("`classifier.weight`")
    expect(mean).toContain("head.safetensors")
    expect(mean).toContain("\n- lora\n")
    expect(w.read("runs/bert-full/merged/README.md")).not.toContain("\n- lora\n")
    expect(mean).not.toContain("held as")
    const packed = w.read("runs/bert-int8-in-part/merged/README.md")
    expect(packed).toContain(
      "held as int8 in training and are here what that says, under what was trained and in 7 tensors"
    )
  })

  test("leaves nothing on the device", async () => {
    const { before, after } = await onDevice(
      Effect.gen(function* () {
        const before = tf.memory().numTensors
        yield* mergeRun(w.path("runs/bert-mean"), { out: w.path("merged-again") })
        return { before, after: tf.memory().numTensors }
      })
    )
    expect(after).toBe(before)
  })

  test("lies where it is told to, in folders that are made for it", async () => {
    const report = await onDevice(mergeRun(w.path("runs/minilm-mean"), { out: w.path("new/folders/merged") }))
    expect(report.directory).toBe(w.path("new/folders/merged"))
    for (const file of listing(w.path("runs/minilm-mean/merged"))) {
      expect(w.bytes(`new/folders/merged/${file}`)).toEqual(w.bytes(`runs/minilm-mean/merged/${file}`))
    }
  })
})

/** The same base in other clothes, under a run that was trained on the plain one's numbers. */
describe("a base", () => {
  const rewritten = async (
    folder: string,
    rename: (name: string) => string,
    more: Readonly<Record<string, TensorType & { readonly bytes: Uint8Array }>> = {}
  ) => {
    w.model("bert", folder)
    const tensors = await tensorsIn(w, "bert/model.safetensors")
    const all = new Map([
      ...[...tensors].map(
        ([name, { shape, data }]) =>
          [rename(name), { dtype: "F32", shape, bytes: new Uint8Array(data.buffer) }] as const
      ),
      ...Object.entries(more)
    ])
    const file = w.path(`${folder}/model.safetensors`)
    await onDevice(streamSafetensors(file, all, (name) => Effect.succeed(all.get(name)!.bytes), { format: "pt" }))
  }

  test("of an old spelling keeps it, and integers stay integers", async () => {
    const ids = BigInt64Array.from({ length: 40 }, (_, i) => BigInt(i))
    await rewritten(
      "old-bert",
      (name) => name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
      { "bert.embeddings.position_ids": { dtype: "I64", shape: [1, 40], bytes: new Uint8Array(ids.buffer) } }
    )
    const run = await trainTiny(w, "old", "old-bert", { task: pooler, adapter: { ...lora, modulesToSave } })
    await onDevice(mergeRun(run))
    const base = await onDevice(readHeader(w.path("old-bert/model.safetensors")))
    const merged = await onDevice(readHeader(join(run, "merged/model.safetensors")))
    expect([...merged.tensors.keys()].sort()).toEqual([...base.tensors.keys()].sort())
    expect([...merged.tensors.keys()][0]).toBe("bert.embeddings.position_ids") // wider types first
    expect(merged.tensors.get("bert.embeddings.position_ids")!.dtype).toBe("I64")
    const content = await tensorsIn(w, "runs/old/merged/model.safetensors")
    expect(Array.from(content.get("bert.embeddings.position_ids")!.data)).toEqual(Array.from(ids, Number))
    const name = "bert.encoder.layer.1.output.LayerNorm.gamma"
    expect(content.get(name)!.data).not.toEqual((await tensorsIn(w, "old-bert/model.safetensors")).get(name)!.data)
  })

  test("in half precision becomes float32, and its config says nothing of where it was or of code that is not there", async () => {
    w.model("bert", "half-bert")
    const tensors = await tensorsIn(w, "bert/model.safetensors")
    const types = new Map([...tensors].map(([name, { shape }]) => [name, { dtype: "BF16", shape } as const]))
    // bfloat16 is the upper half of a float32
    const upper = (name: string) => {
      const bits = new Uint32Array(tensors.get(name)!.data.buffer)
      return Effect.sync(() => new Uint8Array(Uint16Array.from(bits, (word) => word >>> 16).buffer))
    }
    await onDevice(streamSafetensors(w.path("half-bert/model.safetensors"), types, upper))
    const { dtype: _, ...config } = w.json("half-bert/config.json")
    const auto_map = { AutoModel: "modeling.Model" }
    w.write("half-bert/config.json", { ...config, torch_dtype: "bfloat16", _name_or_path: "/home/me", auto_map })
    const run = await trainTiny(w, "half", "half-bert", { adapter: lora })
    await onDevice(mergeRun(run))
    const merged = await onDevice(readHeader(join(run, "merged/model.safetensors")))
    expect(new Set([...merged.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(["F32"]))
    const base = await tensorsIn(w, "half-bert/model.safetensors")
    const content = await tensorsIn(w, "runs/half/merged/model.safetensors")
    const name = "bert.embeddings.word_embeddings.weight"
    expect(content.get(name)!.data).toEqual(base.get(name)!.data)
    const said = w.json("runs/half/merged/config.json")
    expect(said["dtype"]).toBe("float32")
    for (const key of ["torch_dtype", "_name_or_path", "auto_map"]) expect(Object.keys(said)).not.toContain(key)
  })

  test("in shards becomes one file", async () => {
    w.model("bert", "sharded")
    const tensors = [...(await tensorsIn(w, "bert/model.safetensors"))]
    const shards = [tensors.slice(0, 20), tensors.slice(20)]
    const map: Record<string, string> = {}
    for (const [i, shard] of shards.entries()) {
      const file = `model-0000${i + 1}-of-00002.safetensors`
      const own = new Map(shard)
      const types = new Map(shard.map(([name, { shape }]) => [name, { dtype: "F32", shape } as const]))
      const bytes = (name: string) => Effect.succeed(new Uint8Array(own.get(name)!.data.buffer))
      await onDevice(streamSafetensors(w.path(`sharded/${file}`), types, bytes))
      for (const [name] of shard) map[name] = file
    }
    rmSync(w.path("sharded/model.safetensors"))
    w.write("sharded/model.safetensors.index.json", { weight_map: map })
    const run = await trainTiny(w, "of-shards", "sharded", { task: pooler, adapter: lora })
    await onDevice(mergeRun(run))
    // the same plan on the same numbers
    const whole = await trainTiny(w, "of-one-file", "bert", { task: pooler, adapter: lora })
    await onDevice(mergeRun(whole))
    expect(w.bytes("runs/of-shards/merged/model.safetensors")).toEqual(
      w.bytes("runs/of-one-file/merged/model.safetensors")
    )
    expect(listing(join(run, "merged"))).not.toContain("model.safetensors.index.json")
  })
})

describe("refused, with nothing left behind:", () => {
  const before: Array<string> = []
  const failed = async (merging: ReturnType<typeof mergeRun> | ReturnType<typeof mergeLoaded>): Promise<string> => {
    const listed = listing(w.directory)
    const { message } = await onDevice(Effect.flip(merging as ReturnType<typeof mergeRun>))
    expect(listing(w.directory)).toEqual(listed)
    before.push(message)
    return message
  }
  let run: string
  beforeAll(async () => {
    run = await trainTiny(w, "refused", "bert", { task: pooler, adapter: { ...lora, modulesToSave } })
  })

  test("a folder that exists", async () => {
    const message = await failed(mergeRun(run, { out: w.path("bert") }))
    expect(message).toContain("exists already")
    expect(message).toContain("--out")
  })

  /** A run whose `merge` is wrong by `factor` at every layer. */
  const perturbed = (factor: number) =>
    Effect.map(loadRun(run), (loaded) => {
      const { adapted } = loaded
      const merged: typeof adapted.merged = (site, trainable) =>
        tf.tidy(() => tf.mul(adapted.merged(site, trainable), factor))
      return { ...loaded, adapted: { ...adapted, merged } }
    })

  test("a merge that is not what was trained", async () => {
    const message = await failed(mergeLoaded(run, perturbed(1.01), w.path("made/for/nothing")))
    expect(message).toContain(run)
    expect(message).toContain("6 validation rows")
    expect(message).toContain("allowed is 1e-4")
    expect(message).toContain("nothing was written")
    // the same way of loading without the error is taken
    const fine = await onDevice(mergeLoaded(run, perturbed(1), w.path("fine")))
    expect(fine.check.relativeDifference).toBeLessThan(MERGE_BOUND)
  })

  test("a merge that is not a number", async () => {
    expect(await failed(mergeLoaded(run, perturbed(Number.NaN)))).toContain("allowed is 1e-4")
  })

  test("a base with other weights", async () => {
    await Bun.write(w.path("other/x"), "")
    w.model("bert", "other")
    const bytes = w.bytes("other/model.safetensors")
    bytes[bytes.length - 1]! ^= 1
    writeFileSync(w.path("other/model.safetensors"), bytes)
    const message = await failed(mergeRun(run, { base: w.path("other") }))
    expect(message).toContain("SHA-256")
    expect(message).toContain("--base")
  })

  test("a damaged adapter", async () => {
    const file = join(run, "adapter/adapter_model.safetensors")
    writeFileSync(file, w.bytes("runs/refused/adapter/adapter_model.safetensors").subarray(0, -5))
    expect(await failed(mergeRun(run))).toContain("truncated")
  })

  test("a fault in the middle of the file", async () => {
    const listed = listing(w.directory)
    const whole = w.path("runs/bert-pooler")
    const broken = Effect.map(loadRun(whole), (loaded) => {
      const { adapted } = loaded
      let layers = 0
      const merged: typeof adapted.merged = (site, trainable) => {
        if (++layers === 3) throw new Error("the third layer never comes")
        return adapted.merged(site, trainable)
      }
      return { ...loaded, adapted: { ...adapted, merged } }
    })
    const exit = await onDevice(Effect.exit(mergeLoaded(whole, broken, w.path("half"))))
    expect(exit._tag).toBe("Failure")
    expect(listing(w.directory)).toEqual(listed)
  })

  test("an interruption", async () => {
    const listed = listing(w.directory)
    let during: ReadonlyArray<string> = []
    const endless = Effect.andThen(
      Effect.sync(() => {
        during = listing(w.directory)
      }),
      Effect.never
    )
    const merging = mergeLoaded(run, endless, w.path("never"))
    await onDevice(Effect.exit(Effect.timeout(merging, "100 millis")))
    expect(during.length).toBe(listed.length + 1) // there was something to remove
    expect(listing(w.directory)).toEqual(listed)
  })

  test("a folder that came into being meanwhile, which is left as it is", async () => {
    const whole = w.path("runs/bert-pooler")
    const load = Effect.tap(loadRun(whole), () => Effect.sync(() => w.write("meanwhile/file", "somebody's")))
    const { message } = await onDevice(Effect.flip(mergeLoaded(whole, load, w.path("meanwhile"))))
    expect(message).toContain("exists already")
    expect(listing(w.path("meanwhile"))).toEqual(["file"])
    expect(readdirSync(w.directory).filter((file) => file.includes("tmp"))).toEqual([])
  })

  test("each with a message of its own", () => {
    expect(before.length).toBe(5)
    expect(new Set(before).size).toBe(5)
  })
})

const words = { output: "logit", answer: "label" }

describe("the comparison of logits", () => {
  const of = (...numbers: ReadonlyArray<number>) => Float32Array.of(...numbers)

  test("is relative to the largest logit of the unmerged model", () => {
    const compared = compareOutputs(of(1, -4, 2, 0), of(1.5, -4, 2, 0.25), 2, words)
    expect(compared).toEqual({
      rows: 2,
      largestLogit: 4,
      largestDifference: 0.5,
      relativeDifference: 0.125,
      sameLabel: 2
    })
  })

  test("counts rows whose label changed", () => {
    expect(compareOutputs(of(1, 2, 3, 0), of(2, 1, 3, 0), 2, words).sameLabel).toBe(1)
  })

  test("is 0 between zeros, and infinite where something is not a number", () => {
    expect(compareOutputs(of(0, 0), of(0, 0), 2, words).relativeDifference).toBe(0)
    expect(compareOutputs(of(0, 0), of(0, 1e-9), 2, words).relativeDifference).toBe(Number.POSITIVE_INFINITY)
    expect(compareOutputs(of(1, 0), of(Number.NaN, 0), 2, words).relativeDifference).toBe(Number.POSITIVE_INFINITY)
  })
})

describe("a card", () => {
  test("takes labels and names for what they are", async () => {
    const labels = ["```\n# heading", "<script>"]
    const card = mergedCard({
      name: "# <b>a</b>\n---",
      method: methods.lora as Adapted["method"],
      pipeline: "text-classification",
      tags: [],
      introduction: [fenced("json", [JSON.stringify(labels)])],
      weights: "f32",
      base: { path: "/home/somebody/models/bert", sha256: {} },
      license: undefined,
      leftOut: [],
      usage: [],
      counts: { merged: 1, rounded: 0, copied: 1, leftOut: [] },
      check: {
        ...compareOutputs(Float32Array.of(1, 0), Float32Array.of(1, 0), 2, words),
        words,
        split: "test",
        bound: MERGE_BOUND
      }
    })
    expect(card).toContain('\n["```\\n# heading","<script>"]\n')
    expect(card.match(/^```/gm)!.length % 2).toBe(0)
    expect(card).not.toContain("<b>")
    expect(card).not.toContain("somebody")
    expect(card.match(/^---$/gm)!.length).toBe(2)
  })
})
