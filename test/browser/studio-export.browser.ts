/** The studio's view Share: a run is exported as ONNX, which onnxruntime reads; formats that it does not have, with reasons; a push to a Hub. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { existsSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs"
import { env, pipeline } from "@huggingface/transformers"
import type { Browser, Page } from "playwright-core"
import { onWasm, predicted, succeed, TIMEOUT, tinyPlan, workspace } from "../e2e/fixtures.ts"
import { COMMITTED, startUploadHub, type UploadServer } from "../src/hub/upload-server.ts"
import { keepPicture, violationsEverywhere } from "./axe.ts"
import { chromiumExists, launch, refusal } from "./chromium.ts"
import { type OpenStudio, openStudio, openView } from "./studio.ts"

const w = workspace()
env.allowRemoteModels = false
env.localModelPath = `${w.directory}/`
let browser: Browser
let studio: OpenStudio
let hub: UploadServer
const TOKEN = "hf_of_this_test"

const cardOf = (page: Page, title: string) =>
  page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: title, exact: true }) })

describe.skipIf(!chromiumExists)("a run that leaves the studio", () => {
  beforeAll(async () => {
    w.model("bert")
    w.write("reviews.json", tinyPlan("bert"))
    await succeed(w.cli(["train", "reviews.json", "--out", "runs/reviews-1", ...onWasm]))
    hub = await startUploadHub()
    hub.token = TOKEN
    const hubEnv = { HF_ENDPOINT: hub.endpoint, HF_TOKEN: TOKEN }
    ;[studio, browser] = await Promise.all([openStudio({ folder: w.directory, env: hubEnv }), launch()])
  }, TIMEOUT)
  afterAll(async () => {
    await browser?.close()
    await studio?.close()
    await hub?.close()
  })

  test(
    "is exported with the options that were chosen; its files can be saved, and others read them",
    async () => {
      // without a run in the address: the newest
      const { page, complaints } = await openView(browser, studio, "#/export")
      const onnx = cardOf(page, "In a web page ONNX")
      await onnx.waitFor()
      expect(await onnx.getByRole("checkbox", { checked: true }).count()).toBe(3)
      for (const name of ["fp16", "q8"]) await onnx.getByLabel(name).uncheck()
      await onnx.getByLabel("fp32").uncheck()
      const button = onnx.getByRole("button", { name: "Export as ONNX" })
      expect(await button.isDisabled()).toBe(true)
      await onnx.getByLabel("fp32").check()
      await button.click()
      await onnx.getByText("exports/reviews-1-onnx-1", { exact: true }).waitFor()
      expect(await onnx.getByText("transformers.js loads it as").count()).toBe(1)

      // what is listed is what is there
      const links = onnx.getByRole("table").getByRole("link")
      const names = await links.allTextContents()
      expect(names).toContain("onnx/model.onnx")
      expect(names).not.toContain("onnx/model_fp16.onnx")
      expect(names.filter((name) => !existsSync(w.path(`exports/reviews-1-onnx-1/${name}`)))).toEqual([])
      const saving = page.waitForEvent("download")
      await onnx.getByRole("link", { name: "onnx/model.onnx" }).click()
      const saved = await (await saving).path()
      expect(readFileSync(saved)).toEqual(readFileSync(w.path("exports/reviews-1-onnx-1/onnx/model.onnx")))
      const savingAll = page.waitForEvent("download")
      await onnx.getByRole("link", { name: "Save all as a ZIP file" }).click()
      const all = await savingAll
      expect(all.suggestedFilename()).toBe("reviews-1-onnx-1.zip")
      const zip = readFileSync(await all.path())
      expect(zip.subarray(0, 2).toString()).toBe("PK")
      // stored as they are, each under its name
      for (const name of names) {
        expect(zip.includes(name)).toBe(true)
        expect(zip.includes(readFileSync(w.path(`exports/reviews-1-onnx-1/${name}`)))).toBe(true)
      }

      expect(await onnx.getByRole("region", { name: /^Code/ }).first().textContent()).toContain(
        'pipeline("text-classification"'
      )
      const texts = ["the film is good", "the plot was dull and the cast very bad"]
      const classify = await pipeline("text-classification", "exports/reviews-1-onnx-1", { dtype: "fp32" })
      const said = (await classify(texts)) as ReadonlyArray<{ readonly label: string }>
      const expected = await predicted(w, "runs/reviews-1", texts)
      expect(said.map(({ label }) => label)).toEqual(expected.map(({ label }) => label))

      // the adapter is there already
      const adapter = cardOf(page, "In Python or TypeScript Adapter")
      const own = await adapter.getByRole("link", { name: "adapter/adapter_model.safetensors" }).getAttribute("href")
      const bytes = await (await studio.fetch(new URL(own!, studio.origin).pathname)).bytes()
      expect(bytes.length).toBe(statSync(w.path("runs/reviews-1/adapter/adapter_model.safetensors")).size)
      expect(await adapter.getByText("PeftModel.from_pretrained").count()).toBe(1)

      // a format that this run does not have is no card
      await page.getByText("Not available for this run").click()
      const missing = page.getByRole("definition")
      expect(await missing.filter({ hasText: "use Hugging Face folder" }).count()).toBe(2)
      expect(await page.getByRole("heading", { name: /GGUF|tf\.LayersModel/ }).count()).toBe(0)
      expect(await page.locator("main").textContent()).not.toMatch(/ --[a-z]/)
      await page.evaluate(() => scrollTo(0, 0))
      await keepPicture(page, "studio-export")
      expect(await violationsEverywhere(page)).toEqual([])
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "is pushed to the Hub after a preview that sends nothing; an export in its place; what is no repository is rejected",
    async () => {
      const { page, complaints } = await openView(browser, studio, "#/export/runs%2Freviews-1")
      const card = cardOf(page, "On the Hugging Face Hub")
      const repository = card.getByLabel("Repository")
      await repository.fill("tiny")
      await card.getByText("Expected owner/name.").waitFor()
      expect(await card.getByRole("button", { name: "Preview" }).isDisabled()).toBe(true)
      await repository.fill("lab/tiny")
      await card.getByText("More options").click()
      await card.getByLabel("Base model on the Hub").fill("lab/bert")
      await card.getByRole("button", { name: "Preview" }).click()
      const push = card.getByRole("button", { name: "Push to lab/tiny" })
      await push.waitFor()
      const listed = await card.getByRole("cell").allTextContents()
      expect(listed).toContain("adapter_model.safetensors")
      expect(await card.textContent()).not.toMatch(/ --[a-z]/)
      expect(hub.seen).toEqual([])
      expect(await violationsEverywhere(page)).toEqual([])
      await push.click()
      await card.getByRole("link", { name: new RegExp(COMMITTED) }).waitFor()
      expect(hub.repositories.get("lab/tiny")).toBe(true)
      const sent = hub.committed.get("lab/tiny@main")!
      expect([...sent.keys()].toSorted()).toEqual(listed.filter((_, i) => i % 2 === 0).toSorted())
      expect(sent.get("adapter_model.safetensors")).toEqual(
        new Uint8Array(readFileSync(w.path("runs/reviews-1/adapter/adapter_model.safetensors")))
      )
      // another form is another push
      await repository.fill("lab/exported")
      await card.getByLabel("Content").selectOption("exports/reviews-1-onnx-1")
      await card.getByRole("button", { name: "Preview" }).click()
      await card.getByRole("cell", { name: "onnx/model.onnx" }).waitFor()
      expect(complaints).toEqual([])
      await page.close()

      const last = async (change: object) => {
        const asked = { id: "runs/reviews-1", repository: "lab/x", isPrivate: true, withReport: false, isPreview: true }
        for await (const _ of studio.watch("push", { ...asked, ...change }));
      }
      for (const name of ["--help", "tiny", "../x/y"])
        expect(await refusal(last({ repository: name }))).toContain("expected a repository as owner/name")
      expect(await refusal(last({ base: "--dry-run" }))).toContain("expected a repository as owner/name")
      expect(await refusal(last({ folder: "runs/reviews-1" }))).toContain("is not an export of this run")
      expect(await refusal(last({ id: "../elsewhere" }))).toContain("is not a run in this folder")
    },
    TIMEOUT
  )

  test(
    "is refused with a reason where it cannot, and leaves nothing where it is stopped",
    async () => {
      const last = async (asked: Parameters<typeof studio.watch<"export">>[1]) => {
        const events = []
        for await (const event of studio.watch("export", asked)) events.push(event)
        return events.at(-1)!
      }
      const id = "runs/reviews-1"
      expect(await refusal(last({ id, format: "gguf", options: {} }))).toContain("use Hugging Face folder")
      expect(await refusal(last({ id, format: "gguf", options: { out: ["elsewhere"] } }))).toContain(
        "with these options"
      )
      expect(await refusal(last({ id, format: "onnx", options: { dtype: ["fp32 --out x"] } }))).toContain(
        "these options"
      )
      expect(await refusal(last({ id: "../elsewhere", format: "onnx", options: {} }))).toContain(
        "is not a run in this folder"
      )
      for (const folder of ["exports", "exports/none-onnx-1", "runs/reviews-1", "exports/../runs/reviews-1"])
        expect(await refusal(studio.call("removeExport", { id: folder }))).toContain("is not an export in this folder")
      // what was exported before is left as it is
      const second = await last({ id, format: "huggingface", options: {} })
      expect(second).toMatchObject({ kind: "done", exported: { folder: "exports/reviews-1-huggingface-1" } })
      const third = await last({ id, format: "huggingface", options: {} })
      expect(third).toMatchObject({ kind: "done", exported: { folder: "exports/reviews-1-huggingface-2" } })
      // whoever leaves stops it: its folder is begun under another name, and is gone
      const folders = () => readdirSync(w.path("exports"))
      const before = folders()
      const leave = new AbortController()
      const asked = JSON.stringify({ id, format: "onnx", options: { dtype: ["fp32", "fp16", "q8", "q4"] } })
      const headers = { "content-type": "application/json" }
      const init = { method: "POST", headers, body: asked, signal: leave.signal }
      const reader = (await studio.fetch("/watch/export", init)).body!.getReader()
      const read = reader.read().catch(() => {})
      const until = async (is: () => boolean) => {
        const end = performance.now() + 20_000
        while (!is() && performance.now() < end) await Bun.sleep(5)
        return is()
      }
      expect(await until(() => folders().some((name) => name.includes(".tmp-")))).toBe(true)
      leave.abort()
      await read
      expect(await until(() => !folders().some((name) => name.includes(".tmp-")))).toBe(true)
      expect(folders()).toEqual(before)
    },
    TIMEOUT
  )

  test(
    "those that are there are found again, opened, and removed when that was agreed to",
    async () => {
      w.write("exports/reviews-1-notes/README.md", "mine")
      symlinkSync(w.path("exports/reviews-1-notes"), w.path("exports/reviews-1-onnx-9"))
      expect(await refusal(studio.call("removeExport", { id: "exports/reviews-1-onnx-9" }))).toContain(
        "is not an export in this folder"
      )
      rmSync(w.path("exports/reviews-1-onnx-9"))
      const { page, complaints } = await openView(browser, studio, "#/export/runs%2Freviews-1")
      const exports = page.locator("section", { has: page.getByRole("heading", { name: "Exports of this run" }) })
      await exports.getByText("exports/reviews-1-onnx-1").waitFor()
      expect(await exports.locator("summary").allTextContents()).toEqual(
        ["huggingface-1", "huggingface-2", "onnx-1"].map((name) => `exports/reviews-1-${name}`)
      )
      await exports.getByText("exports/reviews-1-onnx-1").click()
      const link = exports.getByRole("link", { name: "onnx/model.onnx" })
      expect((await studio.fetch((await link.getAttribute("href"))!)).status).toBe(200)
      await exports.getByRole("button", { name: "Remove exports/reviews-1-huggingface-1" }).click()
      const dialog = page.getByRole("dialog", { name: "Remove exports/reviews-1-huggingface-1?" })
      await dialog.waitFor()
      expect(await violationsEverywhere(page)).toEqual([])
      await dialog.getByRole("button", { name: "Remove" }).click()
      await exports.getByText("exports/reviews-1-huggingface-1").waitFor({ state: "detached" })
      expect(readdirSync(w.path("exports")).sort()).toEqual([
        "reviews-1-huggingface-2",
        "reviews-1-notes",
        "reviews-1-onnx-1"
      ])
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )
})
