/** Which tile a product takes by what was measured, and what is kept of a measurement on disk: no GPU is needed for either. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { tileStore } from "../../../src/device/kept-tiles.ts"
import { openTiles } from "../../../src/device/tile-plan.ts"
import {
  fixedTile,
  measuredTile,
  PROBED_AREAS,
  type ProbedTiles,
  probedPrograms,
  type WebgpuBackend,
  type WebgpuEngine
} from "../../../src/kernels/webgpu/index.ts"
import { partLengthOf, partsOf } from "../../../src/kernels/webgpu/product-parts.ts"
import { PART_MULTIPLE, tileNames, tiles } from "../../../src/kernels/webgpu/product-tiles.ts"
import { tileChoiceOf } from "../../../src/kernels/webgpu/tile-choice.ts"

/** The small tile is as fast at all sizes as its numbers say, the large one needs a GPU full of them. */
const times = {
  "32x32": [10_000, 20_000, 80_000, 320_000, 1_280_000],
  "64x64": [30_000, 30_000, 50_000, 200_000, 800_000]
}

describe("which tile", () => {
  test("the fastest at the numbers that its tiles have room for", () => {
    const tile = measuredTile({ times, refused: [] })
    expect(tile(128, 128, 1)).toBe("32x32")
    expect(tile(1024, 1536, 1)).toBe("64x64")
    // half way from 2¹⁶ to 2¹⁸ of C: 50 µs and 40 µs; and as much of it as a batch
    expect(tile(256, 640, 1)).toBe("64x64")
    expect(tile(128, 128, 10)).toBe("64x64")
    // rows of which the large tile would have half outside: 2²⁰ numbers against 2²¹
    expect(tile(32, 2 ** 15, 1)).toBe("32x32")
    expect(tile(64, 2 ** 15, 1)).toBe("64x64")
    // beyond what was measured, and again
    expect(tile(2 ** 13, 2 ** 13, 1)).toBe("64x64")
    expect(tile(128, 128, 1)).toBe("32x32")
  })

  test("a fixed rule where there are no two to choose from, and never one that was refused", () => {
    expect(measuredTile({ times: {}, refused: [] })).toBe(fixedTile)
    expect(measuredTile({ times: { "32x32": times["32x32"] }, refused: [] })).toBe(fixedTile)
    expect(measuredTile({ times, refused: ["64x64"] })(4096, 4096, 1)).toBe("32x32")
    expect(fixedTile(1024, 512, 1)).toBe("64x64")
    expect(fixedTile(1024, 448, 1)).toBe("32x32")
  })

  test("every tile keeps to what the others and the parts rely on", () => {
    for (const { down, across, rows, depth } of Object.values(tiles)) {
      expect([down % rows, down % 4, across % 4, rows % 4, depth % 4, PART_MULTIPLE % depth]).toEqual([
        0, 0, 0, 0, 0, 0
      ])
      expect((down / rows) * (across / 4)).toBeGreaterThanOrEqual(((down + across) / 4) * (depth / 4))
    }
  })
})

describe("how a device comes to its choice", () => {
  const opened = (software = false, wanted?: "fixed" | "64x64") => ({
    engine: { software } as WebgpuEngine,
    backend: { device: { features: new Set() } } as unknown as WebgpuBackend,
    adapter: {} as GPUAdapterInfo,
    wanted,
    worked: async () => true
  })
  const kept = (found?: ProbedTiles) => ({
    ...{ wanted: () => undefined, probe: tileStore.probe },
    ...{ read: async () => found, write: async () => true }
  })
  const chosen = async (own: ReturnType<typeof opened>, by?: ReturnType<typeof kept>) => [
    await openTiles(own, by),
    ...[64, 1024].map((m) => tileChoiceOf(own.engine)(m, 1024, 1))
  ]

  test("what the user says, else what was measured before, else the fixed rule where nothing can be measured", async () => {
    const before = { times, refused: [] }
    expect(await chosen(opened(), kept(before))).toEqual(["as measured before", "32x32", "64x64"])
    expect(await chosen(opened(), kept())).toEqual(["by a fixed rule", "32x32", "64x64"])
    const all = ["of 64x64 by TFJS_LORA_PRO_TILES", "64x64", "64x64"]
    expect(await chosen(opened(false, "64x64"), kept(before))).toEqual(all)
    const slow = { times: { ...times, "64x64": times["32x32"].map((time) => 2 * time) }, refused: [] }
    expect(await chosen(opened(), kept(slow))).toEqual(["as measured before", "32x32", "32x32"])
    expect(await chosen(opened(false, "fixed"), kept(slow))).toEqual(["by a fixed rule", "32x32", "64x64"])
  })

  test("a page has the fixed rule, and an emulated GPU no tiles", async () => {
    expect(await chosen(opened())).toEqual(["by a fixed rule", "32x32", "64x64"])
    expect(await openTiles(opened(true), kept({ times, refused: [] }))).toBeUndefined()
  })
})

