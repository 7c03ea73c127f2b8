/**
 * Golden decoders as llama.cpp's converter takes them: with a SentencePiece vocabulary. Tokenizers of the other kind it knows by a hash of
 * what they do to a text, which only those of published models have.
 */
import { cpSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { platform } from "../../src/platform.ts"
import { writeSafetensors } from "../../src/safetensors/index.ts"
import { tokenizerConfig, wordTokenizer } from "../e2e/causal-workspace.ts"
import { repository, tensorsIn, type Workspace } from "../e2e/fixtures.ts"

const folders = {
  llama: "llama",
  mistral: "mistral",
  qwen2: "qwen2",
  qwen3: "qwen3",
  gemma2: "gemma2",
  gemma3: "gemma3",
  phi3: "variants/phi3"
} as const

export type ConvertedDecoder = keyof typeof folders

export const decoders = Object.keys(folders) as ReadonlyArray<ConvertedDecoder>

/** What llama.cpp does whatever a config says. */
const fixed: Readonly<Partial<Record<ConvertedDecoder, object>>> = {
  // every sixth layer sees everything, and there are three
  gemma3: { layer_types: Array(3).fill("sliding_attention") },
  // "Phi SWA is currently disabled"
  phi3: { sliding_window: null }
}

/** A number of Protocol Buffers' wire format. */
const varint = (value: number): ReadonlyArray<number> =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]

/** A field of bytes. */
const delimited = (field: number, bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([...varint((field << 3) | 2), ...varint(bytes.length)]), bytes])

/** A field of a number. */
const numbered = (field: number, value: number): Buffer => Buffer.from([...varint(field << 3), ...varint(value)])

/** tokenizer.model: `ModelProto` of SentencePiece, pieces = 1 {piece = 1, score = 2, type = 3}, trainer_spec = 2 {model_type = 3, byte_fallback = 35}. */
const sentencePieceModel = (pieces: ReadonlyArray<string>): Buffer => {
  const [NORMAL, UNKNOWN, CONTROL, BYTE] = [1, 2, 3, 6]
  const typeOf = (piece: string) => {
    if (piece === "<unk>") return UNKNOWN
    if (piece.startsWith("<0x")) return BYTE
    return piece.startsWith("<") ? CONTROL : NORMAL
  }
  const BPE = 2
  const written = pieces.map((piece, i) => {
    const score = Buffer.alloc(5)
    score[0] = (2 << 3) | 5
    score.writeFloatLE(-i, 1)
    return delimited(1, Buffer.concat([delimited(1, Buffer.from(piece)), score, numbered(3, typeOf(piece))]))
  })
  const trainer = [numbered(3, BPE), numbered(35, pieces.includes("<0x00>") ? 1 : 0)]
  return Buffer.concat([...written, delimited(2, Buffer.concat(trainer))])
}

/** Writes the decoder with the workspace's tokenizer of words, and a SentencePiece model with a piece for each row of its embedding. */
export const convertedDecoder = (w: Workspace, name: ConvertedDecoder): string => {
  const golden = join(repository, "test", "golden", "models", folders[name])
  const config = JSON.parse(readFileSync(join(golden, "config.json"), "utf8"))
  w.write(join(name, "config.json"), { ...config, ...fixed[name] })
  cpSync(join(golden, "model.safetensors"), w.path(join(name, "model.safetensors")))
  // llama.cpp asks for it by name
  writeVocabulary(w, name, name === "phi3" ? ["<|endoftext|>"] : [])
  return name
}

const writeVocabulary = (w: Workspace, folder: string, more: ReadonlyArray<string>): void => {
  w.write(join(folder, "tokenizer.json"), wordTokenizer())
  w.write(join(folder, "tokenizer_config.json"), tokenizerConfig)
  const rows = w.json(join(folder, "config.json"))["vocab_size"] as number
  const pieces = [...Object.keys(wordTokenizer().model.vocab), ...more]
  while (pieces.length < rows) pieces.push(`unused${pieces.length}`)
  writeFileSync(w.path(join(folder, "tokenizer.model")), sentencePieceModel(pieces))
}

const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`)

/** The Llama with three times its rows, so that its vocabulary has a token for each byte, as a GGUF file's has to have here. */
export const decoderOfBytes = async (w: Workspace, folder: string): Promise<string> => {
  convertedDecoder(w, "llama")
  const tensors = await tensorsIn(w, "llama/model.safetensors")
  const config = w.json("llama/config.json") as { readonly vocab_size: number }
  w.write(join(folder, "config.json"), { ...config, vocab_size: 3 * config.vocab_size })
  const tripled = [...tensors].map(([name, { shape, data }]) => {
    const [rows, width] = shape as readonly [number, number]
    return rows === config.vocab_size
      ? [
          name,
          {
            shape: [3 * rows, width],
            data: Float32Array.from({ length: 3 * data.length }, (_, i) => data[i % data.length]!)
          }
        ]
      : [name, { shape, data }]
  })
  await Effect.runPromise(
    writeSafetensors(w.path(join(folder, "model.safetensors")), Object.fromEntries(tripled), { format: "pt" }).pipe(
      Effect.provide(platform)
    )
  )
  writeVocabulary(w, folder, bytes)
  return folder
}
