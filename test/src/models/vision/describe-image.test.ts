/** What a folder of a model of images may say wrong, and what is known of a right one. */
import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openCausalModel } from "../../../../src/models/causal/index.ts"
import { describe } from "../../../../src/models/describe.ts"
import { describeImageModel, type ImageOptions } from "../../../../src/models/vision/index.ts"
import { type HostTensor, readTensors, writeSafetensors } from "../../../../src/safetensors/index.ts"
import { folderOf } from "../causal/causal-golden.ts"
import { failure, run } from "../golden.ts"

const root = mkdtempSync(join(tmpdir(), "tfjs-lora-pro-"))
afterAll(() => rmSync(root, { recursive: true }))

type Json = Record<string, unknown>
type Tensors = Record<string, HostTensor>

/** A copy of a golden model with another config, and its tensors under other names. */
const altered = async (name: string, config: Json = {}, tensors: (own: Tensors) => Tensors = (own) => own) => {
  const folder = mkdtempSync(join(root, "model-"))
  const json = (await Bun.file(join(folderOf(name), "config.json")).json()) as Json
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...json, ...config }))
  const weights = Object.fromEntries(await run(readTensors(join(folderOf(name), "model.safetensors"))))
  await run(writeSafetensors(join(folder, "model.safetensors"), tensors(weights)))
  return folder
}

const saved: ImageOptions = { head: "checkpoint" }
const described = (folder: string, options: ImageOptions = saved) => run(describeImageModel(folder, options))
const problems = async (folder: string, options: ImageOptions = saved) =>
  (await failure(describeImageModel(folder, options))).problems

test("layers in order, sizes, and what PEFT's files are made of", async () => {
  const vit = await described(folderOf("vit"))
  expect(vit.sites.slice(0, 6)).toEqual([
    { name: "layers.0.attention.q_proj", kind: "dense", part: "attention", out: 32, in: 32 },
    { name: "layers.0.attention.k_proj", kind: "dense", part: "attention", out: 32, in: 32 },
    { name: "layers.0.attention.v_proj", kind: "dense", part: "attention", out: 32, in: 32 },
    { name: "layers.0.attention.o_proj", kind: "dense", part: "attention", out: 32, in: 32 },
    { name: "layers.0.mlp.fc1", kind: "dense", part: "mlp", out: 64, in: 32 },
    { name: "layers.0.mlp.fc2", kind: "dense", part: "mlp", out: 32, in: 64 }
  ])
  expect(vit.sites.length).toBe(12)
  expect(vit.image).toEqual({ height: 16, width: 16 })
  expect(vit.positions).toBe(17)
  expect(vit.unusedTensors).toEqual([])
  expect(vit.exported.nameOf("layers.0.mlp.fc1")).toBe("vit.layers.0.mlp.fc1")
  expect(vit.exported.nameOf("classifier.weight")).toBe("classifier.weight")
  // the golden's own count of its parameters
  const numbers = [...vit.parameters, ...vit.head.parameters].map(({ shape }) => shape.reduce((n, own) => n * own, 1))
  expect(numbers.reduce((sum, own) => sum + own, 0)).toBe(19_395)

  const odd = await described(folderOf("vision/vit-odd"))
  expect(odd.image).toEqual({ height: 14, width: 21 })
  expect(odd.positions).toBe(13)
  expect(odd.sites.filter(({ bias }) => bias === false).length).toBe(6)

  const clip = await described(folderOf("clip"), { head: "new", labels: ["a", "b"] })
  expect(clip.sites.length).toBe(12)
  expect(clip.exported.nameOf(clip.sites[0]!.name)).toBe("vision_model.encoder.layers.0.self_attn.q_proj")
  expect(clip.unusedTensors.every((name) => /^(text_|logit_scale|vision_model.post_|visual_pro)/.test(name))).toBe(true)
})

test("weights under today's names are found as well as under those of before", async () => {
  const before = await described(folderOf("vit"))
  const now = await altered("vit", {}, (tensors) =>
    Object.fromEntries([...before.stored].map(([name, own]) => [before.exported.nameOf(name), tensors[own]!] as const))
  )
  const { stored } = await described(now)
  expect(stored.get("layers.1.attention.q_proj.weight")).toBe("vit.layers.1.attention.q_proj.weight")
  expect(before.stored.get("layers.1.attention.q_proj.weight")).toBe(
    "vit.encoder.layer.1.attention.attention.query.weight"
  )
  expect([...stored.keys()]).toEqual([...before.stored.keys()])
})

test("a config that cannot be computed, all of it at once", async () => {
  const wrong = await altered("vit", { hidden_act: "silu", num_channels: 1, image_size: 0 })
  const found = await problems(wrong)
  expect(found.length).toBe(3)
  expect(found.find((problem) => problem.includes("hidden_act"))).toMatch(/"gelu" \| "gelu_new".*"silu"/)
  expect(found.find((problem) => problem.includes("num_channels"))).toMatch(/3.*1/)
  expect(await problems(await altered("vit", { num_attention_heads: 5, patch_size: [4, 17] }))).toEqual([
    "config.json: hidden_size 32 is not a multiple of its 5 attention heads",
    "config.json: patch_size 4×17 is larger than image_size 16×16"
  ])
  expect(await problems(await altered("bert"))).toEqual(['config.json: model_type "bert"; supported are vit, clip'])
})

test("a model of images is none of texts", async () => {
  const text = await failure(describe(folderOf("vit"), { pooling: "mean", head: "new", labels: ["a", "b"] }))
  expect(text.problems).toEqual(['config.json: model_type "vit"; supported are bert, distilbert, modernbert, roberta'])
  expect((await failure(openCausalModel(folderOf("clip")))).message).toContain(
    'config.json: model_type "clip"; supported'
  )
})

test("positions are those of the checkpoint: for images of another size there are none", async () => {
  expect(await problems(await altered("vit", { image_size: 24 }))).toEqual([
    "weights: vit.embeddings.position_embeddings has shape [1, 17, 32]; config.json says [1, 37, 32]"
  ])
})

test("labels are those that are given, or the checkpoint's, and fit its classifier", async () => {
  expect((await described(folderOf("vision/clip-classifier"))).labels).toEqual(["bee", "ant", "wasp"])
  expect((await described(folderOf("vit"), { head: "new", labels: ["x", "y"] })).labels).toEqual(["x", "y"])
  expect(await problems(folderOf("vit"), { ...saved, labels: ["x", "y"] })).toEqual([
    "weights: the checkpoint's classifier has 3 classes (LABEL_0, LABEL_1, LABEL_2), 2 labels are given (x, y)"
  ])
  expect(await problems(folderOf("vision/vit-odd"), { ...saved, labels: ["ant", "bee", "wasp"] })).toEqual([
    "labels: ant, bee, wasp are not in the order of the checkpoint's classifier; set data.labels to bee, ant, wasp"
  ])
  // a backbone alone
  expect(await problems(folderOf("vision/vit-backbone"), { ...saved, labels: ["x", "y"] })).toEqual([
    "weights: classifier.weight is missing; expected shape [2, 24]",
    "weights: classifier.bias is missing; expected shape [2]"
  ])
  expect(await problems(folderOf("vision/vit-backbone"), { head: "new" })).toEqual([
    "config.json: has no id2label, and no labels are given; name the classes (data.labels in a plan)"
  ])
})
