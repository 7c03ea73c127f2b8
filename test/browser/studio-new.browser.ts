/**
 * The studio's view of a new run in a real browser: from a file that is dropped to a run that trains, in at most five clicks and by the keyboard
 * alone; what is no table and what is no plan, told where it is; a plan of one's own where none can be suggested; a model that is downloaded; tables
 * that are too wide; and what survives a reload.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Browser, Page } from "playwright-core"
import { decoder } from "../e2e/causal-workspace.ts"
import { repository, TIMEOUT, workspace } from "../e2e/fixtures.ts"
import { COMMIT, type HubServer, startHub } from "../src/hub/hub-server.ts"
import { keepPicture, violationsEverywhere } from "./axe.ts"
import { chromiumExists, launch, waitUntil } from "./chromium.ts"
import { type OpenStudio, openStudio, openView } from "./studio.ts"

let browser: Browser
let studio: OpenStudio
let hub: HubServer
const cache = mkdtempSync(join(tmpdir(), "studio-hub-"))

const minilm = join(repository, "examples", "models", "minilm")
const WEIGHTS = "model.safetensors"

/** What the studio names where a model has to write; here a tiny one. */
const WRITER = "HuggingFaceTB/SmolLM2-135M-Instruct"
const tiny = workspace()

/** A repository of the Hub. */
const published = (folder: string) => ({
  files: Object.fromEntries(
    readdirSync(folder).map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))])
  ),
  large: [WEIGHTS],
  refs: { main: COMMIT }
})

const opinions = [
  ["a joy from the first scene to the last", "good"],
  ["slow, dull and far too long", "bad"],
  ["moving, funny and beautifully shot", "good"],
  ["the plot makes no sense at all", "bad"]
] as const

const frontDoor = (name: string) => readFileSync(join(repository, "test", "data", "front-door", name))

/** A table as someone might have it: neither column is called as a plan calls it. */
const reviews = `review,stars\n${Array.from({ length: 40 }, (_, i) => {
  const [text, stars] = opinions[i % opinions.length]!
  return `"${text}, ${i}",${stars}`
}).join("\n")}\n`

/** A folder of texts for each class. */
const texts = Object.fromEntries(opinions.map(([text, stars], i) => [`classes/${stars}/${i}.txt`, text]))

const wide = (() => {
  const names = Array.from({ length: 100 }, (_, i) => `column-${i}-${"x".repeat(i)}`)
  const row = (i: number) =>
    names.map((_, column) => (column === 1 ? ["good", "bad"][i % 2] : `${i} ${"long ".repeat(column === 0 ? 400 : 2)}`))
  return [names, ...Array.from({ length: 30 }, (_, i) => row(i))].map((cells) => cells.join(",")).join("\n")
})()

/** A page on the view. */
const opened = async () => {
  const view = await openView(browser, studio, "#/new")
  await view.page.getByRole("button", { name: "Choose a file" }).waitFor()
  return view
}

/** Lets go of a file over the page, as a hand would. */
const drop = async (page: Page, name: string, content: string | Uint8Array) => {
  const bytes = Buffer.from(content).toString("base64")
  await page.evaluate(
    ([name, bytes]) => {
      const data = new DataTransfer()
      data.items.add(new File([Uint8Array.from(atob(bytes!), (letter) => letter.charCodeAt(0))], name!))
      for (const type of ["dragover", "drop"])
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }))
    },
    [name, bytes] as const
  )
}

const ready = (page: Page) => page.getByText(/^Ready: \d/).waitFor()
const alert = (page: Page) => page.getByRole("alert").filter({ hasNotText: /^$/ })

/** Opens what is below the question. */
const openDetails = async (page: Page) => {
  const summary = page.getByText("Details", { exact: true })
  if (!(await summary.evaluate((at) => (at.parentElement as HTMLDetailsElement).open))) await summary.click()
}

/** Names a model that is not in the list. */
const takeModel = async (page: Page, name: string) => {
  await openDetails(page)
  await page.getByLabel("Model", { exact: true }).selectOption("Other …")
  await page.getByLabel("Folder, file or Hub name of the model").fill(name)
  await page.getByRole("button", { name: "Use this model" }).click()
}

