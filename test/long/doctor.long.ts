/** `doctor` as a process in Bun and Deno: it says what the machine has, and ends well whatever is missing. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { bun } from "../../src/device/bun.ts"
import { DeviceError } from "../../src/device/device-error.ts"
import { type Diagnosis, diagnose, diagnosisText } from "../../src/doctor/index.ts"
import { cli, repository, run, TIMEOUT } from "../e2e/fixtures.ts"
import { mpiruns } from "../mpirun.ts"
import { hasNative, runtimes, webgpu } from "../runtime/runtimes.ts"

const doctor = async (command: ReadonlyArray<string>, args: ReadonlyArray<string>, env?: Record<string, string>) => {
  const { code, stdout, stderr } = await run([...command, cli, "doctor", ...args], {
    cwd: repository,
    ...(env === undefined ? {} : { env })
  })
  expect({ code, stderr }).toEqual({ code: 0, stderr })
  return { stdout, stderr }
}

const ratesOf = ({ measured }: Diagnosis) => Object.fromEntries(measured.map((it) => [it.device, it]))

for (const { name, command } of runtimes) {
  describe(`doctor in ${name}`, () => {
    test(
      "--json is one object: versions, adapters, wasm, what was measured, what auto takes and why",
      async () => {
        const { stdout, stderr } = await doctor(command, ["--json"])
        expect(stdout.trimEnd().split("\n")).toHaveLength(1)
        expect(stderr).not.toMatch(/^\s+at /m)
        const diagnosis: Diagnosis = JSON.parse(stdout)
        expect(diagnosis.versions).toMatchObject({ tfjs: "4.22.0", [name]: expect.stringMatching(/^\d+\./) })
        expect(diagnosis.mpi.libraries.map(({ version }) => version.replace(/ [\d.]+$/, ""))).toEqual(
          mpiruns.map(({ name }) => name)
        )
        expect(diagnosis.wasm).toMatchObject({ simd: true, cores: expect.any(Number) })
        const { wasm, webgpu: gpu } = ratesOf(diagnosis)
        expect(wasm!.gflops).toBeGreaterThan(0.1)
        expect(wasm!.stepsPerSecond).toBeGreaterThan(0.05)
        expect(wasm!.threads).toBeGreaterThan(0)
        // no device is measured twice, and none that is not there
        expect(diagnosis.measured).toHaveLength(1 + Number(webgpu.exists) + Number(hasNative))
        if (webgpu.exists) {
          expect(gpu!.gflops).toBeGreaterThan(0.01)
          expect(gpu!.stepsPerSecond).toBeGreaterThan(0.01)
          const [adapter] = diagnosis.adapters
          expect(adapter).toMatchObject({ software: !webgpu.hardware, features: { "shader-f16": expect.any(Boolean) } })
          expect(adapter!.limits.maxStorageBufferBindingSize).toBeGreaterThanOrEqual(128 * 2 ** 20)
        }
        if (webgpu.exists && !webgpu.hardware) {
          expect(diagnosis.adapters.map(({ name }) => name).join()).toMatch(/llvmpipe|swiftshader/i)
          expect(diagnosis.auto.because).toMatch(/^the only GPU adapter, .+, is emulated on the CPU/)
          expect(diagnosis.problems.map(({ problem }) => problem).join()).toContain("no hardware GPU")
        }
        expect(diagnosis.auto.device).toBe(webgpu.hardware ? "webgpu" : hasNative ? "native" : "wasm")
        for (const { remedy } of diagnosis.problems) expect(remedy).not.toBe("")
      },
      TIMEOUT
    )
  })
}

test(
  "the text says the same to people",
  async () => {
    const { stdout } = await doctor([process.execPath], [])
    expect(stdout).toMatch(/^tfjs-lora-pro \d.* bun \d.* \d+ cores?\n/)
    expect(stdout).toMatch(/\n {2}wasm, \d+ threads? +[\d.]+ GFLOP\/s +[\d.]+ steps\/s\n/)
    expect(stdout).toMatch(/\n--device auto chooses (wasm|native|webgpu): .+\.\n/)
  },
  TIMEOUT
)

test.skipIf(process.platform !== "linux")(
  "without a GPU driver it says what to install, measures wasm, and ends well",
  async () => {
    // the Vulkan loader finds its drivers by these, old name and new
    const none = { VK_DRIVER_FILES: "/nonexistent", VK_ICD_FILENAMES: "/nonexistent" }
    const diagnosis: Diagnosis = JSON.parse((await doctor([process.execPath], ["--json"], none)).stdout)
    expect(diagnosis.adapters).toEqual([])
    expect(diagnosis.measured.map(({ device }) => device)).toEqual([
      "wasm",
      ...(hasNative ? (["native"] as const) : [])
    ])
    expect(diagnosis.auto).toMatchObject({
      device: hasNative ? "native" : "wasm",
      because: expect.stringMatching(/^there is no GPU/)
    })
    const noAdapter = { problem: "webgpu: no adapter", remedy: expect.stringMatching(/driver/) }
    expect(diagnosis.problems.filter(({ problem }) => !problem.startsWith("native"))).toEqual([noAdapter])
  },
  TIMEOUT
)

test(
  "a device that cannot be opened is a problem with what to do about it, and never an error",
  async () => {
    const broken = {
      ...bun,
      gpu: Effect.fail(
        new DeviceError({
          device: "webgpu",
          site: "opening",
          reason: "there is no package webgpu",
          remedy: "bun add webgpu"
        })
      ),
      native: Effect.fail(
        new DeviceError({ device: "native", site: "opening", reason: "it crashes", remedy: "take wasm" })
      ),
      openWasm: () => Effect.die(new Error("out of memory"))
    }
    const diagnosis = await Effect.runPromise(diagnose(broken))
    expect(diagnosis.measured).toEqual([])
    expect(diagnosis.problems).toEqual([
      { problem: "webgpu: there is no package webgpu", remedy: "bun add webgpu" },
      { problem: "native: it crashes", remedy: "take wasm" },
      { problem: "wasm: out of memory", remedy: expect.stringMatching(/./) }
    ])
    expect(diagnosisText(diagnosis)).toContain("webgpu: there is no package webgpu\n    → bun add webgpu")
  },
  TIMEOUT
)
