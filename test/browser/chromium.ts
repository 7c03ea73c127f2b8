/** The system's Chromium, or the one that CHROMIUM names, with WebGPU on its software adapter, and pages that complain about nothing. */
import { type Browser, chromium, type Page } from "playwright-core"

const executable =
  process.env["CHROMIUM"] ??
  ["chromium", "chromium-browser", "google-chrome"].map((name) => Bun.which(name)).find(Boolean)

if (executable === undefined || executable === null) {
  const announcement = "chromium is not installed"
  if (process.env["REQUIRE_CHROMIUM"] === "1") throw new Error(`${announcement}, but REQUIRE_CHROMIUM=1`)
  console.warn(`${announcement}: pages are not tested (REQUIRE_CHROMIUM=1 makes that a failure)`)
}

export const chromiumExists = Boolean(executable)

export const launch = (flags: ReadonlyArray<string> = []): Promise<Browser> =>
  chromium.launch({
    executablePath: executable!,
    args: [
      "--no-sandbox",
      "--disable-background-networking",
      "--enable-unsafe-webgpu",
      "--use-webgpu-adapter=swiftshader",
      ...flags
    ]
  })

/** Milliseconds: less than a test has, so that it says what it waited for. */
const PATIENCE = 90_000

/**
 * Waits until an expression of the page is true. Playwright's own `waitForFunction` has the page read it again with `eval`, which a page with a
 * Content-Security-Policy refuses: it fails there whenever the first look is too early.
 */
export const waitUntil = async <Given>(
  page: Page,
  isTrue: string | ((given: Given) => boolean),
  given?: Given
): Promise<void> => {
  const end = performance.now() + PATIENCE
  while (!(await page.evaluate(isTrue as (given: unknown) => boolean, given))) {
    if (performance.now() > end) throw new Error(`the page did not come to ${isTrue} within ${PATIENCE / 1000} s`)
    await Bun.sleep(20)
  }
}

/**
 * The message that a promise is rejected with, awaited as any value. `expect(promise).rejects` runs Bun's event loop within a turn of that loop,
 * which changes the order of Playwright's messages: now and then it then misses an object that one of them creates.
 */
export const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    (value) => `not refused: ${JSON.stringify(value)}`,
    (error: Error) => error.message
  )

export interface OpenPage {
  readonly page: Page
  /** what it said on its console as a warning or an error, and what it threw */
  readonly complaints: ReadonlyArray<string>
  /** the addresses it asked for that are not its own server's */
  readonly foreign: ReadonlyArray<string>
}

export const openPage = async (browser: Pick<Browser, "newPage">, url: string): Promise<OpenPage> => {
  const page = await browser.newPage()
  const complaints: Array<string> = []
  const foreign: Array<string> = []
  page.on("console", (message) => {
    if (["warning", "error"].includes(message.type())) complaints.push(message.text())
  })
  page.on("pageerror", (error) => complaints.push(String(error)))
  page.on("request", (request) => {
    if (!/^(blob|data):/.test(request.url()) && new URL(request.url()).origin !== new URL(url).origin)
      foreign.push(request.url())
  })
  await page.goto(url)
  return { page, complaints, foreign }
}