/** The choice of a column. */
const role = (page: Page, name: string) =>
  page.getByRole("region", { name: "Columns" }).getByLabel(name, { exact: true })

/** Opens the form, and gives the input of a path. */
const form = async (page: Page) => {
  await openDetails(page)
  await page.getByText("Change the plan", { exact: true }).click()
  return (path: string) => page.locator(`[id="plan-${path}"]`)
}

describe.skipIf(!chromiumExists)("a new run in the studio", () => {
  beforeAll(async () => {
    hub = await startHub({
      "lab/minilm": published(minilm),
      "lab/again": published(minilm),
      [WRITER]: published(tiny.path(decoder(tiny, "llama")))
    })
    const env = {
      HF_ENDPOINT: hub.endpoint,
      HF_HOME: cache,
      HF_HUB_CACHE: undefined,
      HF_TOKEN: undefined,
      // a download that a test holds is not given up, and asked for again, while a busy machine looks at the page
      TFJS_LORA_PRO_LIMITS: "hub-seconds=600"
    }
    ;[studio, browser] = await Promise.all([
      openStudio({ files: { "data/reviews.csv": reviews, "wide.csv": wide, ...texts }, env }),
      launch()
    ])
  }, TIMEOUT)
  // a page that a failed test leaves would go on with its download, which the next test would count
  afterEach(async () => {
    hub.holds.clear()
    hub.token = null
    for (const context of browser.contexts()) await context.close()
  })
  afterAll(async () => {
    await browser?.close()
    await studio?.close()
    await hub?.close()
    rmSync(cache, { recursive: true, force: true })
  })

  test(
    "trains after a file was dropped and at most five clicks",
    async () => {
      const { page, complaints } = await opened()
      await page.evaluate(() => {
        const counted = globalThis as unknown as { clicks: number }
        counted.clicks = 0
        addEventListener(
          "click",
          ({ isTrusted }) => {
            if (isTrusted) counted.clicks += 1
          },
          true
        )
      })
      await drop(page, "reviews.csv", reviews)
      await ready(page)
      await page.getByRole("cell", { name: "slow, dull and far too long, 1", exact: true }).waitFor()
      const question = page.getByRole("group", { name: "What should the model learn?" })
      expect(await question.getByRole("radio").first().isChecked()).toBe(true)
      await openDetails(page)
      expect(await role(page, "Text").inputValue()).toBe("review")
      expect(await role(page, "Label").inputValue()).toBe("stars")
      await page.getByText("Details", { exact: true }).click()
      await keepPicture(page, "studio-new")
      await page.getByRole("button", { name: "Train", exact: true }).click()
      await page.waitForURL(/#\/runs\//)
      const clicks = await page.evaluate("clicks")
      expect(clicks).toBeGreaterThan(0)
      expect(clicks).toBeLessThanOrEqual(5)
      const id = decodeURIComponent(page.url().split("#/runs/")[1]!)
      const trains = (state: string) => state === "training" || state === "finished"
      const event = await studio.until("run", { id }, (one) => one.kind === "summary" && trains(one.summary.state))
      expect(event).toMatchObject({ summary: { name: expect.stringContaining("reviews") } })
      expect(complaints).toEqual([])
      await studio.call("stop", { id })
      // what was begun is not there any more
      await page.goto(`${studio.origin}/#/new`)
      await page.getByRole("button", { name: "Choose a file" }).waitFor()
      await page.close()
    },
    TIMEOUT
  )

  test(
    "asks what to learn where it is not clear, by the keyboard; and fetches the model that a choice needs",
    async () => {
      const { page, complaints } = await opened()
      const question = page.getByRole("group", { name: "What should the model learn?" })
      const choices = question.getByRole("radio")
      await drop(page, "stars.csv", frontDoor("stars.csv"))
      await choices.nth(1).waitFor()
      const chosen = () => choices.evaluateAll((all) => all.map((one) => (one as HTMLInputElement).checked))
      expect((await chosen()).every((isChosen) => !isChosen)).toBe(true)
      await question.getByText("A label for each review (5 classes in stars").waitFor()
      await question.getByText("“Boring from the first minute.” → 1").first().waitFor()
      expect(await page.getByRole("button", { name: "Train", exact: true }).count()).toBe(0)
      expect(await violationsEverywhere(page)).toEqual([])
      await choices.first().focus()
      await page.keyboard.press("Space")
      await ready(page)
      await page.keyboard.press("ArrowDown")
      expect((await chosen())[1]).toBe(true)
      await ready(page)
      await openDetails(page)
      expect(await role(page, "Target").inputValue()).toBe("stars")
      await page.reload()
      await ready(page)
      expect((await chosen())[1]).toBe(true)

      // nothing of the studio's own writes
      await drop(page, "chats.jsonl", frontDoor("chats.jsonl"))
      await question.getByText(/^How to answer: chats in/).waitFor()
      await question.getByText(/^This needs a text-generation model, such as hf:/).waitFor()
      expect(await page.getByRole("button", { name: "Train", exact: true }).count()).toBe(0)
      expect(await violationsEverywhere(page)).toEqual([])
      await question.getByRole("button", { name: /^Download hf:/ }).click()
      await page
        .getByText(/^Ready: \d|problems? to fix/)
        .first()
        .waitFor()
      expect(await question.getByRole("button", { name: /^Download hf:/ }).count()).toBe(0)
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "tells what is no table in a sentence",
    async () => {
      const { page, complaints } = await opened()
      const cases: ReadonlyArray<readonly [name: string, content: string | Uint8Array, says: RegExp]> = [
        ["empty.csv", "", /empty\.csv is empty; expected at least one row/],
        [
          "binary.csv",
          Uint8Array.from({ length: 5_000 }, (_, i) => (i * 37) % 251),
          /this is not a text file despite its name/
        ],
        ["sheet.xlsx", "PK", /this is a spreadsheet: save the sheet as CSV/],
        ["long.csv", `text,label\n${"x".repeat(5 * 2 ** 20)},a\n`, /the row is longer than 4,194,304 bytes/],
        [
          "members.csv",
          frontDoor("members.csv"),
          /cannot infer what to learn from its rows .*name the text column with “text”/
        ],
        ["broken.json", '{"model": ', /broken\.json is not valid JSON/]
      ]
      for (const [name, content, says] of cases) {
        await drop(page, name, content)
        await alert(page).filter({ hasText: says }).waitFor()
        expect(await page.getByRole("button", { name: "Train", exact: true }).count()).toBe(0)
        // the same rows would say the same
        expect(await page.getByRole("button", { name: "Try again" }).count()).toBe(0)
      }
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "goes on with a plan of one's own where none can be suggested, or from an empty one",
    async () => {
      const { page, complaints } = await opened()
      const field = (path: string) => page.locator(`[id="plan-${path}"]`)
      const wrong = (path: string, says: string | RegExp) =>
        page.locator(`[id="plan-${path}-wrong"]`).filter({ hasText: says }).waitFor()
      /** To rows that there are. */
      const complete = async () => {
        await field("data.train").fill("data/reviews.csv")
        await field("data.text").fill("review")
        await field("data.label").fill("stars")
        await page.getByText("Ready: 100 steps.").waitFor()
        expect(await page.getByRole("button", { name: "Train", exact: true }).isEnabled()).toBe(true)
      }
      await drop(page, "members.csv", frontDoor("members.csv"))
      await alert(page)
        .filter({ hasText: /cannot infer what to learn from its rows/ })
        .waitFor()
      await page.getByText("Choose the columns under Details, or write your own plan.").waitFor()
      await page.getByRole("button", { name: "Write your own plan" }).click()
      // the form is open, and each problem is at its field
      await wrong("data.text", /no text field "text" \(found: number, name\)/)
      await waitUntil(page, "document.activeElement.id === 'plan-heading'")
      expect(await field("data.train").inputValue()).toContain("members")
      expect(await field("data.text").inputValue()).toBe("text")
      expect(await page.getByRole("button", { name: "Train", exact: true }).isDisabled()).toBe(true)
      expect(await page.getByRole("button", { name: "Write your own plan" }).count()).toBe(0)
      expect(await violationsEverywhere(page)).toEqual([])
      await page.reload()
      await wrong("data.text", /no text field/)
      await complete()

      await page.getByRole("button", { name: "Start over" }).click()
      await page.getByRole("button", { name: "Or start from an empty plan" }).click()
      await wrong("data.train", /missing; expected a path/)
      await page.getByText("The plan has no rows yet").waitFor()
      expect(await violationsEverywhere(page)).toEqual([])
      await complete()
      // its rows are shown as soon as it names them
      await page.getByRole("cell", { name: "slow, dull and far too long, 1", exact: true }).waitFor()
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "says how a model comes from the Hub, what is wrong where it does not, and goes on where it was left",
    async () => {
      const { page, complaints } = await opened()
      await page.getByLabel("Or enter a path on this computer").fill("data/reviews.csv")
      await page.keyboard.press("Enter")
      await ready(page)
      const before = hub.requests.length
      const calls: Array<string> = []
      page.on("request", (request) => calls.push(new URL(request.url()).pathname))
      await takeModel(page, "hf:lab/none")
      await alert(page)
        .filter({ hasText: `no such model or revision at ${hub.endpoint}; check the spelling` })
        .waitFor()
      // the plan of the model before is none for this one
      expect(await page.getByRole("button", { name: "Train", exact: true }).count()).toBe(0)
      await page.getByRole("button", { name: "Write your own plan" }).waitFor()
      hub.token = "hf_of_someone_else"
      await takeModel(page, "hf:lab/minilm")
      await alert(page)
        .filter({ hasText: /private, gated or does not exist .* set HF_TOKEN or run hf auth login/ })
        .waitFor()
      // one question found it missing; another would start its download later
      expect(calls).toContain("/call/detect")
      expect(calls).not.toContain("/call/roles")
      hub.token = null
      const held = Promise.withResolvers<void>()
      hub.holds.set(WEIGHTS, { after: 12e6, until: held.promise })
      await page.getByRole("button", { name: "Try again" }).click()
      await page
        .getByRole("status")
        .filter({ hasText: `Suggesting a plan: downloading ${WEIGHTS} …` })
        .waitFor()
      await page.getByText("12 of 29 MB").waitFor()
      const bar = page.getByRole("progressbar", { name: `downloading ${WEIGHTS}` })
      expect([await bar.getAttribute("value"), await bar.getAttribute("max")]).toEqual(["12", "29"])
      await page.getByText("You can leave this page: the download continues").waitFor()
      expect(await page.getByRole("heading", { name: "The plan", exact: true }).count()).toBe(0)
      expect(await violationsEverywhere(page)).toEqual([])
      // who leaves ends the download, and who comes again goes on with it
      await page.reload()
      const asked = () => hub.requests.slice(before).filter((request) => request.startsWith(WEIGHTS))
      while (asked().length < 2) await Bun.sleep(20)
      expect(asked()).toEqual([WEIGHTS, expect.stringMatching(/ bytes=1[12]\d{6}-/)])
      held.resolve()
      await ready(page)
      await openDetails(page)
      expect(await role(page, "Label").inputValue()).toBe("stars")
      expect(asked()).toHaveLength(2)

      // a plan that is checked tells the same
      const again = Promise.withResolvers<void>()
      hub.holds.set(WEIGHTS, { after: 3e6, until: again.promise })
      const plan = {
        model: { source: "hf:lab/again" },
        data: { format: "classification", train: "data/reviews.csv", text: "review", label: "stars" },
        optimizer: { kind: "adamw", learningRate: 0.001 },
        training: { steps: 3 }
      }
      await drop(page, "mine.json", JSON.stringify(plan))
      await page
        .getByRole("status")
        .filter({ hasText: `Checking the plan: downloading ${WEIGHTS} …` })
        .waitFor()
      await page.getByText("3 of 29 MB").waitFor()
      again.resolve()
      await page.getByText("Ready: 3 steps.").waitFor()
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "tells what is wrong with a plan beside its field; form and text are one plan, which survives a reload",
    async () => {
      const { page, complaints } = await opened()
      await page.getByLabel("Or enter a path on this computer").fill("data/reviews.csv")
      await page.keyboard.press("Enter")
      await ready(page)
      let field = await form(page)
      await field("adapter.rank").fill("0")
      await page
        .locator('[id="plan-adapter.rank-wrong"]')
        .filter({ hasText: "found 0; expected an integer from 1 to 1024" })
        .waitFor()
      expect(await field("adapter.rank").getAttribute("aria-invalid")).toBe("true")
      expect(await page.getByRole("button", { name: "Train", exact: true }).isDisabled()).toBe(true)
      await page.getByRole("button", { name: "adapter.rank" }).click()
      await waitUntil(page, "document.activeElement.id === 'plan-adapter.rank'")
      expect(await violationsEverywhere(page)).toEqual([])
      // a field that is added, and an optimizer with others
      await page.getByLabel("Add a field to training").selectOption("evaluateEvery")
      await page.getByRole("button", { name: "Add it to training" }).click()
      await field("training.evaluateEvery").fill("7")
      await field("optimizer.kind").selectOption("adamw")
      await field("adapter.rank").fill("4")
      await ready(page)
      // the same plan as a text
      await page.getByLabel("JSON", { exact: true }).check()
      const editor = page.getByRole("textbox", { name: "The plan as JSON" })
      await editor.waitFor()
      await editor.click()
      await page.keyboard.press("ControlOrMeta+End")
      await page.getByText('"evaluateEvery": 7').waitFor()
      await page.getByText('"kind": "adamw"').waitFor()
      expect(await violationsEverywhere(page)).toEqual([])
      await editor.click()
      await page.keyboard.press("ControlOrMeta+Home")
      await page.keyboard.press("ArrowDown")
      await page.keyboard.press("End")
      await page.keyboard.type('\n"se')
      await page.getByText("The plan is not valid JSON.").waitFor()
      expect(await page.getByRole("button", { name: "Train", exact: true }).isDisabled()).toBe(true)
      await page.reload()
      await page.getByText("The plan is not valid JSON.").waitFor()
      await page.getByLabel("JSON", { exact: true }).check()
      await page.getByText('"se"').waitFor()
      await editor.click()
      await page.keyboard.press("ControlOrMeta+a")
      await page.keyboard.press("Delete")
      const plan = {
        model: { source: (await studio.call("models", {}))[0]!.source },
        data: { format: "classification", train: "data/reviews.csv", text: "review", label: "stars" },
        optimizer: { kind: "adamw", learningRate: 0.001 },
        training: { steps: 3 }
      }
      await page.keyboard.insertText(JSON.stringify(plan))
      await page.getByText("Ready: 3 steps.").waitFor()
      await page.getByLabel("Form", { exact: true }).check()
      field = (path) => page.locator(`[id="plan-${path}"]`)
      expect(await field("optimizer.learningRate").inputValue()).toBe("0.001")
      expect(await field("adapter.method").count()).toBe(0)
      await page.reload()
      await page.getByText("Ready: 3 steps.").waitFor()
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "completes and explains the plan as it is typed",
    async () => {
      const { page } = await opened()
      await drop(
        page,
        "mine.json",
        '{"optimizer": {"kind": "lora-pro", "learningRate": 0.001}, "training": {"steps": 3}}'
      )
      await page.getByText("2 problems to fix.").waitFor()
      await page.getByLabel("JSON", { exact: true }).check()
      const line = page.locator(".cm-line", { hasText: '"kind"' })
      await line.click()
      await page.keyboard.press("End")
      await page.keyboard.type('\n"for')
      await page.locator(".cm-tooltip-autocomplete li", { hasText: "form" }).waitFor()
      // for a moment after the list has come the editor takes Enter for a line of the text
      await page.waitForTimeout(250)
      await page.keyboard.press("Enter")
      await page.locator(".cm-tooltip-autocomplete li", { hasText: "efficient" }).click()
      await page.getByText('"form": "efficient"').waitFor()
      await page.getByText('"learningRate"').hover()
      await page.locator(".plan-hover", { hasText: "peak learning rate" }).waitFor()
      await page.close()
    },
    TIMEOUT
  )

  test(
    "shows tables of many columns and long texts within the page, and goes by the columns that are chosen",
    async () => {
      const { page } = await opened()
      await page.getByLabel("Or enter a path on this computer").fill("wide.csv")
      await page.keyboard.press("Enter")
      await page.getByText("50 of 100 columns are hidden").waitFor()
      expect(await violationsEverywhere(page)).toEqual([])
      await openDetails(page)
      await role(page, "Text").waitFor()
      const names = await role(page, "Text")
        .locator("option")
        .evaluateAll((all) => all.map((one) => (one as HTMLOptionElement).value))
      expect(names.filter((name) => name.startsWith("column-"))).toHaveLength(100)
      await role(page, "Text").selectOption(names[1]!)
      await role(page, "Label").selectOption(names[2]!)
      await ready(page)
      await page.getByText("Why these values").click()
      await page.getByText("training.steps", { exact: true }).click()
      await page
        .getByText(/passes over/)
        .first()
        .waitFor()
      await page.close()
    },
    TIMEOUT
  )

  test(
    "starts with a file or a folder that is dropped on Home",
    async () => {
      const { page, complaints } = await openView(browser, studio, "#/home")
      await page.getByText("drop a file or a folder").waitFor()
      await drop(page, "reviews.csv", reviews)
      await page.waitForURL(/#\/new$/)
      await page.getByRole("group", { name: "What should the model learn?" }).waitFor()
      await ready(page)
      // they are taken once: whoever comes back finds the draft
      await page.getByRole("link", { name: "Home" }).click()
      await page.getByRole("link", { name: "New run" }).click()
      await ready(page)
      await page.getByRole("button", { name: "Start over" }).click()
      await page.getByRole("button", { name: "Choose a file" }).waitFor()
      await page.getByRole("link", { name: "Home" }).click()
      await page.getByText("drop a file or a folder").waitFor()
      const mouse = await page.context().newCDPSession(page)
      const data = { items: [], files: [studio.path("classes")], dragOperationsMask: 1 }
      for (const type of ["dragEnter", "dragOver"] as const)
        await mouse.send("Input.dispatchDragEvent", { type, x: 600, y: 400, data })
      await page.getByText("Drop to start a run with these rows").waitFor()
      await mouse.send("Input.dispatchDragEvent", { type: "drop", x: 600, y: 400, data })
      await page.waitForURL(/#\/new$/)
      await page.getByText("classes, text files, 4 rows").waitFor()
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "is done by the keyboard alone",
    async () => {
      const { page } = await opened()
      expect(await violationsEverywhere(page)).toEqual([])
      /** Tab until the focus is on what has this name. */
      const go = async (name: string) => {
        for (let i = 0; i < 60; i++) {
          await page.keyboard.press("Tab")
          const found = await page.evaluate(() => {
            const at = document.activeElement
            const labels = at instanceof HTMLInputElement ? [...(at.labels ?? [])] : []
            return [at?.textContent, ...labels.map((label) => label.textContent)].map((text) => text?.trim())
          })
          if (found.includes(name)) return
        }
        throw new Error(`Tab does not lead to ${name}`)
      }
      // the button opens the system's own list of files
      await go("Choose a file")
      const chosen = page.waitForEvent("filechooser")
      // a busy machine may hear of the key before it hears that the list is waited for
      const [chooser] = await Promise.all([chosen, page.waitForTimeout(250).then(() => page.keyboard.press("Enter"))])
      await chooser.setFiles({ name: "typed.csv", mimeType: "text/csv", buffer: Buffer.from(reviews) })
      await ready(page)
      await go("Name")
      await page.keyboard.type("by-hand")
      await go("Train")
      await page.keyboard.press("Enter")
      await page.waitForURL(/#\/runs\//)
      const id = decodeURIComponent(page.url().split("#/runs/")[1]!)
      expect(id).toContain("by-hand")
      await page.close()
    },
    TIMEOUT
  )
})
