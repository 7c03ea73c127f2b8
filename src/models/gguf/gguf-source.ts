/**
 * A GGUF file, or the files of a split model, as the source of a causal model: config, tokenizer and tensors in transformers' terms. Only
 * headers are read until `read` is called; then one tensor at a time, dequantized to float32, with the converter's changes undone.
 *
 * The types of block-types.ts are read, and the architectures of the families in `causal/families.ts`.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { cut, Listing, quoted } from "../../boundary/index.ts"
import { readExactly } from "../../files/index.ts"
import { type PackedHostMatrix, wordsOfRow } from "../../numbers/index.ts"
import { working } from "../../progress/index.ts"
import type { CheckpointSource, Take } from "../causal/causal-model.ts"
import type { CausalFamily } from "../causal/decoder.ts"
import { causalFamilies } from "../causal/families.ts"
import type { ModelError } from "../model.ts"
import { type Fields, fieldsOf, type GgufArchitecture, type Undo } from "./architecture.ts"
import { ROTARY_FACTORS } from "./gated.ts"
import { readGgufHeader, unreadableFile } from "./header.ts"
import { type GgufHeader, type GgufTensor, problem } from "./parse-header.ts"
import { tokenizerOf } from "./tokenizer.ts"

const families: ReadonlyMap<string, CausalFamily & { readonly gguf: GgufArchitecture }> = new Map(
  Object.values(causalFamilies).flatMap(({ gguf, ...family }: CausalFamily) =>
    gguf === null ? [] : [[gguf.name, { ...family, gguf }]]
  )
)

/** Bytes of factors, of which a head has one for each two columns. */
const MOST_FACTORS = 2 ** 20

/** Opens a file. Fails with all its problems before any weight is read. */
export const ggufSource = (file: string): Effect.Effect<CheckpointSource, ModelError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const header = yield* readGgufHeader(file)
    const name = header.metadata.get("general.architecture")
    const family = families.get(`${name}`)
    if (family === undefined) {
      const known = [...families.keys()].join(", ")
      return yield* problem(file, `general.architecture is ${quoted(name)}; supported are ${known}`)
    }
    const { name: modelType, className, gguf: architecture } = family
    const fields = fieldsOf(header.metadata, architecture.name)
    const rotaryFactors = new Map<string, Float32Array>()
    for (const stored of header.tensors.values()) {
      if (!ROTARY_FACTORS.includes(stored.name)) continue
      const bytes = stored.end - stored.begin
      if (bytes > MOST_FACTORS)
        return yield* problem(
          file,
          `tensor ${stored.name} has ${bytes} bytes; expected a number for each pair of columns`
        )
      rotaryFactors.set(stored.name, yield* withFile(stored.file, (handle) => readValues(handle, stored)))
    }
    const fromMetadata = architecture.config({ fields, tensors: header.tensors, rotaryFactors })
    const config = { model_type: modelType, architectures: [className], ...fromMetadata }
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
      stored: (name) => {
        const { stored, shape, rows } = named.tensors.get(name)!
        return rows === undefined ? undefined : { ...stored, type: stored.type.name, shape, rows }
      },
      read: (names, visit, take) => readNamed(file, named.tensors, names, visit, take)
    }
  })

interface NamedTensor extends Undo {
  readonly stored: GgufTensor
}

const asStored = { values: (data: Float32Array) => data, rows: <Data>(data: Data) => data }

/** The file's tensors by their names in transformers. */
const namedTensors = (header: GgufHeader, architecture: GgufArchitecture, fields: Fields) => {
  const tensors = new Map<string, NamedTensor>()
  const problems = new Listing()
  for (const stored of header.tensors.values()) {
    if (architecture.withoutCounterpart.includes(stored.name)) continue
    const name = nameInTransformers(stored.name, architecture)
    if (name === undefined) problems.add(`tensor ${cut(stored.name)} has no counterpart in this architecture's model`)
    else {
      const undo = architecture.undo(stored.name, stored.shape, fields)
      tensors.set(name, { stored, shape: stored.shape, ...(undo ?? asStored) })
    }
  }
  if (!header.tensors.has("token_embd.weight")) problems.add("tensor token_embd.weight is missing")
  return { tensors, problems: problems.entries }
}

const nameInTransformers = (name: string, { inside, outside, blockPrefix }: GgufArchitecture): string | undefined => {
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
  visit: (name: string, data: Float32Array) => Effect.Effect<void, ModelError, R>,
  take: Take | undefined
): Effect.Effect<void, ModelError, R | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const missing = names.filter((name) => !tensors.has(name))
    if (missing.length > 0) return yield* problem(file, ...missing.map((name) => `has no tensor for ${name}`))
    const wanted = names.map((name) => ({ name, ...tensors.get(name)! }))
    // in the order of their bytes
    wanted.sort((a, b) => a.stored.begin - b.stored.begin)
    let done = 0
    for (const [part, inPart] of Map.groupBy(wanted, ({ stored }) => stored.file)) {
      yield* withFile(part, (handle) =>
        Effect.gen(function* () {
          for (const tensor of inPart) {
            if (wanted.length > 1)
              yield* working("loading the weights", { done: done++, of: wanted.length, unit: "tensors" })
            const bytes = yield* readBytes(handle, tensor.stored)
            if (take?.(tensor.name, () => packedOf(tensor, bytes)) === true) continue
            yield* visit(tensor.name, tensor.values(tensor.stored.type.decode(bytes)))
          }
        })
      )
    }
  })

const withFile = <A, R>(file: string, use: (handle: FileSystem.File) => Effect.Effect<A, ModelError, R>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return yield* use(yield* fs.open(file).pipe(Effect.mapError(unreadableFile(file))))
  }).pipe(Effect.scoped)

/** A matrix whose blocks a packing has, as they are; null for another one. */
const packedOf = ({ stored, shape, rows }: NamedTensor, bytes: Uint8Array<ArrayBuffer>): PackedHostMatrix | null => {
  if (shape.length !== 2 || rows === undefined) return null
  const packed = stored.type.packed?.(bytes)
  if (packed == null) return null
  const { packing, words } = packed
  const [out, inputs] = shape as readonly [number, number]
  return { packing, words: rows(words, wordsOfRow(packing, inputs)), scales: null, shape: [out, inputs] }
}

const readValues = (handle: FileSystem.File, stored: GgufTensor) =>
  Effect.map(readBytes(handle, stored), stored.type.decode)

const readBytes = (handle: FileSystem.File, { file, name, begin, end }: GgufTensor) =>
  Effect.gen(function* () {
    const bytes = yield* readExactly(handle, begin, end - begin).pipe(Effect.mapError(unreadableFile(file)))
    if (bytes.length === end - begin) return bytes
    return yield* problem(file, `became shorter while it was read: tensor ${name} ends at byte ${end}`)
  })
