/**
 * Takes the pictures of the studio, with Chromium:
 *
 *   bun scripts/pictures.ts                   those of docs/images/, of real runs on the movie sentences, in about two minutes
 *   bun scripts/pictures.ts --every FOLDER    every page and state at three widths, light and dark, into a folder to look at
 *   … --runs FOLDER                           of the runs in a folder, which are not trained again
 *
 * The conversation and the study in docs/images/ are of runs that take longer, and stay.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import type { Page } from "playwright-core"
import { launch, openPage } from "../test/browser/chromium.ts"
import { openStudio } from "../test/browser/studio.ts"
import { cli, run, succeed } from "../test/e2e/fixtures.ts"

const { values: asked } = parseArgs({ options: { every: { type: "string" }, runs: { type: "string" } } })

const repository = join(import.meta.dirname, "..")
const images = join(repository, "docs", "images")
const plan = (name: string) => join(repository, "examples", "plans", `${name}.json`)

/** Runs by their folders. */
const trained = {
  "runs/lora-pro": plan("movies-lora-pro-full"),
  "runs/lora": plan("movies-lora"),
  "runs/full": plan("movies-full-fine-tuning")
}

const parent = mkdtempSync(join(tmpdir(), "pictures-"))
const folder = join(parent, "my-model")
mkdirSync(folder)
if (asked.runs !== undefined) cpSync(asked.runs, folder, { recursive: true })
else
  for (const [out, file] of Object.entries(trained))
    await succeed(run([process.execPath, cli, "train", file, "--out", out], { cwd: folder }))

const browser = await launch()

/** A page of a studio on a folder, and its pictures without the place of the folder. */
const openIn = async (folder: string) => {
  const studio = await openStudio({ folder })
  const { page } = await openPage(browser, studio.url)
  const goTo = async (place: string, wait: (page: Page) => Promise<unknown>) => {
    await page.goto(`${studio.origin}/#/${place}`)
    await wait(page)
  }
  const keep = async (path: string, fullPage = false) => {
    // whoever looks at the pictures has another machine
    await page.evaluate(() => {
      document.querySelector(".place span")!.textContent = "~/my-model"
    })
    await page.screenshot({ path, fullPage })
  }
  return { studio, page, goTo, keep }
}

const heading = (name: string) => (page: Page) => page.getByRole("heading", { name, exact: true }).first().waitFor()

const picturesOfDocs = async () => {
  const { studio, page, goTo, keep: keepAt } = await openIn(folder)
  const keep = (name: string) => keepAt(join(images, `studio-${name}.png`))
  await page.setViewportSize({ width: 1280, height: 800 })
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" })

  await goTo("home", heading("Recent runs"))
  await keep("home")

  await goTo("runs/runs%2Flora-pro", heading("Curves"))
  await page.getByRole("heading", { name: "Evaluations" }).waitFor()
  await keep("run")

  await goTo("runs", (shown) => shown.getByRole("checkbox").nth(3).waitFor())
  for (const name of ["lora-pro", "lora", "full"]) await page.getByLabel(`Curves of ${name}`, { exact: true }).check()
  await page.locator(".uplot").first().waitFor()
  // the curves of the last one follow
  await page.waitForTimeout(1_000)
  await keep("runs")

  await goTo("export/runs%2Flora-pro", heading("In a web page ONNX"))
  await keep("export")

  await goTo("try/runs%2Flora-pro", (shown) => shown.getByRole("button", { name: "Predict" }).waitFor())
  for (const text of [
    "The plot is thin and the jokes are thinner.",
    "A quiet triumph, and its last scene stays with you for days."
  ]) {
    await page.getByRole("textbox").first().fill(text)
    await page.getByRole("button", { name: "Predict" }).click()
    await page.getByText("With the adapter").first().waitFor()
    await page.getByText(text).last().waitFor()
  }
  await page.waitForTimeout(1_500)
  await keep("try")

  cpSync(join(repository, "examples", "data", "movies"), join(folder, "data", "movies"), { recursive: true })
  await goTo("new", (shown) => shown.getByLabel("Or enter a path on this computer").fill("data/movies/train.jsonl"))
  await page.keyboard.press("Enter")
  await page.getByText(/^Ready:/).waitFor()
  await keep("new")
  await studio.close()
}

const WIDTHS = [390, 820, 1440]

/** Takes the page as it is, at every width in both schemes. */
const picturesOfEvery = async (into: string) => {
  mkdirSync(into, { recursive: true })
  const [first = ""] = readdirSync(join(folder, "runs"))
  const id = (name: string) => encodeURIComponent(`runs/${name}`)
  // one that stopped after its first steps, and one whose plan is all that there is
  cpSync(join(folder, "runs", first), join(folder, "runs", "stopped-1"), { recursive: true })
  rmSync(join(folder, "runs", "stopped-1", "run.json"))
  mkdirSync(join(folder, "runs", "unread-1"), { recursive: true })
  writeFileSync(join(folder, "runs", "unread-1", "plan.json"), "{}")
  const nothing = join(parent, "empty")
  const full = await openIn(folder)
  const empty = await openIn(nothing)
  const settled = (page: Page) => page.waitForTimeout(700)
  const studies = full.studio.call("studies", {})
  const places: ReadonlyArray<readonly [name: string, place: string, opened?: typeof full]> = [
    ["home", "home"],
    ["home-empty", "home", empty],
    ["run", `runs/${id(first)}`],
    ["run-stopped", `runs/${id("stopped-1")}`],
    ["run-unread", `runs/${id("unread-1")}`],
    ["run-missing", `runs/${id("nowhere")}`],
    ["runs", "runs"],
    ["runs-empty", "runs", empty],
    ["compare", "compare"],
    ["compare-empty", "compare", empty],
    ...(await studies).map(({ id }) => [`study`, `compare/${encodeURIComponent(id)}`] as const),
    ["new", "new"],
    ["try", `try/${id(first)}`],
    ["try-empty", "try", empty],
    ["export", `export/${id(first)}`]
  ]
  for (const [name, place, { page, goTo, keep } = full] of places) {
    await goTo(place, (shown) => shown.locator("main h1").waitFor())
    if (name === "runs") {
      for (const box of (await page.getByRole("checkbox", { name: /^Curves of (?!all)/ }).all()).slice(0, 3))
        await box.check()
    }
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 })
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" })
        await settled(page)
        await keep(join(into, `${name}-${width}-${colorScheme}.png`), true)
      }
    }
  }
  await full.studio.close()
  await empty.studio.close()
}

try {
  await (asked.every === undefined ? picturesOfDocs() : picturesOfEvery(resolve(asked.every)))
} finally {
  await browser.close()
  rmSync(parent, { recursive: true, force: true })
}
