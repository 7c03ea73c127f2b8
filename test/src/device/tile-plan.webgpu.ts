/** A device whose adapter does not say that it is emulated: it measures its tiles when it is first opened, and not again. */
import { expect, test } from "bun:test"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { bun } from "../../../src/device/bun.ts"
import { openDevice, type Runtime } from "../../../src/device/open.ts"
import { webgpu } from "../../runtime/runtimes.ts"

const asHardware = (adapter: GPUAdapter): GPUAdapter => {
  const { vendor, subgroupMinSize, subgroupMaxSize } = adapter.info
  const info = { vendor, architecture: "none", device: "d", description: "a GPU", subgroupMinSize, subgroupMaxSize }
  return new Proxy(adapter, {
    get: (own, name) => {
      if (name === "info") return { ...info, isFallbackAdapter: false }
      const value: unknown = Reflect.get(own, name, own)
      return typeof value === "function" ? value.bind(own) : value
    }
  })
}

const pretending: Runtime = {
  ...bun,
  gpu: Effect.map(bun.gpu, (gpu) => {
    const requestAdapter: GPU["requestAdapter"] = async (options) => {
      const adapter = await gpu.requestAdapter(options)
      return adapter === null ? null : asHardware(adapter)
    }
    return { requestAdapter } as GPU
  })
}

/** What the device says of its tiles, and a product on it, which has to be right. */
const opened = () =>
  Effect.gen(function* () {
    const device = yield* openDevice(pretending, "webgpu")
    const [x, y] = [tf.ones([256, 128]), tf.ones([128, 256])]
    const numbers = yield* Effect.promise(async () => (await tf.matMul(x, y).data()).slice())
    yield* device.sync
    return { tiles: device.describe().tiles, wrong: numbers.filter((own) => own !== 128).length }
  }).pipe(Effect.scoped, Effect.runPromise)

test.skipIf(!webgpu.exists)(
  "tiles are measured once for an adapter, and the variable overrides it",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "tiles-"))
    const before = process.env["XDG_CACHE_HOME"]
    process.env["XDG_CACHE_HOME"] = folder
    try {
      const first = await opened()
      // how far it came depends on how fast programs are compiled here
      expect(first).toEqual({ tiles: expect.stringMatching(/^(by a fixed rule|as measured now)$/), wrong: 0 })
      const [name, another] = readdirSync(join(folder, "tfjs-lora-pro", "webgpu-tiles"))
      expect(another).toBeUndefined()
      const file = join(folder, "tfjs-lora-pro", "webgpu-tiles", name!)
      const kept = readFileSync(file, "utf8")
      expect(JSON.parse(kept)).toMatchObject({ adapter: { runtime: "bun", description: "a GPU" }, refused: [] })
      const again = { tiles: first.tiles?.replace("now", "before"), wrong: 0 }
      expect(await opened()).toEqual(again)
      expect(readFileSync(file, "utf8")).toBe(kept)
      process.env["TFJS_LORA_PRO_TILES"] = "64x64"
      expect(await opened()).toEqual({ tiles: "of 64x64 by TFJS_LORA_PRO_TILES", wrong: 0 })
      process.env["TFJS_LORA_PRO_TILES"] = "7"
      expect(await opened().catch(String)).toContain(
        'the variable TFJS_LORA_PRO_TILES is "7"; expected fixed, or one of 32x32'
      )
      delete process.env["TFJS_LORA_PRO_TILES"]
      expect(await opened()).toEqual(again)
    } finally {
      delete process.env["TFJS_LORA_PRO_TILES"]
      rmSync(folder, { recursive: true })
      if (before === undefined) delete process.env["XDG_CACHE_HOME"]
      else process.env["XDG_CACHE_HOME"] = before
    }
  },
  180_000
)
