/** `export --format onnx` in a page: transformers.js over onnxruntime-web, from the folder on the page's own server. */
import { afterAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type { Browser } from "playwright-core"
import { exportRun, formatNamed } from "../../src/exports/index.ts"
import { loadRun } from "../../src/trained/index.ts"
import { workspace } from "../e2e/fixtures.ts"
import { onDevice, trainTiny } from "../src/output/tiny-run.ts"
import { repository } from "./bundle.ts"
import { chromiumExists, launch, openPage } from "./chromium.ts"

const w = workspace()
const texts = ["the film is good", "the plot was dull and the cast very bad", "film"]
const packages = join(repository, "node_modules")

const page = `<!doctype html><link rel="icon" href="data:,"><script type="module">
  import { env, pipeline } from "./transformers/transformers.min.js"
  env.allowRemoteModels = false
  env.allowLocalModels = true
  env.localModelPath = "/models/"
  env.backends.onnx.wasm.wasmPaths = new URL("./ort/", location.href).href
  env.backends.onnx.wasm.numThreads = 1
  globalThis.answers = (async () => {
    const all = {}
    for (const dtype of ["fp32", "q8"]) {
      const classify = await pipeline("text-classification", "run", { dtype, device: "wasm" })
      all[dtype] = await classify(${JSON.stringify(texts)})
    }
    return all
  })()
</script>`

type Answers = Readonly<Record<"fp32" | "q8", ReadonlyArray<{ readonly label: string; readonly score: number }>>>

describe.skipIf(!chromiumExists)("a run as ONNX in a page", () => {
  let browser: Browser
  afterAll(() => browser?.close())

  test("has the run's labels and probabilities", async () => {
    w.model("minilm")
    const run = await trainTiny(w, "run", "minilm")
    await onDevice(exportRun(run, { format: formatNamed("onnx"), out: w.path("models/run") }))
    const expected = await onDevice(Effect.flatMap(loadRun(run), ({ predict }) => predict(texts)))
    using server = Bun.serve({
      port: 0,
      fetch: ({ url }) => {
        const path = new URL(url).pathname
        const [, top, ...rest] = path.split("/")
        const roots: Readonly<Record<string, string>> = {
          models: w.path("models"),
          transformers: join(packages, "@huggingface/transformers/dist"),
          ort: join(packages, "onnxruntime-web/dist")
        }
        const root = roots[top!]
        if (root === undefined) return new Response(page, { headers: { "Content-Type": "text/html" } })
        return new Response(Bun.file(join(root, ...rest)))
      }
    })
    browser = await launch()
    const { page: opened } = await openPage(browser, server.url.href)
    const answers = (await opened.evaluate("answers")) as Answers
    for (const [i, { label, probabilities }] of expected.entries()) {
      expect(answers.fp32[i]!.label).toBe(label!)
      // float32, another order of sums
      expect(Math.abs(answers.fp32[i]!.score - probabilities![label!]!)).toBeLessThan(1e-4)
      expect(Math.abs(answers.q8[i]!.score - probabilities![answers.q8[i]!.label]!)).toBeLessThan(0.05)
    }
  }, 120_000)
})
