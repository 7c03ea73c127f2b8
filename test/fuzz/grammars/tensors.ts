/** Files of tensors: headers that say what is there, and bytes that may be something else. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { causalTokenizer } from "../../../src/models/causal/causal-tokenizer.ts"
import { describeCausal } from "../../../src/models/causal/index.ts"
import { ggufSource } from "../../../src/models/gguf/gguf-source.ts"
import { readTensors } from "../../../src/safetensors/index.ts"
import { among, Bytes, list, type Made, object, optional, seldom, size, sound, text } from "../grammar.ts"
import { below, jsonText, pick } from "../mutate.ts"
import type { Target } from "../target.ts"
import { texts } from "../tokenizers.ts"

const elements = (shape: unknown): number =>
  Array.isArray(shape) ? shape.reduce<number>((product, n) => product * Number(n), 1) : 0

const shape: Made<unknown> = sound(list(size, 3))
const bytesOf: Readonly<Record<string, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, U8: 1, BOOL: 1 }

/** Tensors one after the other, most of them where their header says; the bytes that they need. */
const safetensorsHeader: Made<{ readonly header: Record<string, unknown>; readonly bytes: number }> = (random) => {
  const header: Record<string, unknown> = {}
  let at = 0
  for (const name of list(seldom(10, text, among("a", "b.weight", "c.bias", "d.0", "e", "f")), 6)(random)) {
    const dtype = seldom(20, text, among(...Object.keys(bytesOf)))(random)
    const own = shape(random)
    const length = Math.min(4_096, Math.max(0, elements(own) * (bytesOf[dtype] ?? 1) || 0))
    const offsets = seldom<unknown>(
      15,
      among([at, at], [0, 8], [-8, 0], [at, 2 ** 53], [8, 4], ["0", "4"], [0]),
      () => [at, at + length]
    )(random)
    const entry = object({
      dtype: sound(() => dtype),
      shape: () => own,
      data_offsets: () => offsets,
      more: optional(() => 1, 0.02)
    })(random)
    Object.defineProperty(header, name, { value: entry, enumerable: true, configurable: true, writable: true })
    at += length
  }
  if (random() < 0.3) header["__metadata__"] = sound(object({ format: sound(among("pt", "tf")) }))(random)
  return { header, bytes: at }
}

export const safetensors: Target = (folder) => {
  const file = join(folder, "model.safetensors")
  return (random) => {
    const { header, bytes } = safetensorsHeader(random)
    const written = jsonText(header, random) + " ".repeat(below(8, random))
    const { length } = new TextEncoder().encode(written)
    const stated = seldom(25, among(0, 1, length - 1, length + 8, 2 ** 40, 2 ** 63), () => length)(random)
    const body = seldom(15, among(0, Math.max(0, bytes - 1), bytes + 4), () => bytes)(random)
    writeFileSync(file, new Bytes().u64(stated).text(written).add(new Uint8Array(body)).whole())
    return Effect.gen(function* () {
      for (const [name, { shape: read, data }] of yield* readTensors(file)) {
        if (elements(read) !== data.length) throw new Error(`tensor ${name}: ${data.length} numbers for [${read}]`)
      }
    })
  }
}

/** GGUF's numbers of types, and how each is written. */
const write: ReadonlyArray<(bytes: Bytes, value: number) => Bytes> = [
  (bytes, value) => bytes.add([value & 255]),
  (bytes, value) => bytes.add([value & 255]),
  (bytes, value) => bytes.add([value & 255, 0]),
  (bytes, value) => bytes.add([value & 255, 0]),
  (bytes, value) => bytes.u32(value),
  (bytes, value) => bytes.u32(value),
  (bytes, value) => bytes.f32(value),
  (bytes, value) => bytes.add([value & 1])
]
const [U32, F32, STRING, LIST] = [4, 6, 8, 9]

const string = (bytes: Bytes, value: string, random: Random): Bytes => {
  const { length } = new TextEncoder().encode(value)
  return bytes.u64(seldom(200, among(2 ** 40, 2 ** 63, 0), () => length)(random)).text(value)
}

type Random = Parameters<Made<unknown>>[0]

/** One value behind its type; a few have another type than their reader expects. */
const metadata = (bytes: Bytes, value: unknown, random: Random): Bytes => {
  if (random() < 0.01) return bytes.u32(pick([0, 1, 3, 7, 12, 13, 99], random)).u64(size(random))
  if (typeof value === "string") return string(bytes.u32(STRING), value, random)
  if (typeof value === "number") {
    const type = Number.isInteger(value) && random() < 0.95 ? U32 : F32
    return write[type]!(bytes.u32(type), value)
  }
  const values = value as ReadonlyArray<string | number>
  const type = typeof values[0] === "string" ? STRING : Number.isInteger(values[0]) ? U32 : F32
  const count = seldom(100, among(0, 2 ** 24, 2 ** 40, 2 ** 63), () => values.length)(random)
  bytes.u32(LIST).u32(type).u64(count)
  for (const entry of values) {
    if (typeof entry === "string") string(bytes, entry, random)
    else write[type]!(bytes, entry)
  }
  return bytes
}

