/**
 * The example's page in Chromium, as a visitor has it: built by Vite, served as plain files, clicked through on wasm;
 * and what it gives away read by Bun.
 *
 * SCREENSHOTS=FOLDER keeps pictures of it, wide, on a phone, and dark.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Browser, Page } from "playwright-core"
import { run, succeed } from "../e2e/fixtures.ts"
import { type BuiltPage, builtPage } from "./built-page.ts"
import { repository } from "./bundle.ts"
import { chromiumExists, launch, type OpenPage, openPage, waitUntil } from "./chromium.ts"

const TIMEOUT = 180_000
const STEPS = 60
/**
 * Milliseconds. A step here takes 10 to 30 and one that looks at the full gradient 60 (two AMD EPYC cores, one of them
 * busy: 140). A page that is silent for a second seems to hang, and that is far above what a busy machine makes of a
 * step; without pauses it is several seconds.
 */
const LONGEST_TASK = 1000
/** float32 factors at their damping (1e-8): over whole runs the largest of any layer was 9e-6 (docs/methods.md). */
const AT_THE_BOUND = 1e-4

const screenshots = process.env["SCREENSHOTS"]
const folder = mkdtempSync(join(tmpdir(), "digits-page-"))

const text = async (page: Page, id: string) => ((await page.textContent(`#${id}`)) ?? "").trim()

/** Waits for a text in an element, or for the problem that the page tells. */
const until = async (page: Page, id: string, pattern: RegExp) => {
  await waitUntil(
    page,
    ([id, source]) => {
      const of = (id: string) => document.getElementById(id)?.textContent ?? ""
      return new RegExp(source!).test(of(id!)) || of("problem") !== ""
    },
    [id, pattern.source]
  )
  expect(await text(page, "problem")).toBe("")
  return text(page, id)
}

interface Watched {
  readonly tasks: ReadonlyArray<number>
  readonly losses: ReadonlyArray<number>
  readonly looks: ReadonlyArray<string>
  /** what was read of drawings, each with the steps before it */
  readonly answers: ReadonlyArray<{ readonly text: string; readonly steps: number }>
}

/**
 * From here on: how long the page's thread is taken at a time, and what is shown of steps, looks and drawings. Behind `clearAt` steps the drawing
 * is cleared and behind `drawAt` another put in, from within the page: a click from outside may come when a busy machine has taken all of them.
 */
const watch = (page: Page, moments: { readonly clearAt?: number; readonly drawAt?: number } = {}) =>
  page.evaluate(({ clearAt, drawAt }) => {
    const seen = {
      tasks: [] as Array<number>,
      losses: [] as Array<number>,
      looks: [] as Array<string>,
      answers: [] as Array<{ text: string; steps: number }>
    }
    const from = performance.now()
    new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) if (startTime >= from) seen.tasks.push(duration)
    }).observe({ type: "longtask" })
    const onText = (id: string, note: (text: string) => void) => {
      const element = document.getElementById(id)!
      new MutationObserver(() => note(element.textContent ?? "")).observe(element, { childList: true })
    }
    onText("step", (step) => {
      const loss = /loss ([\d.]+)/.exec(step)?.[1]
      if (loss !== undefined) seen.losses.push(Number(loss))
      if (seen.losses.length === clearAt) document.getElementById("clear")!.click()
      if (seen.losses.length === drawAt) document.getElementById("held-out")!.click()
    })
    onText("discrepancy", (look) => look !== "" && seen.looks.push(look))
    onText("answer", (text) => seen.answers.push({ text, steps: seen.losses.length }))
    Object.assign(globalThis, { seen })
  }, moments)
const watched = (page: Page) => page.evaluate("seen") as Promise<Watched>

/** How far the farthest layer is above what two factors can reach, of each look. */
const distances = (looks: ReadonlyArray<string>) =>
  looks.map((look) => Number(/farthest layer (\S+) above/.exec(look)?.[1] ?? Number.NaN))

const train = async (page: Page, method: "lora" | "lora-pro", steps: number) => {
  await page.selectOption("#method", method)
  await page.fill("#steps", `${steps}`)
  await page.click("#start")
  await until(page, "status", /^Training on/)
}

const saved = async (page: Page, click: string, name: string): Promise<string> => {
  const download = page.waitForEvent("download")
  await page.click(click)
  const done = await download
  expect(done.suggestedFilename()).toBe(name)
  const file = join(folder, name)
  copyFileSync(await done.path(), file)
  return file
}

