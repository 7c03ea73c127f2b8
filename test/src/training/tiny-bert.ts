/**
 * The golden BERT (two layers of 32, three classes, random weights) as a loaded `Model`, and batches for it.
 *
 * The golden folder has no tokenizer, since its inputs are token ids; a folder that loads gets one of as many words.
 */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { OptionsError } from "../../../schemas/index.ts"
import type { Batch } from "../../../src/data/index.ts"
import { load, type Model, type ModelError } from "../../../src/models/index.ts"
import { randomStream } from "../../../src/numbers/random.ts"
import { platform } from "../../../src/platform.ts"

export const goldenPath = (path: string): string => fileURLToPath(new URL(`../../golden/${path}`, import.meta.url))

const VOCABULARY = 120

const tokenizer = {
  version: "1.0",
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: "Whitespace" },
  post_processor: null,
  decoder: null,
  model: {
    type: "WordPiece",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries(Array.from({ length: VOCABULARY }, (_, i) => [i === 0 ? "[PAD]" : `word${i}`, i])),
    unk_token: "word1"
  }
}

const folder = Effect.acquireRelease(
  Effect.sync(() => {
    const path = mkdtempSync(join(tmpdir(), "tiny-bert-"))
    for (const file of ["config.json", "model.safetensors"]) cpSync(goldenPath(`models/bert/${file}`), join(path, file))
    writeFileSync(join(path, "tokenizer.json"), JSON.stringify(tokenizer))
    return path
  }),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

/** With the checkpoint's own pooler and classifier, or a new head over mean pooling. */
export const tinyBert = (
  head: "checkpoint" | "mean" = "checkpoint"
): Effect.Effect<Model, ModelError | OptionsError, Scope.Scope> =>
  folder.pipe(
    Effect.flatMap((source) =>
      load({
        source,
        task: head === "mean" ? "classification" : { kind: "classification", pooling: "pooler", head: "checkpoint" }
      })
    ),
    Effect.provide(platform)
  )

/** A batch of random tokens, rows padded at the end to `length`. */
export const randomBatch = (size: number, length: number, seed: number): Batch => {
  const random = randomStream(seed, "batch")
  const below = (n: number) => Math.floor(random() * n)
  const inputIds = new Int32Array(size * length)
  const attentionMask = new Float32Array(size * length)
  let tokens = 0
  for (let row = 0; row < size; row++) {
    const own = row === 0 ? length : 2 + below(length - 1)
    tokens += own
    for (let i = 0; i < own; i++) {
      inputIds[row * length + i] = 1 + below(VOCABULARY - 1)
      attentionMask[row * length + i] = 1
    }
  }
  const labels = Int32Array.from({ length: size }, () => below(3))
  return { size, length, inputIds, tokenTypeIds: new Int32Array(size * length), attentionMask, labels, tokens }
}

/** Two batches of equal length as one. */
export const joined = (a: Batch, b: Batch): Batch => ({
  size: a.size + b.size,
  length: a.length,
  inputIds: Int32Array.of(...a.inputIds, ...b.inputIds),
  tokenTypeIds: Int32Array.of(...a.tokenTypeIds, ...b.tokenTypeIds),
  attentionMask: Float32Array.of(...a.attentionMask, ...b.attentionMask),
  labels: Int32Array.of(...a.labels, ...b.labels),
  tokens: a.tokens + b.tokens
})