const pieces = ["<unk>", "<s>", "</s>", "a", "b", "ab", "Ġa", "▁a", "film", "<0x41>"]
const [width, blocks] = [8, 1]

/** A tiny Llama: keys that its reader asks for, each now and then another size. */
const keys = (random: Random): ReadonlyArray<readonly [string, unknown]> => {
  const around = (value: number) => seldom(150, size, () => value)(random)
  return [
    ["general.architecture", seldom(40, text, among("llama", "llama", "llama", "llama", "qwen2"))(random)],
    ["llama.context_length", around(64)],
    ["llama.embedding_length", around(width)],
    ["llama.block_count", around(blocks)],
    ["llama.feed_forward_length", around(16)],
    ["llama.attention.head_count", around(2)],
    ["llama.attention.head_count_kv", around(1)],
    ["llama.attention.layer_norm_rms_epsilon", 1e-5],
    ["llama.rope.dimension_count", around(4)],
    ["llama.rope.freq_base", around(10_000)],
    ["llama.vocab_size", around(pieces.length)],
    ["tokenizer.ggml.model", seldom(20, text, among("gpt2", "llama"))(random)],
    ["tokenizer.ggml.pre", seldom(20, text, among("default", "llama-bpe", "qwen2", "smollm"))(random)],
    ["tokenizer.ggml.tokens", seldom(20, list(text, 12, 1), () => pieces)(random)],
    ["tokenizer.ggml.scores", pieces.map((_, i) => -i - 0.5)],
    ["tokenizer.ggml.token_type", list(among(1, 2, 3, 6), 10, 10)(random)],
    ["tokenizer.ggml.merges", seldom(20, list(text, 5, 1), () => ["a b", "Ġ a"])(random)],
    ["tokenizer.ggml.eos_token_id", around(2)],
    ["tokenizer.ggml.bos_token_id", around(1)],
    ["tokenizer.chat_template", "{% for m in messages %}{{ m.content }}{% endfor %}"],
    ["general.alignment", seldom(20, size, () => 32)(random)],
    ["split.count", seldom(30, size, () => 1)(random)]
  ]
}

const llamaTensors: ReadonlyArray<readonly [string, ReadonlyArray<number>]> = [
  ["token_embd.weight", [width, pieces.length]],
  ["output_norm.weight", [width]],
  ["blk.0.attn_norm.weight", [width]],
  ["blk.0.attn_q.weight", [width, width]],
  ["blk.0.attn_k.weight", [width, 4]],
  ["blk.0.attn_v.weight", [width, 4]],
  ["blk.0.attn_output.weight", [width, width]],
  ["blk.0.ffn_norm.weight", [width]],
  ["blk.0.ffn_gate.weight", [width, 16]],
  ["blk.0.ffn_up.weight", [width, 16]],
  ["blk.0.ffn_down.weight", [16, width]]
]

export const gguf: Target = (folder) => {
  const file = join(folder, "model.gguf")
  return (random) => {
    const given = keys(random).filter(() => random() < 0.995)
    const tensors = llamaTensors.filter(() => random() < 0.995)
    const bytes = new Bytes().text("GGUF").u32(seldom(50, size, () => 3)(random))
    bytes.u64(seldom(50, size, () => tensors.length)(random)).u64(seldom(100, size, () => given.length)(random))
    for (const [key, value] of given) metadata(string(bytes, key, random), value, random)
    let offset = 0
    for (const [name, dimensions] of tensors) {
      string(bytes, name, random).u32(seldom(400, size, () => dimensions.length)(random))
      for (const dimension of dimensions) bytes.u64(seldom(400, size, () => dimension)(random))
      bytes.u32(seldom(150, among(1, 2, 8, 30, 40, 99), () => 0)(random))
      bytes.u64(seldom(400, size, () => offset)(random))
      offset += 4 * elements(dimensions)
    }
    bytes.add(
      new Uint8Array((32 - (bytes.length % 32)) % 32),
      new Uint8Array(seldom(30, among(0, 4), () => offset)(random))
    )
    writeFileSync(file, bytes.whole())
    return Effect.gen(function* () {
      const source = yield* ggufSource(file)
      yield* describeCausal(source)
      yield* source.read([...source.tensors.keys()], () => Effect.void)
      if (source.tokenizer === null) return
      const { encode, vocabularySize } = yield* causalTokenizer(source)
      const ids = texts.flatMap((one) => encode(one))
      if (!ids.every((id) => Number.isInteger(id) && id >= 0 && id < vocabularySize)) throw new Error(`ids ${ids}`)
    })
  }
}
