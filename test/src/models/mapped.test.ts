/**
 * Models whose frozen matrices stay in their mapped files: on native they compute the bits of float32 ones, from folders and GGUF files, whole
 * and split; their files are given back with the scope; and devices that map nothing load float32.
 */
import { describe, expect, test } from "bun:test"
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { memoryFiles } from "../../../src/data/index.ts"
import { libraryFile } from "../../../src/kernels/native/library.ts"
import { describeCausal, loadCausal, openSource } from "../../../src/models/causal/index.ts"
import { baseLinear, load, ModelError } from "../../../src/models/index.ts"
import type { WeightForm } from "../../../src/numbers/index.ts"
import { hasNative } from "../../runtime/runtimes.ts"
import { onWasm } from "../device/on-wasm.ts"
import { atTokens, logitsAt, noTokenizer, rowsOf } from "./causal/causal-golden.ts"
import { batchOf, failure, goldens, readGolden, runScoped } from "./golden.ts"

/** Its checkpoint is float16. */
const minilm = join(import.meta.dir, "../../../examples/models/minilm")

const native = { threads: 2, native: fileURLToPath(libraryFile()) } as const

const openCausal = (place: string, weights: WeightForm) =>
  Effect.gen(function* () {
    const source = yield* openSource(place)
    return yield* loadCausal(source, yield* describeCausal(source), { tokenizer: noTokenizer, weights })
  })

const causalLogits = (place: string, io: string, weights: WeightForm) =>
  Effect.gen(function* () {
    const rows = rowsOf(yield* Effect.promise(() => readGolden(io)))
    const model = yield* openCausal(place, weights)
    const { input } = model.toDevice(rows)
    const logits = yield* Effect.promise(() => logitsAt(model.forward(input, baseLinear(model), model.weights), rows))
    return {
      logits,
      mapped: [...(model.packed ?? new Map()).values()].filter(({ packing }) => packing === "mapped").length,
      model
    }
  })

/** Bits of numbers, so that −0 and NaN are compared, too. */
const bits = (values: ArrayLike<number>) => new Uint32Array(Float32Array.from(values).buffer)

const sources = [
  ...["llama", "llama-tied", "qwen2", "qwen3", "gemma2", "gemma3", "mistral", "gpt2"].map(
    (name) => [`${goldens}/models/${name}`, `models/${name}/io.safetensors`] as const
  ),
  ...["llama", "llama-tied", "qwen2", "qwen3", "gemma2", "gemma3", "gpt2"].map(
    (name) => [`${goldens}/gguf/${name}.gguf`, `models/${name}/io.safetensors`] as const
  ),
  [`${goldens}/gguf/llama-00001-of-00003.gguf`, "models/llama/io.safetensors"],
  ...["mistral", "phi3", "gemma3"].map(
    (name) => [`${goldens}/gguf/${name}-converted.gguf`, `gguf/${name}-converted-io.safetensors`] as const
  )
] as const

describe.skipIf(!hasNative)("on native", () => {
  for (const [place, io] of sources)
    test(`${place.slice(goldens.length + 1)}: the logits of float32`, () =>
      onWasm(
        () =>
          runScoped(
            Effect.gen(function* () {
              const float = yield* causalLogits(place, io, "f32")
              const { logits, mapped, model } = yield* causalLogits(place, io, "file")
              expect(bits(logits)).toEqual(bits(float.logits))
              // GPT-2's weights are transposed, which no product reads
              const transposed = model.decoder.fanInFanOut
              const tables = model.decoder.tied ? 1 : 2
              expect(mapped).toBe(tables + (transposed ? 0 : model.sites.length))
            })
          ),
        native
      ))

  test("an encoder's linear layers: the logits of float32", () =>
    onWasm(
      () =>
        runScoped(
          Effect.gen(function* () {
            const source = { source: minilm, task: "classification", labels: ["a", "b"] } as const
            const batch = batchOf(yield* Effect.promise(() => readGolden("models/minilm/io.safetensors")))
            const logits = function* (weights: WeightForm) {
              const model = yield* load({ ...source, weights })
              const out = tf.tidy(() => model.forward(batch, baseLinear(model), model.weights))
              return { model, values: (yield* Effect.promise(() => out.data())) as Float32Array }
            }
            const float = yield* logits("f32")
            const { model, values } = yield* logits("file")
            expect(bits(values)).toEqual(bits(float.values))
            expect(model.packed!.size).toBe(model.sites.length)
            // code may read a weight itself
            const name = `${model.sites[0]!.name}.weight`
            const [own, whole] = [model.weights(name), float.model.weights(name)]
            expect(yield* Effect.promise(() => own.data())).toEqual(yield* Effect.promise(() => whole.data()))
            expect(model.weights(name)).toBe(own)
          })
        ),
      native
    ))

  test("a file is mapped while a model has it, once for two models, and given back", () =>
    onWasm(async () => {
      const place = `${goldens}/gguf/llama.gguf`
      const mappings = () => readFileSync("/proc/self/maps", "utf8").split("gguf/llama.gguf").length - 1
      await runScoped(
        Effect.gen(function* () {
          yield* openCausal(place, "file")
          yield* openCausal(place, "file")
          if (process.platform === "linux") expect(mappings()).toBe(1)
        })
      )
      if (process.platform === "linux") expect(mappings()).toBe(0)
    }, native))

  test("files in memory, which the system cannot map, are read as float32", () =>
    onWasm(async () => {
      const names = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
      const { layer } = memoryFiles(Object.fromEntries(names.map((name) => [name, readFileSync(join(minilm, name))])))
      const loaded = load({ source: ".", task: "classification", labels: ["a", "b"], weights: "file" })
      const model = await Effect.runPromise(Effect.scoped(loaded).pipe(Effect.provide(layer)))
      expect(model.packed!.size).toBe(0)
    }, native))

  test("a file that became shorter since its header was read is named", () =>
    onWasm(async () => {
      const folder = mkdtempSync(join(tmpdir(), "cut-"))
      const place = join(folder, "llama.gguf")
      copyFileSync(`${goldens}/gguf/llama.gguf`, place)
      const error = await failure(
        Effect.gen(function* () {
          const source = yield* openSource(place)
          const description = yield* describeCausal(source)
          truncateSync(place, 4096)
          return yield* loadCausal(source, description, { tokenizer: noTokenizer, weights: "file" })
        })
      )
      rmSync(folder, { recursive: true })
      expect(error).toBeInstanceOf(ModelError)
      expect(error.message).toContain(`${place}: became shorter`)
    }, native))
})

test("on wasm, files are read as float32", () =>
  onWasm(() =>
    runScoped(
      Effect.gen(function* () {
        const [place, io] = [`${goldens}/gguf/llama.gguf`, "models/llama/io.safetensors"] as const
        const float = yield* causalLogits(place, io, "f32")
        const { logits, mapped } = yield* causalLogits(place, io, "file")
        expect(mapped).toBe(0)
        expect(bits(logits)).toEqual(bits(float.logits))
        expect(atTokens(logits, rowsOf(yield* Effect.promise(() => readGolden(io)))).length).toBeGreaterThan(0)
      })
    )
  ))
