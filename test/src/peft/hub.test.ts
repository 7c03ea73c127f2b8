/** Adapters of the Hub: what is fetched, that it is there without a network, and what a repository without one says. */
import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { readPeftAdapter } from "../../../src/peft/index.ts"
import { platform } from "../../../src/platform.ts"
import { COMMIT, startHub } from "../hub/hub-server.ts"

const golden = (name: string) => readFileSync(join(import.meta.dirname, "../../golden/peft/bert-regex", name))
const text = (value: string) => new TextEncoder().encode(value)
const refs = { main: COMMIT }
const config = golden("adapter_config.json")
const weights = "adapter_model.safetensors"

const hub = await startHub({
  "lab/adapter": {
    files: {
      "adapter_config.json": config,
      [weights]: golden(weights),
      "adapter_model.bin": text("pickle"),
      "tokenizer.json": text("{}"),
      "optimizer.pt": text("moments")
    },
    large: [weights],
    refs
  },
  "lab/pickle": { files: { "adapter_config.json": config, "adapter_model.bin": text("pickle") }, large: [], refs },
  "lab/model": { files: { "config.json": text("{}"), "model.safetensors": text("x") }, large: [], refs }
})
const cache = mkdtempSync(join(tmpdir(), "hub-"))
afterAll(async () => {
  await hub.close()
  rmSync(cache, { recursive: true })
})

const read = (source: string, environment: Readonly<Record<string, string>> = {}) => {
  const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: cache, ...environment }
  const provider = ConfigProvider.layer(ConfigProvider.fromEnv({ env }))
  return Effect.runPromise(
    Effect.result(readPeftAdapter(source)).pipe(Effect.provide(provider), Effect.provide(platform))
  )
}

test("an adapter is fetched with its tokenizer and nothing else, and is there without a network afterwards", async () => {
  const first = await read("hf:lab/adapter")
  if (first._tag === "Failure") throw first.failure
  expect(first.success.section).toMatchObject({ method: "lora", rank: 4, alpha: 6 })
  const folder = join(cache, "models--lab--adapter", "snapshots", COMMIT)
  expect(readdirSync(folder).sort()).toEqual(["adapter_config.json", weights, "tokenizer.json"])
  const asked = hub.requests.length
  const again = await read("hf:lab/adapter", { HF_HUB_OFFLINE: "1" })
  expect(again._tag).toBe("Success")
  expect(hub.requests.length).toBe(asked)
})

test.each([
  ["hf:lab/pickle", "has its weights in adapter_model.bin, a pickle"],
  ["hf:lab/model", "has no file adapter_config.json; it has config.json, model.safetensors"],
  ["hf:lab/nothing", "no such model or revision"],
  ["hf:lab", "is not the address of a model"]
])("%s says why it is none", async (source, reason) => {
  const result = await read(source)
  expect(result._tag === "Failure" ? result.failure.message : "").toContain(reason)
})

test("without a network, what is not in the cache is told", async () => {
  const result = await read("hf:lab/adapter@v2", { HF_HUB_OFFLINE: "1" })
  expect(result._tag === "Failure" ? result.failure.message : "").toContain("HF_HUB_OFFLINE is set")
})
