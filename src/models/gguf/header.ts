/**
 * The header of a GGUF file: its metadata, and names, types, shapes and places of its tensors. No tensor is read.
 *
 *   "GGUF" · version · number of tensors · number of keys      key: name, type, value      tensor: name, dims, type, offset
 *   padding to `general.alignment`      the tensors
 *
 * `@huggingface/gguf` reads it; it asks for ranges of two million bytes, which are cut from the file here. A GGUF shape counts from the
 * fastest dimension; shapes here are row-major, as transformers has them.
 *
 * @see https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import { platformReason } from "../../tensors/platform-reason.ts"
import { readExactly } from "../../tensors/safetensors-header.ts"
import type { ModelError } from "../model-error.ts"
import { blockTypes, typeName } from "./block-types.ts"
import { exactStrings } from "./exact-strings.ts"
import { type AnnouncedTensor, type GgufHeader, type GgufTensor, type Metadata, problem } from "./gguf-file.ts"
import { parsePackaged } from "./packaged-parser.ts"

/** Reads and checks a file's header. Fails on a missing, cut or inconsistent file, and on tensors of a type that is not read here. */
export const readGgufHeader = (file: string): Effect.Effect<GgufHeader, ModelError, FileSystem.FileSystem> =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      // asked before it is opened: to open a pipe is to wait for whoever writes to it
      const { type, size } = yield* fs.stat(file)
      if (type !== "File") return yield* problem(file, `not a regular file (${type.toLowerCase()})`)
      const handle = yield* fs.open(file)
      const parsed = yield* parsePackaged(file, handle, Number(size))
      const bytes = yield* readExactly(handle, 0, parsed.tensorInfosBegin)
      const metadata = exactStrings(bytes, parsed.metadata)
      const shards = metadata.get("split.count")
      if (typeof shards === "number" && shards > 1) {
        return yield* problem(file, `is one of ${shards} parts; join them first (llama-gguf-split --merge)`)
      }
      return yield* checkTensors(file, metadata, parsed.tensors, parsed.tensorsBegin, Number(size))
    })
  ).pipe(Effect.catchTag("PlatformError", (error) => Effect.fail(unreadableFile(file)(error))))

export const unreadableFile = (file: string) => (error: PlatformError) =>
  problem(
    file,
    error.reason._tag === "NotFound"
      ? "no such file; expected a GGUF file, or the folder or hf:owner/name of a model"
      : `cannot be read: ${platformReason(error)}`
  )

const checkTensors = (
  file: string,
  metadata: Metadata,
  announced: ReadonlyArray<AnnouncedTensor>,
  start: number,
  fileSize: number
): Effect.Effect<GgufHeader, ModelError> => {
  const problems: Array<string> = []
  const tensors = new Map<string, GgufTensor>()
  for (const entry of announced) {
    const checked = checkTensor(entry, start, fileSize)
    if (typeof checked === "string") problems.push(`tensor ${entry.name} ${checked}`)
    else if (tensors.has(entry.name)) problems.push(`tensor ${entry.name} is there twice`)
    else tensors.set(entry.name, checked)
  }
  return problems.length > 0 ? Effect.fail(problem(file, ...problems)) : Effect.succeed({ file, metadata, tensors })
}

/** The tensor, or the end of a sentence that begins with its name. */
const checkTensor = (
  { name, dimensions, type: id, offset }: AnnouncedTensor,
  start: number,
  fileSize: number
): GgufTensor | string => {
  const type = blockTypes.get(id)
  if (type === undefined) {
    const known = [...blockTypes.values()].map(({ name }) => name).join(", ")
    return `is stored as ${typeName(id)}, which is not read here; expected one of ${known}`
  }
  const elements = dimensions.reduce((product, n) => product * n, 1)
  if (dimensions.length === 0 || !Number.isSafeInteger(elements)) return `has dimensions [${dimensions.join(", ")}]`
  if (dimensions[0]! % type.elements !== 0) {
    return `has rows of ${dimensions[0]}, which ${type.name}'s blocks of ${type.elements} do not divide`
  }
  const begin = start + offset
  const end = begin + (elements / type.elements) * type.bytes
  if (end > fileSize) return `ends at byte ${end}, the file has ${fileSize}: it is cut, or was not downloaded whole`
  return { name, shape: [...dimensions].reverse(), type, begin, end }
}
