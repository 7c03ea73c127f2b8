/**
 * Plans of all kinds that differ in what the estimate of their memory depends on; the estimate and the peak of a short run of each. Every
 * run is a process of its own, as a user would start it. Rows fill `data.maxLength`, for which the estimate is meant; models are of random
 * numbers, but for MiniLM and MobileNet.
 */
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { platform } from "../../src/index.ts"
import { causalFamilies } from "../../src/models/causal/index.ts"
import { type FolderDescription, WeightlessFolders } from "../../src/models/index.ts"
import { describeSeq2Seq } from "../../src/models/seq2seq/index.ts"
import { describeImageModel } from "../../src/models/vision/index.ts"
import type { RunReport } from "../../src/output/index.ts"
import type { MemoryEstimate } from "../../src/plan/index.ts"
import { drawn, drawnClasses } from "../../test/images.ts"
import { writeBaseCheckpoint, writeRandomCheckpoint } from "../checkpoint.ts"
import type { CpuDevice } from "../shapes.ts"

const root = new URL("../../", import.meta.url).pathname
const command = join(root, "src/bin/tfjs-lora-pro.ts")

/** A plan without what all have in common. */
export interface MemoryCase {
  readonly name: string
  readonly model: object
  /** `length`: tokens of every row of text, in place of splits and `maxLength` */
  readonly data: { readonly length?: number; readonly [column: string]: unknown }
  /** rows of a batch */
  readonly batch: number
  /** rows of an evaluation batch; default: as many as of a batch */
  readonly evaluated?: number
  readonly loss?: object
  readonly adapter?: object
  readonly optimizer?: object
  readonly recompute?: "blocks"
}

const lora = { method: "lora", rank: 8, alpha: 16 }
const rank64 = { ...lora, rank: 64 }
const adamw = { kind: "adamw", learningRate: 1e-4 }
const full = { kind: "lora-pro", form: "full", learningRate: 1e-4 }
const efficient = { ...full, form: "efficient" }
const whole = { method: "full" }

const minilm = { source: join(root, "examples/models/minilm"), task: { kind: "classification", pooling: "mean" } }
const base = { ...minilm, source: "base" }
const llama = { source: "llama" }
const texts = (length: number) => ({ format: "classification", length })
const chats = (length: number) => ({ format: "chat", length })
const everySplit = (fileOf: (split: string) => string) =>
  Object.fromEntries(["train", "validation", "test"].map((split) => [split, fileOf(split)]))

export const memoryCases: ReadonlyArray<MemoryCase> = [
  { name: "LoRA, 8 × 32", model: minilm, data: texts(32), batch: 8 },
  { name: "LoRA, 8 × 128", model: minilm, data: texts(128), batch: 8 },
  { name: "LoRA, 8 × 128, int8", model: { ...minilm, weights: "int8" }, data: texts(128), batch: 8 },
  { name: "LoRA, 8 × 32, evaluation of 512", model: minilm, data: texts(32), batch: 8, evaluated: 512 },
  { name: "LoRA, 4 × 512", model: minilm, data: texts(512), batch: 4 },
  { name: "LoRA, 32 × 128, recomputed", model: minilm, data: texts(128), batch: 32, evaluated: 8, recompute: "blocks" },
  { name: "full form, rank 64, 8 × 32", model: minilm, data: texts(32), batch: 8, adapter: rank64, optimizer: full },
  {
    name: "efficient form, rank 64, 8 × 32",
    model: minilm,
    data: texts(32),
    batch: 8,
    adapter: rank64,
    optimizer: efficient
  },
  { name: "full form, 8 × 128", model: minilm, data: texts(128), batch: 8, optimizer: full },
  { name: "full fine-tuning, 8 × 128", model: minilm, data: texts(128), batch: 8, adapter: whole },
  {
    name: "pairs, 8 × 128",
    model: minilm,
    data: { ...texts(128), text: "first", textPair: "second" },
    batch: 8,
    optimizer: efficient
  },
  {
    name: "regression, 16 × 64",
    model: { ...minilm, task: { kind: "regression", pooling: "mean" } },
    data: { format: "regression", length: 64, target: "rating" },
    batch: 16
  },
  {
    name: "embedding, 16 × 2 × 64",
    model: { ...minilm, task: { kind: "embedding", pooling: "mean", normalize: true } },
    data: { format: "embedding", length: 64, anchor: "first", positive: "second" },
    loss: { temperature: 0.05 },
    batch: 16
  },
  {
    name: "T5-small, 8 × (128 + 32)",
    model: { source: "t5" },
    data: { format: "seq2seq", length: 128, maxTargetLength: 32 },
    batch: 8
  },
  { name: "Llama of 71M, 4 × 128", model: llama, data: chats(128), batch: 4 },
  { name: "Llama of 71M, 1 × 1,024, recomputed", model: llama, data: chats(1024), batch: 1, recompute: "blocks" },
  { name: "Llama of 71M, 4 × 128, q4", model: { ...llama, weights: "q4" }, data: chats(128), batch: 4 },
  { name: "Llama of 71M, full form, 4 × 128", model: llama, data: chats(128), batch: 4, optimizer: full },
  {
    name: "preferences, 2 × 2 × 128",
    model: llama,
    data: { format: "preference", length: 128 },
    loss: { kind: "dpo", beta: 0.1 },
    batch: 2
  },
  {
    name: "ViT-S, 8 images",
    model: { source: "vit" },
    data: { format: "images", ...everySplit(() => "images") },
    batch: 8
  },
  {
    name: "MobileNet, 32 images",
    model: { source: join(root, "examples/models/mobilenet/model.json"), head: ["scores"] },
    data: {
      format: "image-arrays",
      ...everySplit((split) => join(root, `examples/data/fashion/${split}.parquet`)),
      range: "0 to 1"
    },
    batch: 32,
    optimizer: full
  },
  { name: "BERT-base, LoRA, 4 × 128", model: base, data: texts(128), batch: 4 },
  { name: "BERT-base, full fine-tuning, 4 × 128", model: base, data: texts(128), batch: 4, adapter: whole }
]

