/** An error of a kernel, in Bun and Deno: its name and the step, also where the runtime's message has neither. */
import { expect, test } from "bun:test"
import { END_TIMEOUT, runScript, runtimes, webgpu } from "./runtimes.ts"

for (const runtime of runtimes) {
  test.skipIf(!webgpu.exists)(
    `a binding that is too small, in ${runtime.name}`,
    async () => {
      const { code, output, stderr } = await runScript(runtime, "kernel-error-probe.ts")
      expect({ code, stderr }).toEqual({ code: 0, stderr })
      expect(output.alone).toMatchObject({ site: "step 4", kernel: "Second" })
      expect(output.among.site).toBe("step 4")
      // wgpu names no kernel: then it is one of those in the command buffer
      if (output.among.kernel === undefined) expect(output.among.reason).toEndWith(" (in one of First, Second)")
      else expect(output.among.kernel).toBe("Second")
    },
    END_TIMEOUT
  )
}
