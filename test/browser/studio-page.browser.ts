/**
 * The studio as static files, on a server that knows nothing of it: a run from the dropped file to the saved adapter, with the bytes of the
 * command line's; a tab that is closed in the middle; two tabs; and a page that has no place for files.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Browser, BrowserContext, Page } from "playwright-core"
import type { CallName, Input, Output, RunSummary } from "../../src/studio/protocol/index.ts"
import { cli, onWasm, run, succeed, TIMEOUT, workspace } from "../e2e/fixtures.ts"
import { violationsEverywhere } from "./axe.ts"
import { type BuiltPage, builtSite } from "./built-page.ts"
import { repository } from "./bundle.ts"
import { chromiumExists, launch, openPage, refusal, waitUntil } from "./chromium.ts"
import { webcam } from "./webcam.ts"

const w = workspace()
let browser: Browser
let site: BuiltPage
/** as a browser has it that knows no https for it: without OPFS */
let insecure: string

const opinions = [
  ["a joy from the first scene to the last", "good"],
  ["slow, dull and far too long", "bad"]
] as const

const reviews = `text,label\n${Array.from({ length: 40 }, (_, i) => {
  const [text, label] = opinions[i % opinions.length]!
  return `"${text}, ${i}",${label}`
}).join("\n")}\n`

/** A page that is the page's host and nothing else. */
const HOST = "host.html"

/** What the page has stored under a path, as the browser's own store has it. */
const stored = async (page: Page, path: string): Promise<Buffer> => {
  const text = await page.evaluate(async (name) => {
    let folder = await navigator.storage.getDirectory()
    for (const part of [`tfjs-lora-pro ${encodeURIComponent("/site/")}`, ...name.split("/").slice(0, -1)])
      folder = await folder.getDirectoryHandle(part)
    const file = await (await folder.getFileHandle(name.split("/").at(-1)!)).getFile()
    const bytes = new Uint8Array(await file.arrayBuffer())
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
  }, path)
  return Buffer.from(text, "base64")
}

/** milliseconds that a run of some steps may take on a machine that is busy */
const PATIENCE = 60_000

/** Asks the host of a page that is nothing else. */
const asking = (page: Page) => {
  const call = async <Name extends CallName>(name: Name, input: Input<Name>): Promise<Output<Name>> =>
    (await page.evaluate(`studio.call(${JSON.stringify(name)}, ${JSON.stringify(input)})`)) as Output<Name>
  const until = async (id: string, is: (run: RunSummary) => boolean): Promise<RunSummary> => {
    const start = performance.now()
    while (true) {
      const run = (await call("runs", {})).find((one) => one.id === id)
      if (run !== undefined && is(run)) return run
      if (performance.now() - start > PATIENCE) throw new Error(`waited for ${id}, which is ${JSON.stringify(run)}`)
      await Bun.sleep(50)
    }
  }
  return { page, call, until }
}

const tab = async (context: Pick<Browser, "newPage">, url = site.url) => {
  const opened = await openPage(context, `${url}${HOST}?device=wasm&threads=1`)
  await waitUntil(opened.page, "globalThis.studio !== undefined")
  return { ...asking(opened.page), complaints: opened.complaints }
}

const isOver = ({ state }: RunSummary) => ["finished", "failed", "stopped"].includes(state)

/** A plan of some seconds on the embedded model: one of its layers has an adapter. */
const quickPlan = async ({ page, call }: Awaited<ReturnType<typeof tab>>, steps: number) => {
  const source = (await page.evaluate(
    `studio.store([{ path: "reviews.csv", file: new File([${JSON.stringify(reviews)}], "reviews.csv") }], () => {})`
  )) as string
  const { plan } = await call("suggest", { model: "models/minilm", train: source })
  return {
    ...plan,
    adapter: { ...(plan["adapter"] as object), targets: ["encoder.layer.5.attention.self.query"] },
    training: { steps, batchSize: 4 },
    output: { checkpointEvery: 2 }
  }
}

