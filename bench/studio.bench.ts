/**
 * The studio with many runs: how long its server takes to list them and to lay their curves over each other, and the processor time and memory
 * that this takes; and what the page makes of them in Chromium: until something is drawn, until the list and the curves are, and which tasks
 * keep it from answering for more than 50 ms. The runs are written here; nothing is trained.
 *
 *   bun bench/studio.bench.ts [--runs 100] [--steps 10000] [--points 200]
 *
 * Bars on an idle machine of two cores: the list 300 ms when its files were looked at before, curves 2 s when they were not and 200 ms after;
 * in the page the first paint after 1 s, a filter within the time of a sort, and no task over 100 ms.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { chromiumExists, launch, openPage } from "../test/browser/chromium.ts"
import { openStudio } from "../test/browser/studio.ts"

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "100" },
    steps: { type: "string", default: "10000" },
    points: { type: "string", default: "200" }
  }
})
const [runs, steps, points] = [Number(values.runs), Number(values.steps), Number(values.points)]
const folder = mkdtempSync(join(tmpdir(), "studio-bench-"))

const site = "encoder.layer.3.attention.self.query"
const ofSites = () => ({ median: Math.random(), worst: Math.random() / 10, worstSite: site })

const rowsOf = function* (): Generator<object> {
  for (let step = 1; step <= steps; step++) {
    const loss = Math.exp((-3 * step) / steps) + 0.1 * Math.random()
    yield {
      kind: "step",
      step,
      loss,
      learningRate: 1e-3 * (1 - step / steps),
      gradNorm: Math.random(),
      rows: 8,
      tokens: 213,
      tokensPerSecond: 4000 * Math.random(),
      milliseconds: 50 * Math.random(),
      health: { conditioning: ofSites(), relativeUpdateA: ofSites(), relativeUpdateB: ofSites() }
    }
    if (step % 500 > 0) continue
    const accuracy = 1 - loss / 2
    yield { kind: "evaluation", step, split: "validation", rows: 200, loss, accuracy, macroF1: accuracy }
  }
}

for (let run = 1; run <= runs; run++) {
  const directory = join(folder, "runs", `bench-${run}`)
  const plan = {
    seed: run,
    model: { source: "../../model" },
    data: { format: "classification", train: "../../train.jsonl" },
    adapter: { method: "lora", rank: 8 },
    optimizer: { kind: "lora-pro", learningRate: 1e-3 },
    training: { steps, batchSize: 8 }
  }
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, "plan.json"), JSON.stringify(plan))
  const lines = [...rowsOf()].map((row) => `${JSON.stringify(row)}\n`)
  writeFileSync(join(directory, "metrics.jsonl"), lines.join(""))
}

const studio = await openStudio({ folder })

/** Milliseconds of processor time since its start; Linux counts hundredths of a second. */
const processor = (): number => {
  const fields = readFileSync(`/proc/${studio.pid}/stat`, "utf8").split(") ")[1]!.split(" ")
  return 10 * (Number(fields[11]) + Number(fields[12]))
}

const timed = async <A>(name: string, ask: () => Promise<A>): Promise<A> => {
  const [began, before] = [performance.now(), processor()]
  const answer = await ask()
  const milliseconds = Math.round(performance.now() - began)
  console.log(`| ${name} | ${milliseconds} ms | ${processor() - before} ms | ${JSON.stringify(answer).length} |`)
  return answer
}

/** The page with all runs in its list, then all of them over each other. */
const inPage = async () => {
  const browser = await launch()
  const { page, complaints } = await openPage(browser, studio.url)
  // tasks are told from the first one on
  await page.addInitScript(() => {
    const tasks: Array<number> = []
    Object.assign(window, { tasks })
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({
      entryTypes: ["longtask"]
    })
  })
  await page.setViewportSize({ width: 1280, height: 800 })
  await page.goto(`${new URL(studio.url).origin}/#/runs`)
  await page.reload()
  const tasks = async () => {
    const all = await page.evaluate(() => (window as unknown as { readonly tasks: Array<number> }).tasks.splice(0))
    return all.length === 0 ? "none" : all.map((task) => `${Math.round(task)} ms`).join(", ")
  }
  const tell = async (name: string, milliseconds: number) =>
    console.log(`| ${name} | ${Math.round(milliseconds)} ms | ${await tasks()} |`)
  await page.waitForFunction((runs) => document.querySelectorAll("tbody tr").length === runs, runs)
  const [answered, paint, listed] = await page.evaluate(() => {
    const [opening] = performance.getEntriesByType("navigation") as [PerformanceNavigationTiming]
    const [painted] = performance.getEntriesByName("first-contentful-paint") as [PerformanceEntry]
    return [opening.responseStart, painted.startTime, performance.now()] as const
  })
  console.log("\n| in the page | after | tasks over 50 ms |\n|---|---|---|")
  console.log(`| the server's first byte | ${Math.round(answered)} ms | |`)
  console.log(`| first paint | ${Math.round(paint)} ms | |`)
  await tell("the list", listed)
  const clocked = async (name: string, act: () => Promise<unknown>) => {
    const began = performance.now()
    await act()
    // what was drawn is on the screen
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
    const milliseconds = performance.now() - began
    await page.waitForTimeout(1000)
    await tell(name, milliseconds)
  }
  const drawn = (title: string) => page.locator("figure.chart figcaption", { hasText: title }).waitFor()
  await clocked("all ticked: the loss of all", async () => {
    await page.getByRole("checkbox", { name: "Curves of all runs" }).check()
    await page.waitForFunction((runs) => document.querySelectorAll(".legend button").length === runs, runs)
  })
  await clocked("another plot of all", async () => {
    await page.getByLabel("Plot").selectOption("learning-rate")
    await drawn("Learning rate")
  })
  await clocked("sorted by name", () => page.getByRole("button", { name: "Name" }).click())
  const found = Array.from({ length: runs }, (_, i) => `bench-${i + 1}`).filter((name) => name.includes("bench-9"))
  await clocked("filtered by a search", async () => {
    await page.getByRole("searchbox").fill("bench-9")
    await page.getByText(`${found.length} of ${runs} runs`).waitFor()
  })
  await clocked("all of them again", async () => {
    await page.getByRole("searchbox").fill("")
    await page.getByText(`${runs} runs`, { exact: true }).first().waitFor()
  })
  await clocked("the pointer over the chart", async () => {
    const box = (await page.locator(".u-over").boundingBox())!
    for (let i = 1; i < 40; i++) await page.mouse.move(box.x + (box.width * i) / 40, box.y + box.height / 2)
  })
  await clocked("one run, by itself", async () => {
    await page.getByRole("link", { name: "bench-1", exact: true }).click()
    await drawn("Loss")
  })
  if (complaints.length > 0) console.log(complaints)
  await browser.close()
}

try {
  console.log("| asked | clock | processor | characters |\n|---|---|---|---|")
  const ids = (await timed("runs, for the first time", () => studio.call("runs", {}))).map(({ id }) => id)
  await timed("runs, again", () => studio.call("runs", {}))
  const curves = (plot: string) => () => studio.call("curves", { ids, plot, points })
  await timed("curves, for the first time", curves("loss"))
  await timed("curves, again", curves("loss"))
  await timed("curves of another plot", curves("gradient-norm"))
  console.log(`\nresident: ${/VmRSS:\s+(\d+ kB)/.exec(readFileSync(`/proc/${studio.pid}/status`, "utf8"))?.[1]}`)
  if (chromiumExists) await inPage()
} finally {
  await studio.close()
  rmSync(folder, { recursive: true, force: true })
}
