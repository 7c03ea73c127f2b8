/** Plans judged by config.json alone: the layers that are adapted and the numbers that are trained are PEFT's, on models that are not here. */
import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type { World } from "../../../src/kinds/contract/index.ts"
import { describeJudged, judgedJson, judgePlan, kindOf, resolvePlan } from "../../../src/kinds/index.ts"
import { planFromValue } from "../../../src/plan/index.ts"
import { platform } from "../../../src/platform.ts"

const folder = join(import.meta.dirname, "../../golden/configs")

interface Golden {
  readonly parameters: number
  readonly trainable: Readonly<Record<string, number>>
  readonly layers: Readonly<Record<string, readonly [number, number]>>
}

const encoder = {
  model: { task: { kind: "classification", pooling: "mean" }, head: "new" },
  data: { format: "classification", train: "none.jsonl", text: "text", label: "label", maxLength: 128 }
}
const decoder = { model: {}, data: { format: "completion", train: "none.jsonl", maxLength: 1024 } }

const encoderDecoder = { model: {}, data: { format: "seq2seq", train: "none.jsonl", maxLength: 128 } }
const images = { format: "images", train: "none", labels: ["a", "b"] }

interface Case {
  readonly model: object
  readonly data: object
  /** numbers of PEFT's model that ours does not read */
  readonly unread?: number
  readonly golden?: string
}

const zeroShot = (towers: "vision" | "both") => ({ model: { task: { kind: "zero-shot", towers } }, data: images })

const models: Readonly<Record<string, Case>> = {
  // its config.json names two classes; a mean over the tokens reads no pooler
  "bert-base": { ...encoder, unread: 768 * 768 + 768 },
  "roberta-large": {
    model: encoder.model,
    data: { ...encoder.data, labels: ["no", "yes"] },
    unread: 1024 * 1024 + 1024
  },
  "llama-2-7b": decoder,
  "t5-base": encoderDecoder,
  "t5-v1_1-large": encoderDecoder,
  "flan-t5-base": encoderDecoder,
  "vit-base-patch16-224": { model: {}, data: images },
  // what the tower of texts makes of the labels is frozen, and the tower is gone
  "clip-vit-base-patch16": { ...zeroShot("vision"), unread: 63_165_952 + 512 * 512 },
  "clip-vit-base-patch16 both": { ...zeroShot("both"), golden: "peft-both.json" }
}

const unnamed = { ...models["roberta-large"]!, data: encoder.data }

const folderOf = (name: string): string => name.split(" ")[0]!

const methods: Readonly<Record<string, object>> = {
  lora: { method: "lora", rank: 8, alpha: 16, targets: "all-linear" },
  dora: { method: "dora", rank: 8, alpha: 16, targets: "all-linear" },
  adalora: { method: "adalora", rank: 4, initialRank: 8, alpha: 16, targets: "all-linear" }
}

const planOf = (name: string, adapter: object, own = models[name]!) => {
  const plan = {
    seed: 0,
    model: { source: folderOf(name), ...own.model },
    data: own.data,
    adapter,
    optimizer: { kind: "adamw", learningRate: 1e-4 },
    training: { epochs: 1, batchSize: 32 }
  }
  return Effect.flatMap(planFromValue(plan, folder), (read) =>
    Effect.map(kindOf(read), (kind) => ({ kind, plan: read }))
  )
}

const run = <A, E>(effect: Effect.Effect<A, E, World>) =>
  Effect.runPromise(effect.pipe(Effect.scoped, Effect.provide(platform)))

const judged = (...plan: Parameters<typeof planOf>) =>
  run(Effect.flatMap(planOf(...plan), ({ kind, plan }) => judgePlan(kind, plan, "plan")))

describe.each(Object.keys(models))("%s", (name) => {
  const golden: Golden = JSON.parse(
    readFileSync(join(folder, folderOf(name), models[name]!.golden ?? "peft.json"), "utf8")
  )

  test.each(Object.keys(methods))("%s adapts PEFT's layers, and trains as many numbers", async (method) => {
    const { selected, trainable, model } = await judged(name, methods[method]!)
    const layers = selected.sites.map(({ site }) => [model.prefix + site.name, [site.out, site.in]])
    expect(Object.fromEntries(layers)).toEqual(golden.layers)
    const head = model.head.parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
    expect(trainable.total - head).toBe(golden.trainable[method]!)
    expect(trainable.frozen + (models[name]!.unread ?? 0)).toBe(golden.parameters)
  })
})

