/** `export --format gguf` of tiny decoders: files that this package reads again, with the logits of the run, and what llama.cpp asks of them. */
import { beforeAll, describe, expect, test } from "bun:test"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { exportRun, formatNamed } from "../../src/exports/index.ts"
import { readGgufHeader } from "../../src/models/gguf/header.ts"
import { platform } from "../../src/platform.ts"
import { expectClose, relativeError, tolerance } from "../setup.ts"
import { trainTiny } from "../src/output/tiny-run.ts"
import { byteDecoder } from "./causal-bytes.ts"
import { gguf } from "./causal-gguf.ts"
import { modelLogits, onOneThread, runLogits } from "./causal-logits.ts"
import { causalPlan, decoder, writeRows } from "./causal-workspace.ts"
import { listing, onWasm, repository, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { complete } from "./train-here.ts"

const w = workspace()
const ids = [
  [1, 4, 9, 10, 11, 12, 30, 2],
  [1, 20, 30, 20, 10, 5, 9, 9, 17, 21, 2]
]
const adamw = { kind: "adamw", learningRate: 1e-2 }
const lora = { method: "lora", rank: 4, alpha: 8 }

interface Case {
  readonly model: string
  readonly adapter?: object
  readonly optimizer?: object
}

const cases: Readonly<Record<string, Case>> = {
  llama: { model: "llama" },
  "llama-tied": { model: "llama-tied" },
  qwen2: { model: "qwen2" },
  gemma3: { model: "gemma3" },
  gpt2: { model: "gpt2" },
  "llama from a GGUF file": { model: "llama.gguf" },
  "llama, ranks and alphas by pattern": {
    model: "llama",
    adapter: { ...lora, scaling: "rank-stabilized", overrides: [{ targets: ["q_proj"], rank: 2, alpha: 12 }] },
    optimizer: adamw
  },
  "llama, a norm": { model: "llama", adapter: { ...lora, modulesToSave: ["norm"] } },
  "llama, dora": { model: "llama", adapter: { ...lora, method: "dora" }, optimizer: adamw }
}

/** What cannot leave so. */
const others: Readonly<Record<string, Case>> = {
  "llama, words": { model: "llama-words" },
  "llama, a large number": { model: "llama-large" },
  "gemma3, its own windows": { model: "gemma3-own" }
}

/** Makes the last number of a tensor, of a row that no token has, one that no half holds. */
const enlarge = (file: string, tensor: string) => {
  const bytes = readFileSync(file)
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString())
  bytes.writeFloatLE(70_000, 8 + length + header[tensor].data_offsets[1] - 4)
  writeFileSync(file, bytes)
}

const folderOf = (name: string): string => `runs/${name.replaceAll(/\W+/g, "-")}`
const exported = (name: string, type: string, out: string) =>
  onOneThread(exportRun(w.path(folderOf(name)), { format: formatNamed("gguf"), options: { type }, out: w.path(out) }))
beforeAll(async () => {
  for (const name of ["llama", "llama-tied", "qwen2", "gemma3", "gpt2"] as const) byteDecoder(w, name)
  gguf(w, "llama")
  decoder(w, "llama", "llama-words")
  decoder(w, "gemma3", "gemma3-own")
  byteDecoder(w, "llama", "llama-large")
  enlarge(w.path("llama-large/model.safetensors"), "model.embed_tokens.weight")
  writeRows(w)
  for (const [name, { model, adapter = lora, optimizer }] of Object.entries({ ...cases, ...others })) {
    const sections = {
      adapter,
      ...(optimizer === undefined ? {} : { optimizer }),
      training: { steps: 4, batchSize: 4 }
    }
    await complete(w, w.write("plan.json", causalPlan(model, "text", sections)), folderOf(name))
  }
}, TIMEOUT)

const nameOf = (name: string, type: string) => `${folderOf(name).slice("runs/".length)}-${type}.gguf`

