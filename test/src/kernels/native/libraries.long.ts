/**
 * The committed libraries are what their sources compile to, for every platform; and the kernels for arm64 keep the laws of this folder, under an
 * emulator.
 *
 * Needs zig of the pinned version (`scripts/native.ts`), and Debian's qemu-user. What is missing is announced; REQUIRE_ZIG=1 and
 * REQUIRE_QEMU=1 make that a failure.
 */
import { afterAll, expect, test } from "bun:test"
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { compile, compileProgram, compilerMissing, libraries } from "../../../../scripts/native.ts"

const here = new URL("./", import.meta.url).pathname
const root = new URL("../../../../", import.meta.url).pathname

const skipped = (reason: string | undefined, variable: string): boolean => {
  if (reason === undefined) return false
  if (process.env[variable] === "1") throw new Error(`${reason}, but ${variable}=1`)
  console.warn(`${reason}: the native libraries are not made here (${variable}=1 makes that a failure)`)
  return true
}

const EMULATOR = "qemu-aarch64"
const withoutCompiler = skipped(compilerMissing(), "REQUIRE_ZIG")
const withoutEmulator = skipped(
  Bun.which(EMULATOR) === null ? `${EMULATOR} is not installed` : undefined,
  "REQUIRE_QEMU"
)

const folder = mkdtempSync(join(tmpdir(), "libraries-"))
afterAll(() => rmSync(folder, { recursive: true }))

test.skipIf(withoutCompiler).each(Object.entries(libraries))("%s is fresh", (file, platform) => {
  const committed = `${root}src/kernels/native/${file}`
  expect(existsSync(committed)).toBe(true)
  expect(Buffer.compare(readFileSync(committed), compile(platform))).toBe(0)
})

test.skipIf(withoutCompiler || withoutEmulator)("the laws of this folder hold on arm64", () => {
  const program = join(folder, "host")
  writeFileSync(program, compileProgram(`${here}host.c`))
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