const failed = (effect: Effect.Effect<unknown, { readonly message: string }, World>) =>
  run(Effect.map(Effect.flip(effect), ({ message }) => message))

test("what is printed of a judged plan, and what of it a program reads", async () => {
  const { kind, plan } = await run(planOf("llama-2-7b", methods["lora"]!))
  const found = await run(judgePlan(kind, plan, "chat"))
  expect(describeJudged(kind, found)).toBe(
    `chat: lora with adamw on llama (32 layers, 4096 wide, vocabulary 32,000)

  site                            W           rank  alpha  trainable
  layers.*.self_attn.q_proj (32)  4096×4096   8     16     2,097,152
  layers.*.self_attn.k_proj (32)  4096×4096   8     16     2,097,152
  layers.*.self_attn.v_proj (32)  4096×4096   8     16     2,097,152
  layers.*.self_attn.o_proj (32)  4096×4096   8     16     2,097,152
  layers.*.mlp.gate_proj (32)     11008×4096  8     16     3,866,624
  layers.*.mlp.up_proj (32)       11008×4096  8     16     3,866,624
  layers.*.mlp.down_proj (32)     4096×11008  8     16     3,866,624

trainable  19,988,480 of 6,758,404,096 (0.3 %): 19,988,480 in factors, 0 trained in full
epochs     1, in steps of 32 rows
memory     about 396 GB: weights 27 GB, trained 560 MB, activations up to 368 GB, one checkpoint 240 MB
rows       not read`
  )
  const { sites, memory, ...json } = judgedJson(kind, found)
  expect(sites).toHaveLength(224)
  expect(memory).toMatchObject({ weights: 4 * 6_738_415_616 })
  expect(json).toEqual({
    model: {
      source: join(folder, "llama-2-7b"),
      name: "llama",
      words: "llama (32 layers, 4096 wide, vocabulary 32,000)"
    },
    savedParameters: [],
    trainable: { factors: 19_988_480, dense: 0, total: 19_988_480, frozen: 6_738_415_616 }
  })
})

test("steps that the plan gives decide the ranks of AdaLoRA; without them it says the epochs alone", async () => {
  const { kind, plan } = await run(planOf("bert-base", methods["adalora"]!))
  const { epochs: _epochs, ...training } = plan.training
  const found = await run(judgePlan(kind, { ...plan, training: { ...training, steps: 100 } }, "plan"))
  expect(describeJudged(kind, found)).toContain(
    "ranks      576 (8 per layer) at the start, 288 (4 per layer) after step"
  )
  expect(describeJudged(kind, { ...found, steps: undefined })).not.toContain("ranks ")
})

test("a run still fails without weights, and says what judges such a folder", async () => {
  const resolving = Effect.flatMap(planOf("bert-base", methods["lora"]!), ({ kind, plan }) =>
    resolvePlan(kind, plan, "plan")
  )
  expect(await failed(resolving)).toContain(
    "model.safetensors: no such file, and no model.safetensors.index.json either; validate --model-only checks a plan without weights"
  )
})

test("a LayersModel says how many classes it has; their names are the rows' affair", async () => {
  const digits = join(import.meta.dirname, "../../../examples/models/digits/model.json")
  const model = { model: { source: digits }, data: { format: "arrays", train: "none.jsonl" } }
  const { model: found, trainable } = await judged(digits, methods["lora"]!, model)
  expect(found.prefix).toBe("")
  expect(trainable.factors).toBe(8 * (16 + 9 + 32 + 144 + 128 + 1568 + 10 + 128))
})

test("classes that neither the plan nor config.json names, and targets that are no layers", async () => {
  const of = (...plan: Parameters<typeof planOf>) =>
    failed(Effect.flatMap(planOf(...plan), ({ kind, plan }) => judgePlan(kind, plan, "plan")))
  expect(await of("roberta-large", methods["lora"]!, unnamed)).toBe(
    `model ${join(folder, "roberta-large")}: config.json: has no id2label, and no labels are given; name the classes (data.labels in a plan)`
  )
  expect(await of("llama-2-7b", { ...methods["lora"]!, targets: ["q_prj"] })).toContain("q_prj")
})
