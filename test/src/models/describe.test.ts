/** What a model folder may say wrong, and what is known of a right one. */
import { afterAll, expect, describe as suite, test } from "bun:test"
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { classParameterName, describe, type TaskOptions } from "../../../src/models/describe.ts"
import { type HostTensor, readTensors, writeSafetensors } from "../../../src/safetensors/index.ts"
import { failure, goldens, run } from "./golden.ts"

const golden = (name: string) => join(goldens, "models", name)
const root = mkdtempSync(join(tmpdir(), "describe-"))
afterAll(() => rmSync(root, { recursive: true }))

type Json = Record<string, unknown>

/** A copy of a golden model with another config or other tensors. */
const altered = async (
  name: string,
  {
    config = (c) => c,
    tensors = (t) => t
  }: { config?: (c: Json) => Json; tensors?: (t: Record<string, HostTensor>) => Record<string, HostTensor> }
) => {
  const folder = mkdtempSync(join(root, name))
  const json = (await Bun.file(join(golden(name), "config.json")).json()) as Json
  writeFileSync(join(folder, "config.json"), JSON.stringify(config(json)))
  const weights = Object.fromEntries(await run(readTensors(join(golden(name), "model.safetensors"))))
  await run(writeSafetensors(join(folder, "model.safetensors"), tensors(weights)))
  return folder
}

const mean: TaskOptions = { pooling: "mean", head: "new", labels: ["no", "yes"] }
const saved: TaskOptions = { pooling: "pooler", head: "checkpoint" }
const problems = async (folder: string, options: TaskOptions = mean) =>
  (await failure(describe(folder, options))).problems

suite("a description", () => {
  test("has every linear layer of the blocks, in order and with shapes", async () => {
    const { sites } = await run(describe(golden("bert"), mean))
    expect(sites.length).toBe(12)
    expect(sites.slice(0, 6)).toEqual([
      { name: "encoder.layer.0.attention.self.query", kind: "dense", part: "attention", out: 32, in: 32 },
      { name: "encoder.layer.0.attention.self.key", kind: "dense", part: "attention", out: 32, in: 32 },
      { name: "encoder.layer.0.attention.self.value", kind: "dense", part: "attention", out: 32, in: 32 },
      { name: "encoder.layer.0.attention.output.dense", kind: "dense", part: "attention", out: 32, in: 32 },
      { name: "encoder.layer.0.intermediate.dense", kind: "dense", part: "mlp", out: 64, in: 32 },
      { name: "encoder.layer.0.output.dense", kind: "dense", part: "mlp", out: 32, in: 64 }
    ])
    const distilbert = await run(describe(golden("distilbert"), mean))
    expect(distilbert.sites.map(({ name }) => name).slice(6)).toEqual(
      ["attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "ffn.lin1", "ffn.lin2"].map(
        (name) => `transformer.layer.1.${name}`
      )
    )
  })

  test("counts what it will load, to the last number", async () => {
    for (const [name, parameters] of [
      ["bert", 23491],
      ["distilbert", 22628],
      ["roberta", 22339]
    ] as const) {
      const model = await run(describe(golden(name), saved))
      const all = [...model.parameters, ...model.head.parameters]
      const total = all.reduce((sum, { shape }) => sum + shape.reduce((size, n) => size * n, 1), 0)
      expect(total).toBe(parameters) // meta.json of the golden
      expect(model.unusedTensors).toEqual([])
      expect(model.head.inCheckpoint.size).toBe(4)
    }
  })

  test("knows how long a text may be", async () => {
    expect((await run(describe(golden("bert"), mean))).maxLength).toBe(40)
    // 26 rows, of which the first padId + 1 are never a token's
    expect((await run(describe(golden("roberta"), mean))).maxLength).toBe(24)
  })

  test("lists what the checkpoint has besides", async () => {
    expect((await run(describe(golden("minilm"), mean))).unusedTensors).toEqual([
      "pooler.dense.bias",
      "pooler.dense.weight"
    ])
    const folder = await altered("bert", {
      tensors: (t) => ({ ...t, "bert.embeddings.position_ids": { shape: [1], data: new Float32Array(1) } })
    })
    expect((await run(describe(folder, saved))).unusedTensors).toEqual(["bert.embeddings.position_ids"])
  })
})

