/**
 * The same losses everywhere: 50 steps by every method on WebGPU and native, in Bun and in Deno, against the wasm device in Bun. (Chromium's are in
 * `test/browser/losses.browser.ts`.)
 */
import { expect, test } from "bun:test"
import { expectEqualLosses, expectMoving, type Losses } from "../runtime/equal-losses.ts"
import { END_TIMEOUT, hasNative, runScript, runtimes, webgpu } from "../runtime/runtimes.ts"
import { methods } from "../runtime/tiny-run.ts"

const reference = await runScript(runtimes[0]!, "losses-probe.ts", "wasm")

test("on wasm in Bun, every method's losses fall", () => {
  expect({ code: reference.code, stderr: reference.stderr }).toEqual({ code: 0, stderr: "" })
  expectMoving(reference.output.losses)
})

for (const runtime of runtimes) {
  test(
    `on wasm in ${runtime.name}: the same bits`,
    async () => {
      const { code, output, stderr } = await runScript(runtime, "losses-probe.ts", "wasm")
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" })
      expect(output.losses).toEqual(reference.output.losses)
    },
    END_TIMEOUT
  )

  test.skipIf(!hasNative)(
    `on native in ${runtime.name}: every method`,
    async () => {
      const { code, output, stderr } = await runScript(runtime, "losses-probe.ts", "native")
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" })
      expect(output.description.backend).toBe("native")
      expectEqualLosses(output.losses as Losses, reference.output.losses, Object.keys(methods))
    },
    END_TIMEOUT
  )

  for (const method of Object.keys(methods)) {
    test.skipIf(!webgpu.exists)(
      `on webgpu in ${runtime.name}: ${method}`,
      async () => {
        const { code, output, stderr } = await runScript(runtime, "losses-probe.ts", "webgpu", method)
        expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" })
        expect(output.description.backend).toBe("webgpu")
        expectEqualLosses(output.losses as Losses, reference.output.losses, [method])
      },
      END_TIMEOUT
    )
  }
}
