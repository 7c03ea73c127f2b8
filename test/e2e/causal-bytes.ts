/**
 * Golden decoders with tokenizers that GGUF files have: byte-level BPE, whose pieces are single characters and a few words, or the same
 * with byte fallback. Their rows are the workspace's.
 */
import { cpSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { tokenizerConfig, wordTokenizer } from "./causal-workspace.ts"
import { repository, type Workspace } from "./fixtures.ts"

const special = ["<pad>", "<s>", "</s>", "<unk>", "<user>", "<assistant>", "<system>"]
const characters = "abcdefghijklmnopqrstuvwxyz.?"

const bos = { SpecialToken: { id: "<s>", type_id: 0 } }
const around = {
  type: "TemplateProcessing",
  single: [bos, { Sequence: { id: "A", type_id: 0 } }],
  pair: [bos, { Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 0 } }],
  special_tokens: { "<s>": { id: "<s>", ids: [1], tokens: ["<s>"] } }
}

const merges = [
  ["t", "h"],
  ["th", "e"],
  ["i", "s"],
  ["o", "f"]
] as const

/** tokenizer.json of byte-level BPE, cut as GPT-2 cuts. Characters beyond these are no tokens. */
export const byteTokenizer = (
  preTokenizer: object = { type: "ByteLevel", add_prefix_space: false, use_regex: true }
) => {
  const pieces = [...special, "\u0120", ...characters, ...merges.map((pair) => pair.join(""))]
  return {
    ...wordTokenizer(),
    pre_tokenizer: preTokenizer,
    post_processor: around,
    decoder: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    model: {
      type: "BPE",
      unk_token: null,
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
      merges: merges.map((pair) => [...pair])
    }
  }
}

const golden = join(repository, "test", "golden", "models")

/** Golden decoders of every family that GGUF files have. */
const folders = {
  llama: "llama",
  "llama-tied": "llama-tied",
  mistral: "mistral",
  qwen2: "qwen2",
  qwen3: "qwen3",
  gemma2: "gemma2",
  gemma3: "gemma3",
  phi3: "variants/phi3",
  gpt2: "gpt2"
} as const

export type ByteDecoder = keyof typeof folders

/** What llama.cpp does whatever a config says. */
const fixed: Readonly<Partial<Record<ByteDecoder, object>>> = {
  // every sixth layer sees everything, and there are three
  gemma3: { layer_types: Array(3).fill("sliding_attention") },
  // it has no windows
  phi3: { sliding_window: null }
}

/** A decoder's folder with it. */
export const byteDecoder = (w: Workspace, name: ByteDecoder, folder: string = name): string => {
  const from = join(golden, folders[name])
  const config = JSON.parse(readFileSync(join(from, "config.json"), "utf8"))
  w.write(join(folder, "config.json"), { ...config, ...fixed[name] })
  cpSync(join(from, "model.safetensors"), w.path(join(folder, "model.safetensors")))
  const tokenizer = byteTokenizer()
  // llama.cpp asks for it by name
  if (name === "phi3")
    Object.assign(tokenizer.model.vocab, { "<|endoftext|>": Object.keys(tokenizer.model.vocab).length })
  w.write(join(folder, "tokenizer.json"), tokenizer)
  w.write(join(folder, "tokenizer_config.json"), tokenizerConfig)
  return folder
}

/** tokenizer.json as Llama 2's: pieces with byte fallback. It has 256 pieces of bytes, for which an embedding has rows. */
export const fallbackTokenizer = () => {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`)
  const pieces = ["<unk>", "<s>", "</s>", ...bytes, "\u2581", ...characters, "th", "the", "is", "of", "\u2581the"]
  const all = [...merges, ["\u2581", "the"]]
  return {
    ...byteTokenizer(),
    added_tokens: ["<unk>", "<s>", "</s>"].map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true
    })),
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "\u2581" },
        { type: "Replace", pattern: { String: " " }, content: "\u2581" }
      ]
    },
    pre_tokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "\u2581" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 }
      ]
    },
    model: {
      type: "BPE",
      unk_token: "<unk>",
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
      merges: all.map((pair) => [...pair])
    }
  }
}