suite("heads", () => {
  test("mean pooling: a head of our own, nothing from the checkpoint", async () => {
    const { head, labels, prefix } = await run(describe(golden("bert"), mean))
    expect(head).toEqual({
      pooling: "mean",
      output: "linear",
      parameters: [
        { name: "head.weight", shape: [2, 32] },
        { name: "head.bias", shape: [2] }
      ],
      inCheckpoint: new Set(),
      start: "normal",
      modulesToSave: []
    })
    expect({ labels, prefix }).toEqual({ labels: ["no", "yes"], prefix: "bert." })
  })

  test("pooler: BERT's is pre-trained and stays, the classifier is new unless asked for", async () => {
    const fresh = await run(describe(golden("bert"), { ...mean, pooling: "pooler" }))
    expect([...fresh.head.inCheckpoint]).toEqual(["pooler.dense.weight", "pooler.dense.bias"])
    expect(fresh.head.parameters.map(({ shape }) => shape)).toEqual([[32, 32], [32], [2, 32], [2]])
    expect(fresh.head.modulesToSave).toEqual(["pooler", "classifier"])
    const roberta = await run(describe(golden("roberta"), { ...mean, pooling: "pooler" }))
    expect([...roberta.head.inCheckpoint]).toEqual([])
    const kept = await run(describe(golden("roberta"), saved))
    expect([...kept.head.inCheckpoint]).toEqual(kept.head.parameters.map(({ name }) => name))
    expect(kept.labels).toEqual(["LABEL_0", "LABEL_1", "LABEL_2"])
  })

  test("names in transformers' class: the backbone has the prefix, the classifier has not", async () => {
    const bert = await run(describe(golden("bert"), saved))
    expect(classParameterName(bert, "pooler.dense.weight")).toBe("bert.pooler.dense.weight")
    expect(classParameterName(bert, "classifier.weight")).toBe("classifier.weight")
    const roberta = await run(describe(golden("roberta"), saved))
    expect(classParameterName(roberta, "classifier.out_proj.bias")).toBe("classifier.out_proj.bias")
    expect(classParameterName(roberta, "encoder.layer.0.output.dense.bias")).toBe(
      "roberta.encoder.layer.0.output.dense.bias"
    )
    const distilbert = await run(describe(golden("distilbert"), saved))
    expect(classParameterName(distilbert, "pre_classifier.weight")).toBe("pre_classifier.weight")
    const bare = await run(describe(golden("minilm"), mean))
    expect(classParameterName(bare, "encoder.layer.0.output.dense.bias")).toBe("encoder.layer.0.output.dense.bias")
    // a classifier over a bare BertModel makes it a BertForSequenceClassification
    const withPooler = await run(describe(golden("minilm"), { ...mean, pooling: "pooler" }))
    expect(classParameterName(withPooler, "pooler.dense.weight")).toBe("bert.pooler.dense.weight")
  })

  test("labels that do not fit a saved classifier", async () => {
    expect(await problems(golden("bert"), { ...saved, labels: ["a", "b"] })).toEqual([
      "weights: the checkpoint's classifier has 3 classes (LABEL_0, LABEL_1, LABEL_2), 2 labels are given (a, b)"
    ])
    expect(await problems(golden("bert"), { ...saved, labels: ["LABEL_1", "LABEL_0", "LABEL_2"] })).toEqual([
      "labels: LABEL_1, LABEL_0, LABEL_2 are not in the order of the checkpoint's classifier; set data.labels to LABEL_0, LABEL_1, LABEL_2"
    ])
    expect((await run(describe(golden("bert"), { ...saved, labels: ["x", "y", "z"] }))).labels).toEqual(["x", "y", "z"])
    expect(await problems(golden("bert"), { ...saved, pooling: "mean" })).toEqual([
      'a head over mean pooling is never in a checkpoint; use pooling "pooler" or head "new"'
    ])
    expect(await problems(golden("minilm"), { pooling: "mean", head: "new" })).toEqual([
      "config.json: has no id2label, and no labels are given; name the classes (data.labels in a plan)"
    ])
  })

  test("classes without names have transformers': LABEL_0, LABEL_1, as many as the classifier or num_labels has", async () => {
    const without =
      (...fields: ReadonlyArray<string>) =>
      (config: Json) =>
        Object.fromEntries(Object.entries(config).filter(([key]) => !fields.includes(key)))
    const unnamed = await altered("distilbert", { config: without("id2label", "label2id") })
    expect((await run(describe(unnamed, saved))).labels).toEqual(["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"])
    const four = ["a", "b", "c", "d"]
    expect((await run(describe(unnamed, { ...saved, labels: four }))).labels).toEqual(four)
    expect(await problems(unnamed, { ...saved, labels: ["a", "b"] })).toEqual([
      "weights: the checkpoint's classifier has 4 classes (LABEL_0, LABEL_1, LABEL_2, LABEL_3), 2 labels are given (a, b)"
    ])
    const counted = await altered("bert", {
      config: (config) => ({ ...without("id2label", "label2id")(config), num_labels: 2 })
    })
    expect((await run(describe(counted, { pooling: "mean", head: "new" }))).labels).toEqual(["LABEL_0", "LABEL_1"])
  })

  test("a classifier that is not there", async () => {
    expect(await problems(golden("minilm"), { ...saved, labels: ["a", "b"] })).toEqual([
      "weights: classifier.weight is missing; expected shape [2, 48]",
      "weights: classifier.bias is missing; expected shape [2]"
    ])
  })
})

