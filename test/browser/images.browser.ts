/** Images in Chromium, in a page that Vite built: the bytes that Pillow has of them, and one sentence for what is no image. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Browser } from "playwright-core"
import { build } from "vite"
import { folder as golden, json } from "../src/images/golden.ts"
import { repository } from "./bundle.ts"
import { chromiumExists, launch, type OpenPage, openPage } from "./chromium.ts"

const TIMEOUT = 120_000

describe.skipIf(!chromiumExists)("in Chromium", () => {
  const out = mkdtempSync(join(tmpdir(), "images-page-"))
  let browser: Browser
  let opened: OpenPage
  let server: ReturnType<typeof Bun.serve>
  beforeAll(async () => {
    const input = join(import.meta.dir, "images-page.ts")
    const built = await build({
      root: repository,
      configFile: false,
      base: "./",
      logLevel: "error",
      build: { outDir: out, target: "es2024", rollupOptions: { input, output: { entryFileNames: "page.js" } } }
    })
    expect(built).toBeDefined()
    const page = `<!doctype html><link rel="icon" href="data:," /><script type="module" src="page.js"></script>`
    writeFileSync(join(out, "index.html"), page)
    server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: async (request) => {
        const path = new URL(request.url).pathname.slice(1)
        const found = Bun.file(
          path.startsWith("golden/") ? join(golden, path.slice(7)) : join(out, path || "index.html")
        )
        return (await found.exists()) ? new Response(found) : new Response("no such file", { status: 404 })
      }
    })
    browser = await launch()
    opened = await openPage(browser, `http://127.0.0.1:${server.port}/`)
  }, TIMEOUT)
  afterAll(async () => {
    await browser?.close()
    await server?.stop(true)
    rmSync(out, { recursive: true, force: true })
  })

  test(
    "PNG, JPEG and WebP decode to Pillow's bytes",
    async () => {
      const pillow: Record<string, { readonly sha256: string }> = json("decoded")
      for (const name of ["palette-alpha.png", "photo-420.jpg", "turned-6.jpg", "photo.webp", "rgba.webp"]) {
        expect(await opened.page.evaluate(`digestOf("golden/${name}")`)).toBe(pillow[name]!.sha256)
      }
      expect(await opened.page.evaluate(`digestOf("golden/other.gif")`)).toBe(
        "golden/other.gif: is a GIF image; expected PNG, JPEG or WebP"
      )
      expect({ complaints: opened.complaints, foreign: opened.foreign }).toEqual({ complaints: [], foreign: [] })
    },
    TIMEOUT
  )
})
