/** What is written of golden models, tensor by tensor and key by key, against the files that Python's gguf made of the same models. */
import { afterAll, describe, expect, test } from "bun:test"
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { unadapted } from "../../../../adapters/index.ts"
import { mergedTensors } from "../../../../src/exports/gguf/merged-tensors.ts"
import { openCausalModel, openSource } from "../../../../src/models/causal/index.ts"
import { readGgufHeader } from "../../../../src/models/gguf/header.ts"
import { parseHeader } from "../../../../src/models/gguf/parse-header.ts"
import { ggufHeader, ggufModelOf } from "../../../../src/models/gguf/write/index.ts"
import { platform } from "../../../../src/platform.ts"
import { byteTokenizer } from "../../../e2e/causal-bytes.ts"
import { onOneThread } from "../../../e2e/causal-logits.ts"
import { repository } from "../../../e2e/fixtures.ts"

const golden = join(repository, "test", "golden")
const folder = mkdtempSync(join(tmpdir(), "gguf-golden-"))
afterAll(() => rmSync(folder, { recursive: true }))

/** What llama.cpp does whatever a config says: every sixth layer sees everything. */
const fixed: Readonly<Record<string, object>> = { gemma3: { layer_types: Array(3).fill("sliding_attention") } }
/** Keys of the goldens that are the tokenizer's, the file's own, or said otherwise: which layers have windows, llama.cpp knows. */
const elsewhere = /^general\.|^tokenizer\.|\.sliding_window_pattern$/

const written = (name: string) =>
  onOneThread(
    Effect.gen(function* () {
      const model = join(folder, name)
      cpSync(join(golden, "models", name), model, { recursive: true })
      const config = JSON.parse(readFileSync(join(model, "config.json"), "utf8"))
      writeFileSync(join(model, "config.json"), JSON.stringify({ ...config, ...fixed[name] }))
      writeFileSync(join(model, "tokenizer.json"), JSON.stringify(byteTokenizer()))
      const source = yield* openSource(model)
      const adapted = yield* unadapted(yield* openCausalModel(model))
      const found = ggufModelOf(adapted.model.family, source.config)
      if ("reason" in found) throw new Error(found.reason)
      const { tensors, lacking } = mergedTensors(adapted, source, found)
      expect(lacking).toEqual([])
      const values = new Map<string, Float32Array>()
      for (const [own, tensor] of tensors) values.set(own, yield* tensor.values)
      const prefix = found.writing.architecture.name
      const keys = new Map(Object.entries(found.values).map(([key, value]) => [`${prefix}.${key}`, value]))
      const bytes = Uint8Array.from(ggufHeader(keys, new Map()))
      const parsed = parseHeader(bytes, bytes.length)
      if (parsed === "more" || "problem" in parsed) throw new Error("no header")
      return { values, metadata: parsed.metadata }
    })
  )

describe("golden models are written as Python's gguf writes them:", () => {
  for (const name of ["llama", "llama-tied", "qwen2", "qwen3", "gemma2", "gemma3", "gpt2"]) {
    test(name, async () => {
      const file = join(golden, "gguf", `${name}.gguf`)
      const header = await Effect.runPromise(readGgufHeader(file).pipe(Effect.provide(platform)))
      const bytes = Uint8Array.from(readFileSync(file))
      const { values, metadata } = await written(name)
      expect([...values.keys()].sort()).toEqual([...header.tensors.keys()].sort())
      for (const [tensor, own] of values) {
        const { begin, end, type } = header.tensors.get(tensor)!
        expect([
          tensor,
          Buffer.from(own.buffer, own.byteOffset, own.byteLength).equals(
            Buffer.from(type.decode(bytes.slice(begin, end)).buffer)
          )
        ]).toEqual([tensor, true])
      }
      const theirs = [...header.metadata].filter(([key]) => !elsewhere.test(key))
      expect(theirs.length).toBeGreaterThan(5)
      for (const [key, value] of theirs) expect([key, metadata.get(key)]).toEqual([key, value])
    })
  }
})
