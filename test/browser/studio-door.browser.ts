/**
 * Who a browser lets into the studio: the page that its address opens, also after the studio was closed and opened again; no page of elsewhere, and
 * none that a run's folder brought with it.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { Browser } from "playwright-core"
import { TIMEOUT } from "../e2e/fixtures.ts"
import { chromiumExists, launch, openPage } from "./chromium.ts"
import { type OpenStudio, openStudio } from "./studio.ts"

/** Tells whoever frames it what it could do. */
const hostile = `<!doctype html><script>
  const tries = {
    call: () => fetch("/call/about", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" }).then((r) => r.text()),
    frame: () => parent.document.title,
    cookie: () => document.cookie,
    storage: () => String(localStorage.length)
  }
  const done = Object.entries(tries).map(async ([name, act]) => { try { return name + ": " + (await act()) } catch { return name + ": no" } })
  Promise.all(done).then((all) => parent.postMessage(all.join(", "), "*"))
</script>`
const NOTHING = "call: no, frame: no, cookie: no, storage: no"

describe.skipIf(!chromiumExists)("the studio's door", () => {
  let browser: Browser
  let studio: OpenStudio
  beforeAll(async () => {
    const files = { "runs/brought-1/plan.json": {}, "runs/brought-1/report.html": hostile }
    ;[studio, browser] = await Promise.all([openStudio({ files }), launch()])
  }, TIMEOUT)
  afterAll(async () => {
    await browser?.close()
    await studio?.close()
  })

  test(
    "a page goes on when the studio was closed and opened again on its port",
    async () => {
      const { page, complaints, foreign } = await openPage(browser, studio.url)
      await page.getByRole("navigation").first().waitFor()
      // the token is nowhere to be seen, nor to be read by a script
      expect(page.url()).not.toContain("token")
      expect(await page.evaluate("document.cookie")).toBe("")
      const about = () =>
        page.evaluate(async () => {
          const headers = { "content-type": "application/json" }
          const answer = await fetch("/call/about", { method: "POST", headers, body: "{}" })
          return answer.status
        })
      expect(await about()).toBe(200)
      await studio.stop()
      const port = Number(new URL(studio.url).port)
      const { folder, close } = studio
      studio = await openStudio({ folder, port })
      const own = studio
      studio = { ...own, close: () => own.stop().then(close) }
      expect(await about()).toBe(200)
      expect(foreign).toEqual([])
      expect(complaints.filter((text) => !/ERR_(CONNECTION|INCOMPLETE|EMPTY)/.test(text))).toEqual([])
    },
    TIMEOUT
  )

  test(
    "neither a page of a run's folder nor one of another server reaches it",
    async () => {
      const context = await browser.newContext()
      const page = await context.newPage()
      await page.goto(studio.url)
      const could = page.evaluate(
        () =>
          new Promise((resolve) => {
            addEventListener("message", ({ data }) => resolve(data))
            const frame = document.createElement("iframe")
            frame.src = "/files/runs/brought-1/report.html"
            document.body.append(frame)
          })
      )
      expect(await could).toBe(NOTHING)
      // another server of this machine, whose pages are of the same site
      using other = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: () => new Response("<!doctype html><title>other</title>", { headers: { "content-type": "text/html" } })
      })
      const elsewhere = await context.newPage()
      await elsewhere.goto(other.url.href)
      const reached = await elsewhere.evaluate(async (origin) => {
        const ask = (init: RequestInit) =>
          fetch(`${origin}/call/about`, { method: "POST", body: "{}", credentials: "include", ...init }).then(
            (answer) => answer.text(),
            () => "no"
          )
        const hidden = await fetch(`${origin}/call/about`, { method: "POST", body: "{}", mode: "no-cors" }).then(
          ({ type }) => type,
          () => "no"
        )
        return [await ask({}), await ask({ headers: { "content-type": "application/json" } }), hidden]
      }, studio.origin)
      // what is sent without asking arrives, is refused and cannot be read
      expect(reached).toEqual(["no", "no", "opaque"])
      await context.close()
    },
    TIMEOUT
  )
})