describe.skipIf(!chromiumExists)("the studio without a server", () => {
  beforeAll(async () => {
    const texts: Record<string, string> = {}
    const studio = join(repository, "src", "studio", "page")
    ;[site, browser] = await Promise.all([
      builtSite(studio, { mode: "page", texts }),
      launch(["--host-resolver-rules=MAP studio.test 127.0.0.1", ...webcam(w.path("webcam.y4m"))])
    ])
    insecure = site.url.replace("127.0.0.1", "studio.test")
    const [host] = [...new Bun.Glob("assets/page-host-*.js").scanSync(site.folder)]
    texts[HOST] = `<!doctype html><link rel="icon" href="data:,"><script type="module">
      import { openPageHost } from "./${host}"
      globalThis.studio = openPageHost()
    </script>`
  }, TIMEOUT)
  afterAll(async () => {
    await browser?.close()
    await site?.stop()
  })

  test(
    "trains what was dropped, shows it, and gives the adapter that the command line gives on one thread, byte for byte",
    async () => {
      const { page, complaints, foreign } = await openPage(browser, `${site.url}?device=wasm&threads=2#/new`)
      page.setDefaultTimeout(60_000)
      await page.getByRole("button", { name: "Choose a file" }).waitFor()
      // the server sends no headers that isolate it
      await page.getByText("wasm, 2 threads").waitFor()
      expect(await page.evaluate("crossOriginIsolated")).toBe(true)
      // what needs a machine's folders and processes is not offered
      const views = await page.getByRole("navigation").getByRole("link").allTextContents()
      expect(views.map((name) => name.trim())).toEqual(["Home", "New run", "Runs", "Try", "Share"])
      expect(await page.getByLabel("Or enter a path on this computer").count()).toBe(0)
      expect(await violationsEverywhere(page)).toEqual([])
      await page.setViewportSize({ width: 1280, height: 800 })
      await page.evaluate((text) => {
        const data = new DataTransfer()
        data.items.add(new File([text], "reviews.csv"))
        for (const type of ["dragover", "drop"])
          document.body.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }))
      }, reviews)
      await page.getByText(/^Ready: \d/).waitFor()
      // nor is a model that would have to be downloaded
      await page.getByText("Details", { exact: true }).click()
      const models = await page.getByLabel("Model", { exact: true }).locator("option").allTextContents()
      expect(models.map((name) => name.split(":")[0])).toEqual(["Recommended", "minilm", "mobilenet", "digits"])
      await page.getByText("Change the plan", { exact: true }).click()
      await page.locator('[id="plan-training.steps"]').fill("3")
      await page.getByText(/^Ready: 3 steps/).waitFor()
      await page.getByRole("button", { name: "Train", exact: true }).click()
      await page.waitForURL(/#\/runs\//)
      const id = decodeURIComponent(page.url().split("#/runs/")[1]!)
      await page
        .getByText(/^Accuracy on validation/)
        .first()
        .waitFor()
      await page.locator(".uplot canvas").first().waitFor()

      const show = (hash: string) =>
        page.evaluate((to) => {
          location.hash = to
        }, hash)
      await show(`#/try/${encodeURIComponent(id)}`)
      await page.getByLabel("text", { exact: true }).fill("a joy to watch")
      await page.keyboard.press("Control+Enter")
      await page.locator(".label").first().waitFor()
      expect(["good", "bad"]).toContain((await page.locator(".label").first().textContent())!)

      await show(`#/export/${encodeURIComponent(id)}`)
      const link = page.getByRole("link", { name: /adapter_model\.safetensors/ })
      await link.first().waitFor()
      const download = page.waitForEvent("download")
      await link.first().click()
      const saved = readFileSync(await (await download).path())

      for (const folder of ["data", "models", "runs/own"]) mkdirSync(w.path(folder), { recursive: true })
      writeFileSync(w.path("data/reviews.csv"), reviews)
      symlinkSync(join(repository, "examples", "models", "minilm"), w.path("models/minilm"))
      writeFileSync(w.path("runs/own/plan.json"), await stored(page, `${id}/plan.json`))
      await succeed(
        run([process.execPath, cli, "train", "runs/own/plan.json", "--out", "out", ...onWasm], {
          cwd: w.directory
        })
      )
      expect(saved.equals(readFileSync(w.path("out/adapter/adapter_model.safetensors")))).toBe(true)
      const losses = (text: string) => [...text.matchAll(/"loss":([\d.e-]+)/g)].map(([, loss]) => loss)
      const metrics = losses(`${await stored(page, `${id}/metrics.jsonl`)}`)
      expect(metrics.length).toBeGreaterThan(3)
      expect(metrics).toEqual(losses(readFileSync(w.path("out/metrics.jsonl"), "utf8")))
      expect({ complaints, foreign }).toEqual({ complaints: [], foreign: [] })
      await page.close()
    },
    TIMEOUT
  )

  test(
    "keeps pictures of the webcam in the browser's own store, and finds what they teach",
    async () => {
      const { page, complaints, foreign } = await openPage(browser, `${site.url}?device=wasm&threads=2#/new`)
      page.setDefaultTimeout(60_000)
      await page.getByRole("button", { name: "Use the webcam" }).click()
      for (const name of ["Class 1", "Class 2"]) {
        const pictures = page.getByRole("toolbar", { name: `Pictures of ${name}` }).getByRole("button")
        await waitUntil(page, "!document.querySelector('.hold').disabled")
        await page.getByRole("button", { name: `Hold to record ${name}` }).hover()
        await page.mouse.down()
        await pictures.nth(4).waitFor()
        await page.mouse.up()
      }
      await page.getByRole("button", { name: "Use these pictures" }).click()
      await page.getByText("a folder of images").waitFor()
      const picture = await stored(page, "data/webcam/Class 2/0005.jpg")
      // the mark of a JPEG file
      expect([...picture.subarray(0, 3)]).toEqual([0xff, 0xd8, 0xff])
      await page.getByText(/^Ready: \d/).waitFor()
      expect({ complaints, foreign }).toEqual({ complaints: [], foreign: [] })
      await page.close()
    },
    TIMEOUT
  )

  test(
    "goes on after its tab was closed or it was stopped, to the bytes of a run that was not; one tab has the files",
    async () => {
      const context: BrowserContext = await browser.newContext()
      const first = await tab(context)
      expect(await first.call("about", {})).toMatchObject({ location: "this browser", abilities: ["remove"] })
      const plan = await quickPlan(first, 8)
      const whole = await first.call("start", { name: "whole", plan })
      // a second one waits for it
      const cut = await first.call("start", { name: "cut", plan })
      expect(await first.until(cut.id, () => true)).toMatchObject({ state: "waiting", note: "waits for its turn" })
      const unwanted = await first.call("start", { name: "unwanted", plan })
      await first.call("remove", { id: unwanted.id })
      expect((await first.call("runs", {})).map(({ id }) => id)).not.toContain(unwanted.id)
      expect(await refusal(first.call("remove", { id: whole.id }))).toContain("is still running; stop it")
      expect(await refusal(first.call("remove", { id: "models" }))).toContain("is not a run in this folder")
      expect(await first.until(whole.id, isOver)).toMatchObject({ state: "finished", step: 8 })
      const bytes = (id: string) => stored(first.page, `${id}/adapter/adapter_model.safetensors`)
      const expected = await bytes(whole.id)
      await first.until(cut.id, ({ step }) => step >= 5)
      await first.page.close()

      const second = await tab(context)
      await second.call("about", {})
      const third = await tab(context)
      const taken = "this studio is open in another tab or window of this browser"
      expect(await refusal(third.call("about", {}))).toContain(taken)
      await third.page.close()
      const [left] = (await second.call("runs", {})).filter(({ id }) => id === cut.id)
      expect(left).toMatchObject({ state: "stopped", note: null })
      await second.call("resume", { id: cut.id })
      expect(await second.until(cut.id, isOver)).toMatchObject({ state: "finished", step: 8 })
      const resumed = await stored(second.page, `${cut.id}/adapter/adapter_model.safetensors`)
      expect(resumed.equals(expected)).toBe(true)

      const stopped = await second.call("start", { name: "stopped", plan })
      await second.until(stopped.id, ({ step }) => step >= 2)
      await second.call("stop", { id: stopped.id })
      expect((await second.until(stopped.id, isOver)).step).toBeLessThan(8)
      await second.call("resume", { id: stopped.id })
      await second.until(stopped.id, isOver)
      const again = await stored(second.page, `${stopped.id}/adapter/adapter_model.safetensors`)
      expect(again.equals(expected)).toBe(true)
      await second.call("remove", { id: stopped.id })
      expect((await second.call("runs", {})).map(({ id }) => id)).not.toContain(stopped.id)
      expect(second.complaints).toEqual([])
      await context.close()
    },
    TIMEOUT
  )

  test(
    "has its files in memory where the browser keeps none, and says so",
    async () => {
      const only = await tab(browser, insecure)
      const { location } = await only.call("about", {})
      expect(location).toContain("lost when the tab is closed")
      const { id } = await only.call("start", { name: "short", plan: await quickPlan(only, 2) })
      expect(await only.until(id, isOver)).toMatchObject({ state: "finished", step: 2, note: null })
      const { files } = await only.call("result", { id })
      expect(files.map(({ path }) => path)).toContain("adapter/adapter_model.safetensors")
      // the run is loaded for its first question, and the worker says so
      const told = await only.page.evaluate(`(async () => {
        const told = []
        await studio.call("askable", { id: ${JSON.stringify(id)} }, { doing: ({ what }) => told.push(what) })
        return told
      })()`)
      expect(told).toContainEqual(expect.stringContaining("weights"))
      const [answer] = await only.call("ask", { id, rows: [{ text: "a joy to watch" }] })
      expect(["good", "bad"]).toContain(answer!.trained.label)
      // a plan that fails is told in its sentence
      const wrong = await only.call("start", { name: "wrong", plan: { ...(await quickPlan(only, 2)), seed: 1 } })
      await only.call("stop", { id: wrong.id })
      await only.until(wrong.id, isOver)
      expect(only.complaints).toEqual([])
      await only.page.close()
    },
    TIMEOUT
  )
})
