/**
 * The committed binaries are what their sources compile to, the modules of WebAssembly and the libraries of every platform; and the kernels for
 * arm64 keep the laws of this folder, under an emulator.
 *
 * Needs zig of the pinned version (`scripts/kernels.ts`), and Debian's qemu-user. What is missing is announced; REQUIRE_ZIG=1 and
 * REQUIRE_QEMU=1 make that a failure.
 */
import { afterAll, expect, test } from "bun:test"
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { binaries, compileProgram, compilerMissing } from "../../../../scripts/kernels.ts"

const here = new URL("./", import.meta.url).pathname
const root = new URL("../../../../", import.meta.url).pathname

const skipped = (reason: string | undefined, variable: string): boolean => {
  if (reason === undefined) return false
  if (process.env[variable] === "1") throw new Error(`${reason}, but ${variable}=1`)
  console.warn(`${reason}: the binaries are not made here (${variable}=1 makes that a failure)`)
  return true
}

const EMULATOR = "qemu-aarch64"
const withoutCompiler = skipped(await compilerMissing(), "REQUIRE_ZIG")
const withoutEmulator = skipped(
  Bun.which(EMULATOR) === null ? `${EMULATOR} is not installed` : undefined,
  "REQUIRE_QEMU"
)

const folder = mkdtempSync(join(tmpdir(), "libraries-"))
afterAll(() => rmSync(folder, { recursive: true }))

test.skipIf(withoutCompiler).each(Object.entries(binaries))("%s is fresh", async (file, compile) => {
  const committed = `${root}${file}`
  expect(existsSync(committed)).toBe(true)
  expect(Buffer.compare(readFileSync(committed), await compile())).toBe(0)
})

test.skipIf(withoutCompiler || withoutEmulator)("the laws of this folder hold on arm64", async () => {
  const program = join(folder, "host")
  writeFileSync(program, await compileProgram(`${here}host.c`))
  chmodSync(program, 0o755)
  const files = [...new Bun.Glob("*.test.ts").scanSync(here)].map((file) => `${here}${file}`)
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, "test", "--timeout", "180000", ...files], {
    cwd: root,
    env: { ...process.env, EMULATED_NATIVE: `${EMULATOR} ${program}` }
  })
  const says = stderr.toString()
  expect({ exitCode, failures: says.match(/^\(fail\).*/gm) ?? [] }).toEqual({ exitCode: 0, failures: [] })
  expect(Number(/(\d+) pass/.exec(says)?.[1])).toBeGreaterThan(0)
})
