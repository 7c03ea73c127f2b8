/** A page, light and dark, wide and on a phone: what axe-core finds wrong with it, and pictures of it. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { repository } from "../e2e/fixtures.ts"

const source = readFileSync(join(repository, "node_modules", "axe-core", "axe.min.js"), "utf8")

interface Found {
  readonly id: string
  readonly nodes: ReadonlyArray<{ readonly html: string; readonly failureSummary?: string }>
}

/** What axe finds on the page as it is, a line each; `rules`: of these alone. */
export const violations = async (page: Page, rules?: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  if (!(await page.evaluate("typeof axe === 'object'"))) await page.evaluate(source)
  const options = JSON.stringify(rules === undefined ? {} : { runOnly: { type: "rule", values: rules } })
  const found = (await page.evaluate(
    `axe.run(document, ${options}).then(({ violations }) => violations)`
  )) as ReadonlyArray<Found>
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary = "" }) => `${id}: ${html.slice(0, 160)} ${failureSummary.replaceAll("\n", " ")}`)
  )
}

const WIDE = { width: 1280, height: 800 }
const PHONE = { width: 390, height: 800 }

/** Command-line flags in what the studio itself says: its page has fields and buttons. Logs are the process's words, code is to be copied. */
const flagsIn = (page: Page): Promise<ReadonlyArray<string>> =>
  page.evaluate(() => {
    const studio = document.querySelector("#studio")?.cloneNode(true) as Element | undefined
    for (const quoted of studio?.querySelectorAll(".log, .use pre") ?? []) quoted.remove()
    const flags = studio?.textContent?.match(/.{0,40}(?<![\w-])--[a-z].{0,40}/g) ?? []
    return flags.map((text) => `a command-line flag: ${text}`)
  })

/** What axe finds in each scheme at each width (of the second scheme, whose colours alone are others, by contrast), and whether anything is wider than the screen; and flags in the studio's text. */
export const violationsEverywhere = async (page: Page): Promise<ReadonlyArray<string>> => {
  const all: Array<string> = [...(await flagsIn(page))]
  for (const size of [PHONE, WIDE]) {
    await page.setViewportSize(size)
    for (const colorScheme of ["dark", "light"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" })
      const place = `${colorScheme}, ${size.width} px: `
      const rules = colorScheme === "light" ? undefined : ["color-contrast"]
      all.push(...(await violations(page, rules)).map((line) => place + line))
    }
    const beyond = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth
    )
    if (beyond > 0) all.push(`${size.width} px: the page is ${beyond} px wider than the screen`)
  }
  return all
}

/** SCREENSHOTS=FOLDER keeps a picture of the page as it is. */
export const keepPicture = async (page: Page, name: string): Promise<void> => {
  const folder = process.env["SCREENSHOTS"]
  if (folder !== undefined) await page.screenshot({ path: join(folder, `${name}.png`) })
}
