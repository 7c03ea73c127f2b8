/** The tiny run in Chromium, by every method: on wasm the bits of Bun, on WebGPU (SwiftShader) the same losses. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import type { Browser } from "playwright-core"
import { expectEqualLosses, type Losses } from "../runtime/equal-losses.ts"
import { runScript, runtimes } from "../runtime/runtimes.ts"
import { methods } from "../runtime/tiny-run.ts"
import { bundle } from "./bundle.ts"
import { chromiumExists, launch, openPage } from "./chromium.ts"
import { type PageServer, servePage } from "./server.ts"

/** SwiftShader takes half a minute for all of it, on two idle cores. */
const TIMEOUT = 600_000

describe.skipIf(!chromiumExists)("in Chromium", () => {
  let browser: Browser
  let server: PageServer
  let reference: Losses
  beforeAll(async () => {
    const { script } = await bundle(join(import.meta.dir, "losses-page.ts"))
    const page = `<!doctype html><link rel="icon" href="data:," /><script type="module" src="page.js"></script>`
    server = servePage({ "page.html": page, "page.js": script }, { isolate: true })
    browser = await launch()
    reference = (await runScript(runtimes[0]!, "losses-probe.ts", "wasm")).output.losses
  }, TIMEOUT)
  afterAll(async () => {
    await browser?.close()
    await server?.stop()
  })

  const lossesOn = async (device: string): Promise<Losses> => {
    const { page, complaints } = await openPage(browser, `${server.url}?device=${device}`)
    const outcome = (await page.evaluate("outcome")) as { readonly losses?: Losses; readonly problem?: string }
    await page.close()
    expect({ problem: outcome.problem, complaints }).toEqual({ problem: undefined, complaints: [] })
    return outcome.losses!
  }

  test("on wasm: the same bits as in Bun", async () => expect(await lossesOn("wasm")).toEqual(reference), TIMEOUT)

  test(
    "on WebGPU: the same losses",
    async () => expectEqualLosses(await lossesOn("webgpu"), reference, Object.keys(methods)),
    TIMEOUT
  )
})