const drawSeven = async (page: Page) => {
  const box = (await page.locator("#canvas").boundingBox())!
  const at = (x: number, y: number) => [box.x + x * box.width, box.y + y * box.height] as const
  await page.mouse.move(...at(0.3, 0.2))
  await page.mouse.down()
  await page.mouse.move(...at(0.7, 0.2), { steps: 5 })
  await page.mouse.move(...at(0.45, 0.85), { steps: 8 })
  await page.mouse.up()
}

describe.skipIf(!chromiumExists)("the digits' page", () => {
  let browser: Browser
  let built: BuiltPage
  let opened: OpenPage
  beforeAll(async () => {
    built = await builtPage()
    browser = await launch()
    opened = await openPage(browser, `${built.url}?device=wasm`)
    await until(opened.page, "device", /^Device: wasm/)
  }, TIMEOUT)
  afterAll(async () => {
    await browser?.close()
    await built?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const pictured = async (name: string) => {
    if (screenshots !== undefined) {
      await opened.page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true })
    }
  }

  test("is built without a warning", () => expect(built.log.trim()).toBe(""))

  test("a drawing is read, kept as an example, and removed again", async () => {
    const { page } = opened
    expect(await text(page, "answer")).toBe("Nothing is drawn yet.")
    await drawSeven(page)
    expect(await until(page, "answer", /^Reads/)).toMatch(/^Reads a 7 /)
    await page.check("#labels input[value='7']", { force: true })
    await page.click("text=Add the drawing")
    expect(await text(page, "count")).toBe("1 example.")
    expect(await page.locator("#start").isEnabled()).toBe(true)
    await page.click("#examples button")
    expect(await text(page, "count")).toBe("No examples yet.")
    expect(await page.locator("#start").isEnabled()).toBe(false)
  })

  test("a saved drawing is the same drawing when it is opened", async () => {
    const { page } = opened
    const before = await text(page, "answer")
    const file = await saved(page, "#save", "drawing.png")
    await page.click("#clear")
    await until(page, "answer", /^Nothing/)
    await page.setInputFiles("#files", file)
    expect(await until(page, "answer", /^Reads/)).toBe(before)
    await page.click("#forget")
  })

  test(
    "an adapter is trained while the page stays awake, is switched off and on, and reads in Bun what it reads here",
    async () => {
      const { page } = opened
      await page.click("#ready")
      await until(page, "count", /^160 examples/)
      await page.click("#clear")
      await until(page, "answer", /^Nothing/)
      await page.click("#held-out")
      const alone = await until(page, "answer", /^Reads/)
      const first = await saved(page, "#save", "drawing.png")
      renameSync(first, join(folder, "first-2.png"))
      expect(await page.locator("#switch").isDisabled()).toBe(true)

      await watch(page, { clearAt: STEPS / 4, drawAt: STEPS / 2 })
      await train(page, "lora-pro", STEPS)
      const status = await until(page, "status", /without the adapter/)
      const { tasks, losses, looks, answers } = await watched(page)
      expect(losses.length).toBe(STEPS)
      // while it trains, what is drawn is read
      const during = answers.filter(({ steps }) => steps > 0 && steps < STEPS).map(({ text }) => text)
      expect(during).toContainEqual(expect.stringMatching(/^Nothing/))
      expect(during).toContainEqual(expect.stringMatching(/^Reads/))
      const mean = (some: ReadonlyArray<number>) => some.reduce((sum, loss) => sum + loss, 0) / some.length
      expect(mean(losses.slice(-5))).toBeLessThan(0.3 * mean(losses.slice(0, 5)))
      const [, right, rightAlone] = /it reads (\d+) right; without the adapter (\d+)/.exec(status)!.map(Number)
      expect(right).toBeGreaterThan(2 * rightAlone!)
      expect(looks.length).toBe(STEPS / 10)
      expect(Math.max(...distances(looks))).toBeLessThan(AT_THE_BOUND)
      // no warning behind it: the direction is the damped projection, its length included
      expect(looks.filter((look) => !look.endsWith("above it."))).toEqual([])
      expect(Math.max(...tasks, 0)).toBeLessThan(LONGEST_TASK)
      await pictured("trained")

      const on = await until(page, "answer", /^Reads/)
      await page.focus("#switch")
      await page.keyboard.press("Space")
      await until(page, "switch-state", /^off/)
      await waitUntil(page, (on) => document.getElementById("answer")!.textContent !== on, on)
      const off = await text(page, "answer")
      await page.keyboard.press("Space")
      await until(page, "switch-state", /^on/)
      await waitUntil(page, (off) => document.getElementById("answer")!.textContent !== off, off)
      expect(await text(page, "answer")).toBe(on)

      const names = ["adapter_config.json", "adapter_model.safetensors", "drawing.png"]
      const [config, , drawing] = [
        await saved(page, `text=${names[0]}`, names[0]!),
        await saved(page, `text=${names[1]}`, names[1]!),
        await saved(page, "#save", names[2]!)
      ]
      expect(JSON.parse(readFileSync(config, "utf8"))).toMatchObject({ peft_type: "LORA", r: 4, lora_alpha: 8 })
      const script = join(repository, "examples", "browser", "predict.ts")
      const { stdout } = await succeed(run([process.execPath, script, folder, drawing], { cwd: repository }))
      expect(stdout.trim().split("\n")).toEqual([on, `without the adapter: ${off}`])

      // the network alone reads what it read before there was an adapter
      await page.uncheck("#switch")
      await page.setInputFiles("#files", join(folder, "first-2.png"))
      await waitUntil(page, (alone) => document.getElementById("answer")!.textContent === alone, alone)
    },
    TIMEOUT
  )

  test(
    "plain LoRA stays above the bound, and is stopped",
    async () => {
      const { page } = opened
      await watch(page)
      await train(page, "lora", 2000)
      await waitUntil(page, "seen.looks.length >= 4")
      await page.click("#stop")
      await until(page, "status", /^Stopped after .*without the adapter/)
      const { looks, losses } = await watched(page)
      expect(losses.length).toBeLessThan(2000)
      // at B = 0 both are the same direction in B alone
      expect(Math.max(...distances(looks.slice(1)))).toBeGreaterThan(0.05)
      expect(await page.locator("#switch").isChecked()).toBe(true)
    },
    TIMEOUT
  )

  test(
    "an isolated page trains on its own thread, and has the workers that it starts itself",
    async () => {
      // a worker of the page's own, started while tfjs's threads are
      const whileOpening = () => {
        const { Worker: own } = globalThis
        const timer = setInterval(() => {
          if (globalThis.Worker === own) return
          clearInterval(timer)
          const script = URL.createObjectURL(new Blob(["onmessage = ({ data }) => postMessage(data.cmd + ' again')"]))
          const worker = new Worker(script)
          worker.onmessage = ({ data }) => Object.assign(globalThis, { answer: data })
          worker.postMessage({ cmd: "load" })
        })
      }
      const newPage = async () => {
        const page = await browser.newPage()
        await page.addInitScript(whileOpening)
        return page
      }
      const { page, complaints } = await openPage({ newPage }, `${built.isolatedUrl}?device=wasm`)
      expect(await page.evaluate("crossOriginIsolated")).toBe(true)
      await until(page, "device", /^Device: wasm/)
      await waitUntil(page, "globalThis.answer === 'load again'")
      expect(await page.evaluate("Worker.toString()")).toContain("[native code]")
      await page.click("#ready")
      await until(page, "count", /^160 examples/)
      await watch(page)
      await train(page, "lora-pro", 20)
      const status = await until(page, "status", /without the adapter/)
      const { losses } = await watched(page)
      expect(losses.length).toBe(20)
      const [, right, rightAlone] = /it reads (\d+) right; without the adapter (\d+)/.exec(status)!.map(Number)
      expect(right).toBeGreaterThan(rightAlone!)
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test("every control is reached by Tab, in the order of the page", async () => {
    const { page } = opened
    await page.focus("#clear")
    const reached = ["clear"]
    while (reached.at(-1) !== "a" && reached.length < 30) {
      await page.keyboard.press("Tab")
      reached.push(await page.evaluate(() => document.activeElement!.id || document.activeElement!.localName))
    }
    // the labels are one stop ("input"); "button": adds the drawing, and removes the opened one; "a": the adapter
    const order = "clear held-out save switch input button ready forget files button method rank steps start a"
    expect(reached).toEqual(order.split(" "))
  })

  test("fits on a phone, light and dark", async () => {
    const { page } = opened
    await page.setViewportSize({ width: 360, height: 780 })
    // the charts follow with the next frame
    await waitUntil(page, () => document.documentElement.scrollWidth <= window.innerWidth)
    await pictured("phone")
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360)
    const low = await page.evaluate(() =>
      [...document.querySelectorAll("main button, main select")]
        .filter((control) => control.closest("#examples") === null)
        .filter((control) => control.getBoundingClientRect().height < 44)
        .map(({ id }) => id)
    )
    expect(low).toEqual([])
    await page.emulateMedia({ colorScheme: "dark" })
    await page.setViewportSize({ width: 1200, height: 900 })
    await pictured("dark")
  })

  test("complains about nothing, and asks for nothing from elsewhere", () => {
    expect({ complaints: opened.complaints, foreign: opened.foreign }).toEqual({ complaints: [], foreign: [] })
  })
})
