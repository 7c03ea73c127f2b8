/**
 * What Teachable Machine is for, in the studio: three classes recorded by the webcam, trained, and told apart live; folders that are dropped;
 * and what is said where there is no camera, or none that may be used. The camera is a film of three scenes.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { existsSync, readdirSync } from "node:fs"
import type { Browser, Page } from "playwright-core"
import { TIMEOUT } from "../e2e/fixtures.ts"
import { imagesWorkspace } from "../e2e/images-workspace.ts"
import { violationsEverywhere } from "./axe.ts"
import { chromiumExists, launch, waitUntil } from "./chromium.ts"
import { type OpenStudio, openStudio, openView } from "./studio.ts"
import { sceneBegins, sceneNames, sceneOn, webcam } from "./webcam.ts"

const { w } = imagesWorkspace()
let browser: Browser
let studio: OpenStudio

const WIDE = { width: 1280, height: 800 }
const alert = (page: Page) => page.getByRole("alert").filter({ hasNotText: /^$/ })
const isReleased = "globalThis.tracks.every(({ readyState }) => readyState === 'ended')"

/** A page whose camera's tracks are known to the test. */
const opened = async (chromium = browser) => {
  const view = await openView(chromium, studio, "#/new")
  await view.page.evaluate(() => {
    const own = globalThis as unknown as { tracks: Array<MediaStreamTrack> }
    own.tracks = []
    const { mediaDevices } = navigator
    const open = mediaDevices.getUserMedia.bind(mediaDevices)
    mediaDevices.getUserMedia = async (asked) => {
      const stream = await open(asked)
      own.tracks.push(...stream.getTracks())
      return stream
    }
  })
  await view.page.getByRole("button", { name: "Use the webcam" }).waitFor()
  return view
}

