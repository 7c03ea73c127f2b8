/**
 * One training step on the families that are no encoders and decoders of texts: T5-small's shapes and ViT-S/16's with random weights, LoRA r = 8 on
 * every linear layer of the blocks, beside PyTorch + PEFT (`families_torch.py`) on the same folder.
 *
 *   bun bench/families.bench.ts [--threads 1] [--steps 7]      PYTHON=… says which Python has torch, transformers and peft
 *
 * Every cell is a process of its own, one after another; milliseconds are the median of the steps after the first.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { inject, lora } from "../adapters/index.ts"
import { mustBeDecided, type OptimizerConfig } from "../schemas/index.ts"
import { Device } from "../src/device/index.ts"
import type { Sources } from "../src/hub/index.ts"
import { sparseCrossEntropy } from "../src/kernels/index.ts"
import {
  type BatchOf,
  type FolderDescription,
  type ModelError,
  type Network,
  WeightlessFolders
} from "../src/models/index.ts"
import { describeSeq2Seq, loadSeq2Seq, type Seq2SeqModel } from "../src/models/seq2seq/index.ts"
import { describeImageModel, type ImageModel, loadImageModel } from "../src/models/vision/index.ts"
import { fromConfig } from "../src/optimizers/index.ts"
import { platform } from "../src/platform.ts"
import type { Seq2SeqRows } from "../src/tensors/index.ts"
import { type Loss, openSession, takeStep, tokenCrossEntropy } from "../src/training/index.ts"
import { run } from "./cells.ts"
import { writeRandomCheckpoint } from "./checkpoint.ts"

const { values } = parseArgs({
  options: {
    threads: { type: "string", default: "1" },
    steps: { type: "string", default: "7" },
    cell: { type: "string" },
    folder: { type: "string", default: "" }
  }
})
type Reported = { readonly _tag: string; readonly message: string }

const steps = Number(values.steps)
const threads = Number(values.threads)

const shared = { learningRate: 1e-4, weightDecay: 0, clipNorm: 1, schedule: { kind: "constant", warmup: 0 } } as const
const moments = { betas: [0.9, 0.999], epsilon: 1e-8 } as const
const optimizers = {
  LoRA: { kind: "adamw", ...shared, ...moments },
  "LoRA-Pro (full)": { kind: "lora-pro", form: "full", x: "sylvester", damping: 1e-8, ...shared, ...moments }
} as const satisfies Record<string, OptimizerConfig>

const factors = { rank: 8, alpha: 16, scaling: "standard", init: { kind: "kaiming" }, targets: "all-linear" } as const

const sources = { size: 8, sourceLength: 128, targetLength: 32 } as const

const targets: Seq2SeqRows = {
  ...sources,
  inputIds: Int32Array.from({ length: 8 * 128 }, (_, i) => 3 + ((37 * i) % 9000)),
  attentionMask: new Float32Array(8 * 128).fill(1),
  decoderInputIds: Int32Array.from({ length: 8 * 32 }, (_, i) => (i % 32 === 0 ? 0 : 3 + ((53 * i) % 9000))),
  labels: Int32Array.from({ length: 8 * 32 }, (_, i) => 3 + ((53 * i) % 9000)),
  tokens: 8 * 160,
  counted: 8 * 32
}

const side = 224
const labels = Array.from({ length: 10 }, (_, i) => `${i}`)

interface Timed {
  /** of a batch */
  readonly shape: string
  readonly config: object
  readonly describe: (folder: string) => Effect.Effect<FolderDescription, ModelError, Sources>
  /** milliseconds of a step */
  readonly timed: (
    folder: string,
    optimizer: OptimizerConfig
  ) => Effect.Effect<number, Reported, Sources | Device | Scope.Scope>
}

/** Of a tokenizer that no text goes through. */
const noTexts = {
  vocabularySize: 32128,
  specialIds: new Set<number>(),
  bytesOf: () => null,
  chatTemplate: null,
  specialTokens: {}
}

