/**
 * Threads of the wasm device in a worker of a page: as many as are asked for where the page is isolated, with the bits of one.
 * `THREADS_STEPS=16 THREADS_ROWS=16` prints how long steps of that many rows take with one and with two.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import type { Browser } from "playwright-core"
import movies from "../../examples/plans/movies-lora-pro-full.json" with { type: "json" }
import { type Bundle, bundle } from "./bundle.ts"
import { chromiumExists, launch, openPage } from "./chromium.ts"
import { servePage } from "./server.ts"
import type { ThreadsAsked, ThreadsTold } from "./threads-worker.ts"

const steps = Number(process.env["THREADS_STEPS"] ?? 3)
const { $schema: _, data, ...sections } = movies
const plan = {
  ...sections,
  model: { ...sections.model, source: "models/minilm" },
  data: { format: data.format, train: "data/movies/train.jsonl" },
  training: { steps, batchSize: Number(process.env["THREADS_ROWS"] ?? 4) }
}

const page = `<!doctype html><link rel="icon" href="data:,"><script>
const told = (asked) => new Promise((resolve, reject) => {
  const worker = new Worker("worker.js", { type: "module" })
  worker.onmessage = ({ data }) => { worker.terminate(); resolve(data) }
  worker.onerror = ({ message }) => reject(new Error(message))
  worker.postMessage(asked)
})
</script>`

describe.skipIf(!chromiumExists)("a worker of a page", () => {
  let browser: Browser
  let built: Bundle
  beforeAll(async () => {
    built = await bundle(join(import.meta.dir, "threads-worker.ts"))
    browser = await launch()
  }, 60_000)
  afterAll(async () => browser?.close())

  const trained = async (isolate: boolean, threads: ReadonlyArray<number>) => {
    const server = servePage({ "page.html": page, "worker.js": built.script }, { isolate })
    const opened = await openPage(browser, server.url)
    const all: Array<ThreadsTold> = []
    for (const number of threads) {
      const asked: ThreadsAsked = { threads: number, plan }
      all.push(await opened.page.evaluate(`told(${JSON.stringify(asked)})`))
    }
    expect({ complaints: opened.complaints, foreign: opened.foreign }).toEqual({ complaints: [], foreign: [] })
    await opened.page.close()
    await server.stop()
    return all
  }

  test("computes on several threads where the page is isolated, the same losses bit for bit", async () => {
    const [one, two] = await trained(true, [1, 2])
    expect([one!.threads, two!.threads]).toEqual([1, 2])
    expect(one!.losses).toHaveLength(steps)
    expect(new Set(one!.losses).size).toBe(steps)
    expect(two!.losses).toEqual(one!.losses as Array<number>)
    if (process.env["THREADS_STEPS"] !== undefined) console.log(JSON.stringify([one, two]))
    const [elsewhere] = await trained(false, [2])
    expect(elsewhere).toMatchObject({ threads: 1, isolated: false, losses: one!.losses })
  }, 180_000)
})