describe("the merged model has the run's logits:", () => {
  for (const name of Object.keys(cases)) {
    test(
      name,
      async () => {
        const out = `${folderOf(name)}/gguf`
        const { json } = await exported(name, "f32,f16,q8_0", out)
        const ours = await runLogits(w.path(folderOf(name)), ids)
        for (const [i, logits] of (await modelLogits(w.path(`${out}/${nameOf(name, "f32")}`), ids)).entries()) {
          expectClose(logits, ours[i]!, tolerance.forward)
        }
        const { checks } = json as {
          readonly checks: Readonly<Record<string, { readonly relativeDifference: number }>>
        }
        // halves are rounded by 2⁻¹¹, bytes by 2⁻⁸ of a block's largest number
        expect(checks["f32"]!.relativeDifference).toBeLessThan(checks["f16"]!.relativeDifference)
        expect(checks["f16"]!.relativeDifference).toBeLessThan(checks["q8_0"]!.relativeDifference)
      },
      TIMEOUT
    )
  }
})

test("a folder has its files, a Modelfile and a card", () => {
  expect([...listing(w.path("runs/llama/gguf"))].sort()).toEqual([
    "Modelfile",
    "README.md",
    "llama-f16.gguf",
    "llama-f32.gguf",
    "llama-q8_0.gguf"
  ])
  expect(w.read("runs/llama/gguf/Modelfile")).toStartWith(
    "FROM ./llama-f32.gguf\n# the model's chat template has an unknown form"
  )
  expect(w.read("runs/llama/gguf/README.md")).toContain("| `llama-q8_0.gguf` | Q8_0 | ")
})

const metadataOf = (file: string) =>
  Effect.runPromise(readGgufHeader(w.path(file)).pipe(Effect.provide(platform))).then(({ metadata, tensors }) => ({
    metadata,
    names: [...tensors.keys()]
  }))

test(
  "a .gguf base's metadata are copied, with their types",
  async () => {
    const { metadata: base } = await metadataOf("llama.gguf")
    const name = "llama from a GGUF file"
    const { metadata } = await metadataOf(`${folderOf(name)}/gguf/${nameOf(name, "q8_0")}`)
    for (const [key, value] of base)
      if (!key.startsWith("general.")) expect([key, metadata.get(key)]).toEqual([key, value])
    expect(metadata.get("general.file_type")).toBe(7)
    expect(metadata.get("general.name")).toBe("llama-from-a-GGUF-file")
  },
  TIMEOUT
)

