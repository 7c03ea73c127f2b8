/**
 * A GGUF file as the source of a causal model: config, tokenizer and tensors in the words of transformers. Only its header is read until
 * `read` is called; then one tensor at a time, dequantised to float32, with the converter's changes undone.
 *
 * Read are F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K and Q6_K, of the architectures of the table below.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { readExactly } from "../../tensors/safetensors-header.ts"
import type { CheckpointSource } from "../causal/checkpoint-source.ts"
import type { ModelError } from "../model-error.ts"
import type { Architecture, Undo } from "./architecture.ts"
import { type Fields, fieldsOf } from "./fields.ts"
import { gemma2, gemma3 } from "./gemma.ts"
import { type GgufHeader, type GgufTensor, problem } from "./gguf-file.ts"
import { gpt2 } from "./gpt2.ts"
import { readGgufHeader, unreadableFile } from "./header.ts"
import { llama, phi3, qwen2, qwen3 } from "./llama.ts"
import { tokenizerOf } from "./tokenizer.ts"

const architectures: Readonly<Record<string, Architecture>> = { llama, qwen2, qwen3, gemma2, gemma3, gpt2, phi3 }

const FREQUENCY_FACTORS = "rope_freqs.weight"

/** Opens a file. Fails with all that is wrong with it, before any weight is read. */
export const ggufSource = (file: string): Effect.Effect<CheckpointSource, ModelError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const header = yield* readGgufHeader(file)
    const name = header.metadata.get("general.architecture")
    const architecture =
      typeof name === "string" && Object.hasOwn(architectures, name) ? architectures[name] : undefined
    if (typeof name !== "string" || architecture === undefined) {
      const known = Object.keys(architectures).join(", ")
      return yield* problem(file, `general.architecture is ${JSON.stringify(name)}; supported are ${known}`)
    }
    const fields = fieldsOf(header.metadata, name)
    const factors = header.tensors.get(FREQUENCY_FACTORS)
    const frequencyFactors = factors === undefined ? null : yield* readOne(file, factors)
    const config = architecture.config({ header, fields, frequencyFactors })
    const named = namedTensors(header, architecture, fields)
    const { tokenizer, tokenizerConfig, problems } = tokenizerOf(header.metadata)
    const all = [...fields.problems, ...named.problems, ...problems]
    if (all.length > 0) return yield* problem(file, ...new Set(all))
    return {
      where: file,
      config,
      generationConfig: generationConfig(fields),
      tokenizer,
      tokenizerConfig,
      tensors: named.tensors,
      read: (names, visit) => readNamed(file, named.tensors, names, visit)
    }
  })

interface NamedTensor extends Undo {
  readonly stored: GgufTensor
}

/** The file's tensors by their names in transformers. */
const namedTensors = (header: GgufHeader, architecture: Architecture, fields: Fields) => {
  const tensors = new Map<string, NamedTensor>()
  const problems: Array<string> = []
  for (const stored of header.tensors.values()) {
    if (architecture.withoutCounterpart.includes(stored.name)) continue
    const name = nameInTransformers(stored.name, architecture)
    if (name === undefined) problems.push(`tensor ${stored.name} has no counterpart in this architecture's model`)
    else {
      const undo = architecture.undo(stored.name, stored.shape, fields)
      tensors.set(name, { stored, shape: undo?.shape ?? stored.shape, values: undo?.values ?? ((data) => data) })
    }
  }
  if (!header.tensors.has("token_embd.weight")) problems.push("tensor token_embd.weight is missing")
  return { tensors, problems }
}

const nameInTransformers = (name: string, { inside, outside, blockPrefix }: Architecture): string | undefined => {
  const parts = /^(?:blk\.(?<block>\d+)\.)?(?<module>[a-z_]+)\.(?<kind>weight|bias)$/.exec(name)?.groups
  if (parts === undefined) return undefined
  const { block, module, kind } = parts as { readonly [part: string]: string | undefined }
  const names = block === undefined ? outside : inside
  if (module === undefined || !Object.hasOwn(names, module)) return undefined
  return `${block === undefined ? "" : `${blockPrefix}${block}.`}${names[module]}.${kind}`
}

/** Chat models end a turn with a token of its own; generation stops at either. */
const generationConfig = (fields: Fields) => {
  const ends = ["eos", "eot", "eom"].map(fields.tokenId).filter((id) => id !== null)
  return {
    bos_token_id: fields.tokenId("bos"),
    eos_token_id: ends.length > 1 ? [...new Set(ends)] : (ends[0] ?? null),
    pad_token_id: fields.tokenId("padding")
  }
}

const readNamed = <R>(
  file: string,
  tensors: ReadonlyMap<string, NamedTensor>,
  names: ReadonlyArray<string>,
  visit: (name: string, data: Float32Array) => Effect.Effect<void, ModelError, R>
): Effect.Effect<void, ModelError, R | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const missing = names.filter((name) => !tensors.has(name))
    if (missing.length > 0) return yield* problem(file, ...missing.map((name) => `has no tensor for ${name}`))
    const wanted = names.map((name) => ({ name, ...tensors.get(name)! }))
    // in the order of their bytes
    wanted.sort((a, b) => a.stored.begin - b.stored.begin)
    const fs = yield* FileSystem.FileSystem
    const handle = yield* fs.open(file).pipe(Effect.mapError(unreadableFile(file)))
    for (const { name, stored, values } of wanted) yield* visit(name, values(yield* readValues(file, handle, stored)))
  }).pipe(Effect.scoped)

const readOne = (file: string, tensor: GgufTensor) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const handle = yield* fs.open(file).pipe(Effect.mapError(unreadableFile(file)))
    return yield* readValues(file, handle, tensor)
  }).pipe(Effect.scoped)

const readValues = (file: string, handle: FileSystem.File, { name, type, begin, end }: GgufTensor) =>
  Effect.gen(function* () {
    const bytes = yield* readExactly(handle, begin, end - begin).pipe(Effect.mapError(unreadableFile(file)))
    if (bytes.length === end - begin) return type.decode(bytes)
    return yield* problem(file, `became shorter while it was read: tensor ${name} ends at byte ${end}`)
  })
