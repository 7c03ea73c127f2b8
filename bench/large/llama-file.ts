/**
 * A GGUF file of Llama 2 7B's shape with random weights, and a tokenizer of 32,000 pieces of the rows that are trained on: the time and the
 * memory of a step do not depend on what is in the weights.
 *
 *   bun bench/large/llama-file.ts --type q4_0|q4_k_m --out FILE.gguf [--layers 32]
 *
 * Weights have Llama's deviation of about 0.02. Q4_K_M is llama-quantize's mixture: Q4_K, with Q6_K in the output layer and in half of the
 * blocks' value and down projections. 3.8 and 4.1 GB.
 */
import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import { platform } from "../../src/index.ts"
import { writableTypes } from "../../src/models/gguf/write/blocks.ts"
import { type TensorToStore, writeGguf } from "../../src/models/gguf/write/file.ts"
import { encoded } from "../../src/models/gguf/write/values.ts"
import { toFloat16 } from "../../src/numbers/index.ts"

const { values } = parseArgs({
  options: { type: { type: "string" }, out: { type: "string" }, layers: { type: "string", default: "32" } }
})
const { type, out } = values
const layers = Number(values.layers)
if ((type !== "q4_0" && type !== "q4_k_m") || out === undefined)
  throw new Error("usage: bun bench/large/llama-file.ts --type q4_0|q4_k_m --out FILE.gguf [--layers 32]")

const [width, inner, vocabulary, heads] = [4096, 11_008, 32_000, 32] as const

/** Of the blocks whose value and down projections llama-quantize gives more bits: the first and last eighth, and a third between them. */
const hasMoreBits = (layer: number): boolean =>
  layer < layers / 8 || layer >= (7 * layers) / 8 || (layer - Math.floor(layers / 8)) % 3 === 2

type Stored = TensorToStore<never, never>
const tensors = new Map<string, Stored>()
const add = (name: string, shape: ReadonlyArray<number>, typeName: keyof typeof writableTypes) =>
  tensors.set(name, { shape, type: writableTypes[typeName], values: Effect.never })
const small = type === "q4_0" ? "Q4_0" : "Q4_K"
const large = type === "q4_0" ? "Q4_0" : "Q6_K"
add("token_embd.weight", [vocabulary, width], small)
for (let layer = 0; layer < layers; layer++) {
  const own = (name: string) => `blk.${layer}.${name}.weight`
  const more = hasMoreBits(layer) ? large : small
  for (const name of ["attn_norm", "ffn_norm"]) add(own(name), [width], "F32")
  for (const name of ["attn_q", "attn_k", "attn_output"]) add(own(name), [width, width], small)
  add(own("attn_v"), [width, width], more)
  for (const name of ["ffn_gate", "ffn_up"]) add(own(name), [inner, width], small)
  add(own("ffn_down"), [width, inner], more)
}
add("output_norm.weight", [width], "F32")
add("output.weight", [vocabulary, width], type === "q4_0" ? "Q4_0" : "Q6_K")

/** Halves of a block: bytes at which they are, and their values. */
const HALVES: Readonly<Record<string, ReadonlyArray<readonly [at: number, value: number]>>> = {
  Q4_0: [[0, 0.02 / 4.6]],
  Q4_K: [
    [0, 0.02 / (31 * 4.6)],
    [2, (7.5 * 0.02) / (31 * 4.6)]
  ],
  Q6_K: [[208, 0.02 / (74 * 18.5)]]
}

let state = 1
const random = (): number => {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return state
}

const bytesOf = (_: string, { shape, type }: Stored): Uint8Array => {
  const size = (shape.reduce((product, n) => product * n, 1) / type.elements) * type.bytes
  if (type.name === "F32") return new Uint8Array(new Float32Array(size / 4).fill(1).buffer)
  const words = new Int32Array(Math.ceil(size / 4))
  for (let i = 0; i < words.length; i++) words[i] = random()
  const bytes = new Uint8Array(words.buffer, 0, size)
  for (const [at, value] of HALVES[type.name]!) {
    const half = new Uint16Array(1)
    toFloat16(Float32Array.of(value), half)
    const [low, high] = [half[0]! & 255, half[0]! >> 8]
    for (let block = at; block < size; block += type.bytes) {
      bytes[block] = low
      bytes[block + 1] = high
    }
  }
  return bytes
}

/** Special pieces, bytes, and the most frequent parts of words of the rows; the rest are pieces that no text has. */
const pieces = (): { readonly tokens: Array<string>; readonly types: Array<number> } => {
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`)
  const rows = readFileSync(new URL("../../examples/word-problems/train.jsonl", import.meta.url), "utf8")
  const counts = new Map<string, number>()
  for (const word of rows.split(/\s+/))
    for (let from = 0; from < word.length; from++)
      for (let to = from + 1; to <= Math.min(word.length, from + 8); to++) {
        const part = `${from === 0 ? "\u2581" : ""}${word.slice(from, to)}`
        counts.set(part, (counts.get(part) ?? 0) + 1)
      }
  const frequent = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([part]) => part)
  const own = ["\u2581", ...frequent].slice(0, vocabulary - 259)
  const unused = Array.from({ length: vocabulary - 259 - own.length }, (_, i) => `\u2581unused${i}`)
  return {
    tokens: ["<unk>", "<s>", "</s>", ...bytes, ...own, ...unused],
    types: [2, 3, 3, ...bytes.map(() => 6), ...own.map(() => 1), ...unused.map(() => 1)]
  }
}

const { tokens, types } = pieces()
const llama = (key: string) => `llama.${key}`
const metadata = new Map([
  ["general.architecture", encoded.string("llama")],
  ["general.name", encoded.string(`Llama 2 7B's shape, random weights, ${type}`)],
  [llama("block_count"), encoded.u32(layers)],
  [llama("context_length"), encoded.u32(4096)],
  [llama("embedding_length"), encoded.u32(width)],
  [llama("feed_forward_length"), encoded.u32(inner)],
  [llama("attention.head_count"), encoded.u32(heads)],
  [llama("attention.layer_norm_rms_epsilon"), encoded.f32(1e-5)],
  [llama("rope.dimension_count"), encoded.u32(width / heads)],
  ["tokenizer.ggml.model", encoded.string("llama")],
  ["tokenizer.ggml.tokens", encoded.strings(tokens)],
  ["tokenizer.ggml.scores", encoded.floats(tokens.map((_, i) => -i))],
  ["tokenizer.ggml.token_type", encoded.integers(types)],
  [
    "tokenizer.chat_template",
    encoded.string("{% for message in messages %}{{ message.role }}: {{ message.content }}</s>{% endfor %}")
  ],
  ["tokenizer.ggml.bos_token_id", encoded.u32(1)],
  ["tokenizer.ggml.eos_token_id", encoded.u32(2)],
  ["tokenizer.ggml.unknown_token_id", encoded.u32(0)]
])

await Effect.runPromise(
  writeGguf(out, metadata, tensors, (name, tensor) => Effect.sync(() => bytesOf(name, tensor))).pipe(
    Effect.provide(platform)
  )
)
