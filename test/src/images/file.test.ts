/** The files of images: read as far as is needed, and with bounds. */
import { afterAll, afterEach, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { limits, setLimits } from "../../../src/boundary/index.ts"
import { imageHeader, preparedImages, processingOf } from "../../../src/images/index.ts"
import { platform } from "../../../src/platform.ts"
import { file, folder as golden, joined } from "./golden.ts"

const folder = mkdtempSync(join(tmpdir(), "images-"))
afterEach(() => setLimits({ "image-file-bytes": limits["image-file-bytes"].default }))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const run = <A, E>(effect: Effect.Effect<A, E, FileSystem.FileSystem>) =>
  Effect.runPromise(Effect.provide(effect, platform))

test("a header after a megabyte of remarks is found, and no more than that is read", async () => {
  const photo = file("photo-420.jpg")
  const remark = joined([0xff, 0xe2, 0xff, 0xff], new Uint8Array(0xfffd))
  const path = join(folder, "remarks.jpg")
  writeFileSync(
    path,
    joined(photo.subarray(0, 2), ...Array(16).fill(remark), photo.subarray(2), new Uint8Array(2 ** 23))
  )
  let bytes = 0
  const counting = Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const open: typeof fs.open = (...args) =>
      Effect.map(fs.open(...args), (handle) => ({
        ...handle,
        read: (...into) => {
          bytes += into[0].length
          return handle.read(...into)
        }
      }))
    return yield* Effect.provideService(imageHeader(path, "photo"), FileSystem.FileSystem, { ...fs, open })
  })
  expect(await run(counting)).toEqual({ format: "jpeg", width: 67, height: 45, orientation: 1 })
  expect(bytes).toBeWithin(2 ** 20, 2 ** 23)
})

test("what cannot be read is said with the name that messages have", async () => {
  const reason = async (path: string) => (await run(Effect.flip(imageHeader(path, "rows.csv:3")))).message
  expect(await reason(join(folder, "none.png"))).toBe("rows.csv:3: cannot be read: no such file or folder")
  expect(await reason(folder)).toBe("rows.csv:3: cannot be read: it is a folder")
  writeFileSync(join(folder, "short.png"), file("rgb.png").subarray(0, 20))
  expect(await reason(join(folder, "short.png"))).toBe("rows.csv:3: is truncated: its data end early")
  setLimits({ "image-file-bytes": 100 })
  expect(await reason(join(golden, "rgb.png"))).toStartWith("rows.csv:3: is too large: 134 bytes, more than 100 bytes")
})

test("a batch holds its images one after another, from files and from bytes", async () => {
  const parsed = processingOf({ size: 8 }, "ViTImageProcessor")
  if ("problems" in parsed) throw new Error("no processing")
  const { processing } = parsed
  const job = (image: string | Uint8Array) => ({ image, where: "here" })
  const one = (image: string | Uint8Array) => run(preparedImages([job(image)], processing))
  const [photo, rgb] = [join(golden, "photo.png"), file("rgb.png")]
  const both = await run(preparedImages([job(photo), job(rgb)], processing))
  expect(both).toEqual(Float32Array.of(...(await one(photo)), ...(await one(rgb))))
  expect(both.length).toBe(2 * 8 * 8 * 3)
})
