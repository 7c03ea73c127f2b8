/** A golden GGUF file, which has no tokenizer, with one in its metadata: byte-level BPE of single characters. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { ggufBytes } from "../src/models/gguf/written-gguf.ts"
import { repository, type Workspace } from "./fixtures.ts"

// Ġ: a space
const characters = ["Ġ", ..."abcdefghijklmnopqrstuvwxyz.?"]
/** kinds of tokens */
const [NORMAL, UNKNOWN, CONTROL] = [1, 2, 3]

const template = "{{ bos_token }}{% for message in messages %}{{ message.content }}{{ eos_token }}{% endfor %}"

/** Metadata of the tokenizer of a model with `rows` rows of its embedding. */
const tokenizerOf = (rows: number) => {
  const tokens = ["<pad>", "<s>", "</s>", "<unk>", ...characters, "th"]
  while (tokens.length < rows) tokens.push(`<unused${tokens.length}>`)
  const kind = (token: string, i: number) =>
    i === 3 ? UNKNOWN : i < 3 || token.startsWith("<unused") ? CONTROL : NORMAL
  return {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.tokens": tokens,
    "tokenizer.ggml.token_type": tokens.map(kind),
    "tokenizer.ggml.merges": ["t h"],
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.unknown_token_id": 3,
    "tokenizer.ggml.padding_token_id": 0,
    "tokenizer.ggml.add_bos_token": true,
    "tokenizer.ggml.add_eos_token": false,
    "tokenizer.chat_template": template
  }
}

const ALIGNMENT = 32
const roundedUp = (offset: number) => Math.ceil(offset / ALIGNMENT) * ALIGNMENT

/** Where a file's tensor descriptions begin and end. */
const descriptions = (bytes: Buffer, first: string, count: number): readonly [number, number] => {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(first.length))
  const begin = bytes.indexOf(Buffer.concat([length, Buffer.from(first)]))
  let at = begin
  for (let i = 0; i < count; i++) {
    at += 8 + Number(bytes.readBigUInt64LE(at)) // its name
    at += 4 + 8 * bytes.readUInt32LE(at) // its dimensions
    at += 4 + 8 // its type, where its numbers are
  }
  return [begin, at]
}

export interface GgufFacts extends Readonly<Record<string, string | number>> {
  /** of the embedding */
  readonly rows: number
  /** the tensor that the file describes first */
  readonly first: string
}

/** Writes `<name>.gguf`, with the golden's tensors and the given metadata beside the tokenizer's. */
export const gguf = (
  w: Workspace,
  name: keyof typeof ggufFacts,
  { rows, first, ...metadata }: GgufFacts = ggufFacts[name]
): string => {
  const golden = readFileSync(join(repository, "test", "golden", "gguf", `${name}.gguf`))
  const count = Number(golden.readBigUInt64LE(8))
  const [begin, end] = descriptions(golden, first, count)
  const padded = Buffer.from(ggufBytes({ ...metadata, ...tokenizerOf(rows) }))
  // the template comes last; what is behind it fills up a header without tensors
  const head = padded.subarray(0, padded.lastIndexOf(template) + template.length)
  head.writeBigUInt64LE(BigInt(count), 8)
  const own = Buffer.concat([head, golden.subarray(begin, end)])
  const padding = Buffer.alloc(roundedUp(own.length) - own.length)
  writeFileSync(w.path(`${name}.gguf`), Buffer.concat([own, padding, golden.subarray(roundedUp(end))]))
  return `${name}.gguf`
}

/** What the golden files say of themselves. */
export const ggufFacts = {
  llama: {
    rows: 128,
    first: "output.weight",
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.context_length": 256,
    "llama.embedding_length": 32,
    "llama.feed_forward_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.attention.layer_norm_rms_epsilon": 9.999999974752427e-7,
    "llama.rope.freq_base": 10_000,
    "llama.rope.dimension_count": 8
  },
  gpt2: {
    rows: 129,
    first: "blk.0.attn_qkv.bias",
    "general.architecture": "gpt2",
    "gpt2.block_count": 2,
    "gpt2.context_length": 40,
    "gpt2.embedding_length": 32,
    "gpt2.feed_forward_length": 128,
    "gpt2.attention.head_count": 4,
    "gpt2.attention.layer_norm_epsilon": 0.0010000000474974513
  }
} as const
