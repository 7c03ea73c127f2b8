/** The studio's view of studies, with a real one: begun, stopped and gone on with in the page; and one that the command line left. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { cpSync, existsSync } from "node:fs"
import { join } from "node:path"
import type { Browser } from "playwright-core"
import { repository, TIMEOUT, tinyPlan, workspace } from "../e2e/fixtures.ts"
import { keepPicture, violationsEverywhere } from "./axe.ts"
import { chromiumExists, launch } from "./chromium.ts"
import { type OpenStudio, openStudio, openView } from "./studio.ts"

const w = workspace()
let browser: Browser
let studio: OpenStudio

const opened = (place: string) => openView(browser, studio, place)

const planIn = (sections: Record<string, unknown>, without: ReadonlyArray<string> = []) => {
  const plan = tinyPlan("../bert", { training: { steps: 40, batchSize: 4 }, ...sections })
  const { data } = plan
  const files = ["train", "validation", "test"].filter((name) => !without.includes(name))
  const { train: _, validation: __, test: ___, ...columns } = data
  return { ...plan, data: { ...columns, ...Object.fromEntries(files.map((name) => [name, `../${name}.jsonl`])) } }
}

describe.skipIf(!chromiumExists)("studies in the studio", () => {
  beforeAll(async () => {
    w.model("bert")
    w.write("plans/tiny.json", planIn({}))
    w.write("plans/blind.json", planIn({}, ["test"]))
    cpSync(join(repository, "test/golden/compatibility/study"), w.path("compare/earlier-1"), { recursive: true })
    ;[studio, browser] = await Promise.all([openStudio({ folder: w.directory }), launch()])
  }, TIMEOUT)
  afterAll(async () => {
    await browser?.close()
    await studio?.close()
  })

  test(
    "one is begun, stopped, gone on with, and comes to a verdict",
    async () => {
      const { page, complaints } = await opened("#/compare")
      await page.getByLabel("Plan").selectOption("plans/tiny.json")
      for (const name of ["full fine-tuning", "LoRA-Pro"]) await page.getByLabel(name, { exact: true }).uncheck()
      await page.getByLabel("head alone").press("Space")
      await page.getByLabel("Seeds in the sweep").fill("1")
      await page.getByLabel("Fresh seeds").fill("2")
      await page.getByLabel("Learning rates").fill("often")
      await page.getByText("Expected numbers above 0").waitFor()
      expect(await page.getByRole("button", { name: "Start the study" }).isDisabled()).toBe(true)
      await page.getByLabel("Learning rates").fill("1e-2")
      await page.getByText("4 runs on fresh seeds.").waitFor()
      await page.getByRole("button", { name: "Start the study" }).click()
      await page.getByRole("heading", { name: "tiny-1" }).waitFor()
      const rows = page.getByRole("region", { name: "Finished runs" }).locator("tbody tr")
      await rows.filter({ hasText: "finished" }).first().waitFor()
      await page.getByRole("button", { name: "Stop" }).click()
      await page.locator(".state.stopped").waitFor()
      const finished = await rows.filter({ hasText: "finished" }).count()
      expect(finished).toBeGreaterThan(0)
      expect(finished).toBeLessThan(4)
      await page.getByRole("button", { name: "Resume" }).click()
      await page.locator(".state.finished").waitFor()
      await page.locator(".study-progress", { hasText: /^4 runs$/ }).waitFor()
      expect(await rows.filter({ hasText: "finished" }).count()).toBe(4)
      const lead = await page.locator("section[aria-label=Verdict] .lead").textContent()
      expect(lead).toStartWith("4 runs of 2 methods. Judged by accuracy on test")
      const { final } = w.json("compare/tiny-1/compare.json") as {
        readonly final: {
          readonly entries: ReadonlyArray<{ readonly name: string; readonly test: { readonly mean: number } }>
        }
      }
      const table = page.getByRole("region", { name: "Each method at its best rate" }).locator("tbody tr")
      expect(await table.count()).toBe(2)
      for (const [i, { name, test }] of final.entries.entries()) {
        const text = await table.nth(i).textContent()
        expect(text).toStartWith(name)
        expect(text).toContain((100 * test.mean).toFixed(1))
      }
      const whole = await page.getByRole("link", { name: "Open the full comparison" }).getAttribute("href")
      expect(await (await studio.fetch(whole!)).text()).toContain("methods compared")
      expect(await violationsEverywhere(page)).toEqual([])
      await page.evaluate(() => scrollTo(0, 0))
      await keepPicture(page, "studio-compare")
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "the list has those of the command line too; one that cannot be begun says why; both are removed",
    async () => {
      const { page, complaints } = await opened("#/compare")
      await page.getByRole("link", { name: "earlier-1" }).waitFor()
      expect(await violationsEverywhere(page)).toEqual([])
      await page.getByRole("link", { name: "earlier-1" }).click()
      await page.locator(".one .state.finished").waitFor()
      await page.getByRole("heading", { name: "Verdict" }).waitFor()
      const { id } = await studio.call("startStudy", {
        plan: "plans/blind.json",
        methods: ["lora"],
        learningRates: [1e-2],
        seeds: 1,
        freshSeeds: 1,
        workers: 1
      })
      await page.evaluate(
        (hash) => {
          location.hash = hash
        },
        `#/compare/${encodeURIComponent(id)}`
      )
      await page.locator(".state.failed").waitFor()
      expect(await page.getByRole("alert").textContent()).toContain("data.test: missing")
      const trials = w.path("compare/earlier-1/study.json")
      for (const name of ["blind-1", "earlier-1"]) {
        if (name === "earlier-1") await page.getByRole("link", { name }).click()
        await page.getByRole("heading", { name }).waitFor()
        await page.getByRole("button", { name: "Remove" }).click()
        const dialog = page.getByRole("dialog", { name: `Remove ${name}?` })
        if (name === "earlier-1") expect(await violationsEverywhere(page)).toEqual([])
        expect(existsSync(trials)).toBe(true)
        await dialog.getByRole("button", { name: "Remove" }).click()
        await page.getByRole("heading", { name: "Studies" }).waitFor()
        await page.getByRole("link", { name: "tiny-1" }).waitFor()
        expect(await page.getByRole("link", { name }).count()).toBe(0)
      }
      expect(existsSync(w.path("compare/earlier-1"))).toBe(false)
      expect(existsSync(w.path(`.studio/studies/${encodeURIComponent(id)}.json`))).toBe(false)
      expect(existsSync(w.path("plans/blind.json"))).toBe(true)
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test("what is no plan or study of the folder is refused", async () => {
    const asked = { methods: ["lora"], seeds: 1, freshSeeds: 1 }
    const refused = (call: Promise<unknown>) =>
      call.then(
        () => "answered",
        ({ message }: Error) => message
      )
    expect(await refused(studio.call("sizeStudy", { ...asked, plan: "../elsewhere.json" }))).toContain(
      "is not a plan in this folder"
    )
    expect(
      await refused(studio.call("sizeStudy", { ...asked, plan: "plans/tiny.json", methods: ["lorra"] }))
    ).toContain('did you mean "lora"?')
    expect(await refused(studio.call("startStudy", { ...asked, plan: "plans/tiny.json", workers: 1000 }))).toContain(
      "workers: found 1000"
    )
    expect(await refused(studio.call("stopStudy", { id: "compare/tiny-1" }))).toContain("is not running")
    for (const call of ["resumeStudy", "removeStudy"] as const)
      expect(await refused(studio.call(call, { id: "runs/none" }))).toContain("is not a study in this folder")
  })
})