test(
  "a folder's tokenizer is written, and read as the same",
  async () => {
    const { metadata } = await metadataOf(`runs/llama/gguf/${nameOf("llama", "f16")}`)
    expect([metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre")]).toEqual(["gpt2", "gpt-2"])
    expect(metadata.get("tokenizer.ggml.merges")).toEqual(["t h", "th e", "i s", "o f"])
    expect(metadata.get("tokenizer.ggml.bos_token_id")).toBe(1)
    expect(metadata.get("tokenizer.ggml.add_bos_token")).toBe(true)
    expect((metadata.get("tokenizer.ggml.token_type") as ReadonlyArray<number>).slice(0, 9)).toEqual([
      3, 3, 3, 3, 3, 3, 3, 1, 1
    ])
    expect(metadata.get("tokenizer.chat_template")).toContain("add_generation_prompt")
  },
  TIMEOUT
)

test(
  "an adapter is factors by the names of its layers, with one alpha",
  async () => {
    await exported("llama", "adapter", "adapter")
    const { metadata, names } = await metadataOf("adapter/llama-adapter.gguf")
    expect([metadata.get("general.type"), metadata.get("adapter.type"), metadata.get("adapter.lora.alpha")]).toEqual([
      "adapter",
      "lora",
      8
    ])
    expect(names.length).toBe(28)
    expect(names).toContain("blk.1.ffn_down.weight.lora_b")
    expect(w.read("adapter/Modelfile")).toContain("FROM ./base.gguf\nADAPTER ./llama-adapter.gguf\n")
  },
  TIMEOUT
)

const tensorsOf = async (file: string) => {
  const { tensors } = await Effect.runPromise(readGgufHeader(file).pipe(Effect.provide(platform)))
  const bytes = new Uint8Array(await Bun.file(file).arrayBuffer())
  return new Map(
    [...tensors].map(([name, { shape, type, begin, end }]) => [
      name,
      { shape, values: type.decode(bytes.slice(begin, end)) }
    ])
  )
}

test(
  "llama.cpp's W + (alpha/rank)·BA of an adapter's file is the merged file's, whatever the scales were",
  async () => {
    const name = "llama, ranks and alphas by pattern"
    await exported(name, "adapter", "patterns")
    const file = w.path(`patterns/${nameOf(name, "adapter")}`)
    const factors = await tensorsOf(file)
    const alpha = (await metadataOf(`patterns/${nameOf(name, "adapter")}`)).metadata.get("adapter.lora.alpha") as number
    const base = await tensorsOf(join(repository, "test/golden/gguf/llama.gguf"))
    const merged = await tensorsOf(w.path(`${folderOf(name)}/gguf/${nameOf(name, "f32")}`))
    const ranks = new Set<number>()
    for (const [tensor, { shape, values }] of base) {
      const [A, B] = ["a", "b"].map((end) => factors.get(`${tensor}.lora_${end}`))
      if (A === undefined || B === undefined) continue
      const [rank, columns] = A.shape as readonly [number, number]
      ranks.add(rank)
      expect([B.shape, columns]).toEqual([[shape[0]!, rank], shape[1]!])
      const own = values.map((value, i) => {
        const [row, column] = [Math.floor(i / columns), i % columns]
        let sum = 0
        for (let j = 0; j < rank; j++) sum += B.values[row * rank + j]! * A.values[j * columns + column]!
        return value + (alpha / rank) * sum
      })
      expectClose(own, merged.get(tensor)!.values, tolerance.forward)
      // it has learned something
      expect(relativeError(values, merged.get(tensor)!.values)).toBeGreaterThan(1e-3)
    }
    expect([...ranks].sort()).toEqual([2, 4])
  },
  TIMEOUT
)

describe("is refused in a sentence, and leaves nothing:", () => {
  const refused = async (name: string, type: string, ...says: ReadonlyArray<string>) => {
    const before = listing(w.directory)
    const error = await exported(name, type, "new").then(
      () => "",
      (error: Error) => error.message
    )
    for (const words of says) expect(error).toContain(words)
    expect(listing(w.directory)).toEqual(before)
  }

  test(
    "the adapter of DoRA",
    () => refused("llama, dora", "q8_0,adapter", "its adapter is DoRA, but llama.cpp supports only factors A and B"),
    TIMEOUT
  )

  test(
    "an adapter with a norm beside it",
    () => refused("llama, a norm", "adapter", "trained 1 tensor in addition to its factors (norm.weight"),
    TIMEOUT
  )

  test(
    "a tokenizer of whole words",
    () => refused("llama, words", "f32", 'has a tokenizer of type "WordLevel"'),
    TIMEOUT
  )

  test(
    "a number that no half holds",
    () => refused("llama, a large number", "f16", "tensor token_embd.weight: has 70000 at element ", "--type f32"),
    TIMEOUT
  )

  test(
    "windows where llama.cpp has none",
    () => refused("gemma3, its own windows", "f32", "windows in other layers"),
    TIMEOUT
  )
})

describe("as a command:", () => {
  test(
    "writes what --type names, and says how far each file is from the run",
    async () => {
      const args = [
        "export",
        "runs/llama",
        "--format",
        "gguf",
        "--type",
        "q4_k,adapter",
        "--out",
        "by-command",
        ...onWasm
      ]
      const { stdout } = await succeed(w.cli([...args]))
      expect(stdout).toContain("llama-q4_k.gguf: logits differ from the run's by at most ")
      expect([...listing(w.path("by-command"))].sort()).toEqual([
        "Modelfile",
        "README.md",
        "llama-adapter.gguf",
        "llama-q4_k.gguf"
      ])
    },
    TIMEOUT
  )

  test(
    "refuses an encoder in a sentence",
    async () => {
      w.model("minilm")
      await trainTiny(w, "tiny", "minilm", { adapter: lora })
      const { code, stderr } = await w.cli(["export", "runs/tiny", "--format", "gguf", ...onWasm])
      expect(code).toBe(1)
      expect(stderr).toContain('is of data.format "classification", but GGUF export supports decoder')
      expect(stderr).not.toContain("    at ")
    },
    TIMEOUT
  )
})
