/** Compiled kernels that were changed on disk are not opened, though they would work: each has some bytes more at its end. */
import { beforeAll, describe, expect, test } from "bun:test"
import { appendFileSync, copyFileSync, cpSync, symlinkSync } from "node:fs"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { libraryFile } from "../../src/kernels/wasm/index.ts"
import { repository, run, succeed, TIMEOUT, tinyPlan, workspace } from "../e2e/fixtures.ts"
import { hasNative, runtimes, webgpu } from "./runtimes.ts"

const w = workspace()
const library = basename(fileURLToPath(libraryFile()))
/** A custom section without a name. */
const SECTION = Uint8Array.of(0, 1, 0)

beforeAll(() => {
  for (const folder of ["src", "schemas", "adapters", "package.json"])
    cpSync(join(repository, folder), w.path(folder), { recursive: true })
  symlinkSync(join(repository, "node_modules"), w.path("node_modules"))
  w.write("tiny.json", tinyPlan(w.model("bert")))
})

const change = (file: string, bytes: Uint8Array) => appendFileSync(w.path(file), bytes)
const restore = (file: string) => copyFileSync(join(repository, file), w.path(file))

describe.each(runtimes)("$name", ({ name, command }) => {
  const train = (out: string, ...options: ReadonlyArray<string>) =>
    run([...command, "src/bin/tfjs-lora-pro.ts", "train", "tiny.json", "--out", `${name}-${out}`, ...options], {
      cwd: w.directory
    })

  test.skipIf(!hasNative)(
    "opens no library that was changed: native fails with one sentence, and auto takes wasm",
    async () => {
      const file = `src/kernels/native/${library}`
      change(file, SECTION)
      const { code, stderr } = await train("native", "--device", "native")
      const auto = await train("auto", "--device", "auto")
      restore(file)
      expect(code).toBe(1)
      expect(stderr.trim().split("\n").at(-1)!.trim()).toMatch(
        /^native: opening: \S+kernels-\S+ was changed after it was built: its SHA-256 is [0-9a-f]{64}, expected [0-9a-f]{64}; install the package again$/
      )
      await succeed(Promise.resolve(auto))
      if (!webgpu.hardware) expect(w.json(`${name}-auto/run.json`)["device"]).toMatchObject({ backend: "wasm" })
      await succeed(train("native-again", "--device", "native"))
    },
    TIMEOUT
  )

  test.each([
    ["kernels.wasm", "1"],
    ["kernels-shared.wasm", "2"]
  ])(
    "opens no %s that was changed",
    async (binary, threads) => {
      const file = `src/kernels/wasm/${binary}`
      change(file, SECTION)
      const { code, stderr } = await train(binary, "--device", "wasm", "--threads", threads)
      restore(file)
      expect(code).toBe(1)
      expect(stderr.trim().split("\n").at(-1)!.trim()).toMatch(
        /^wasm: opening: \S+\.wasm was changed after it was built: its SHA-256 is [0-9a-f]{64}, expected [0-9a-f]{64}; install the package again$/
      )
    },
    TIMEOUT
  )
})
