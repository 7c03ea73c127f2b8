/**
 * The studio's view of runs, with real runs: one watched from its first step to its last, stopped and resumed on the way; what it left, down to
 * the rows behind a number; several over each other; one that failed; some that are removed.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { existsSync } from "node:fs"
import type { Browser, Page } from "playwright-core"
import { onWasm, succeed, TIMEOUT, tinyPlan, workspace } from "../e2e/fixtures.ts"
import { keepPicture, violationsEverywhere } from "./axe.ts"
import { chromiumExists, launch, waitUntil } from "./chromium.ts"
import { type OpenStudio, openStudio, openView } from "./studio.ts"

const w = workspace()
let browser: Browser
let studio: OpenStudio

/** Long enough to be stopped on the way, on a fast machine too. */
const STEPS = 3000

interface Record_ {
  readonly labels: ReadonlyArray<string>
  readonly test: {
    readonly confusion: ReadonlyArray<ReadonlyArray<number>>
    readonly accuracy: number
    readonly rows: number
  }
  readonly before: { readonly accuracy: number }
  readonly baseline: { readonly test: { readonly of: string; readonly scores: { readonly accuracy: number } } }
  readonly mistakes: ReadonlyArray<{ readonly text: string; readonly where: string }>
}

const opened = (place: string) => openView(browser, studio, place)

/** The last step of the loss curve, by what the chart says in words. */
const lastStep = async (page: Page): Promise<number> => {
  const words = await page.getByRole("img", { name: /^Loss\./ }).getAttribute("aria-label")
  return Math.max(...[...words!.matchAll(/at step (\d+)/g)].map(([, step]) => Number(step)))
}

