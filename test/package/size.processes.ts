/**
 * How many bytes a page downloads for this package: minified and gzipped (kB are 1,000 bytes), without tfjs, which such a page has
 * already. "own" is this package's code alone; "all" has effect, the tokenizer and the CSV parser with it, as far as they are used.
 *
 * What counts is what the page's script imports by itself (`first`): the script and what it shares with other files. What is loaded on
 * demand stands beside it: a device when it is opened (one of the two), files when an adapter is saved or loaded, and so on.
 *
 * The promise is 60 kB of own code for a page that adapts. A page that adapts a LayersModel behind promises has every
 * method and fit with its losses and callbacks beside that; one that trains plans holds what any plan may ask for (every method and start,
 * the language of plans, tokenizers and data files). That language is the schemas of all kinds of plans, since a plan's format
 * is known when it is read: a third of what such a page loads first, and nothing else of a kind is here before a plan of it comes. Of thirteen
 * optimizers it has what is asked without a run, a thirtieth; the transforms of one come with a run that has it, and a page in code has those
 * that it imports by name. A method carries its facts, its layout in PEFT's files and its place in
 * comparisons with its equation, so every page that has the method has these (5 kB for LoRA). Bounds are what was measured and some 5 %, so that
 * growth is seen.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join, normalize } from "node:path"
import { gzipSync } from "node:zlib"
import { optimizerFacts } from "../../schemas/index.ts"
import { emptyProject, installInto } from "./consumer.ts"

const project = emptyProject()
beforeAll(() => void installInto(project), 180_000)

const tfjs = [
  "@tensorflow/tfjs-core",
  "@tensorflow/tfjs-core/*",
  "@tensorflow/tfjs-layers",
  "@tensorflow/tfjs-backend-cpu",
  "@tensorflow/tfjs-backend-wasm",
  "@tensorflow/tfjs-backend-webgpu"
]
const others = ["effect", "effect/*", "@huggingface/tokenizers", "csv-parse", "csv-parse/*"]

interface Chunk {
  /** gzipped */
  readonly bytes: number
  /** sources of this package, from its root: "src/device/open.js" */
  readonly files: ReadonlyArray<string>
}

interface Page {
  /** what the browser loads with the page's script */
  readonly first: ReadonlyArray<Chunk>
  readonly later: ReadonlyArray<Chunk>
}

/** The bundle of `code` in files, as bundlers cut it at `import()`; `external` is left out. */
const bundled = async (code: string, external: ReadonlyArray<string>): Promise<Page> => {
  const entry = join(project, "page.js")
  writeFileSync(entry, code)
  const built = await Bun.build({
    entrypoints: [entry],
    target: "browser",
    minify: true,
    splitting: true,
    metafile: true,
    external: [...external],
    root: project
  })
  expect(built.logs.map(String)).toEqual([])
  const outputs = new Map(Object.entries(built.metafile!.outputs).map(([path, own]) => [normalize(path), own]))
  const first = new Set<string>()
  const visit = (path: string): void => {
    if (first.has(path) || !outputs.has(path)) return
    first.add(path)
    for (const { path: imported, kind } of outputs.get(path)!.imports) {
      if (kind !== "dynamic-import") visit(normalize(imported))
    }
  }
  visit(normalize(built.outputs.find(({ kind }) => kind === "entry-point")!.path))
  const chunks = await Promise.all(
    built.outputs.map(async (output) => {
      const path = normalize(output.path)
      const files = Object.entries(outputs.get(path)?.inputs ?? {})
        .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
        .flatMap(([file]) => /tfjs-lora-pro\/(.*)$/.exec(file)?.[1] ?? [])
      return { path, files, bytes: gzipSync(await output.arrayBuffer(), { level: 9 }).length }
    })
  )
  return {
    first: chunks.filter(({ path }) => first.has(path)),
    later: chunks.filter(({ path }) => !first.has(path))
  }
}

const bytesOf = (chunks: ReadonlyArray<Chunk>): number => chunks.reduce((sum, { bytes }) => sum + bytes, 0)
const kB = (bytes: number): string => `${(bytes / 1e3).toFixed(1)} kB`

const code = `
import { chain, clipByGlobalNorm, inject, layer, linear, lora, loraPro, scaleByAdam, scaleByLearningRate, Training } from "tfjs-lora-pro/browser"
console.log(chain, clipByGlobalNorm, inject, layer, linear, lora, loraPro, scaleByAdam, scaleByLearningRate, Training.steps, Training.crossEntropy)`
const plan = `export { fetchFiles, layer, memoryFiles, Progress, readPlan, resolve, train } from "tfjs-lora-pro/browser"`
const layersModel = `
import { adapt, layer } from "tfjs-lora-pro/browser"
console.log(adapt, layer)`