describe.skipIf(!chromiumExists)("pictures by the webcam", () => {
  beforeAll(async () => {
    ;[studio, browser] = await Promise.all([openStudio({ folder: w.directory }), launch(webcam(w.path("webcam.y4m")))])
  }, TIMEOUT)
  afterAll(async () => {
    await browser?.close()
    await studio?.close()
  })

  test(
    "three classes recorded, trained, and told apart as they are seen",
    async () => {
      const { page, complaints, foreign } = await opened()
      await page.getByRole("button", { name: "Use the webcam" }).click()
      const hold = (name: string) => page.getByRole("button", { name: `Hold to record ${name}` })
      const pictures = (name: string) => page.getByRole("toolbar", { name: `Pictures of ${name}` }).getByRole("button")
      await page.getByRole("button", { name: "Add a class" }).click()
      for (const [i, name] of sceneNames.entries()) await page.getByLabel(`Name of class ${i + 1}`).fill(name)
      await waitUntil(page, "!document.querySelector('.hold').disabled")
      // nothing is recorded before a button is held
      await page.waitForTimeout(500)
      expect(await page.locator(".thumbnails").count()).toBe(0)
      expect(await page.getByRole("button", { name: "Use these pictures" }).isDisabled()).toBe(true)
      await page.getByText("Record pictures of at least two classes.").waitFor()
      expect(await violationsEverywhere(page)).toEqual([])
      await page.setViewportSize(WIDE)

      for (const [i, name] of sceneNames.entries()) {
        await sceneBegins(page, i)
        // the last one by the keyboard
        if (i === 2) await hold(name).focus()
        else await hold(name).hover()
        await (i === 2 ? page.keyboard.down(" ") : page.mouse.down())
        await pictures(name).nth(19).waitFor()
        await (i === 2 ? page.keyboard.up(" ") : page.mouse.up())
        expect(await sceneOn(page)).toBe(i)
      }
      const counts = () => Promise.all(sceneNames.map((name) => pictures(name).count()))
      const all = await counts()
      await page.waitForTimeout(500)
      expect(await counts()).toEqual(all)
      await page
        .getByRole("status")
        .filter({ hasText: `checks: ${all[2]} pictures` })
        .waitFor({ state: "attached" })
      // one that is clicked is deleted, and another by its key
      await pictures("disc").first().click()
      await page.keyboard.press("ArrowRight")
      await page.keyboard.press("Delete")
      expect(await counts()).toEqual([all[0]! - 2, all[1]!, all[2]!])
      expect(await violationsEverywhere(page)).toEqual([])
      await page.setViewportSize(WIDE)
      // two of one name would be one class
      await page.getByLabel("Name of class 2").fill(" Disc")
      await page.getByText("Two classes have the name “Disc”: rename one.").waitFor()
      await page.getByLabel("Name of class 2").fill("stripes")

      // the camera is released with the view, and the pictures stay
      await page.getByRole("link", { name: "Runs" }).click()
      await waitUntil(page, isReleased)
      await page.getByRole("link", { name: "New run" }).click()
      await page.getByRole("button", { name: "Use the webcam" }).click()
      expect(await counts()).toEqual([all[0]! - 2, all[1]!, all[2]!])
      await page.getByRole("button", { name: "Use these pictures" }).click()
      await page.getByText("a folder of images").waitFor()
      await waitUntil(page, isReleased)
      const kept = sceneNames.map((name) => readdirSync(w.path(`data/webcam/${name}`)))
      expect(kept.map((names) => names.length)).toEqual([all[0]! - 2, all[1]!, all[2]!])
      expect(kept[0]!.toSorted()[0]).toBe("0001.jpg")

      await page.getByText(/^Ready: \d/).waitFor()
      await page.getByText("Details", { exact: true }).click()
      await page.getByText("Change the plan", { exact: true }).click()
      await page.locator('[id="plan-training.steps"]').fill("24")
      expect(await page.locator('[id="plan-model.source"]').inputValue()).toEndWith("mobilenet/model.json")
      await page.getByText(/^Ready: 24 steps/).waitFor()
      await page.getByRole("button", { name: "Train", exact: true }).click()
      await page.waitForURL(/#\/runs\//)
      const id = decodeURIComponent(page.url().split("#/runs/")[1]!)
      expect(id).toStartWith("runs/webcam")
      await studio.until("run", { id }, (one) => one.kind === "summary" && one.summary.state === "finished")

      await page.evaluate(
        (hash) => {
          location.hash = hash
        },
        `#/try/${encodeURIComponent(id)}`
      )
      await page.getByRole("button", { name: "Use the webcam" }).click()
      const asked: Array<string> = []
      page.on("request", (request) => {
        if (request.url().endsWith("/call/ask")) asked.push("asked")
      })
      page.on("response", (response) => {
        if (response.url().endsWith("/call/ask")) asked.push("answered")
      })
      const live = page.getByRole("region", { name: "Webcam" })
      await live.locator(".bars li").nth(2).waitFor()
      expect(await live.locator(".bars .name").allTextContents()).toEqual(sceneNames.toSorted())
      for (const [i, name] of sceneNames.entries()) {
        await sceneBegins(page, i)
        await live.locator(".label").getByText(name, { exact: true }).waitFor()
        expect(await sceneOn(page)).toBe(i)
      }
      expect(asked.length).toBeGreaterThan(10)
      expect(asked.some((one, i) => i > 0 && one === "asked" && asked[i - 1] === "asked")).toBe(false)
      expect(await violationsEverywhere(page)).toEqual([])
      await page.getByRole("button", { name: "Stop the webcam" }).click()
      await waitUntil(page, isReleased)
      expect({ complaints, foreign }).toEqual({ complaints: [], foreign: [] })
      await page.close()
    },
    // each scene is waited for twice
    2 * TIMEOUT
  )

  test(
    "a folder that is dropped, with a folder of pictures for each class",
    async () => {
      const { page, complaints } = await opened()
      const session = await page.context().newCDPSession(page)
      const data = { items: [], files: [w.path("photos/train")], dragOperationsMask: 1 }
      for (const type of ["dragEnter", "dragOver", "drop"] as const)
        await session.send("Input.dispatchDragEvent", { type, x: 600, y: 300, data })
      await page.getByText("a folder of images").waitFor()
      await page.getByText(", 36 rows").waitFor()
      expect(existsSync(w.path("data/train/ring/0.png"))).toBe(true)
      expect(complaints).toEqual([])
      await page.close()
    },
    TIMEOUT
  )

  test(
    "says in a sentence that the camera is refused, that there is none, and that the page may have none",
    async () => {
      const cases: ReadonlyArray<readonly [flags: ReadonlyArray<string>, says: RegExp]> = [
        [["--use-fake-device-for-media-stream"], /does not let this page use the camera: allow it/],
        [[], /No camera was found: connect one/]
      ]
      for (const [flags, says] of cases) {
        const other = await launch(flags)
        const { page } = await opened(other)
        await page.getByRole("button", { name: "Use the webcam" }).click()
        await alert(page).filter({ hasText: says }).waitFor()
        expect(await page.getByRole("button", { name: "Hold to record Class 1" }).isDisabled()).toBe(true)
        expect(await violationsEverywhere(page)).toEqual([])
        // allowed or connected meanwhile
        await page.evaluate(() => {
          const canvas = document.createElement("canvas")
          const context = canvas.getContext("2d")!
          setInterval(() => context.fillRect(0, 0, 9, 9), 100)
          navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(10)
        })
        await page.getByRole("button", { name: "Try again" }).click()
        await waitUntil(page, "!document.querySelector('.hold').disabled")
        expect(await alert(page).count()).toBe(0)
        await page.getByRole("button", { name: "Cancel" }).click()
        // as in a page over http from another machine
        await page.evaluate(() => Object.defineProperty(navigator, "mediaDevices", { value: undefined }))
        await page.getByRole("button", { name: "Use the webcam" }).click()
        await alert(page)
          .filter({ hasText: /cannot use the camera here: open the studio over https, or on this machine/ })
          .waitFor()
        await other.close()
      }
    },
    TIMEOUT
  )
})
