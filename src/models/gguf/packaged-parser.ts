/**
 * `@huggingface/gguf` on an open file. The package reads addresses and asks for ranges; here they are answered from the file, so that
 * Bun, Deno and Node read it alike and no more than the header's ranges of two million bytes are held (at most fifty million: its bound).
 */
import type { GGUFParseOutput, GGUFTypedMetadata } from "@huggingface/gguf"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { readExactly } from "../../tensors/safetensors-header.ts"
import type { ModelError } from "../model-error.ts"
import { type AnnouncedTensor, problem } from "./gguf-file.ts"

export interface ParsedHeader {
  readonly metadata: GGUFTypedMetadata
  readonly tensors: ReadonlyArray<AnnouncedTensor>
  /** byte at which the list of tensors begins: behind the metadata */
  readonly tensorInfosBegin: number
  /** byte at which the tensors begin */
  readonly tensorsBegin: number
}

type Output = GGUFParseOutput & { readonly typedMetadata: GGUFTypedMetadata }

/** never asked for over the network: every request is answered from the file */
const ADDRESS = "https://gguf.invalid/file.gguf"

export const parsePackaged = (
  file: string,
  handle: FileSystem.File,
  size: number
): Effect.Effect<ParsedHeader, ModelError> =>
  Effect.gen(function* () {
    const read = rangesOf(handle, size)
    // loaded here: a program without GGUF files does not pay for it
    const output = yield* Effect.tryPromise({
      try: async (): Promise<Output> => {
        const { gguf } = await import("@huggingface/gguf")
        return gguf(ADDRESS, { fetch: read, typedMetadata: true })
      },
      catch: (cause) => problem(file, `${sentenceOf(cause)}: not a GGUF file, or a damaged one`)
    })
    const [tensorInfosBegin, headerEnd] = output.tensorInfoByteRange
    if (headerEnd > size) {
      return yield* problem(file, `truncated: its header ends at byte ${headerEnd}, the file has ${size} bytes`)
    }
    const refusal = layoutProblem(output)
    if (refusal !== undefined) return yield* problem(file, refusal)
    const tensors = output.tensorInfos.map(({ name, shape, dtype, offset }) => ({
      name,
      dimensions: shape.map(Number),
      type: Number(dtype),
      offset: Number(offset)
    }))
    return { metadata: output.typedMetadata, tensors, tensorInfosBegin, tensorsBegin: Number(output.tensorDataOffset) }
  })

const layoutProblem = ({ metadata, littleEndian }: Output): string | undefined => {
  if (!littleEndian) return "is big-endian; expected a little-endian file"
  if (metadata.version === 1) return "is of version 1 of the format; expected 2 or 3 (convert it again)"
  const alignment = Number((metadata as { readonly "general.alignment"?: unknown })["general.alignment"] ?? 32)
  // the package rounds by a mask, which is right for powers of two
  return Number.isInteger(Math.log2(alignment))
    ? undefined
    : `general.alignment is ${alignment}; expected a power of two`
}

/** `fetch` with a Range, from the file. The package may ask once beyond the end to have some bytes in advance, not more often. */
const rangesOf = (handle: FileSystem.File, size: number): typeof fetch => {
  let beyond = 0
  const answer = async (_: unknown, init?: RequestInit): Promise<Response> => {
    const range = new Headers(init?.headers).get("range") ?? ""
    const [begin, last] = range.replace("bytes=", "").split("-").map(Number) as [number, number]
    if (begin >= size && ++beyond > 1) throw new Error(`truncated: its header goes on behind its ${size} bytes`)
    const bytes = await Effect.runPromise(readExactly(handle, begin, Math.max(0, Math.min(last + 1, size) - begin)))
    return new Response(bytes, { status: 206, headers: { "content-range": `bytes ${begin}-${last}/${size}` } })
  }
  return Object.assign(answer, { preconnect: () => undefined }) as typeof fetch
}

/** What the package says, without its capital letter or full stop. */
const sentenceOf = (cause: unknown): string => {
  if (cause instanceof RangeError) return "its header is longer than 50,000,000 bytes, or ends early"
  const text = cause instanceof Error ? cause.message : String(cause)
  return text.replace(/\.$/, "").replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase())
}
