/**
 * Checkpoints with random weights, as Hugging Face folders that `Models.load`, a plan and transformers read: time and memory of a step do
 * not depend on what is in the weights, as long as nothing overflows.
 *
 * Weights are uniform with the deviation 0.02 from which BERT starts, norms the identity.
 */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { platform } from "../src/index.ts"
import { bert } from "../src/models/index.ts"
import { bytesOf, streamSafetensors } from "../src/safetensors/index.ts"
import { minilmFolder, modelShapes } from "./shapes.ts"

const { layers, width, heads, inner, vocabulary } = modelShapes.base

const config = {
  architectures: ["BertModel"],
  model_type: "bert",
  hidden_act: "gelu",
  hidden_size: width,
  intermediate_size: inner,
  layer_norm_eps: 1e-12,
  max_position_embeddings: 512,
  num_attention_heads: heads,
  num_hidden_layers: layers,
  pad_token_id: 0,
  type_vocab_size: 2,
  vocab_size: vocabulary
}

const DEVIATION = 0.02

/** A multiplicative congruential generator (Park and Miller 1988): 85 million numbers in a second. */
export const uniform = () => {
  let state = 1
  return (): number => {
    state = (state * 48271) % 2147483647
    return (state / 2147483647 - 0.5) * DEVIATION * Math.sqrt(12)
  }
}

const valuesOf = (name: string, size: number, random: () => number): Float32Array => {
  if (/norm[\w.]*weight$/i.test(name)) return new Float32Array(size).fill(1)
  if (name.endsWith(".bias")) return new Float32Array(size)
  return Float32Array.from({ length: size }, random)
}

/** Writes config.json and random weights into a folder that does not exist yet; a tokenizer is not written. */
export const writeRandomCheckpoint = (
  folder: string,
  config: object,
  parameters: ReadonlyArray<{ readonly name: string; readonly shape: ReadonlyArray<number> }>
): Promise<void> => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "config.json"), JSON.stringify(config))
  const shapes = new Map(parameters.map(({ name, shape }) => [name, { dtype: "F32", shape } as const] as const))
  const random = uniform()
  const bytes = (name: string) => {
    const size = shapes.get(name)!.shape.reduce((product, n) => product * n, 1)
    return Effect.sync(() => bytesOf(valuesOf(name, size, random)))
  }
  return streamSafetensors(join(folder, "model.safetensors"), shapes, bytes, { format: "pt" }).pipe(
    Effect.provide(platform),
    Effect.runPromise
  )
}

/** Writes BERT-base's shape with MiniLM's tokenizer: 360 MB. */
export const writeBaseCheckpoint = (folder: string): Promise<void> => {
  mkdirSync(folder, { recursive: true })
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    copyFileSync(join(minilmFolder, file), join(folder, file))
  return writeRandomCheckpoint(folder, config, Result.getOrThrow(bert.open(config)).parameters)
}