test("parts are none or several, of whole rounds, and none is empty", () => {
  for (const groups of [1, 24, 100, 300])
    for (const slices of [undefined, 1, 16, 64])
      for (let k = 16; k < 200_000; k = Math.ceil(k * 1.37)) {
        const parts = partsOf({ groups, slices }, k)
        expect(parts).toBeLessThanOrEqual(16)
        if (parts === 1) continue
        const length = partLengthOf(k, parts)
        expect(length % PART_MULTIPLE).toBe(0)
        expect((parts - 1) * length).toBeLessThan(k)
        expect(parts * length).toBeGreaterThanOrEqual(k)
      }
  expect(partsOf({ groups: 24, slices: 16 }, 1024)).toBe(1)
  expect(partsOf({ groups: 24, slices: 16 }, 8192)).toBe(8)
})

describe("what is kept of a measurement", () => {
  let folder = ""
  const before = {
    XDG_CACHE_HOME: process.env["XDG_CACHE_HOME"],
    TFJS_LORA_PRO_TILES: process.env["TFJS_LORA_PRO_TILES"]
  }
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tiles-"))
    process.env["XDG_CACHE_HOME"] = folder
  })
  afterEach(() => {
    rmSync(folder, { recursive: true })
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })

  const adapter = (description: string) =>
    ({ vendor: "v", architecture: "a", device: "d", description }) as unknown as GPUAdapterInfo
  const probed = { times, refused: ["128x128"] as const }
  const files = () => readdirSync(join(folder, "tfjs-lora-pro", "webgpu-tiles"))
  const only = () => join(folder, "tfjs-lora-pro", "webgpu-tiles", files()[0]!)

  test("it comes back for the same adapter alone", async () => {
    expect(await tileStore.read(adapter("driver 1"))).toBeUndefined()
    expect(await tileStore.write(adapter("driver 1"), probed)).toBe(true)
    expect(files()).toHaveLength(1)
    expect(await tileStore.read(adapter("driver 1"))).toEqual(probed)
    expect(await tileStore.read(adapter("driver 2"))).toBeUndefined()
  })

  test("a file that is damaged, forged or of other programs is none, and is replaced", async () => {
    const own = adapter("driver 1")
    await tileStore.write(own, probed)
    const whole = readFileSync(only(), "utf8")
    const kept = JSON.parse(whole)
    expect(kept).toMatchObject({ package: expect.any(String), programs: expect.stringMatching(/^[0-9a-f]{64}$/) })
    const [first, second] = kept.times
    const short = { ...second, nanoseconds: second.nanoseconds.slice(1) }
    for (const text of [
      whole.slice(0, -20),
      "",
      "null",
      "[".repeat(100_000),
      `${whole}${" ".repeat(2 ** 16)}`,
      ...[
        { ...kept, package: "0.0.0" },
        { ...kept, programs: "0".repeat(64) },
        { ...kept, adapter: { ...kept.adapter, description: "another" } },
        { ...kept, more: 1 },
        { ...kept, times: [{ ...first, tile: "__proto__" }] },
        { ...kept, times: [first, short] },
        { ...kept, times: [{ ...first, nanoseconds: [-1, 1, 1, 1, 1] }] },
        { ...kept, times: [{ ...first, nanoseconds: [] }] },
        { ...kept, times: [{ ...first, nanoseconds: [...PROBED_AREAS, 1] }] },
        { ...kept, refused: ["96x96"] }
      ].map((value) => JSON.stringify(value))
    ]) {
      writeFileSync(only(), text)
      expect([text.slice(0, 100), await tileStore.read(own)]).toEqual([text.slice(0, 100), undefined])
    }
    expect(await tileStore.write(own, probed)).toBe(true)
    expect(readFileSync(only(), "utf8")).toBe(whole)
  })

  test("nothing is kept where there is no folder for it, which is no error", async () => {
    rmSync(folder, { recursive: true })
    writeFileSync(folder, "a file")
    expect(await tileStore.write(adapter("driver 1"), probed)).toBe(false)
    expect(await tileStore.read(adapter("driver 1"))).toBeUndefined()
  })

  test("the variable names a tile or the fixed rule, and refuses everything else", () => {
    delete process.env["TFJS_LORA_PRO_TILES"]
    expect(tileStore.wanted()).toBeUndefined()
    for (const name of ["fixed", ...tileNames]) {
      process.env["TFJS_LORA_PRO_TILES"] = name
      expect(tileStore.wanted()).toBe(name as "fixed")
    }
    process.env["TFJS_LORA_PRO_TILES"] = "96x96"
    expect(tileStore.wanted).toThrow(/TFJS_LORA_PRO_TILES is "96x96"; expected fixed, or one of 32x32, /)
    expect(existsSync(join(folder, "tfjs-lora-pro"))).toBe(false)
  })

  test("all programs that are timed are in what is hashed", () => {
    for (const { down, across } of Object.values(tiles))
      expect(probedPrograms()).toContain(`vec2u(${down}u, ${across}u) * `)
  })
})
