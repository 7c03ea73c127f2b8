/**
 * How many bytes a page downloads for this package: minified and gzipped (kB are 1,000 bytes), without tfjs, which such a page has
 * already. "own" is this package's code alone; "all" has effect, the tokenizer and the CSV parser with it, as far as they are used.
 *
 * The promise is 60 kB of own code for a page that adapts a model in code. A page that adapts a LayersModel behind promises has every
 * method, fit with its losses and callbacks, arithmetic and files beside that; one that trains plans holds what any plan may ask
 * for (every method, start and optimizer, the language of plans, tokenizers and data files), and costs more; its bounds are what
 * was measured and some 5 %, so that growth is seen. A third of either is programs for the GPU.
 */
import { beforeAll, expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { emptyProject, installInto } from "./consumer.ts"

const project = emptyProject()
beforeAll(() => void installInto(project), 60_000)

const tfjs = ["@tensorflow/tfjs", "@tensorflow/tfjs-backend-wasm", "@tensorflow/tfjs-backend-webgpu"]
const others = ["effect", "effect/*", "@huggingface/tokenizers", "csv-parse", "csv-parse/*"]

/** Bytes of `code`'s bundle, gzipped; `external` is left out. */
const sizeOf = async (code: string, external: ReadonlyArray<string>): Promise<number> => {
  const entry = join(project, "page.js")
  writeFileSync(entry, code)
  const built = await Bun.build({ entrypoints: [entry], target: "browser", minify: true, external: [...external] })
  expect(built.logs.map(String)).toEqual([])
  return gzipSync(await built.outputs[0]!.arrayBuffer(), { level: 9 }).length
}

const code = `
import { chain, clipByGlobalNorm, inject, layer, linear, lora, loraPro, scaleByAdam, scaleByLearningRate, Training } from "tfjs-lora-pro/browser"
console.log(chain, clipByGlobalNorm, inject, layer, linear, lora, loraPro, scaleByAdam, scaleByLearningRate, Training.steps, Training.crossEntropy)`
const plan = `export { fetchFiles, layer, memoryFiles, Progress, readPlan, resolve, train } from "tfjs-lora-pro/browser"`
const layersModel = `
import { adapt, layer } from "tfjs-lora-pro/browser"
console.log(adapt, layer)`

const pages = [
  { name: "adapts a model in code, LoRA-Pro on wasm or WebGPU", page: code, own: 60_000, all: 95_000 },
  { name: "adapts a LayersModel", page: layersModel, own: 106_000, all: 149_000 },
  { name: "trains a plan", page: plan, own: 115_000, all: 190_000 }
]

test.each(pages)("a page that $name", async ({ name, page, own, all }) => {
  const sizes = { own: await sizeOf(page, [...tfjs, ...others]), all: await sizeOf(page, tfjs) }
  console.log(`${name}: own ${(sizes.own / 1e3).toFixed(1)} kB, all ${(sizes.all / 1e3).toFixed(1)} kB`)
  // a bundle that had lost its code would be small
  expect(sizes.own).toBeGreaterThan(own / 2)
  expect(sizes.own).toBeLessThanOrEqual(own)
  expect(sizes.all).toBeGreaterThan(sizes.own)
  expect(sizes.all).toBeLessThanOrEqual(all)
})
