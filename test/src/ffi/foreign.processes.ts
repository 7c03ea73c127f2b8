/** Every runtime calls C functions alike. */
import { expect, test } from "bun:test"
import { nodeRuntime } from "../../runtime/node-folder.ts"
import { END_TIMEOUT, runScript, runtimes } from "../../runtime/runtimes.ts"

const implementations = { bun: "bun:ffi", deno: "Deno.dlopen", node: "koffi" }

for (const runtime of [...runtimes, ...nodeRuntime()])
  test.skipIf(process.platform === "win32")(
    `C functions in ${runtime.name}`,
    async () => {
      const { code, output, stderr } = await runScript(runtime, "../src/ffi/foreign-program.ts")
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
      expect(output).toEqual({
        name: implementations[runtime.name],
        abs: 7,
        sorted: [-1, 0, 3, 2_000_000_000],
        offset: 3,
        rest: "rank",
        none: null,
        variable: null,
        shared: [0, 7, 7, 7, 0],
        failed: true
      })
    },
    END_TIMEOUT
  )
