/** The studio's view Try: texts, pairs, pictures and conversations asked as a reader asks them, with the adapter and without. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { cpSync, readFileSync } from "node:fs"
import type { Browser, Locator, Page } from "playwright-core"
import { causalPlan, decoder, writeRows } from "../e2e/causal-workspace.ts"
import { jsonLines, jsonObjects, onWasm, succeed, TIMEOUT, tinyPlan, tinyRows, workspace } from "../e2e/fixtures.ts"
import { imagesPlan, imagesWorkspace } from "../e2e/images-workspace.ts"
import { network, plan as picturesPlan, rows, writeModel } from "../e2e/pictures.ts"
import { pairRows } from "../e2e/text-kinds.ts"
import { tools, writeTools } from "../e2e/tools-workspace.ts"
import { keepPicture, violationsEverywhere } from "./axe.ts"
import { chromiumExists, launch } from "./chromium.ts"
import { type OpenStudio, openStudio, openView } from "./studio.ts"

const w = workspace()
let browser: Browser
let studio: OpenStudio

const few = { optimizer: { kind: "adamw", learningRate: 2e-2 }, training: { steps: 8, batchSize: 4 } }

const trained = async (name: string, plan: object, how: object = few): Promise<void> => {
  w.write(`${name}.json`, { ...plan, ...how })
  await succeed(w.cli(["train", `${name}.json`, "--out", `runs/${name}`, ...onWasm]))
}

const opened = (run: string) => openView(browser, studio, `#/try/${encodeURIComponent(`runs/${run}`)}`)

/** One side of an answer. */
const cardOf = (page: Page, within: Locator, name: string): Locator =>
  within.locator(".card", { has: page.getByRole("heading", { name, exact: true }) })

/** Labels and shares of the newest answer, side by side. */
const answer = async (page: Page) => {
  const one = page.getByRole("article").first()
  const side = async (name: string) => {
    const card = cardOf(page, one, name)
    return {
      label: await card.locator(".label").textContent(),
      shares: await card.locator(".bars li").allTextContents()
    }
  }
  return { trained: await side("With the adapter"), base: await side("Without the adapter") }
}

interface Said {
  readonly label: string
  readonly probabilities: Readonly<Record<string, number>>
}

/** What the command says of what it is given. */
const predicted = async (run: string, ...asked: ReadonlyArray<string>): Promise<ReadonlyArray<Said>> => {
  const { stdout } = await succeed(w.cli(["predict", `runs/${run}`, ...asked, "--json", ...onWasm]))
  return jsonObjects(stdout) as never
}

/** As the view writes them. */
const sharesOf = ({ probabilities }: Said) =>
  Object.entries(probabilities)
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, share]) => `${name}${(100 * share).toFixed(1)} %`)

