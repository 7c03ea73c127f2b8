import { expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { ggufSource } from "../../../../src/models/gguf/gguf-source.ts"
import { failure, goldens, readGolden, run } from "../golden.ts"

const file = (model: string) => join(goldens, "gguf", `${model}.gguf`)

const readAll = async (model: string) => {
  const source = await run(ggufSource(file(model)))
  const values = new Map<string, Float32Array>()
  await run(source.read([...source.tensors.keys()], (name, data) => Effect.sync(() => void values.set(name, data))))
  return { source, values }
}

// bit for bit where the converter moves numbers; Gemma's norms went through 1 + w, which rounds to 2⁻²⁴ of values near 1
const exact: Readonly<Record<string, number>> = { llama: 0, "llama-tied": 0, qwen2: 0, qwen3: 0, gpt2: 0 }
const rounded: Readonly<Record<string, number>> = { gemma2: 2 ** -23, gemma3: 2 ** -23 }

for (const [model, bound] of Object.entries({ ...exact, ...rounded })) {
  test(`${model}: names, shapes and values are those that transformers saved`, async () => {
    const { source, values } = await readAll(model)
    const saved = await readGolden(`models/${model}/model.safetensors`)
    expect([...source.tensors.keys()].sort()).toEqual([...saved.keys()].sort())
    expect(saved.size).toBeGreaterThanOrEqual(20)
    for (const [name, { shape, data }] of saved) {
      expect([...source.tensors.get(name)!.shape]).toEqual([...shape])
      const read = values.get(name)!
      expect(read.length).toBe(data.length)
      const allowed = name.endsWith("norm.weight") ? bound : 0
      expect(furthest(read, data)).toBeLessThanOrEqual(allowed)
    }
  })

  test(`${model}: the config says what config.json says`, async () => {
    const { config } = await run(ggufSource(file(model)))
    const saved = await Bun.file(join(goldens, "models", model, "config.json")).json()
    const made = config as Readonly<Record<string, unknown>>
    expect(Object.keys(made).length).toBeGreaterThan(10)
    // null in a saved config: the class computes it
    for (const [key, value] of Object.entries(made)) {
      if (saved[key] === undefined || saved[key] === null) expect(derived).toContain(key)
      else expect({ [key]: value }).toEqual({ [key]: saved[key] })
    }
    const architectural = Object.keys(saved).filter((key) => !(key in made) && !withoutMeaning.includes(key))
    expect(architectural).toEqual([])
  })
}

/** Written although some saved configs leave it to the class: head_dim (qwen2), n_inner (gpt2). */
const derived = ["head_dim", "n_inner", "sliding_window", "attn_logit_softcapping", "final_logit_softcapping"]

/** Keys that say nothing about the forward pass in evaluation mode, or repeat what others say. */
const withoutMeaning = [
  "_sliding_window_pattern",
  "add_cross_attention",
  "attention_bias",
  "attention_dropout",
  "attn_pdrop",
  "dtype",
  "embd_pdrop",
  "initializer_range",
  "layer_types",
  "max_window_layers",
  "pretraining_tp",
  "reorder_and_upcast_attn",
  "resid_pdrop",
  "summary_activation",
  "summary_first_dropout",
  "summary_proj_to_labels",
  "summary_type",
  "summary_use_proj",
  "transformers_version",
  "use_bidirectional_attention",
  "use_cache"
]

const furthest = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => (Object.is(value, b[i]) ? most : Math.max(most, Math.abs(value - b[i]!))), 0)

test("reads only what is asked for, and refuses names that are not there", async () => {
  const source = await run(ggufSource(file("llama")))
  const seen: Array<string> = []
  await run(source.read(["lm_head.weight", "model.norm.weight"], (name) => Effect.sync(() => void seen.push(name))))
  expect(seen.sort()).toEqual(["lm_head.weight", "model.norm.weight"])
  const error = await failure(source.read(["model.nrom.weight"], () => Effect.void))
  expect(error.message).toContain("has no tensor for model.nrom.weight")
})