/** The rows of a case, each longer than the model reads, and as many as are evaluated at a time; null for images. */
const rowsOf = ({ data: { length }, batch, evaluated = batch }: MemoryCase) =>
  length === undefined
    ? null
    : { length, count: Math.max(batch, evaluated), file: `rows-${length}-${Math.max(batch, evaluated)}.jsonl` }

const planOf = (own: MemoryCase, steps: number) => {
  const { name: _, model, data, batch, evaluated = batch, recompute = "none", ...sections } = own
  const { length, ...columns } = data
  const rows = rowsOf(own)
  return {
    seed: 0,
    model,
    data: rows === null ? data : { ...columns, ...everySplit(() => rows.file), maxLength: rows.length },
    adapter: lora,
    optimizer: adamw,
    ...sections,
    training: { steps, batchSize: batch, evaluateBatchSize: evaluated, evaluateRows: evaluated, threads: 2, recompute },
    output: { checkpointEvery: 1 }
  }
}

const llamaConfig = {
  ...{ model_type: "llama", hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 12, vocab_size: 49152 },
  ...{ num_attention_heads: 9, num_key_value_heads: 3, max_position_embeddings: 2048, rms_norm_eps: 1e-5 },
  ...{ rope_theta: 10000, hidden_act: "silu", tie_word_embeddings: true, bos_token_id: 1, eos_token_id: 2 }
}
const t5Config = {
  ...{ model_type: "t5", d_model: 512, d_kv: 64, d_ff: 2048, num_layers: 6, num_decoder_layers: 6, num_heads: 8 },
  ...{ vocab_size: 32128, feed_forward_proj: "relu", is_encoder_decoder: true, decoder_start_token_id: 0 },
  ...{ pad_token_id: 0, eos_token_id: 1, tie_word_embeddings: true, dropout_rate: 0 }
}
const vitConfig = {
  ...{ model_type: "vit", hidden_size: 384, num_hidden_layers: 12, num_attention_heads: 6, intermediate_size: 1536 },
  ...{ image_size: 224, patch_size: 16, num_channels: 3, hidden_act: "gelu", layer_norm_eps: 1e-12, qkv_bias: true },
  ...{ hidden_dropout_prob: 0, attention_probs_dropout_prob: 0, num_labels: drawnClasses.length }
}
const vitPreprocessor = {
  ...{ image_processor_type: "ViTImageProcessor", do_resize: true, size: { height: 224, width: 224 }, resample: 2 },
  ...{ do_rescale: true, rescale_factor: 1 / 255, do_normalize: true },
  ...{ image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] }
}