describe.skipIf(!chromiumExists)("runs asked in the studio", () => {
  beforeAll(async () => {
    w.model("bert")
    decoder(w, "llama")
    writeRows(w)
    w.write("pairs.jsonl", jsonLines(pairRows(24)))
    const photos = imagesWorkspace().w
    for (const folder of ["vit", "photos"]) cpSync(photos.path(folder), w.path(folder), { recursive: true })
    const pairs = { format: "classification", train: "pairs.jsonl", validation: 0.25, maxLength: 16 }
    await trained("texts", tinyPlan("bert"))
    await trained("pairs", tinyPlan("bert", { data: { ...pairs, text: "premise", textPair: "hypothesis" } }))
    await trained("photos", imagesPlan())
    await writeModel(w, "model", network({ units: 3, activation: "softmax" }))
    for (const name of ["pictures", "validation-pictures", "test-pictures"])
      w.write(`${name}.jsonl`, jsonLines(rows(12)))
    await trained("grey", picturesPlan({ output: {} }))
    // long enough to speak in words
    await trained("colours", causalPlan("llama", "chat"), { ...few, training: { steps: 60, batchSize: 4 } })
    await trained("tools", writeTools(w), {})
    ;[studio, browser] = await Promise.all([openStudio({ folder: w.directory }), launch()])
  }, TIMEOUT)
  afterAll(async () => {
    await browser?.close()
    await studio?.close()
  })

  test(
    "a text: predict's label and shares, others without the adapter; rows of its own, and several by lines",
    async () => {
      const { page, complaints } = await opened("texts")
      const text = "the film was good and the plot very great"
      await page.getByLabel("text", { exact: true }).fill(text)
      await page.keyboard.press("Control+Enter")
      await page.locator(".label").first().waitFor()
      const [said] = await predicted("texts", text)
      const first = await answer(page)
      expect(first.trained).toEqual({ label: said!.label, shares: sharesOf(said!) })
      expect(first.base.shares).not.toEqual(first.trained.shares)
      // spoken once it is there
      await page
        .getByRole("status")
        .filter({ hasText: `${said!.label}, ` })
        .waitFor({ state: "attached" })

      const chips = page.getByRole("group", { name: "Examples from the run's data" }).getByRole("button")
      const own = await chips.allTextContents()
      expect(own).toHaveLength(8)
      expect(own.filter((chip) => !tinyRows(9, 30).some((row) => row.text === chip))).toEqual([])
      await chips.nth(2).click()
      await page.getByText(own[2]!, { exact: true }).nth(1).waitFor()
      await page.getByRole("article").nth(1).waitFor()
      const [second] = await predicted("texts", own[2]!)
      expect((await answer(page)).trained).toEqual({ label: second!.label, shares: sharesOf(second!) })
      await keepPicture(page, "studio-try")
      expect(await violationsEverywhere(page)).toEqual([])

      await page.setViewportSize({ width: 1280, height: 800 })
      await page.getByLabel("text", { exact: true }).fill(`${own[0]}\n\n${own[1]}\nthe story is dull\n`)
      await page.getByLabel("Treat each line as a separate text").check()
      await page.getByRole("button", { name: "Predict" }).click()
      const rows = page.getByRole("table").getByRole("row")
      await rows.nth(3).waitFor()
      const all = await predicted("texts", own[0]!, own[1]!, "the story is dull")
      expect(await rows.count()).toBe(4)
      expect(await rows.locator("strong").allTextContents()).toEqual(all.map(({ label }) => label))
      const changed = await rows.getByText("changed", { exact: true }).count()
      await page.getByText(`The adapter changes ${changed} of 3 predictions.`).waitFor()
      const saving = page.waitForEvent("download")
      await page.getByRole("button", { name: "Save as CSV" }).click()
      const csv = readFileSync(await (await saving).path(), "utf8")
        .trimEnd()
        .split("\n")
      expect(csv[0]).toBe("text,prediction,probability,prediction without adapter,probability without adapter")
      expect(csv.slice(1).map((line) => line.split(",").slice(0, 2))).toEqual(
        [own[0]!, own[1]!, "the story is dull"].map((text, i) => [text, all[i]!.label])
      )
      expect(await violationsEverywhere(page)).toEqual([])
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "pairs and pictures, by their fields",
    async () => {
      const pairs = await opened("pairs")
      const [premise, hypothesis] = ["the film is good", "the plot was dull"]
      await pairs.page.getByLabel("premise").fill(premise!)
      const ask = pairs.page.getByRole("button", { name: "Predict" })
      expect(await ask.isDisabled()).toBe(true)
      await pairs.page.getByLabel("hypothesis").fill(hypothesis!)
      await ask.click()
      await pairs.page.locator(".label").first().waitFor()
      const [said] = await predicted("pairs", JSON.stringify({ premise, hypothesis }))
      expect((await answer(pairs.page)).trained).toEqual({ label: said!.label, shares: sharesOf(said!) })
      await pairs.page.close()

      const { page, complaints } = await opened("photos")
      const photo = "photos/test/ring/2.png"
      await page.getByLabel("image", { exact: true }).setInputFiles(w.path(photo))
      await page.getByRole("img", { name: "selected file" }).waitFor()
      await page.getByRole("button", { name: "Predict" }).click()
      await page.locator(".label").first().waitFor()
      const [seen] = await predicted("photos", photo)
      const first = await answer(page)
      expect(first.trained).toEqual({ label: seen!.label, shares: sharesOf(seen!) })
      expect(first.base.shares).not.toEqual(first.trained.shares)
      await page.getByRole("button", { name: "Row 1", exact: true }).click()
      await page.getByRole("article").nth(1).waitFor()
      expect(await violationsEverywhere(page)).toEqual([])
      expect([...pairs.complaints, ...complaints]).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "a picture of numbers, drawn on a pad",
    async () => {
      const { page, complaints } = await opened("grey")
      const pad = page.getByRole("img", { name: /^numbers/ })
      const box = (await pad.boundingBox())!
      const at = (x: number, y: number) => [box.x + box.width * x, box.y + box.height * y] as const
      await page.mouse.move(...at(0.2, 0.25))
      await page.mouse.down()
      await page.mouse.move(...at(0.8, 0.25), { steps: 4 })
      await page.mouse.up()
      await page.getByText("Enter values").click()
      const drawn = await page.getByRole("textbox", { name: /^numbers/ }).inputValue()
      const pixels = JSON.parse(drawn) as ReadonlyArray<number>
      // a line in the second row, in bytes as the run's own data are
      expect(pixels).toHaveLength(36)
      expect(Math.min(...pixels.slice(8, 10))).toBe(255)
      expect(Math.max(...pixels.slice(24))).toBe(0)
      await page.getByRole("button", { name: "Predict" }).click()
      await page.locator(".label").first().waitFor()
      const [said] = await predicted("grey", drawn)
      expect((await answer(page)).trained).toEqual({ label: said!.label, shares: sharesOf(said!) })
      await page.getByRole("button", { name: "Clear" }).click()
      expect(await page.getByRole("button", { name: "Predict" }).isDisabled()).toBe(true)
      expect(await violationsEverywhere(page)).toEqual([])
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "a conversation: both sides, token by token, with what else was likely at each place; by the keyboard, and stopped",
    async () => {
      const { page, complaints } = await opened("colours")
      const events: Array<{ readonly messages: ReadonlyArray<unknown>; readonly sides: ReadonlyArray<string> }> = []
      page.on("request", (request) => {
        if (request.url().endsWith("/watch/write")) events.push(request.postDataJSON())
      })
      const question = "what colour is the grass ?"
      await page.getByLabel("Your message").fill(question)
      await page.keyboard.press("Control+Enter")
      const turn = page.getByRole("article", { name: "Turn 1" })
      const cards = ["With the adapter", "Without the adapter"].map((name) => cardOf(page, turn, name))
      await page.getByRole("button", { name: "Send", exact: true }).waitFor()
      // what the command says, whose replies go to stdout
      const chatted = async (...more: ReadonlyArray<string>) =>
        (await succeed(w.cli(["chat", "runs/colours", "--max-tokens", "128", ...more, ...onWasm], `${question}\n`)))
          .stdout
      const [trained, base] = await Promise.all(cards.map((card) => card.locator(".text").textContent()))
      expect(`${trained}\n`).toBe(await chatted())
      expect(base).not.toBe(trained)
      expect(await turn.locator("mark").count()).toBeGreaterThan(0)
      const status = page.getByRole("status").filter({ hasText: "With the adapter: " })
      expect(await status.textContent()).toBe(`With the adapter: ${trained}. Without the adapter: ${base}`)

      // each side goes on from what it said itself
      await page.getByRole("button", { name: "what colour is the sun ?" }).first().click()
      await page.getByRole("article", { name: "Turn 2" }).waitFor()
      await page.getByRole("button", { name: "Send", exact: true }).waitFor()
      expect(events.map(({ sides }) => sides)).toEqual([["trained"], ["base"], ["trained"], ["base"]])
      expect(events[2]!.messages[1]).toEqual({ role: "assistant", content: trained })
      expect(events[3]!.messages[1]).toEqual({ role: "assistant", content: base })

      await page.getByLabel("Show probabilities").check()
      const tokens = cards[0]!.getByRole("toolbar").getByRole("button")
      expect((await tokens.allTextContents()).join("").replaceAll(/[·■]/g, "")).toBe(trained!)
      const shown = async () => {
        const bars = cards[0]!.getByRole("list", { name: "Most likely tokens" })
        return (await bars.locator(".number").allTextContents()).map((text) =>
          Number.parseFloat(text.replace("< ", ""))
        )
      }
      await tokens.nth(1).hover()
      const five = await shown()
      expect(five).toHaveLength(5)
      expect(five).toEqual(five.toSorted((a, b) => b - a))
      expect(five.reduce((sum, share) => sum + share, 0)).toBeLessThanOrEqual(100.3) // each is rounded to 0.1
      // the likeliest is chosen, and is called by its probability
      expect(await tokens.nth(1).getAttribute("aria-label")).toEndWith(`, ${five[0]!.toFixed(1)} %`)
      await tokens.nth(1).focus()
      await page.keyboard.press("ArrowRight")
      expect(await page.evaluate(() => document.activeElement?.getAttribute("data-at"))).toBe("2")
      expect(await shown()).not.toEqual(five)
      await keepPicture(page, "studio-chat")
      expect(await violationsEverywhere(page)).toEqual([])

      // on a phone there is one side at a time
      await page.setViewportSize({ width: 390, height: 800 })
      await page.getByLabel("Without the adapter", { exact: true }).check()
      expect(await cards[0]!.count()).toBe(0)
      await page.setViewportSize({ width: 1280, height: 800 })

      await page.getByRole("button", { name: "Start over" }).click()
      expect(await page.getByRole("article").count()).toBe(0)
      // one that is never answered
      await page.route("**/watch/write", () => {})
      await page.getByLabel("Your message").fill(question)
      await page.getByRole("button", { name: "Send", exact: true }).click()
      await page.getByRole("button", { name: "Stop" }).click()
      expect(await turn.getByText("Stopped.").count()).toBe(2)
      await page.getByRole("button", { name: "Send", exact: true }).waitFor()
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "tools in a conversation: a call, its result, and the answer; by the side that calls",
    async () => {
      const { page, complaints } = await opened("tools")
      const ask = page.getByRole("button", { name: "Send", exact: true })
      const typed = page.getByLabel("Tools", { exact: true })
      await page.getByText("Settings", { exact: true }).click()
      await typed.fill("[{")
      await page.getByLabel("Your message").fill("light on")
      await ask.click()
      await page.getByText('"tools" is not JSON: [{').first().waitFor()
      await page.getByRole("button", { name: "Start over" }).click()

      await typed.fill(JSON.stringify(tools))
      await page.getByLabel("Your message").fill("light on")
      await ask.click()
      const first = cardOf(page, page.getByRole("article", { name: "Turn 1" }), "With the adapter")
      const calls = first.getByRole("list", { name: "Calls, with the adapter" }).getByRole("listitem")
      await calls.waitFor()
      expect(await calls.allTextContents()).toEqual(['set_light {"on":true}'])
      expect(await calls.locator("strong").textContent()).toBe("set_light")
      // its marks are not shown with it, but are in the tokens
      expect(await first.locator(".text").textContent()).toBe("")
      const status = page.getByRole("status").filter({ hasText: "With the adapter: " })
      await status.waitFor({ state: "attached" })
      expect(await status.textContent()).toStartWith('With the adapter: set_light {"on":true}. Without the adapter: ')
      await page.getByLabel("Show probabilities").check()
      const tokens = first.getByRole("toolbar").getByRole("button")
      expect((await tokens.allTextContents()).join("").replaceAll(/[·■]/g, "")).toBe(
        '<tool_call>\n{"name": "set_light", "arguments": {"on": true}}\n</tool_call>'
      )
      await page.getByLabel("Show probabilities").uncheck()
      await keepPicture(page, "studio-tools")
      expect(await violationsEverywhere(page)).toEqual([])

      // a row of its own data is a message, and a result is waited for
      const chips = page.getByRole("group", { name: "Examples from the run's data" }).getByRole("button")
      expect(await chips.first().isDisabled()).toBe(true)
      await page.getByLabel("Result of set_light").fill("ok")
      await ask.click()
      const second = page.getByRole("article", { name: "Turn 2" })
      await cardOf(page, second, "With the adapter").getByText("done", { exact: true }).waitFor()
      await page.getByLabel("Your message").waitFor()
      expect(await second.locator(".said").textContent()).toBe("Result of set_light: ok")
      expect(await cardOf(page, second, "Without the adapter").textContent()).toContain("Not part of this turn.")

      // with the tools of its row
      await page.getByRole("button", { name: "Start over" }).click()
      await typed.fill("")
      await chips.nth(1).click()
      await calls.waitFor()
      expect(await calls.allTextContents()).toEqual(['set_light {"on":false}'])
      expect(JSON.parse(await typed.inputValue())).toEqual(tools)
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test("what is taken back ends in the process that computes, which answers others", async () => {
    const asked = {
      id: "runs/colours",
      messages: [{ role: "user", content: "what colour is the sky ?" }],
      tokens: 4_000,
      temperature: 4,
      seed: 0,
      sides: ["trained" as const]
    }
    let seen = 0
    for await (const event of studio.watch("write", asked)) {
      expect(event.kind).toBe("token")
      seen += 1
      if (seen === 2) break
    }
    const rows = [{ text: "the film is good" }]
    expect(await studio.call("ask", { id: "runs/texts", rows })).toHaveLength(1)
  })
})
