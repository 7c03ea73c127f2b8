/**
 * A run so small that a software GPU takes its steps in no time: an encoder of two layers of 32 with seeded weights, and sentences of
 * its own words, all of it in memory, so that it is the same in Bun, in Deno and in a page.
 */
import * as Effect from "effect/Effect"
import { type MemoryFiles, memoryFiles } from "../../src/data/memory-files.ts"
import { resolve } from "../../src/kinds/index.ts"
import { bert } from "../../src/models/bert.ts"
import { randomStream } from "../../src/numbers/random.ts"
import { planFromValue } from "../../src/plan/index.ts"
import { trainInMemory } from "../../src/run/train-in-memory.ts"
import { writeSafetensors } from "../../src/safetensors/index.ts"

const config = {
  model_type: "bert",
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 64,
  vocab_size: 60,
  max_position_embeddings: 32,
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
  hidden_act: "gelu",
  pad_token_id: 0
}

const word = (i: number) => (i === 0 ? "[PAD]" : `word${i}`)

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
    vocab: Object.fromEntries(Array.from({ length: config.vocab_size }, (_, i) => [word(i), i])),
    unk_token: word(1)
  }
}

/** Sentences of up to eight words; a third of their words is one of their class's own. */
const rows = (): string => {
  const random = randomStream(1, "rows")
  const below = (n: number) => Math.floor(random() * n)
  return Array.from({ length: 24 }, (_, i) => {
    const own = 2 + 10 * (i % 3)
    const words = Array.from({ length: 3 + below(6) }, () => (below(3) === 0 ? own + below(10) : 2 + below(58)))
    return `${JSON.stringify({ text: words.map(word).join(" "), label: `class ${i % 3}` })}\n`
  }).join("")
}

/** Uniform numbers, the same bits in every engine; large enough that the encoder tells its words apart. */
const weights = () => {
  const decoded = bert.open(config)
  if (decoded._tag === "Failure") throw new Error(decoded.failure.join("\n"))
  return Object.fromEntries(
    decoded.success.parameters.map(({ name, shape }) => {
      const random = randomStream(1, name)
      const centre = name.endsWith("LayerNorm.weight") ? 1 : 0
      const size = shape.reduce((product, n) => product * n, 1)
      const data = Float32Array.from({ length: size }, () => centre + 0.3 * (random() - 0.5))
      return [name, { shape, data }]
    })
  )
}

const tinyFiles: Effect.Effect<MemoryFiles> = Effect.gen(function* () {
  const files = memoryFiles({
    "model/config.json": JSON.stringify(config),
    "model/tokenizer.json": JSON.stringify(tokenizer),
    "train.jsonl": rows()
  })
  yield* writeSafetensors("model/model.safetensors", weights()).pipe(Effect.provide(files.layer), Effect.orDie)
  return files
})

const lora = { method: "lora", rank: 4, alpha: 8 }
const loraPro = (form: string, learningRate: number) => ({ kind: "lora-pro", form, learningRate })
const adamw = (learningRate: number) => ({ kind: "adamw", learningRate })
/**
 * The efficient form divides A's gradient by BᵀB, which starts at 0, and Adam then takes it by its sign. Without a warm-up it does not
 * settle here, and what does not settle makes 1e-2 of one rounding: the cpu and wasm devices then differ as much as a GPU does.
 */
const warm = { schedule: { kind: "linear", warmup: 0.2 } }

/** Every method, as the sections of a plan; each moves the loss by a tenth or more. */
export const methods = {
  LoRA: { adapter: lora, optimizer: adamw(5e-3) },
  rsLoRA: { adapter: { ...lora, scaling: "rank-stabilized" }, optimizer: adamw(5e-3) },
  "LoRA-Pro, sgd": { adapter: lora, optimizer: loraPro("sgd", 5e-2) },
  "LoRA-Pro, full": { adapter: lora, optimizer: loraPro("full", 2e-3) },
  "LoRA-Pro, efficient": { adapter: lora, optimizer: { ...loraPro("efficient", 5e-3), ...warm } },
  "LoRA-Pro from PiSSA, full": {
    adapter: { ...lora, init: { kind: "pissa", iterations: 2 } },
    optimizer: loraPro("full", 2e-3)
  },
  "LoRA-Pro from PiSSA, efficient": {
    adapter: { ...lora, init: { kind: "pissa" } },
    optimizer: loraPro("efficient", 5e-3)
  },
  "full fine-tuning": { adapter: { method: "full" }, optimizer: adamw(1e-3) },
  "head alone": { adapter: { method: "none" }, optimizer: adamw(1e-2) }
}
export type MethodName = keyof typeof methods

export const STEPS = 50

/** The loss of every step, on the device that is open. */
export const lossesOf = (method: MethodName, steps = STEPS) =>
  Effect.gen(function* () {
    const files = yield* tinyFiles
    const value = {
      seed: 1,
      model: { source: "model" },
      data: { format: "classification", train: "train.jsonl", maxLength: 8 },
      ...methods[method],
      training: { steps, batchSize: 4 }
    }
    const trained = yield* Effect.gen(function* () {
      const plan = yield* planFromValue(value, "/")
      return yield* trainInMemory(yield* resolve(plan, method))
    }).pipe(Effect.scoped, Effect.provide(files.layer))
    return trained.steps.map(({ loss }) => loss)
  })