test("a file without vocabulary has no tokenizer", async () => {
  const { tokenizer, tokenizerConfig } = await run(ggufSource(file("llama")))
  expect({ tokenizer, tokenizerConfig }).toEqual({ tokenizer: null, tokenizerConfig: null })
})

const spoiled = async (change: (bytes: Uint8Array) => Uint8Array): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), "gguf-"))
  const path = join(folder, "model.gguf")
  writeFileSync(path, change(new Uint8Array(await Bun.file(file("llama")).arrayBuffer())))
  const { message } = await failure(ggufSource(path))
  rmSync(folder, { recursive: true })
  return message.replaceAll(path, "FILE")
}

/** The bytes with the first occurrence of a text replaced by another of the same length. */
const replaced = (bytes: Uint8Array, from: string, to: string): Uint8Array => {
  const text = Buffer.from(bytes).toString("latin1")
  expect(from.length).toBe(to.length)
  expect(text).toContain(from)
  return Buffer.from(text.replace(from, to), "latin1")
}

test("what is no GGUF file is one sentence", async () => {
  expect(await spoiled(() => new TextEncoder().encode('{"not": "gguf"}'))).toBe(
    'model FILE: does not begin with "GGUF": not a GGUF file'
  )
  expect(await spoiled(() => new Uint8Array(0))).toBe('model FILE: does not begin with "GGUF": not a GGUF file')
  expect((await failure(ggufSource(join(goldens, "gguf", "absent.gguf")))).message).toEndWith(
    "absent.gguf: no such file; expected a GGUF file, or the folder or hf:owner/name of a model"
  )
  expect((await failure(ggufSource(goldens))).message).toContain("not a regular file")
})

test("a cut file names the tensors it lost", async () => {
  const message = await spoiled((bytes) => bytes.slice(0, bytes.length - 5_000))
  expect(message).toContain("tensor blk.1.attn_v.weight ends at byte")
  expect(message).toContain("the file is truncated, or its download is incomplete")
  expect(await spoiled((bytes) => bytes.slice(0, 900))).toMatch(
    /truncated: its header extends to byte \d+, the file has 900 bytes/
  )
})

test("types, architectures and tensors that are not read are named, all of them at once", async () => {
  const message = await spoiled((bytes) => {
    const changed = Buffer.from(bytes)
    // a matrix' entry: name, 2 dimensions, type, offset
    for (const name of ["blk.0.attn_q.weight", "blk.1.attn_v.weight"]) {
      changed.writeUInt32LE(16, changed.indexOf(name) + name.length + 4 + 2 * 8)
    }
    return changed
  })
  expect(message.split("\n").length).toBe(2)
  expect(message).toContain(
    "tensor blk.0.attn_q.weight is stored as IQ2_XXS, which is not supported; expected one of F32"
  )
  expect(await spoiled((bytes) => replaced(bytes, "llama", "mamba"))).toContain(
    'general.architecture is "mamba"; supported are llama, qwen2, qwen3, gemma2, gemma3, phi3, gpt2'
  )
  expect(await spoiled((bytes) => replaced(bytes, "blk.0.ffn_gate.weight", "blk.0.ffn_gote.weight"))).toBe(
    "model FILE: tensor blk.0.ffn_gote.weight has no counterpart in this architecture's model"
  )
})

test("missing metadata is named, all of it at once", async () => {
  const message = await spoiled((bytes) =>
    replaced(
      replaced(bytes, "llama.block_count", "llama.block_cuont"),
      "llama.embedding_length",
      "llama.embedding_lenght"
    )
  )
  expect(message.split("\n")).toEqual([
    "model FILE: metadata llama.embedding_length is missing; expected a whole number above 0",
    "model FILE: metadata llama.block_count is missing; expected a whole number above 0"
  ])
})
