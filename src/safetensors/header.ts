/**
 * The header of a safetensors file: names, types, shapes and locations of its tensors. No tensor is read.
 *
 *   8 bytes  n, little-endian      n bytes  JSON, padded with spaces      the rest  tensors, row-major, little-endian
 *   { "__metadata__": { … strings … }, "name": { "dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24] }, … }
 *
 * Every guarantee of the format is checked (an invalid file is rejected before anything is allocated for it), and all problems of a file are
 * reported at once. Offsets in the file are relative to the end of the header; `begin` and `end` here count from the file's start.
 *
 * @see https://github.com/huggingface/safetensors#format
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { cut, isRecord, Listing, limit, listedLines, overLimit, quoted } from "../boundary/index.ts"
import { parseBoundedJson, platformReason, readExactly, repeatsKey } from "../files/index.ts"

export class SafetensorsError extends Schema.TaggedError<SafetensorsError>()("SafetensorsError", {
  /** its path */
  file: Schema.String,
  /** one sentence per problem; at least one */
  problems: Schema.Array(Schema.String),
  /** whether the file does not exist */
  missing: Schema.optionalKey(Schema.Boolean)
}) {
  override get message() {
    return listedLines(this.problems, (problem) => `${this.file}: ${problem}`)
  }
}

/** Bytes per element, by dtype. */
export const bytesPerElement = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  U64: 8,
  I32: 4,
  U32: 4,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1
} as const
export type Dtype = keyof typeof bytesPerElement

/** Location of a tensor in a file: bytes `begin` to `end` (exclusive), counted from the file's start. */
export interface StoredTensor {
  readonly file: string
  readonly name: string
  readonly dtype: Dtype
  readonly shape: ReadonlyArray<number>
  readonly begin: number
  readonly end: number
}

export interface SafetensorsHeader {
  readonly file: string
  readonly metadata: Readonly<Record<string, string>>
  /** tensors by name, in the order of their bytes */
  readonly tensors: ReadonlyMap<string, StoredTensor>
}

/** Reads and validates a file's header. Fails if the file is missing, truncated, corrupted or inconsistent. */
export const readHeader = (file: string): Effect.Effect<SafetensorsHeader, SafetensorsError, FileSystem.FileSystem> =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const fail = (problem: string) => new SafetensorsError({ file, problems: [problem] })
      // asked before it is opened: opening a pipe waits for its writer
      const { type } = yield* fs.stat(file)
      if (type !== "File") return yield* fail(`not a regular file (${type.toLowerCase()})`)
      const handle = yield* fs.open(file)
      const size = Number((yield* handle.stat).size)
      if (size < 8) return yield* fail(`truncated: ${size} bytes found, a safetensors file has at least 8`)
      const prefix = yield* readExactly(handle, 0, 8)
      const length = Number(new DataView(prefix.buffer).getBigUint64(0, true))
      if (length > limit("safetensors-header-bytes")) {
        return yield* fail(
          `a header of ${length} bytes is announced, so it may not be a safetensors file; expected at most ${overLimit("safetensors-header-bytes")}`
        )
      }
      if (8 + length > size) {
        return yield* fail(`truncated: the header ends at byte ${8 + length}, the file has ${size} bytes`)
      }
      const header = parseHeader(file, yield* readExactly(handle, 8, length), size)
      return header instanceof SafetensorsError ? yield* header : header
    })
  ).pipe(Effect.catchTag("PlatformError", (error) => Effect.fail(unreadable(file)(error))))

export const unreadable = (file: string) => (error: PlatformError) =>
  new SafetensorsError({
    file,
    problems: [error.reason._tag === "NotFound" ? "no such file" : `cannot be read: ${platformReason(error)}`]
  })

