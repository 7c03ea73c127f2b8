/**
 * The report in a browser: drawn without a complaint, nothing asked of the network, nothing wider than the screen, in both colour
 * schemes, on paper, and with labels that try to run.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { Browser, Page } from "playwright-core"
import { chromiumExists, launch, waitUntil } from "../browser/chromium.ts"
import { hostileLabels, hostileText, writeHostileRows } from "../src/output/hostile-run.ts"
import { onWasm, succeed, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"

const w = workspace()
let browser: Browser

interface Seen {
  readonly page: Page
  /** console messages, errors and dialogs */
  readonly complaints: ReadonlyArray<string>
  /** every address asked for */
  readonly requests: ReadonlyArray<string>
}

type View = { readonly width: number; readonly colorScheme?: "light" | "dark" }

const open = async (run: string, { width, colorScheme = "light" }: View): Promise<Seen> => {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme })
  const complaints: Array<string> = []
  const requests: Array<string> = []
  page.on("console", (message) => complaints.push(`${message.type()}: ${message.text()}`))
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`))
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on("request", (request) => requests.push(request.url()))
  await page.goto(`file://${w.path(`runs/${run}/report.html`)}`)
  await waitUntil(page, () => document.querySelectorAll(".plot canvas").length > 0)
  return { page, complaints, requests }
}

/** Share of a canvas's pixels that something was drawn on. */
const inked = (page: Page): Promise<ReadonlyArray<number>> =>
  page.evaluate(() =>
    [...document.querySelectorAll("canvas")].map((canvas) => {
      const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height)
      let drawn = 0
      for (let i = 3; i < data.length; i += 4) if (data[i] !== 0) drawn++
      return (4 * drawn) / data.length
    })
  )

const luminance = (page: Page, property: "color" | "backgroundColor") =>
  page.evaluate((name) => {
    const [r, g, b] = getComputedStyle(document.body)[name].match(/\d+/g)!.map(Number)
    return (0.2126 * r! + 0.7152 * g! + 0.0722 * b!) / 255
  }, property)

describe.skipIf(!chromiumExists)("the report in Chromium", () => {
  beforeAll(async () => {
    w.model("minilm")
    const training = { steps: 6, batchSize: 4, evaluateEvery: 2 }
    w.write("plain.json", tinyPlan("minilm", { training }))
    w.write("seen.json", tinyPlan("minilm", { training: { ...training, diagnostics: { every: 2 } } }))
    w.write("short.json", tinyPlan("minilm", { training: { steps: 1, batchSize: 4 } }))
    for (const plan of ["plain", "short", "seen"])
      await succeed(w.cli(["train", `${plan}.json`, "--out", `runs/${plan}`, ...onWasm]))
    writeHostileRows(w)
    await succeed(w.cli(["train", "plain.json", "--out", "runs/hostile", ...onWasm]))
    browser = await launch()
  }, 2 * TIMEOUT)
  afterAll(() => browser?.close())

  const curves = { plain: 7, short: 6, hostile: 7, seen: 12 }
  for (const [run, count] of Object.entries(curves)) {
    for (const width of [400, 1400]) {
      test(
        `${run} at ${width} px: its curves, no complaint, no request, nothing beyond the edge`,
        async () => {
          const { page, complaints, requests } = await open(run, { width })
          const shares = await inked(page)
          expect(shares).toHaveLength(count)
          for (const share of shares) expect(share).toBeGreaterThan(0.002)
          const [scrolled, visible, plots] = await page.evaluate(() => {
            const { scrollWidth, clientWidth } = document.documentElement
            const places = [...document.querySelectorAll(".plot")].map((place) => {
              const drawing = place.querySelector(".uplot")!.getBoundingClientRect()
              return drawing.right - place.getBoundingClientRect().right
            })
            return [scrollWidth, clientWidth, places] as const
          })
          expect(scrolled).toBe(visible)
          expect(Math.max(...plots)).toBeLessThanOrEqual(0)
          expect(complaints).toEqual([])
          expect(requests).toEqual([`file://${w.path(`runs/${run}/report.html`)}`])
          await page.close()
        },
        TIMEOUT
      )
    }
  }

  test(
    "hostile labels and texts are read as they are written, and none of them runs",
    async () => {
      const { page, complaints } = await open("hostile", { width: 1400 })
      const text = await page.evaluate(() => document.body.textContent!)
      expect(text).toContain(hostileText)
      for (const label of hostileLabels) expect(text).toContain(label.replace("\u0007", "\ufffd"))
      expect(
        await page.evaluate(() => document.querySelectorAll("img, svg, iframe, link, [onload], [onerror]").length)
      ).toBe(0)
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "were one of them to get through, the policy would stop it",
    async () => {
      const { page, complaints } = await open("plain", { width: 1400 })
      await page.evaluate(() => {
        document.body.insertAdjacentHTML("beforeend", `<img src="data:image/png;base64,AA" onerror="alert(1)">`)
        const script = document.createElement("script")
        script.textContent = "alert(2)"
        document.body.append(script)
      })
      await page.waitForTimeout(200)
      expect(complaints.filter((line) => line.startsWith("dialog"))).toEqual([])
      expect(complaints.filter((line) => line.includes("Content Security Policy")).length).toBeGreaterThanOrEqual(2)
      await page.close()
    },
    TIMEOUT
  )

  test(
    "dark where the reader's scheme is dark, light on paper, redrawn when the width changes",
    async () => {
      const { page, complaints } = await open("plain", { width: 1400, colorScheme: "dark" })
      expect(await luminance(page, "backgroundColor")).toBeLessThan(0.15)
      expect(await luminance(page, "color")).toBeGreaterThan(0.8)
      await page.emulateMedia({ colorScheme: "light" })
      expect(await luminance(page, "backgroundColor")).toBeGreaterThan(0.95)
      await page.emulateMedia({ colorScheme: "dark", media: "print" })
      expect(await luminance(page, "backgroundColor")).toBeGreaterThan(0.95)
      await page.emulateMedia({ media: "screen" })
      await page.setViewportSize({ width: 400, height: 900 })
      await waitUntil(page, () => document.documentElement.scrollWidth === 400)
      for (const share of await inked(page)) expect(share).toBeGreaterThan(0.002)
      expect((await page.pdf({ format: "A4" })).length).toBeGreaterThan(10_000)
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )
})
