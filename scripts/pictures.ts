/**
 * Takes the pictures of the studio in docs/images/ anew, of real runs on the movie sentences: `bun scripts/pictures.ts`, with Chromium, in about
 * two minutes. The conversation and the study in there are of runs that take longer, and stay.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { launch, openPage } from "../test/browser/chromium.ts"
import { openStudio } from "../test/browser/studio.ts"
import { cli, run, succeed } from "../test/e2e/fixtures.ts"

const repository = join(import.meta.dirname, "..")
const images = join(repository, "docs", "images")
const plan = (name: string) => join(repository, "examples", "plans", `${name}.json`)

/** Runs by their folders. */
const runs = {
  "runs/lora-pro": plan("movies-lora-pro-full"),
  "runs/lora": plan("movies-lora"),
  "runs/full": plan("movies-full-fine-tuning")
}

const parent = mkdtempSync(join(tmpdir(), "pictures-"))
const folder = join(parent, "my-model")
mkdirSync(folder)
for (const [out, file] of Object.entries(runs)) {
  await succeed(run([process.execPath, cli, "train", file, "--out", out], { cwd: folder }))
}
const studio = await openStudio({ folder })
const browser = await launch()
try {
  const { page } = await openPage(browser, studio.url)
  await page.setViewportSize({ width: 1280, height: 800 })
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" })
  const keep = async (name: string) => {
    // whoever looks at the pictures has another machine
    await page.evaluate(() => {
      document.querySelector(".place span")!.textContent = "~/my-model"
    })
    await page.screenshot({ path: join(images, `studio-${name}.png`) })
  }
  const goTo = async (place: string, wait: (page: Page) => Promise<unknown>) => {
    await page.goto(`${studio.origin}/#/${place}`)
    await wait(page)
  }
  const heading = (name: string) => (shown: Page) => shown.getByRole("heading", { name }).waitFor()

  await goTo("runs/runs%2Flora-pro", heading("Curves"))
  await page.getByRole("heading", { name: "Evaluations" }).waitFor()
  await keep("run")

  await goTo("runs", (shown) => shown.getByRole("checkbox").nth(3).waitFor())
  for (const i of [1, 2, 3]) await page.getByRole("checkbox").nth(i).check()
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
} finally {
  await browser.close()
  await studio.close()
  rmSync(parent, { recursive: true, force: true })
}