const pages = [
  { name: "adapts a model in code, LoRA-Pro on wasm or WebGPU", page: code, own: 39_800, all: 81_000 },
  { name: "adapts a LayersModel", page: layersModel, own: 71_000, all: 108_000 },
  { name: "trains a plan", page: plan, own: 80_000, all: 132_000 }
]

test.each(pages)("a page that $name", async ({ name, page, own, all }) => {
  const { first, later } = await bundled(page, [...tfjs, ...others])
  const sizes = { own: bytesOf(first), all: bytesOf((await bundled(page, tfjs)).first) }
  console.log(`${name}: own ${kB(sizes.own)}, all ${kB(sizes.all)}`)
  for (const { bytes, files } of later) console.log(`  on demand ${kB(bytes)}: ${files.slice(0, 3).join(", ")} …`)
  // a bundle that had lost its code would be small
  expect(sizes.own).toBeGreaterThan(own / 2)
  expect(sizes.own).toBeLessThanOrEqual(own)
  expect(sizes.all).toBeGreaterThan(sizes.own)
  expect(sizes.all).toBeLessThanOrEqual(all)
})

describe("what a page may never ask for is not in what it loads first", () => {
  const parts = [
    { what: "the webgpu device and its programs", file: "src/device/webgpu.js", most: 46_500 },
    { what: "a program for the GPU", file: "src/kernels/webgpu/product.js", most: 46_500 },
    // with how products are cut on wasm, which a page on a GPU has no use for
    // and its threads, for workers of an isolated page
    { what: "the wasm device", file: "src/device/wasm-browser.js", most: 6_300 },
    { what: "files of adapters", file: "src/layers-model/saved-adapter.js", most: 13_500 },
    { what: "where PEFT has which tensor", file: "src/output/peft/layout.js", most: 13_500 },
    { what: "sums of adapters", file: "src/layers-model/arithmetic.js", most: 2_500 },
    { what: "a probe of the full gradient", file: "src/training/diagnostics/probe.js", most: 4_500 },
    { what: "what is said of a run that learns nothing", file: "src/training/course.js", most: 3_000 },
    { what: "an orthogonal start", file: "adapters/init/orthogonal-factors.js", most: 500 },
    { what: "QR, for starts that decompose", file: "src/linalg/qr.js", most: 1_500 },
    { what: "starts that look at data", file: "src/layers-model/calibration-data.js", most: 3_000 }
  ]
  let page: Page
  beforeAll(async () => {
    page = await bundled(layersModel, [...tfjs, ...others])
  })

  test.each(parts)("$what", ({ file, most }) => {
    expect(page.first.flatMap(({ files }) => files)).not.toContain(file)
    const [chunk, ...more] = page.later.filter(({ files }) => files.includes(file))
    console.log(`  ${file}: ${kB(chunk?.bytes ?? 0)}`)
    expect(more).toEqual([])
    expect(chunk?.bytes).toBeGreaterThan(0)
    expect(chunk?.bytes).toBeLessThanOrEqual(most)
  })

  test("a kind of run, its losses, and what begins a run in another way, of a page that trains plans", async () => {
    const { first, later } = await bundled(plan, [...tfjs, ...others])
    const rooms =
      /^src\/(?:kinds\/[^/]+\/|peft\/|kernels\/linear-cross|plan\/settings|training\/calibrate|run\/continued)/
    expect(first.flatMap(({ files }) => files).filter((file) => rooms.test(file))).toEqual([])
    expect(later.flatMap(({ files }) => files).filter((file) => rooms.test(file)).length).toBeGreaterThan(20)
  })

  test.each([
    ["adapts a LayersModel", layersModel],
    ["trains plans", plan]
  ])("the transforms of every optimizer, each in what a run loads, of a page that %s", async (_, code) => {
    const { first, later } = await bundled(code, [...tfjs, ...others])
    const transforms = ["adamw", "lora-pro", "lora-rite", "sgd"].map((kind) => `${kind}/transform`)
    // AltLoRA and AltLoRA+ are one transform
    const kinds = Object.keys(optimizerFacts).filter((kind) => kind !== "altlora-plus")
    const own = [
      ...kinds.map((kind) => `${kind}/parts`),
      ...transforms,
      "lora-pro/factored-adam",
      "lora-pro/invariant-adam",
      "whitening"
    ]
    for (const file of own.map((name) => `src/optimizers/${name}.js`)) {
      expect(first.flatMap(({ files }) => files)).not.toContain(file)
      expect(later.flatMap(({ files }) => files)).toContain(file)
    }
  })

  test("but what it adapts and trains with is", () => {
    const files = page.first.flatMap((chunk) => chunk.files)
    for (const file of ["src/layers-model/fit/fit.js", "src/optimizers/transform.js", "src/kernels/lora-linear.js"]) {
      expect(files).toContain(file)
    }
  })
})
