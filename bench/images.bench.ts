/**
 * Images per second from their files to the numbers of a model: JPEG photographs of 500 × 375 pixels as CLIP's processor makes 224 × 224 of
 * them, and grey PNG images of 28 × 28 as they are; on this thread and on others, beside Pillow and NumPy on one thread.
 *
 *   bun bench/images.bench.ts [--quick]      PYTHON=… says which Python has Pillow and NumPy
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type ImageJob, imagePool, type Processing, processingOf } from "../src/images/index.ts"
import { resized } from "../src/images/resize.ts"
import { randomStream } from "../src/numbers/index.ts"
import { platform } from "../src/platform.ts"

const quick = process.argv.includes("--quick")
const batch = 32
const files = 64

const noise = (width: number, height: number, name: string) => {
  const random = randomStream(0, name)
  return {
    width,
    height,
    channels: 3 as const,
    data: Uint8Array.from({ length: 3 * width * height }, () => 256 * random())
  }
}

/** Detail of every size, less of it the finer it is, as photographs have it. */
const photograph = (index: number, width: number, height: number): Uint8ClampedArray => {
  const layers = [4, 16, 64, 250].map((columns) =>
    resized(noise(columns, Math.round((columns * height) / width), `${index} ${columns}`), { width, height }, "bicubic")
  )
  const shares = [0.5, 0.25, 0.15, 0.1]
  const rgba = new Uint8ClampedArray(4 * width * height).fill(255)
  for (let i = 0; i < 3 * width * height; i++) {
    rgba[4 * Math.floor(i / 3) + (i % 3)] = layers.reduce((sum, { data }, layer) => sum + shares[layer]! * data[i]!, 0)
  }
  return rgba
}

type Encode = (data: Uint8ClampedArray, width: number, height: number) => Promise<Uint8Array>

const binary = (specifier: string) => new WebAssembly.Module(readFileSync(new URL(import.meta.resolve(specifier))))

const jpeg: Encode = async (data, width, height) => {
  const { default: encode, init } = await import("@jsquash/jpeg/encode.js")
  await init(binary("@jsquash/jpeg/codec/enc/mozjpeg_enc.wasm"))
  return new Uint8Array(await encode({ data, width, height } as ImageData, { quality: 90, progressive: false }))
}

const png: Encode = async (data, width, height) => {
  const { default: encode, init } = await import("@jsquash/png/encode.js")
  await init(binary("@jsquash/png/codec/pkg/squoosh_png_bg.wasm"))
  return new Uint8Array(await encode({ data, width, height } as ImageData))
}

const processing = (config: object): Processing => {
  const parsed = processingOf(config, "CLIPImageProcessor")
  if ("problems" in parsed) throw new Error(parsed.problems.join("; "))
  return parsed.processing
}

const folder = mkdtempSync(join(tmpdir(), "images-bench-"))
const cases = [
  {
    name: "JPEG 500 × 375 → 224 × 224",
    ending: "jpg",
    width: 500,
    height: 375,
    encode: jpeg,
    edge: 224,
    batches: quick ? 4 : 30
  },
  { name: "PNG 28 × 28", ending: "png", width: 28, height: 28, encode: png, edge: 28, batches: quick ? 20 : 300 }
]

/** Seconds on the clock, and milliseconds of processor time on all threads. */
const timesOf = (threads: number, jobs: ReadonlyArray<ImageJob>, batches: number, own: Processing) =>
  Effect.gen(function* () {
    const pool = yield* imagePool({ threads })
    const some = (index: number) =>
      Array.from({ length: batch }, (_, row) => jobs[(index * batch + row) % jobs.length]!)
    // workers start, engines compile
    yield* Effect.forEach([0, 1, 2, 3], (index) => pool.prepared(some(index), own), { concurrency: pool.ahead })
    const began = performance.now()
    const before = process.cpuUsage()
    yield* Stream.range(0, batches - 1).pipe(
      Stream.mapEffect((index) => pool.prepared(some(index), own), { concurrency: pool.ahead }),
      Stream.runDrain
    )
    const { user, system } = process.cpuUsage(before)
    return { seconds: (performance.now() - began) / 1_000, cpu: (user + system) / 1_000 }
  }).pipe(Effect.scoped, Effect.provide(platform), Effect.runPromise)

const rows: Array<string> = []
try {
  for (const { name, ending, width, height, encode, edge, batches } of cases) {
    const own = processing({ size: { shortest_edge: edge }, crop_size: edge })
    const jobs: Array<ImageJob> = []
    let bytes = 0
    for (let index = 0; index < files; index++) {
      const path = join(folder, `${index}.${ending}`)
      writeFileSync(path, await encode(photograph(index, width, height), width, height))
      bytes += statSync(path).size
      jobs.push({ image: path, where: path })
    }
    const images = batch * batches
    for (const threads of [0, 1, 2]) {
      const { seconds, cpu } = await timesOf(threads, jobs, batches, own)
      const place = threads === 0 ? "this thread" : `${threads} other thread${threads === 1 ? "" : "s"}`
      rows.push(
        `| ${name}, ${(bytes / files / 1024).toFixed(1)} kB | ${place} | ${Math.round(images / seconds)} | ${(cpu / images).toFixed(2)} |`
      )
    }
    const python = process.env["PYTHON"] ?? "python3"
    const script = join(import.meta.dir, "images_pillow.py")
    const { status, stdout, stderr } = spawnSync(python, [script, folder, ending, `${edge}`, `${images}`], {
      encoding: "utf8",
      env: { ...process.env, OMP_NUM_THREADS: "1" }
    })
    if (status === 0) rows.push(`| | Pillow and NumPy, one thread | ${stdout.trim()} |`)
    else console.error(`without Pillow: ${stderr.trim().split("\n").at(-1)}`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(`${availableParallelism()} cores · Bun ${Bun.version}\n`)
console.log(["| images | on | images/s | CPU ms/image |", "|---|---|---|---|", ...rows].join("\n"))
