/** Numbers of a config.json that no model has: a sentence each, or a model that takes no memory by what it announces. */
import { afterAll, beforeAll, expect, test } from "bun:test"
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type { Sources } from "../../../src/hub/index.ts"
import { describeCausal, folderSource } from "../../../src/models/causal/index.ts"
import { describe } from "../../../src/models/describe.ts"
import { ModelError } from "../../../src/models/model.ts"
import { failure, goldens, run } from "./golden.ts"

const encoders = ["bert", "distilbert", "modernbert", "roberta"]
const decoders = [
  "llama",
  "gpt2",
  "gemma3",
  "qwen3",
  "variants/phi3",
  "rope/qwen2-yarn",
  "rope/phi3-longrope",
  "rope/llama-dynamic"
]
const wild = [1e9, -1, 0.5, 1e308, "8"]

type Json = Readonly<Record<string, unknown>>

const root = mkdtempSync(join(tmpdir(), "config-numbers-"))
const folder = (name: string) => join(root, name)
const configs = new Map<string, Json>()

beforeAll(() => {
  for (const name of [...encoders, ...decoders]) {
    for (const file of ["config.json", "model.safetensors"]) {
      cpSync(join(goldens, "models", name, file), join(folder(name), file))
    }
    configs.set(name, JSON.parse(readFileSync(join(folder(name), "config.json"), "utf8")))
  }
})
afterAll(() => rmSync(root, { recursive: true }))

const described = (name: string, config: Json): Effect.Effect<unknown, ModelError, Sources> => {
  writeFileSync(join(folder(name), "config.json"), JSON.stringify(config))
  return encoders.includes(name)
    ? describe(folder(name), { pooling: "pooler", head: "new", labels: ["a", "b"] })
    : Effect.flatMap(folderSource(folder(name)), describeCausal)
}

/** A value with one of its numbers replaced, for each of them, also within objects and lists. */
const replaced = (value: unknown, by: unknown): ReadonlyArray<unknown> => {
  if (typeof value === "number") return [by]
  if (Array.isArray(value))
    return value.slice(0, 1).flatMap((one) => replaced(one, by).map((other) => [other, ...value.slice(1)]))
  if (typeof value !== "object" || value === null) return []
  return Object.entries(value).flatMap(([key, own]) => replaced(own, by).map((other) => ({ ...value, [key]: other })))
}

test.each([...encoders, ...decoders])("%s", async (name) => {
  const config = configs.get(name)!
  const cases = wild.flatMap((value) => replaced(config, value) as ReadonlyArray<Json>)
  expect(cases.length).toBeGreaterThan(30)
  let refused = 0
  for (const wrong of cases) {
    const result = await run(Effect.result(described(name, wrong)))
    if (result._tag === "Success") continue
    expect(result.failure).toBeInstanceOf(ModelError)
    refused++
  }
  expect(refused).toBeGreaterThan(20)
})

test("what begins after the padding id, and what a norm divides by", async () => {
  const roberta = configs.get("roberta")!
  const problems = async (config: Json) => (await failure(described("roberta", config))).problems
  for (const pad of [-1, 1e9]) {
    expect(await problems({ ...roberta, pad_token_id: pad })).toEqual([
      `config.json: pad_token_id ${pad} leaves no text any of the ${roberta["max_position_embeddings"]} positions, which begin after it`
    ])
  }
  expect(await problems({ ...roberta, layer_norm_eps: -1 })).toEqual([
    "config.json: layer_norm_eps: Expected a value between 0 and 1, got -1"
  ])
})
