/** Adapters in a page: tfjs's own places, the page's server, and files and downloads that Bun takes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import type { Browser, Download } from "playwright-core"
import { adapt, loadAdapter } from "../../src/layers-model/index.ts"
import { expectClose, tolerance } from "../setup.ts"
import { convnet, moved, numbers, uniform } from "../src/layers-model/networks.ts"
import type { PlacesOutcome } from "./adapter-places.ts"
import { bundle, repository } from "./bundle.ts"
import { chromiumExists, launch, openPage } from "./chromium.ts"

/** tfjs's and ours, as a page's server has them in one folder. */
const wasmFile = (name: string): string =>
  join(
    repository,
    name.startsWith("tfjs") ? "node_modules/@tensorflow/tfjs-backend-wasm/dist" : "src/kernels/wasm",
    name
  )

describe.skipIf(!chromiumExists)("an adapter in a page", () => {
  let browser: Browser
  let outcome: PlacesOutcome
  let complaints: ReadonlyArray<string>
  const downloads = new Map<string, Buffer>()
  const x = () => uniform([4, 8, 8, 3], 3)

  beforeAll(async () => {
    await tf.setBackend("cpu")
    const { script } = await bundle(join(import.meta.dir, "adapter-places.ts"))
    const adapted = await adapt(convnet(), { rank: 2, head: ["logits"] })
    moved(adapted)
    const served = await adapted.files()
    using server = Bun.serve({
      port: 0,
      fetch: ({ url }) => {
        const path = new URL(url).pathname
        if (path === "/page.js") return new Response(script, { headers: { "Content-Type": "text/javascript" } })
        if (path.startsWith("/adapter/")) return new Response(served[path.slice("/adapter/".length)]?.slice())
        if (path.startsWith("/wasm/")) return new Response(Bun.file(wasmFile(path.slice("/wasm/".length))))
        const page = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="page.js"></script>'
        return new Response(page, { headers: { "Content-Type": "text/html" } })
      }
    })
    browser = await launch()
    const opened = await openPage(browser, server.url.href)
    complaints = opened.complaints
    const arrived: Array<Promise<void>> = []
    opened.page.on("download", (download: Download) => {
      const keep = async () => void downloads.set(download.suggestedFilename(), readFileSync(await download.path()))
      arrived.push(keep())
    })
    outcome = (await opened.page.evaluate("placesOutcome")) as PlacesOutcome
    while (downloads.size < 2) await Bun.sleep(20)
    await Promise.all(arrived)
  }, 120_000)
  afterAll(() => browser?.close())

  test("comes back to the bit from IndexedDB, local storage, its files and its server", () => {
    expect(Object.keys(outcome.loaded)).toEqual(["indexeddb://turned", "localstorage://turned", "files", "adapter/"])
    expect(outcome.backends).toEqual(["wasm", "wasm"])
    for (const found of Object.values(outcome.loaded)) expect(found).toEqual(outcome.expected)
    expect(outcome.folder).toContain("pages have no folders")
    expect(complaints).toEqual([])
  })

  test("Bun loads its files, and its download", async () => {
    const files = Object.fromEntries(
      Object.entries(outcome.files).map(([name, base64]) => [name, new Uint8Array(Buffer.from(base64, "base64"))])
    )
    const json = JSON.parse(downloads.get("turned.json")!.toString())
    const weights = downloads.get("turned.weights.bin")!
    const download = tf.io.fromMemory({
      modelTopology: json.modelTopology,
      weightSpecs: json.weightsManifest[0].weights,
      weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.length) as ArrayBuffer
    })
    for (const source of [files, download]) {
      const adapted = await loadAdapter(convnet(), source)
      // the page computes on wasm, this on cpu
      expectClose(await numbers(adapted.predict(x())), outcome.expected, tolerance.forward)
    }
  })
})
