/**
 * Who a browser lets into the studio: the pages that an address of the terminal opened; no page of elsewhere, and none that a run's folder
 * brought with it.
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
    "an address opens one browser, whose pages then go on; nothing of it is left in the address or sent elsewhere",
    async () => {
      const { url } = studio
      const context = await browser.newContext()
      const { page, complaints, foreign } = await openPage(context, url)
      await page.getByRole("navigation").first().waitFor()
      expect(page.url()).toBe(`${studio.origin}/`)
      expect(await page.evaluate("history.length")).toBe(2)
      expect(await page.evaluate("document.cookie")).toBe("")
      // another server of this machine is sent nothing that opens the studio
      const received: Array<string> = []
      using other = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: ({ headers }) => {
          received.push(JSON.stringify([...headers]))
          return new Response("<!doctype html><title>other</title>", { headers: { "content-type": "text/html" } })
        }
      })
      const tab = await context.newPage()
      await tab.goto(other.url.href)
      expect(await tab.evaluate("document.cookie + JSON.stringify(localStorage)")).toBe("{}")
      expect(received.length).toBeGreaterThan(0)
      expect(received.join()).not.toContain(studio.secret)
      // the same browser goes on in another tab, also by the address that was used
      for (const address of [studio.origin, url]) {
        await tab.goto(address)
        await tab.getByRole("navigation").first().waitFor()
      }
      // another browser does not
      const { page: stranger } = await openPage(browser, url)
      await stranger.getByText("This address works once and has already been used.").waitFor()
      await stranger.goto(studio.origin)
      await stranger.getByText("This page is not connected to the studio").waitFor()
      const { page: second } = await openPage(browser, studio.url)
      await second.getByRole("navigation").first().waitFor()
      expect(foreign).toEqual([])
      expect(complaints).toEqual([])
      // a studio that is opened again has another secret
      await studio.stop()
      const { folder, close } = studio
      studio = await openStudio({ folder, port: Number(new URL(studio.origin).port) })
      const own = studio
      studio = Object.assign(Object.create(own), { close: () => own.stop().then(close) }) as OpenStudio
      await page.reload()
      await page.getByText("This page is not connected to the studio").waitFor()
      await page.goto(studio.url)
      await page.getByRole("navigation").first().waitFor()
      await context.close()
    },
    TIMEOUT
  )

  test(
    "a folder that came from elsewhere is open read-only until its user trusts it",
    async () => {
      const other = await openStudio({ files: { ".studio/token": "x", "runs/brought-1/plan.json": {} } })
      try {
        const { page } = await openPage(browser, other.url)
        const trust = page.getByRole("region", { name: "Trust" })
        await trust.getByText("This folder is open read-only.").waitFor()
        await trust.getByText("a .studio folder with the state of another studio, which is ignored").waitFor()
        await trust.getByRole("button", { name: "Trust this folder" }).click()
        await trust.waitFor({ state: "detached" })
        expect((await other.call("about", {})).doubts).toEqual([])
        await page.reload()
        await page.getByRole("navigation").first().waitFor()
        expect(await trust.count()).toBe(0)
      } finally {
        await other.close()
      }
    },
    TIMEOUT
  )

  test(
    "neither a page of a run's folder nor one of another server reaches it",
    async () => {
      const context = await browser.newContext()
      const page = await context.newPage()
      await page.goto(studio.url)
      await page.getByRole("navigation").first().waitFor()
      const signed = await studio.fetch("/sign", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ path: "/files/runs/brought-1/report.html" })
      })
      const { address } = (await signed.json()) as { readonly address: string }
      const could = page.evaluate(
        (src) =>
          new Promise((resolve) => {
            addEventListener("message", ({ data }) => resolve(data))
            const frame = document.createElement("iframe")
            frame.src = src
            document.body.append(frame)
          }),
        address
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
