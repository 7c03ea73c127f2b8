/** A comparison's page at the widths of a laptop and of a phone: of ten methods, from the raw results of a study. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { Browser } from "playwright-core"
import { verdictIn } from "../../scripts/studies.ts"
import { labelOf } from "../../src/compare/verdict/index.ts"
import { comparePage } from "../../src/compare/verdict/page/page.ts"
import { chromiumExists, launch } from "./chromium.ts"

let browser: Browser
let content: string

beforeAll(async () => {
  if (!chromiumExists) return
  browser = await launch()
  content = comparePage(await verdictIn("eras-successors"), [], labelOf)
})
afterAll(() => browser?.close())

/** What cannot be seen whole, and the height of letters in the chart of intervals. */
const seenAt = async (width: number) => {
  const page = await browser.newPage({ viewport: { width, height: 900 } })
  await page.setContent(content)
  const seen = await page.evaluate(() => {
    const shown = [...document.querySelectorAll(".scroll, svg, figure, pre")].filter(
      (one) => one.getBoundingClientRect().width > 0
    )
    const names = [...document.querySelectorAll("figure.wide text.name")]
    return {
      page: document.documentElement.scrollWidth,
      cut: shown
        .filter((one) => one.scrollWidth > one.clientWidth + 1)
        .map((one) => one.getAttribute("aria-label") ?? one.tagName),
      drawn: shown.filter((one) => one.matches("figure.wide svg")).map((one) => one.getAttribute("class")),
      // of letters that are shown
      letters: Math.min(...names.map((one) => one.getBoundingClientRect().height).filter((height) => height > 0))
    }
  })
  await page.close()
  return seen
}

describe.skipIf(!chromiumExists)("compare.html", () => {
  test("of 1280 pixels shows its tables and charts whole", async () => {
    const seen = await seenAt(1280)
    expect(seen).toMatchObject({ page: 1280, cut: [], drawn: ["whole"] })
  })

  test("on a phone the charts are whole and legible, and only tables are scrolled", async () => {
    const seen = await seenAt(390)
    expect(seen).toMatchObject({ page: 390, drawn: ["narrow"] })
    expect(seen.cut.filter((one) => !/^(Methods|Rates|What methods cost|All runs)/.test(one))).toEqual([])
    expect(seen.letters).toBeGreaterThan(11)
  })
})