describe.skipIf(!chromiumExists)("runs in the studio", () => {
  beforeAll(async () => {
    w.model("bert")
    const sections = { training: { steps: 40, batchSize: 4, evaluateEvery: 5 } }
    w.write("plans/short.json", {
      ...tinyPlan("../bert", sections),
      data: { ...tinyPlan("").data, train: "../train.jsonl", validation: "../validation.jsonl", test: "../test.jsonl" }
    })
    for (const [seed, run] of ["first", "second"].entries())
      await succeed(w.cli(["train", "plans/short.json", "--set", `seed=${seed}`, "--out", `runs/${run}`, ...onWasm]))
    ;[studio, browser] = await Promise.all([openStudio({ folder: w.directory }), launch()])
  }, TIMEOUT)
  afterAll(async () => {
    await browser?.close()
    await studio?.close()
  })

  test(
    "one is watched from its first step to its last, stopped and resumed on the way, without a reload",
    async () => {
      const training = { steps: STEPS, batchSize: 4, evaluateEvery: 100 }
      const { id } = await studio.call("start", { name: "watched", plan: tinyPlan("bert", { training }) })
      const { page, complaints } = await opened(`#/runs/${encodeURIComponent(id)}`)
      await page.evaluate(() => Object.assign(window, { isFirst: true }))
      await page.getByRole("heading", { name: "watched-1" }).waitFor()
      await page.getByRole("img", { name: /^Loss\./ }).waitFor()
      const early = await lastStep(page)
      await waitUntil(
        page,
        (early) => {
          const words = document.querySelector(".plot")!.getAttribute("aria-label")!
          return Math.max(...[...words.matchAll(/at step (\d+)/g)].map(([, step]) => Number(step))) > early
        },
        early
      )
      await page.getByRole("button", { name: "Stop watched-1" }).click()
      await page.locator(".state.stopped").waitFor()
      const atStop = await lastStep(page)
      expect(atStop).toBeGreaterThan(early)
      expect(atStop).toBeLessThan(STEPS)
      await page.getByRole("button", { name: "Resume watched-1" }).click()
      await page.locator(".state.finished").waitFor()
      await page.getByText("Accuracy on test").first().waitFor()
      expect(await lastStep(page)).toBe(STEPS)
      const log = await page.getByRole("region", { name: "Log" }).textContent()
      expect(log).toContain(`--resume ${id}`)
      expect(log).toContain(`after step ${STEPS}: test`)
      expect(await page.evaluate(() => "isFirst" in window)).toBe(true)
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "what is left: numbers of run.json, rows behind each number of a confusion matrix, mistakes, files and the report",
    async () => {
      const run = w.json("runs/first/run.json") as unknown as Record_
      const { page, complaints } = await opened("#/runs/runs%2Ffirst")
      // what was gained, over what baseline, and whether to trust it
      const gain = page.getByRole("region", { name: "Result" })
      const { accuracy, rows } = run.test
      const percent = (share: number) => `${(100 * share).toFixed(1)} %`
      await gain.waitFor()
      expect(await gain.locator(".gain-of").textContent()).toBe(`Accuracy on test, ${rows} rows`)
      expect(await gain.locator(".gain-numbers").textContent()).toBe(
        `${percent(run.before.accuracy)} → ${percent(accuracy)}`
      )
      // Wilson's interval, by its own equation: the shares whose distance to the observed one is 1.96 standard errors
      const interval = await gain.locator(".gain-legend .interval").textContent()
      const [low, high] = [...interval!.matchAll(/([\d.]+) %/g)].slice(1).map(([, text]) => Number(text) / 100)
      for (const end of [low!, high!])
        if (end > 0 && end < 1)
          expect(Math.abs(accuracy - end) / Math.sqrt((end * (1 - end)) / rows)).toBeCloseTo(1.96, 1)
      const { of, scores } = run.baseline.test
      const baseline = percent(scores.accuracy)
      expect(await gain.locator(".gain-legend .baseline").textContent()).toBe(`baseline ${baseline}: ${of}`)
      const trust = await gain.locator(".gain-trust strong").textContent()
      expect(trust).toBe(
        accuracy <= scores.accuracy
          ? "No better than the baseline."
          : low! <= scores.accuracy
            ? "The difference may be chance."
            : "Clearly better than the baseline."
      )
      // the mark of the value lies where its number says
      const [bar, after] = await Promise.all(
        [".gain-bar", ".gain-bar .after"].map((part) => gain.locator(part).boundingBox())
      )
      expect(after!.width / bar!.width).toBeCloseTo(accuracy, 2)
      const matrix = page.getByRole("region", { name: "Confusion, test" })
      for (const [i, label] of run.labels.entries()) {
        for (const [j, predicted] of run.labels.entries()) {
          const count = run.test.confusion[i]![j]!
          const cell = matrix.getByRole("button", {
            name: new RegExp(`^${count} rows? of ${label}, predicted ${predicted}:`)
          })
          expect(await cell.count()).toBe(count === 0 ? 0 : 1)
          if (count === 0) continue
          await cell.press("Enter")
          const rows = page.locator(".behind .judged li")
          await rows.first().waitFor()
          expect(await rows.count()).toBe(count)
          for (const text of await rows.allInnerTexts())
            expect(text).toContain(`labelled ${label}, predicted ${predicted}`)
          expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("H4")
          await page.getByRole("button", { name: "Close" }).click()
          expect(await page.evaluate(() => document.activeElement?.textContent)).toContain(`predicted ${predicted}`)
        }
      }
      const mistakes = page.locator("section", { has: page.getByRole("heading", { name: "Mistakes" }) }).locator("li")
      const texts = await mistakes.allInnerTexts()
      expect(texts.map((text) => text.split("\n")[0]!)).toEqual(run.mistakes.map(({ text }) => text))
      expect(texts.length).toBeGreaterThan(0)
      const report = await page.getByRole("link", { name: "Open the report" }).getAttribute("href")
      expect(await (await studio.fetch(report!)).text()).toContain("report of a training run")
      const adapter = await page.getByRole("link", { name: "adapter/adapter_model.safetensors" }).getAttribute("href")
      const bytes = await (await studio.fetch(adapter!)).bytes()
      expect(bytes).toEqual(new Uint8Array(w.bytes("runs/first/adapter/adapter_model.safetensors")))
      expect(await violationsEverywhere(page)).toEqual([])
      await page.evaluate(() => scrollTo(0, 0))
      await keepPicture(page, "studio-run")
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "three lie over each other, by the keyboard; the plot is chosen, a curve hidden, the list sorted",
    async () => {
      const { page, complaints } = await opened("#/runs")
      await page.getByRole("checkbox", { name: "Curves of first" }).waitFor()
      for (const name of ["first", "second", "watched-1"])
        await page.getByRole("checkbox", { name: `Curves of ${name}` }).press("Space")
      const chart = page.locator("figure.chart")
      const legend = chart.getByRole("button")
      await page.getByRole("button", { name: "Archive 3 runs" }).waitFor()
      await waitUntil(page, () => document.querySelectorAll(".legend button").length === 9)
      const names = await legend.allInnerTexts()
      for (const run of ["first", "second", "watched-1"])
        for (const curve of ["training", "test", "validation"])
          expect(names.some((name) => name.startsWith(`${run}, ${curve}`))).toBe(true)
      await legend.first().press("Enter")
      expect(await legend.first().getAttribute("aria-pressed")).toBe("false")
      await page.getByLabel("Plot").selectOption("learning-rate")
      await page.locator("figcaption", { hasText: "Learning rate" }).waitFor()
      expect((await legend.allInnerTexts()).map((text) => text.split("\n")[0])).toEqual([
        "first",
        "second",
        "watched-1"
      ])
      const order = () => page.locator("tbody th a").allInnerTexts()
      await page.getByRole("button", { name: "Name" }).press("Enter")
      expect(await order()).toEqual(["first", "second", "watched-1"])
      await page.getByRole("button", { name: "Name" }).press("Enter")
      expect(await order()).toEqual(["watched-1", "second", "first"])
      expect(await page.locator("th[aria-sort]").getAttribute("aria-sort")).toBe("descending")
      await page.getByLabel("Plot").selectOption("loss")
      await page.locator("figcaption", { hasText: "Loss" }).waitFor()
      // what differs between their plans: the seeds, and the steps of the long one
      const differences = page.getByRole("region", { name: "Results, and the fields of the plans that differ" })
      expect((await differences.getByRole("columnheader").allTextContents()).toSorted()).toEqual([
        "Field",
        "first",
        "second",
        "watched-1"
      ])
      const fields = await differences.locator("tbody td:first-child").allTextContents()
      expect(fields).toContain("seed")
      expect(fields).toContain("training.steps")
      expect(fields).not.toContain("adapter.method")
      expect(await violationsEverywhere(page)).toEqual([])
      await keepPicture(page, "studio-runs")
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "they are searched, filtered, grouped and archived; notes and hyperparameters are found; charts are zoomed by the keyboard",
    async () => {
      const { page, complaints } = await opened("#/runs/runs%2Ffirst")
      const notes = page.getByRole("textbox", { name: "Notes" })
      await notes.fill("the quick brown fox")
      await notes.blur()
      await page.getByText("Saved", { exact: true }).waitFor()
      expect(w.json("runs/first/studio.json")).toEqual({ comment: "the quick brown fox" })
      const chart = page.getByRole("figure", { name: "Loss" })
      await chart.locator("canvas").waitFor()
      await chart.press("ArrowRight")
      await chart.getByText("Step 0", { exact: true }).waitFor()
      await chart.press("ArrowRight")
      await chart.getByText("Step 1", { exact: true }).waitFor()
      await page.getByLabel("From step").fill("10")
      await page.keyboard.press("Tab")
      await page.getByRole("button", { name: "All steps" }).press("Enter")
      expect(await page.getByLabel("From step").inputValue()).toBe("0")
      await page.getByRole("link", { name: "All runs" }).click()
      const names = page.locator("tbody th[scope=row] a")
      const search = page.getByRole("searchbox", { name: "Search" })
      await search.fill("fox brown")
      await waitUntil(page, () => document.querySelectorAll("tbody th[scope=row] a").length === 1)
      expect(await names.allTextContents()).toEqual(["first"])
      await search.fill("no such run")
      await page.getByText("No run matches.").waitFor()
      await search.fill("")
      await page.getByLabel("Group by").selectOption("seed")
      expect(await page.locator("th[scope=rowgroup]").count()).toBe(2)
      await page.getByLabel("Group by").selectOption("")
      await page.getByText("Columns", { exact: true }).press("Enter")
      await page.getByRole("checkbox", { name: "rank" }).check()
      await page.getByRole("columnheader", { name: "Rank" }).waitFor()
      await page.getByText("Columns", { exact: true }).press("Enter")
      for (const box of await page.getByRole("checkbox", { name: /^Curves of (?!all)/ }).all()) await box.uncheck()
      await page.getByRole("checkbox", { name: "Curves of first" }).check()
      await page.getByRole("button", { name: "Archive 1 run" }).click()
      await page.locator("tr", { hasText: "first" }).waitFor({ state: "detached" })
      await page.getByLabel("Show").selectOption("Archived")
      await page.locator("tr", { hasText: "first" }).waitFor()
      expect(w.json("runs/first/studio.json")).toEqual({ comment: "the quick brown fox", archived: true })
      await page.getByRole("button", { name: "Restore 1 run" }).click()
      await page.getByText("No run matches.").waitFor()
      await page.getByLabel("Show").selectOption("All")
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "one that waits for another says so, and begins at once where it is asked to",
    async () => {
      const plan = (steps: number) => tinyPlan("bert", { training: { steps, batchSize: 4 } })
      const { id } = await studio.call("start", { name: "long", plan: plan(50_000) })
      const second = await studio.call("start", { name: "next", plan: plan(4) })
      const { page, complaints } = await opened(`#/runs/${encodeURIComponent(second.id)}`)
      await page.locator(".state.waiting").waitFor()
      await page.getByText(`waits for ${id} to finish`).waitFor()
      expect(await violationsEverywhere(page)).toEqual([])
      await page.getByRole("button", { name: "Begin now: next-1" }).click()
      await page.locator(".state.finished").waitFor()
      await studio.call("stop", { id })
      await studio.until("runs", {}, (runs) => runs.find((run) => run.id === id)?.state === "stopped")
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "one that failed says why, in the list and by itself, and can be resumed",
    async () => {
      const { data } = tinyPlan("")
      const plan = tinyPlan("bert", { data: { ...data, train: "nowhere.jsonl" } })
      const { id } = await studio.call("start", { name: "lost", plan })
      const { page, complaints } = await opened("#/runs")
      await page.locator("tr", { hasText: "lost-1" }).locator(".state.failed").waitFor()
      await page.getByRole("link", { name: "lost-1" }).click()
      expect(await page.getByRole("alert").textContent()).toContain("nowhere.jsonl")
      expect(new URL(page.url()).hash).toBe(`#/runs/${encodeURIComponent(id)}`)
      w.write("nowhere.jsonl", w.read("train.jsonl"))
      await page.getByRole("button", { name: "Resume lost-1" }).click()
      await page.locator(".state.finished").waitFor()
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "one is removed when that was agreed to, with all that it left; so is one that never had a folder",
    async () => {
      const { data } = tinyPlan("")
      const plan = tinyPlan("bert", { data: { ...data, train: "never.jsonl" } })
      const never = await studio.call("start", { name: "never", plan })
      const { page, complaints } = await opened("#/runs")
      await page.locator("tr", { hasText: "never-1" }).locator(".state.failed").waitFor()
      const button = page.getByRole("button", { name: "Remove second" })
      const dialog = page.getByRole("dialog", { name: "Remove second?" })
      // a closed dialog has no role any more, and is there until the page has heard of it
      const gone = () => page.locator("dialog").waitFor({ state: "detached" })
      await button.press("Enter")
      await dialog.waitFor()
      expect(await dialog.textContent()).toContain("The folder runs/second is deleted with everything in it")
      expect(await violationsEverywhere(page)).toEqual([])
      await keepPicture(page, "studio-remove")
      await page.keyboard.press("Escape")
      await gone()
      await button.press("Enter")
      await dialog.getByRole("button", { name: "Cancel" }).click()
      await gone()
      // whoever came by the keyboard is where they were
      expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("Remove second")
      expect(existsSync(w.path("runs/second/run.json"))).toBe(true)
      await button.press("Enter")
      await dialog.getByRole("button", { name: "Remove" }).click()
      await page.getByRole("status").filter({ hasText: "second is removed" }).waitFor({ state: "attached" })
      await page.locator("tr", { hasText: "second" }).waitFor({ state: "detached" })
      expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("H1")
      expect(existsSync(w.path("runs/second"))).toBe(false)
      expect(existsSync(w.path("plans/short.json"))).toBe(true)
      // from its own page, which leads back to the list
      await page.getByRole("link", { name: "never-1" }).click()
      await page.getByRole("button", { name: "Remove never-1" }).click()
      await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click()
      await page.getByRole("heading", { name: "Compare selected runs" }).waitFor()
      await page.locator("tr", { hasText: "never-1" }).waitFor({ state: "detached" })
      expect((await studio.call("runs", {})).map(({ id }) => id)).not.toContain(never.id)
      expect(existsSync(w.path(`.studio/runs/${encodeURIComponent(never.id)}.json`))).toBe(false)
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )
})
