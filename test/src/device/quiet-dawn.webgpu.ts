/** Dawn's remarks on a driver's limits, which mean nothing, are not on stderr where a GPU is looked for or opened. */
import { expect, test } from "bun:test"
import { join } from "node:path"
import { run } from "../../e2e/fixtures.ts"
import { webgpu } from "../../runtime/runtimes.ts"

const bun = JSON.stringify(join(import.meta.dir, "../../../src/device/bun.ts"))

/** Opens a device in a process of its own, and says on stderr that it did. */
const opening = (device: string) => `
  import * as Effect from "effect/Effect"
  import { layer } from ${bun}
  import { Device } from ${JSON.stringify(join(import.meta.dir, "../../../src/device/device.ts"))}
  const open = Effect.map(Device, ({ backend }) => console.error("open: " + backend))
  await Effect.runPromise(open.pipe(Effect.provide(layer(${JSON.stringify(device)})), Effect.scoped))
`

test.skipIf(!webgpu.exists).each(["auto", "webgpu"])("opening %s says nothing beside", async (device) => {
  const { code, stderr } = await run([process.execPath, "-e", opening(device)], {
    cwd: join(import.meta.dir, "../../..")
  })
  expect(code).toBe(0)
  expect(stderr.trim()).toMatch(/^open: (webgpu|native|wasm)$/)
})

test.skipIf(!webgpu.exists)("what is left out is what Dawn says today", async () => {
  const asked = `
    const { create, globals } = await import("webgpu")
    Object.assign(globalThis, globals)
    const adapter = await create([]).requestAdapter()
    process.stdout.write(String(adapter.info.description))
    process.exit(0)
  `
  const { stdout, stderr } = await run([process.execPath, "-e", asked], { cwd: join(import.meta.dir, "../../..") })
  // of a driver with such limits; where another has none, there is nothing to leave out
  if (/llvmpipe/.test(stdout)) expect(stderr).toMatch(/^Warning: max\w+ artificially reduced from \d+ to \d+ /m)
})

const node = Bun.which("node")

test.skipIf(!webgpu.exists || webgpu.hardware || node === null)(
  "in Node, auto asks in a process of its own, and takes another device",
  async () => {
    const repository = join(import.meta.dir, "../../..")
    const source = (file: string) => JSON.stringify(join(repository, "src/device", file))
    // Node reads no TypeScript from here; packages are its own to find
    const { outputs } = await Bun.build({
      entrypoints: ["auto.ts"],
      files: {
        "auto.ts": `
          import * as Effect from "effect/Effect"
          import { bun } from ${source("bun.ts")}
          import { automatic } from ${source("open.ts")}
          const { device, because } = await Effect.runPromise(automatic(bun))
          console.log(device + ": " + because)
        `
      },
      root: repository,
      target: "node",
      packages: "external"
    })
    const { code, stdout, stderr } = await run([node!, "--input-type=module", "-"], {
      cwd: repository,
      stdin: await outputs[0]!.text()
    })
    expect({ code, stderr: stderr.trim() }).toEqual({ code: 0, stderr: "" })
    expect(stdout).toMatch(/^wasm: the only GPU adapter, .* is emulated on the CPU/)
  }
)
