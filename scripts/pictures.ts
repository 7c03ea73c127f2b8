/**
 * Takes the pictures of the studio, with Chromium:
 *
 *   bun scripts/pictures.ts                   those of docs/images/, of real runs and a study on the movie sentences, in about six minutes
 *   bun scripts/pictures.ts --every FOLDER    every page and state at three widths, light and dark, into a folder to look at; lists what axe-core finds
 *   … --only "run|new.*"                      of those pages alone, by their names
 *   … --runs FOLDER                           of the runs and the study in a folder, which are not trained again; of its other runs, too
 *
 * The conversation in docs/images/ needs examples/models/smollm2 (`bun scripts/smollm2.ts`); without it that picture stays.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import type { Page } from "playwright-core"
import { violationsEverywhere } from "../test/browser/axe.ts"
import { launch, openPage } from "../test/browser/chromium.ts"
import { openStudio } from "../test/browser/studio.ts"
import { cli, run, succeed } from "../test/e2e/fixtures.ts"

const { values: asked } = parseArgs({
  options: { every: { type: "string" }, only: { type: "string" }, runs: { type: "string" } }
})

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
const command = (args: ReadonlyArray<string>) =>
  succeed(run([process.execPath, cli, ...args], { cwd: folder, timeout: 900_000 }))
// each method at the better of two rates, on three fresh seeds
const study = "--methods lora,lora-pro,full --learning-rates 1e-4,1e-3 --seeds 1 --fresh-seeds 3 --out compare/movies-1"
if (asked.runs !== undefined) cpSync(asked.runs, folder, { recursive: true })
else {
  for (const [out, file] of Object.entries(trained)) await command(["train", file, "--out", out])
  if (asked.every === undefined) await command(["compare", plan("movies-lora-pro-full"), ...study.split(" ")])
}

const browser = await launch()

/** A page of a studio on a folder, and its pictures without the place of the folder. */
const openIn = async (folder: string) => {
  const studio = await openStudio({ folder })
  const { page } = await openPage(browser, studio.url)
  const goTo = async (place: string, wait: (page: Page) => Promise<unknown>) => {
    await page.goto(`${studio.origin}/#/${place}`)
    await wait(page)
  }
  const keep = async (path: string) => {
    // whoever looks at the pictures has another machine
    await page.evaluate(() => {
      document.querySelector(".place span")!.textContent = "~/my-model"
    })
    await page.screenshot({ path })
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

  await goTo("compare/compare%2Fmovies-1", heading("Verdict"))
  await page.locator(".intervals").waitFor()
  await keep("compare")

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

  if (existsSync(join(repository, "examples", "models", "smollm2"))) {
    if (!existsSync(join(folder, "runs", "json-answers")))
      await command([
        "train",
        join(repository, "examples", "smollm2", "json-answers.json"),
        "--out",
        "runs/json-answers"
      ])
    await goTo("try/runs%2Fjson-answers", (shown) => shown.getByLabel("Your message").waitFor())
    await page
      .getByLabel("Your message")
      .fill("Port Louis is the capital of Mauritius. Write country and capital as JSON.")
    await page.getByRole("button", { name: "Send", exact: true }).click()
    await page.getByRole("article", { name: "Turn 1" }).waitFor()
    await page.getByRole("button", { name: "Send", exact: true }).waitFor({ timeout: 300_000 })
    await page.getByLabel("Show probabilities").check()
    await page.getByRole("toolbar").first().getByRole("button", { name: "capital" }).hover()
    await keep("chat")
  }
  await studio.close()
}

const WIDTHS = [390, 820, 1280]

/** A page, and what is done on it before it is looked at. */
interface State {
  readonly name: string
  readonly place: string
  readonly isEmpty?: true
  readonly reach?: (page: Page) => Promise<unknown>
}

const LONG = "sentiment-of-film-reviews-with-lora-pro-at-rank-16-and-a-cosine-schedule-second-attempt"

/** Takes every page and state, at every width in both schemes. */
const picturesOfEvery = async (into: string) => {
  mkdirSync(into, { recursive: true })
  const runs = join(folder, "runs")
  const id = (name: string) => encodeURIComponent(`runs/${name}`)
  // runs of other kinds, which the folder of --runs may have
  const others = readdirSync(runs).filter((name) => !Object.keys(trained).includes(`runs/${name}`))
  const copied = (name: string) => cpSync(join(runs, "lora-pro"), join(runs, name), { recursive: true })
  // one that stopped after its first steps, one whose plan is all that there is, and one with a long name
  copied("stopped-1")
  rmSync(join(runs, "stopped-1", "run.json"))
  mkdirSync(join(runs, "unread-1"), { recursive: true })
  writeFileSync(join(runs, "unread-1", "plan.json"), "{}")
  copied(LONG)
  cpSync(join(repository, "test/golden/compatibility/study"), join(folder, "compare", "movies-1"), { recursive: true })
  cpSync(join(repository, "examples", "data", "movies"), join(folder, "data", "movies"), { recursive: true })
  writeFileSync(join(folder, "data", "reviews.csv"), "description,price\na chair,12\na table,80\n")
  const full = await openIn(folder)
  const empty = await openIn(join(parent, "empty"))
  const rowsOf = (path: string) => async (page: Page) => {
    const again = page.getByRole("button", { name: "Start over" })
    if (await again.isVisible()) await again.click()
    await page.getByLabel("Or enter a path on this computer").fill(path)
    await page.keyboard.press("Enter")
    await page.getByRole("group", { name: "What should the model learn?" }).waitFor()
  }
  const ready = (page: Page) => page.getByText(/^Ready:/).waitFor()
  const tickThree = async (page: Page) => {
    for (const box of (await page.getByRole("checkbox", { name: /^Curves of (?!all)/ }).all()).slice(0, 3))
      await box.check()
    await page.locator(".uplot").first().waitFor()
  }
  const predict = async (page: Page) => {
    await page.getByRole("textbox").first().fill("A quiet triumph, and its last scene stays with you for days.")
    await page.getByRole("button", { name: "Predict" }).click()
    await page.getByText("With the adapter").first().waitFor()
  }
  const lora = JSON.parse(readFileSync(plan("movies-lora"), "utf8"))
  const examples = join(repository, "examples")
  /** Starts a run on a file of the examples: of 100,000 steps, or one that does not exist. */
  const start = (name: string, file: string) => {
    const model = { ...lora.model, source: join(examples, "models", "minilm") }
    const data = { format: "classification", train: join(examples, "data", file), maxLength: 32 }
    return full.studio.call("start", {
      name,
      plan: { ...lora, model, data, training: { steps: 100_000, batchSize: 8 } }
    })
  }
  const inState = (state: string) => (page: Page) => page.locator(`.state.${state}`).first().waitFor()
  const states: ReadonlyArray<State> = [
    ...others.flatMap(
      (name): ReadonlyArray<State> => [
        { name: `run-${name}`, place: `runs/${id(name)}` },
        { name: `try-${name}`, place: `try/${id(name)}` },
        { name: `export-${name}`, place: `export/${id(name)}` }
      ]
    ),
    { name: "home", place: "home" },
    { name: "home-empty", place: "home", isEmpty: true },
    { name: "run", place: `runs/${id("lora-pro")}` },
    { name: "run-long-name", place: `runs/${id(LONG)}` },
    { name: "run-stopped", place: `runs/${id("stopped-1")}` },
    { name: "run-unread", place: `runs/${id("unread-1")}` },
    { name: "run-missing", place: `runs/${id("nowhere")}` },
    { name: "runs", place: "runs" },
    { name: "runs-compared", place: "runs", reach: tickThree },
    {
      name: "runs-grouped",
      place: "runs",
      reach: async (page) => {
        await page.getByLabel("Group by").selectOption("method")
        await page.getByText("Columns", { exact: true }).click()
      }
    },
    {
      name: "runs-filtered",
      place: "runs",
      reach: async (page) => {
        await page.getByLabel("Group by").selectOption("")
        await page.getByRole("searchbox").fill("nothing like this")
        await page.getByText("No run matches").waitFor()
        // the list remembers
        await page.getByRole("searchbox").fill("")
        await page.getByLabel(/^Show/).selectOption("Archived")
      }
    },
    {
      name: "runs-removal",
      place: "runs",
      reach: async (page) => {
        await page.getByLabel(/^Show/).selectOption({ index: 0 })
        await page.getByRole("button", { name: "Remove lora", exact: true }).click()
      }
    },
    { name: "runs-empty", place: "runs", isEmpty: true },
    { name: "compare", place: "compare" },
    { name: "compare-empty", place: "compare", isEmpty: true },
    { name: "study", place: `compare/${encodeURIComponent("compare/movies-1")}` },
    { name: "try", place: `try/${id("lora-pro")}` },
    { name: "try-answered", place: `try/${id("lora-pro")}`, reach: predict },
    { name: "try-empty", place: "try", isEmpty: true },
    { name: "export", place: `export/${id("lora-pro")}` },
    { name: "new", place: "new" },
    { name: "new-question", place: "new", reach: rowsOf("data/reviews.csv") },
    {
      name: "new-ready",
      place: "new",
      reach: async (page) => {
        await rowsOf("data/movies/train.jsonl")(page)
        await ready(page)
      }
    },
    { name: "new-details", place: "new", reach: (page) => page.getByText("Details", { exact: true }).click() },
    {
      name: "run-training",
      place: "new",
      reach: async (page) => {
        await ready(page)
        await page.getByRole("button", { name: "Train", exact: true }).click()
        await page.locator(".uplot").first().waitFor()
      }
    },
    {
      name: "run-waiting",
      place: "runs",
      reach: async (page) => {
        await start("long", "movies/train.jsonl")
        await start("next", "movies/train.jsonl")
        await page.getByRole("link", { name: "next-1" }).click()
        await inState("waiting")(page)
      }
    },
    { name: "run-long", place: `runs/${id("long-1")}`, reach: inState("training") },
    {
      name: "run-failed",
      place: "runs",
      reach: async (page) => {
        const { id: lost } = await start("lost", "nowhere.jsonl")
        await full.studio.call("resume", { id: lost, now: true })
        await page.getByRole("link", { name: "lost-1" }).click()
        await inState("failed")(page)
      }
    },
    { name: "runs-under-way", place: "runs", reach: inState("waiting") }
  ]
  const only = asked.only === undefined ? undefined : new RegExp(`^(${asked.only})$`)
  for (const { name, place, isEmpty, reach } of states.filter(({ name }) => only === undefined || only.test(name))) {
    const { page, goTo, keep } = isEmpty === true ? empty : full
    await page.setViewportSize({ width: 1440, height: 900 })
    await goTo(place, (shown) => shown.locator("main h1").waitFor())
    await reach?.(page)
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 })
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" })
        // as tall as the page, where what sticks to its end is at its end
        const height = await page.evaluate(() => document.documentElement.scrollHeight)
        await page.setViewportSize({ width, height: Math.max(900, height) })
        await page.waitForTimeout(700)
        await keep(join(into, `${name}-${width}-${colorScheme}.png`))
      }
    }
    for (const line of await violationsEverywhere(page)) console.log(`${name}: ${line}`)
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
