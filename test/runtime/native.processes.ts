/** Where native kernels cannot be had: a library that is none, one that crashes, a runtime that may not open it. */
import { afterAll, describe, expect, test } from "bun:test"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { bun } from "../../src/device/bun.ts"
import { DeviceError } from "../../src/device/device-error.ts"
import { automatic } from "../../src/device/index.ts"
import { probe } from "../../src/device/native.ts"
import { libraryFile } from "../../src/kernels/wasm/index.ts"
import { END_TIMEOUT, hasNative, webgpu } from "./runtimes.ts"

const folder = mkdtempSync(join(tmpdir(), "native-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const written = (name: string, bytes: string | Uint8Array): string => {
  writeFileSync(join(folder, name), bytes)
  return join(folder, name)
}

/** A Linux library whose every instruction is a trap: the section .text, by the section headers of ELF. */
const trapping = (): Uint8Array => {
  const bytes = new Uint8Array(readFileSync(fileURLToPath(libraryFile())))
  const view = new DataView(bytes.buffer)
  const at = (offset: number) => Number(view.getBigUint64(offset, true))
  const [headers, size, count, names] = [
    at(0x28),
    view.getUint16(0x3a, true),
    view.getUint16(0x3c, true),
    view.getUint16(0x3e, true)
  ]
  const text = at(headers + names * size + 0x18)
  for (let header = headers; header < headers + count * size; header += size) {
    const from = text + view.getUint32(header, true)
    if (new TextDecoder().decode(bytes.subarray(from, from + 6)) !== ".text\0") continue
    bytes.fill(0xcc, at(header + 0x18), at(header + 0x18) + at(header + 0x20))
    return bytes
  }
  throw new Error("no .text")
}

describe("the probe says of", () => {
  test("what is no library, that it cannot be opened", async () => {
    const { reason } = await probe(written("none.so", "no library"))
    expect(reason).toContain("none.so")
  })

  test.skipIf(!hasNative)("instructions that there are not, what was found and which there are", async () => {
    process.env["TFJS_LORA_PRO_INSTRUCTIONS"] = "avx9"
    const { reason } = await probe(fileURLToPath(libraryFile()))
    delete process.env["TFJS_LORA_PRO_INSTRUCTIONS"]
    expect(reason).toMatch(/^TFJS_LORA_PRO_INSTRUCTIONS: found "avx9"; this processor supports (avx2|neon)/)
  })

  test.skipIf(!hasNative)("the library of this platform, with which instructions it computes", async () => {
    const { instructions, reason } = await probe(fileURLToPath(libraryFile()))
    expect({ instructions, reason }).toEqual({
      instructions: expect.stringMatching(/^(avx2|avx512|neon)$/),
      reason: undefined
    })
  })

  test.skipIf(!(hasNative && process.platform === "linux"))("one that crashes, how its process ended", async () => {
    const { reason } = await probe(written("traps.so", trapping()))
    expect(reason).toMatch(/^a process that computed with it ended (by SIG|with exit code 1\d\d)/)
  })
})

test("without a library auto takes wasm, and says why", async () => {
  const native = Effect.fail(
    new DeviceError({ device: "native", site: "opening", reason: "there is none", remedy: "" })
  )
  const { device, because } = await Effect.runPromise(automatic({ ...bun, native }))
  if (webgpu.hardware) return expect(device).toBe("webgpu")
  expect(device).toBe("wasm")
  expect(because).toEndWith(", and no native kernels: there is none")
})

test.skipIf(Bun.which("deno") === null)(
  "Deno that may not open a library takes wasm without asking",
  async () => {
    const script = new URL("./device-probe.ts", import.meta.url).pathname
    const child = Bun.spawn(["deno", "run", "-A", "--deny-ffi", script, "auto"], { stdout: "pipe", stderr: "pipe" })
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
    expect({ code: await child.exited, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining("rror") })
    if (!webgpu.hardware) expect(JSON.parse(stdout.trim().split("\n").at(-1)!).description.backend).toBe("wasm")
  },
  END_TIMEOUT
)
