/** Dawn's remarks on a driver's limits, which mean nothing, are not on stderr where a GPU is looked for or opened. */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { repository, run, TIMEOUT, workspace } from "../../e2e/fixtures.ts"
import { node, nodeProgram } from "../../runtime/node-program.ts"
import { webgpu } from "../../runtime/runtimes.ts"

const source = (file: string) => JSON.stringify(join(repository, "src/device", file))
const bun = source("bun.ts")
const w = workspace()

/** Opens a device in a process of its own, and says on stderr that it did. */
const opening = (device: string) => `
  import * as Effect from "effect/Effect"
  import { layer } from ${bun}
  import { Device } from ${source("device.ts")}
  const open = Effect.map(Device, ({ backend }) => console.error("open: " + backend))
  await Effect.runPromise(open.pipe(Effect.provide(layer(${JSON.stringify(device)})), Effect.scoped))
`

test.skipIf(!webgpu.exists).each(["auto", "webgpu"])("opening %s says nothing beside", async (device) => {
  const { code, stderr } = await run([process.execPath, "-e", opening(device)], { cwd: repository })
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
  const { stdout, stderr } = await run([process.execPath, "-e", asked], { cwd: repository })
  // of a driver with such limits; where another has none, there is nothing to leave out
  if (/llvmpipe/.test(stdout)) expect(stderr).toMatch(/^Warning: max\w+ artificially reduced from \d+ to \d+ /m)
})

/** What `auto` would take, and why. */
const asking = `
  import * as Effect from "effect/Effect"
  import { bun } from ${bun}
  import { automatic } from ${source("open.ts")}
  const { device, because } = await Effect.runPromise(automatic(bun))
  console.error("open: " + device + ", " + because)
`

/** As Node's, which has a navigator from 21 on. `redirected`: where the shell has its output. */
const inNode = async (program: string, options?: { readonly withLibrary: boolean }) => {
  const file = await nodeProgram(w.directory, `globalThis.navigator ??= {}\n${program}`, options)
  return (redirected: string) => run(["sh", "-c", `exec "$0" "$1" ${redirected}`, node!, file], { cwd: repository })
}

// by our own library, of Linux
const leftOutInNode = webgpu.exists && node !== undefined && process.platform === "linux"

test.skipIf(!leftOutInNode).each([
  ["auto", asking],
  ["webgpu", opening("webgpu")]
])(
  "in Node, %s says nothing beside, in a pipe and in a file",
  async (device, program) => {
    const start = await inNode(program)
    const said = device === "auto" && !webgpu.hardware ? /^open: wasm, the only GPU adapter, .*$/ : /^open: webgpu.*$/
    const piped = await start("")
    expect({ code: piped.code, stderr: piped.stderr.trim() }).toEqual({ code: 0, stderr: expect.stringMatching(said) })
    const file = w.path(`${device}.txt`)
    expect((await start(`2> ${file}`)).code).toBe(0)
    expect(readFileSync(file, "utf8").trim()).toMatch(said)
  },
  TIMEOUT
)

test.skipIf(!webgpu.exists || webgpu.hardware || node === undefined)(
  "in Node without the library, auto asks in a process of its own, and takes another device",
  async () => {
    const { code, stderr } = await (await inNode(asking, { withLibrary: false }))("")
    expect(code).toBe(0)
    expect(stderr.trim()).toMatch(
      /^open: wasm, the only GPU adapter, .* is emulated on the CPU, which is faster without it, /
    )
  },
  TIMEOUT
)
