/** The device's layer in Bun and Deno: its choice, the same numbers everywhere, and processes that end by themselves. */
import { expect, test } from "bun:test"
import { expectClose, tolerance } from "../setup.ts"
import { END_TIMEOUT, hasNative, runScript, runtimes, webgpu } from "./runtimes.ts"

const reference = await runScript(runtimes[0]!, "device-probe.ts", "cpu")

for (const runtime of runtimes) {
  for (const choice of [
    "auto",
    "cpu",
    "wasm",
    ...(hasNative ? ["native"] : []),
    ...(webgpu.exists ? ["webgpu"] : [])
  ]) {
    test(
      `${choice} in ${runtime.name}`,
      async () => {
        const { code, output, stderr } = await runScript(runtime, "device-probe.ts", choice)
        expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" })
        const automatic = webgpu.hardware ? "webgpu" : hasNative ? "native" : "wasm"
        expect(output.description.backend).toBe(choice === "auto" ? automatic : choice)
        expect(output.description.versions.runtime).toStartWith(runtime.name)
        if (["native", "wasm"].includes(output.description.backend)) expect(output.description.threads).toBe(2)
        if (output.description.backend === "webgpu") expect(output.description.software).toBe(!webgpu.hardware)
        expect(output.peak).toBeGreaterThan(20e6)
        expectClose(output.numbers, reference.output.numbers, tolerance.gradient)
      },
      END_TIMEOUT
    )
  }
}