/** Writes the models and the rows of the cases into `folder`; BERT-base's shape, 360 MB, only for a case that has it. */
export const writeMemoryCases = async (folder: string, cases: ReadonlyArray<MemoryCase>): Promise<void> => {
  const uses = (source: string) => cases.some(({ model }) => (model as { readonly source: string }).source === source)
  const model = async (
    name: string,
    config: object,
    tokenizer: string,
    read: () => Effect.Effect<Described, unknown, never>
  ) => {
    if (!uses(name)) return
    const at = join(folder, name)
    mkdirSync(at)
    writeFileSync(join(at, "config.json"), JSON.stringify(config))
    if (tokenizer !== "") cpSync(join(root, "test/golden/tokenizers", tokenizer), at, { recursive: true })
    const { parameters, stored } = await Effect.runPromise(read().pipe(Effect.provideService(WeightlessFolders, true)))
    const named = parameters.map((own) => ({ ...own, name: stored?.get(own.name) ?? own.name }))
    await writeRandomCheckpoint(at, config, named)
  }
  await model("llama", llamaConfig, "smollm2", () =>
    Effect.succeed(Result.getOrThrow(causalFamilies.llama.open(llamaConfig)))
  )
  await model("t5", t5Config, "t5", () => Effect.provide(describeSeq2Seq(join(folder, "t5")), platform))
  await model("vit", vitConfig, "", () =>
    Effect.provide(describeImageModel(join(folder, "vit"), { head: "new", labels: drawnClasses }), platform)
  )
  if (uses("vit")) writeFileSync(join(folder, "vit/preprocessor_config.json"), JSON.stringify(vitPreprocessor))
  if (uses("base")) await writeBaseCheckpoint(join(folder, "base"))
  for (const name of drawnClasses) {
    mkdirSync(join(folder, "images", name), { recursive: true })
    for (let i = 0; i < 8; i++) writeFileSync(join(folder, "images", name, `${i}.png`), drawn(name, i, 224))
  }
  const movies = readFileSync(join(root, "examples/data/movies/train.jsonl"), "utf8").trim().split("\n")
  const reviews = movies.map((line) => (JSON.parse(line) as { readonly text: string }).text)
  for (const rows of cases.map(rowsOf)) {
    if (rows === null) continue
    const { length, count, file } = rows
    // a review has some 20 tokens
    const text = (i: number) =>
      Array.from({ length: Math.ceil(length / 10) }, (_, j) => reviews[(20 * i + j) % reviews.length]).join(" ")
    const turn = (role: string, content: string) => ({ role, content })
    const row = (i: number) => {
      const [asked, answer] = [turn("user", reviews[i]!), turn("assistant", text(i + 1))]
      return {
        ...{ text: text(i), label: i % 2 === 0 ? "negative" : "positive", rating: i % 5 },
        ...{ first: text(i), second: text(i + 7), source: text(i), target: text(i + 1) },
        ...{ messages: [asked, answer], prompt: [asked], chosen: [answer], rejected: [turn("assistant", text(i + 3))] }
      }
    }
    writeFileSync(join(folder, file), Array.from({ length: count }, (_, i) => JSON.stringify(row(i))).join("\n"))
  }
}

interface Described extends Pick<FolderDescription, "parameters"> {
  readonly stored?: FolderDescription["stored"]
}

export interface MeasuredMemory {
  readonly estimate: MemoryEstimate
  /** the process's largest resident size in bytes */
  readonly peak: number
}

/** Estimates and runs a case in `folder`. Throws with what a command says. */
export const measuredMemory = (folder: string, own: MemoryCase, device: CpuDevice, steps: number): MeasuredMemory => {
  writeFileSync(join(folder, "plan.json"), JSON.stringify(planOf(own, steps)))
  const asked = <A>(...args: ReadonlyArray<string>): A => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args, "--json"], {
      cwd: folder,
      encoding: "utf8",
      maxBuffer: 1 << 26
    })
    if (status !== 0) throw new Error(`${own.name}: ${stderr}`)
    return JSON.parse(stdout) as A
  }
  const { memory } = asked<{ readonly memory: MemoryEstimate }>("validate", "plan.json")
  const out = `run-${device}-${memoryCases.indexOf(own)}`
  const { peakBytes } = asked<RunReport>("train", "plan.json", "--device", device, "--out", out)
  return { estimate: memory, peak: peakBytes }
}