/** The models: what config.json says, what is trained on, and how it is loaded. */
const models: Readonly<Record<string, Timed>> = {
  "T5-small": {
    shape: "8 × (128 + 32) tokens",
    config: {
      ...{ model_type: "t5", d_model: 512, d_kv: 64, d_ff: 2048, num_layers: 6, num_decoder_layers: 6, num_heads: 8 },
      ...{ vocab_size: 32128, feed_forward_proj: "relu", is_encoder_decoder: true, decoder_start_token_id: 0 },
      ...{ pad_token_id: 0, eos_token_id: 1, tie_word_embeddings: true, dropout_rate: 0 }
    },
    describe: describeSeq2Seq,
    timed: (folder: string, optimizer: OptimizerConfig) =>
      Effect.gen(function* () {
        const tokenizer = { encode: () => [], decode: () => "", bosId: null, eosId: 1, padId: 0, ...noTexts }
        const description = yield* describeSeq2Seq(folder)
        const model: Seq2SeqModel = yield* loadSeq2Seq(description, {
          seed: 0,
          tokenizer
        })
        const loss: Loss<Seq2SeqModel> = (output, own) => tokenCrossEntropy(output, own)
        return yield* timedSteps(model, optimizer, loss, targets)
      })
  },
  "ViT-S/16": {
    shape: "8 images of 224²",
    config: {
      ...{
        model_type: "vit",
        hidden_size: 384,
        num_hidden_layers: 12,
        num_attention_heads: 6,
        intermediate_size: 1536
      },
      ...{
        image_size: side,
        patch_size: 16,
        num_channels: 3,
        hidden_act: "gelu",
        layer_norm_eps: 1e-12,
        qkv_bias: true
      },
      ...{ hidden_dropout_prob: 0, attention_probs_dropout_prob: 0, num_labels: labels.length }
    },
    describe: (folder: string) => describeImageModel(folder, { head: "new", labels }),
    timed: (folder: string, optimizer: OptimizerConfig) =>
      Effect.gen(function* () {
        const description = yield* describeImageModel(folder, { head: "new", labels })
        const model: ImageModel = yield* loadImageModel(description, { seed: 0 })
        const loss: Loss<ImageModel> = (logits, own) => sparseCrossEntropy(logits, own)
        const pixels = Float32Array.from({ length: 8 * side * side * 3 }, (_, i) => Math.sin(i))
        return yield* timedSteps(model, optimizer, loss, { size: 8, tokens: 8, pixels, labels: new Int32Array(8) })
      })
  }
}
const timedSteps = <M extends Network>(model: M, optimizer: OptimizerConfig, loss: Loss<M>, batch: BatchOf<M>) =>
  Effect.gen(function* () {
    const adapted = yield* inject(model, lora, factors)
    const session = yield* openSession(adapted, { optimizer: yield* fromConfig(mustBeDecided(optimizer), 1_000), loss })
    const taken: Array<number> = []
    for (let i = 0; i <= steps; i++) {
      const began = performance.now()
      yield* takeStep(session, [batch])
      taken.push(performance.now() - began)
    }
    return median(taken.slice(1))
  })

const median = (numbers: ReadonlyArray<number>): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!

/** Random weights in a folder. */
const written = (name: string, folder: string) =>
  Effect.gen(function* () {
    const { config, describe } = models[name]!
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, "config.json"), JSON.stringify(config))
    const { parameters, stored } = yield* describe(folder).pipe(Effect.provideService(WeightlessFolders, true))
    const named = parameters.map((own) => ({ ...own, name: stored.get(own.name)! }))
    yield* Effect.promise(() => writeRandomCheckpoint(folder, config, named))
  }).pipe(Effect.provide(platform), Effect.runPromise)

const cell = async (name: string, engine: "native" | "wasm", optimizer: keyof typeof optimizers) => {
  const milliseconds = await models[name]!.timed(values.folder, optimizers[optimizer]).pipe(
    Effect.scoped,
    Effect.provide(Device.layer(engine, { threads })),
    Effect.provide(platform),
    Effect.runPromise
  )
  console.log(JSON.stringify({ milliseconds }))
}

if (values.cell !== undefined) {
  const [name, engine, optimizer] = JSON.parse(values.cell) as Parameters<typeof cell>
  await cell(name, engine, optimizer)
} else {
  const scratch = mkdtempSync(join(tmpdir(), "families-"))
  const said = (command: string, args: ReadonlyArray<string>): number | undefined => {
    const outcome = run<{ readonly milliseconds: number }>(command, args)
    if (typeof outcome !== "string") return outcome.milliseconds
    console.error(outcome)
    return undefined
  }
  try {
    console.log(
      `| model | batch | native, LoRA | native, LoRA-Pro (full) | wasm, LoRA | PyTorch + PEFT | native ÷ PyTorch |`
    )
    console.log("|---|---|---|---|---|---|---|")
    for (const name of Object.keys(models)) {
      const folder = join(scratch, name.replace("/", "-"))
      await written(name, folder)
      const ours = (...own: [engine: string, optimizer: string]) =>
        said(process.execPath, [
          ...[import.meta.filename, "--cell", JSON.stringify([name, ...own]), "--folder", folder],
          ...["--threads", values.threads, "--steps", values.steps]
        ])
      const [native, pro, wasm] = [ours("native", "LoRA"), ours("native", "LoRA-Pro (full)"), ours("wasm", "LoRA")]
      const torch = said(process.env["PYTHON"] ?? "python3", [
        join(import.meta.dirname, "families_torch.py"),
        ...["--folder", folder, "--threads", values.threads, "--steps", values.steps]
      ])
      const ms = (value: number | undefined) => (value === undefined ? "–" : Math.round(value).toLocaleString("en"))
      const ratio = native === undefined || torch === undefined ? "–" : (native / torch).toFixed(2)
      const cells = [name, models[name]!.shape, ms(native), ms(pro), ms(wasm), ms(torch), ratio]
      console.log(`| ${cells.join(" | ")} |`)
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
