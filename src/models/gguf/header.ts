/**
 * The header of a GGUF file, or of all files of a model that is split: metadata, and names, types, shapes and places of the tensors. No
 * tensor is read. A GGUF shape counts from the fastest dimension; shapes here are row-major, as transformers has them.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import { cut, Listing, limit, overLimit } from "../../boundary/index.ts"
import { partFiles, platformReason, readExactly } from "../../files/index.ts"
import { type ModelError, refusedUrl } from "../model.ts"
import { blockTypes, typeName } from "./block-types.ts"
import {
  type AnnouncedTensor,
  type GgufHeader,
  type GgufTensor,
  type ParsedHeader,
  parseHeader,
  problem
} from "./parse-header.ts"
import { partCount, partProblem } from "./split-files.ts"

/**
 * Reads and checks a file's header; for a split model any part may be named, and all are read. Fails for missing, truncated or inconsistent
 * files, and for tensors of an unsupported type.
 */
export const readGgufHeader = (file: string): Effect.Effect<GgufHeader, ModelError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const opened = yield* readGgufFile(file)
    const count = partCount(opened.metadata)
    return count === 1 ? yield* headerOf(file, [opened]) : yield* readParts(file, opened, count)
  })

/** An opened file and its header. */
export interface OpenedFile extends ParsedHeader {
  readonly file: string
  readonly size: number
}

const readParts = (file: string, opened: OpenedFile, count: number) =>
  Effect.gen(function* () {
    if (count > limit("weight-files")) {
      return yield* problem(file, `is one of ${count} parts (split.count), more than ${overLimit("weight-files")}`)
    }
    const files = partFiles(file)
    if (files === undefined || files.length !== count) {
      const number = `${count}`.padStart(5, "0")
      return yield* problem(
        file,
        `is one of ${count} parts (split.count); expected all of them in one folder, named …-00001-of-${number}.gguf and so on`
      )
    }
    const parts = yield* Effect.forEach(files, (part, index) =>
      Effect.gen(function* () {
        if (part === file) return opened
        const fs = yield* FileSystem.FileSystem
        // reported with the file that needs it: the user has not typed this name
        if (!(yield* fs.exists(part).pipe(Effect.orElseSucceed(() => false)))) {
          return yield* problem(part, `no such file; it is part ${index + 1} of ${count} of the model of ${file}`)
        }
        return yield* readGgufFile(part)
      })
    )
    for (const [index, { file: part, metadata }] of parts.entries()) {
      const wrong = partProblem(metadata, index, opened.metadata)
      if (wrong !== undefined) return yield* problem(part, wrong)
    }
    const header = yield* headerOf(file, parts)
    const total = header.metadata.get("split.tensors.count")
    if (header.tensors.size === total) return header
    return yield* problem(file, `has ${header.tensors.size} tensors in ${count} parts; split.tensors.count is ${total}`)
  })

/** The bytes that are read first; four times as many while the header is longer. Vocabularies of 262144 tokens have headers of 16 MB. */
const FIRST_BYTES = 2 ** 22

/** Reads the header of one file. */
export const readGgufFile = (file: string): Effect.Effect<OpenedFile, ModelError, FileSystem.FileSystem> =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const refused = refusedUrl(file)
      if (refused !== undefined) return yield* refused
      // checked before it is opened: opening a pipe waits for its writer
      const { type, size: bytes } = yield* fs.stat(file)
      if (type !== "File") return yield* problem(file, `not a regular file (${type.toLowerCase()})`)
      const handle = yield* fs.open(file)
      const size = Number(bytes)
      const longest = Math.min(size, limit("gguf-header-bytes"))
      for (let length = Math.min(FIRST_BYTES, longest); ; length = Math.min(4 * length, longest)) {
        const parsed = parseHeader(yield* readExactly(handle, 0, length), size)
        if (parsed !== "more")
          return "problem" in parsed ? yield* problem(file, parsed.problem) : { file, size, ...parsed }
        if (length === longest) break
      }
      return yield* problem(file, `its header is longer than ${overLimit("gguf-header-bytes")}`)
    })
  ).pipe(Effect.catchTag("PlatformError", (error) => Effect.fail(unreadableFile(file)(error))))

/** Returns the error of a file that cannot be read. */
export const unreadableFile = (file: string) => (error: PlatformError) =>
  problem(
    file,
    error.reason._tag === "NotFound"
      ? "no such file; expected a GGUF file, or the folder or hf:owner/name of a model"
      : `cannot be read: ${platformReason(error)}`
  )

/** The tensors of all parts under the metadata of the first. */
const headerOf = (file: string, parts: ReadonlyArray<OpenedFile>): Effect.Effect<GgufHeader, ModelError> => {
  const problems = new Listing()
  const tensors = new Map<string, GgufTensor>()
  for (const part of parts) {
    const sound: Array<GgufTensor> = []
    for (const entry of part.tensors) {
      const checked = checkTensor(entry, part)
      if (typeof checked === "string") problems.add(`tensor ${cut(entry.name)} ${checked}`)
      else if (tensors.has(entry.name)) problems.add(`tensor ${cut(entry.name)} is in two parts`)
      else {
        tensors.set(entry.name, checked)
        sound.push(checked)
      }
    }
    sound.sort((a, b) => a.begin - b.begin)
    for (const [i, { name, begin }] of sound.entries()) {
      const before = sound[i - 1]
      if (before !== undefined && begin < before.end) {
        problems.add(`tensor ${cut(name)} begins at byte ${begin}, in tensor ${cut(before.name)}`)
      }
    }
  }
  if (!problems.isEmpty) return Effect.fail(problem(file, ...problems.entries))
  return Effect.succeed({ file, metadata: parts[0]!.metadata, tensors })
}

/** The tensor, or the end of a sentence that begins with its name. */
const checkTensor = (
  { name, dimensions, type: id, offset }: AnnouncedTensor,
  { file, size, tensorsBegin }: OpenedFile
): GgufTensor | string => {
  const type = blockTypes.get(id)
  if (type === undefined) {
    const known = [...blockTypes.values()].map(({ name }) => name).join(", ")
    return `is stored as ${typeName(id)}, which is not supported; expected one of ${known} (llama-quantize makes them)`
  }
  const elements = dimensions.reduce((product, n) => product * n, 1)
  if (!Number.isSafeInteger(elements)) return `has dimensions [${dimensions.join(", ")}]`
  if (dimensions[0]! % type.elements !== 0) {
    return `has rows of ${dimensions[0]}, which ${type.name}'s blocks of ${type.elements} do not divide`
  }
  const begin = tensorsBegin + offset
  const end = begin + (elements / type.elements) * type.bytes
  if (end > size)
    return `ends at byte ${end}, the file has ${size}: the file is truncated, or its download is incomplete`
  return { name, shape: [...dimensions].reverse(), type, file, begin, end }
}
