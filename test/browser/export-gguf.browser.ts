/** `export --format gguf` in a page: wllama, which is llama.cpp as WebAssembly, writes what the run writes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import type { Browser } from "playwright-core"
import { exportRun, formatNamed } from "../../src/exports/index.ts"
import { byteDecoder } from "../e2e/causal-bytes.ts"
import { onOneThread } from "../e2e/causal-logits.ts"
import { causalPlan, writeRows } from "../e2e/causal-workspace.ts"
import { jsonObjects, onWasm, succeed, workspace } from "../e2e/fixtures.ts"
import { complete } from "../e2e/train-here.ts"
import { repository } from "./bundle.ts"
import { chromiumExists, launch, openPage } from "./chromium.ts"

const w = workspace()
const families = ["llama", "qwen2", "gpt2"] as const
const prompts = ["what colour is the", "it is"]
const TOKENS = 8

const page = `<!doctype html><link rel="icon" href="data:,"><script type="module">
  import { Wllama } from "./wllama/index.js"
  const write = async (file) => {
    const wllama = new Wllama({ default: "/wllama/wasm/wllama.wasm" }, { suppressNativeLog: true })
    const blob = await (await fetch(file)).blob()
    await wllama.loadModel([blob], { n_ctx: 64, n_threads: 1, n_gpu_layers: 0, cache_type_k: "f32", cache_type_v: "f32", flash_attn: false, warmup: false })
    const texts = []
    for (const prompt of ${JSON.stringify(prompts)}) {
      const { choices } = await wllama.createCompletion({ prompt, max_tokens: ${TOKENS}, temperature: 0 })
      texts.push(choices[0].text)
    }
    await wllama.exit()
    return texts
  }
  globalThis.answers = (async () => {
    const all = {}
    for (const name of ${JSON.stringify(families)}) all[name] = await write("/files/" + name + "/" + name + "-f32.gguf")
    return all
  })()
</script>`

describe.skipIf(!chromiumExists)("a run as GGUF in a page", () => {
  let browser: Browser
  afterAll(() => browser?.close())

  beforeAll(async () => {
    for (const name of families) {
      byteDecoder(w, name)
      writeRows(w)
      const training = { steps: 24, batchSize: 4 }
      const plan = causalPlan(name, "text", { optimizer: { kind: "adamw", learningRate: 2e-2 }, training })
      await complete(w, w.write("plan.json", plan), `runs/${name}`)
      const options = { type: "f32" }
      await onOneThread(
        exportRun(w.path(`runs/${name}`), { format: formatNamed("gguf"), options, out: w.path(`files/${name}`) })
      )
    }
  }, 120_000)

  test("goes on with texts as the run does", async () => {
    using server = Bun.serve({
      port: 0,
      fetch: ({ url }) => {
        const [, top, ...rest] = new URL(url).pathname.split("/")
        const roots: Readonly<Record<string, string>> = {
          files: w.path("files"),
          wllama: join(repository, "node_modules/@wllama/wllama/esm")
        }
        const root = roots[top!]
        if (root === undefined) return new Response(page, { headers: { "Content-Type": "text/html" } })
        return new Response(Bun.file(join(root, ...rest)))
      }
    })
    browser = await launch()
    const { page: opened } = await openPage(browser, server.url.href)
    const answers = (await opened.evaluate("answers")) as Readonly<Record<string, ReadonlyArray<string>>>
    for (const name of families) {
      const flags = ["--max-tokens", `${TOKENS}`, "--json", ...onWasm]
      const { stdout } = await succeed(w.cli(["generate", `runs/${name}`, ...prompts, ...flags]))
      const ours = jsonObjects(stdout).map((row) => row["text"])
      expect(answers[name]).toEqual(ours as ReadonlyArray<string>)
    }
  }, 120_000)
})