/** Parses the JSON of a header and validates it against the size of the file, in bytes. */
export const parseHeader = (file: string, json: Uint8Array, fileSize: number): SafetensorsHeader | SafetensorsError => {
  const fail = (problems: ReadonlyArray<string>) => new SafetensorsError({ file, problems })
  const parsed = parseText(json)
  if ("problem" in parsed) {
    return fail([`the header ${parsed.problem}: the file is corrupted, or not a safetensors file`])
  }
  if (!isRecord(parsed.value)) return fail(["the header is not a JSON object"])
  const { __metadata__: metadata = {}, ...entries } = parsed.value
  const start = 8 + json.length
  const problems = new Listing()
  if (!isRecord(metadata) || Object.values(metadata).some((value) => typeof value !== "string")) {
    problems.add("__metadata__ is not a map of strings")
  }
  if (repeatsKey(parsed.text, parsed.value)) problems.add("the header has a key twice; expected each name once")
  const tensors = Object.entries(entries).flatMap(([name, entry]) => {
    const tensor = checkEntry(file, name, entry, start)
    if (typeof tensor !== "string") return [tensor]
    problems.add(`tensor ${cut(name)}: ${tensor}`)
    return []
  })
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end)
  if (problems.isEmpty) checkLayout(tensors, start, fileSize, problems)
  if (!problems.isEmpty) return fail(problems.entries)
  return {
    file,
    metadata: metadata as Record<string, string>,
    tensors: new Map(tensors.map((tensor) => [tensor.name, tensor]))
  }
}

type ParsedText = { readonly text: string; readonly value: unknown } | { readonly problem: string }

const parseText = (json: Uint8Array): ParsedText => {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(json)
    return { text, ...parseBoundedJson(text) }
  } catch {
    return { problem: "is not JSON" }
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

/** Returns the entry of one tensor, or what is wrong with it as the end of a sentence that begins with its name. */
const checkEntry = (file: string, name: string, entry: unknown, start: number): StoredTensor | string => {
  if (!isRecord(entry)) return "its entry is not an object"
  const { dtype, shape, data_offsets: offsets } = entry
  if (typeof dtype !== "string" || !Object.hasOwn(bytesPerElement, dtype)) {
    return `dtype ${quoted(dtype)}; known are ${Object.keys(bytesPerElement).join(", ")}`
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) return `shape ${quoted(shape)}`
  if (shape.length > limit("tensor-axes"))
    return `its shape has ${shape.length} axes, more than ${overLimit("tensor-axes")}`
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0]! > offsets[1]!) {
    return `data_offsets ${quoted(offsets)}`
  }
  const [begin, end] = offsets as [number, number]
  const bytes = (shape as Array<number>).reduce((size, n) => size * n, 1) * bytesPerElement[dtype as Dtype]
  if (bytes !== end - begin) {
    return `${dtype} of shape [${shape}] is ${bytes} bytes, data_offsets span ${end - begin}`
  }
  return { file, name, dtype: dtype as Dtype, shape, begin: start + begin, end: start + end }
}

/** Checks that tensors fill the file without gap or overlap. `tensors` must be in the order of their bytes. */
const checkLayout = (
  tensors: ReadonlyArray<StoredTensor>,
  start: number,
  fileSize: number,
  problems: Listing
): void => {
  let place = start
  let before = "the header"
  for (const { name, begin, end } of tensors) {
    const tensor = `tensor ${cut(name)}`
    if (begin < place) problems.add(`${tensor} overlaps ${before} by ${place - begin} bytes`)
    if (begin > place) problems.add(`${begin - place} bytes between ${before} and ${tensor} do not belong to a tensor`)
    place = Math.max(place, end)
    before = tensor
  }
  if (place > fileSize) {
    const lost = tensors.filter(({ end }) => end > fileSize)
    const which = `${lost.length} of ${tensors.length} tensors are cut, the first is ${cut(lost[0]!.name)}`
    problems.add(`truncated: ${place} bytes expected, ${fileSize} found (${which})`)
  }
  if (place < fileSize) problems.add(`${fileSize - place} bytes after the last tensor do not belong to a tensor`)
}