suite("a wrong folder", () => {
  test("is not there, or has no weights", async () => {
    expect(await problems(join(root, "none"))).toEqual([
      `config.json: no such file (${join(root, "none", "config.json")}); expected a Hugging Face folder with config.json, model.safetensors and tokenizer.json`
    ])
    const folder = mkdtempSync(join(root, "config-only"))
    cpSync(join(golden("bert"), "config.json"), join(folder, "config.json"))
    expect(await problems(folder)).toEqual([
      "model.safetensors: no such file, and no model.safetensors.index.json either; validate --model-only checks a plan without weights"
    ])
  })

  test("is of another family", async () => {
    const folder = await altered("bert", { config: (c) => ({ ...c, model_type: "llama" }) })
    expect(await problems(folder)).toEqual([
      'config.json: model_type "llama"; supported are bert, distilbert, modernbert, roberta'
    ])
    const none = await altered("bert", { config: ({ model_type: _, ...c }) => c })
    expect((await problems(none))[0]).toContain("model_type is missing")
  })

  test("has a config that cannot be computed: all of it at once", async () => {
    const folder = await altered("bert", {
      config: (c) => ({ ...c, hidden_act: "swish", hidden_size: "32", position_embedding_type: "relative_key" })
    })
    const found = await problems(folder)
    expect(found.length).toBe(3)
    expect(found.find((problem) => problem.includes("hidden_act"))).toMatch(/"gelu" \| "gelu_new".*"swish"/)
    expect(found.find((problem) => problem.includes("position_embedding_type"))).toMatch(/"absolute".*"relative_key"/)
    const heads = await altered("bert", { config: (c) => ({ ...c, num_attention_heads: 5 }) })
    expect(await problems(heads)).toEqual(["config.json: hidden size 32 is not a multiple of its 5 attention heads"])
  })

  test("has weights of other shapes, or lacks some: each is named", async () => {
    const folder = await altered("bert", {
      config: (c) => ({ ...c, vocab_size: 121, intermediate_size: 65 }),
      tensors: ({ "bert.embeddings.LayerNorm.bias": _, ...t }) => t
    })
    const found = await problems(folder)
    expect(found.length).toBe(2 + 2 * 3)
    expect(found).toContain("weights: bert.embeddings.LayerNorm.bias is missing; expected shape [32]")
    expect(found).toContain(
      "weights: bert.embeddings.word_embeddings.weight has shape [120, 32]; config.json says [121, 32]"
    )
    expect(found).toContain(
      "weights: bert.encoder.layer.1.output.dense.weight has shape [32, 64]; config.json says [32, 65]"
    )
  })

  test("is truncated", async () => {
    const folder = mkdtempSync(join(root, "cut"))
    cpSync(join(golden("bert"), "config.json"), join(folder, "config.json"))
    const whole = await Bun.file(join(golden("bert"), "model.safetensors")).bytes()
    writeFileSync(join(folder, "model.safetensors"), whole.subarray(0, 60_000))
    expect((await problems(folder))[0]).toMatch(/^model.safetensors: truncated: 98276 bytes expected, 60000 found/)
  })
})

test("norms under their first names, gamma and beta, are found", async () => {
  const folder = await altered("bert", {
    tensors: (t) =>
      Object.fromEntries(
        Object.entries(t).map(([name, value]) => [
          name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
          value
        ])
      )
  })
  const model = await run(describe(folder, saved))
  expect(model.unusedTensors).toEqual([])
})
