/** Linux is asked for large pages for the memory that native computes on, from its first byte on. */
import { expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { askForLargePages, libraryFile, openLibrary } from "../../../../src/kernels/native/library.ts"
import { onWasm } from "../../device/on-wasm.ts"

interface Mapping {
  readonly from: number
  readonly to: number
  /** may have large pages */
  readonly large: boolean
}

/** The mappings of this process, as Linux prints them. */
const mappings = (): ReadonlyArray<Mapping> =>
  [...readFileSync("/proc/self/smaps", "utf8").matchAll(/^([\da-f]+)-([\da-f]+) [\s\S]*?^VmFlags:(.*)$/gm)].map(
    ([, from, to, flags]) => ({
      from: Number.parseInt(from!, 16),
      to: Number.parseInt(to!, 16),
      large: flags!.split(" ").includes("hg")
    })
  )

const isLargeAt = (address: number): boolean | undefined =>
  mappings().find(({ from, to }) => from <= address && address < to)?.large

// a kernel without them refuses, and nothing changes
const largePages = test.skipIf(!existsSync("/sys/kernel/mm/transparent_hugepage/enabled"))

const file = fileURLToPath(libraryFile())

largePages("a memory may have pages of 2 MiB once they are asked for, also where it has yet to grow", () => {
  const { addressOf } = openLibrary(file)
  for (const shared of [false, true]) {
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 4096, shared })
    expect([shared, isLargeAt(addressOf(memory.buffer))]).toEqual([shared, false])
    askForLargePages(memory)
    expect([shared, isLargeAt(addressOf(memory.buffer))]).toEqual([shared, true])
    memory.grow(1024)
    const last = addressOf(memory.buffer) + memory.buffer.byteLength - 1
    expect([shared, isLargeAt(last)]).toEqual([shared, true])
  }
})

largePages("native's memory is such a one, and wasm's is not", async () => {
  const bytes = () => mappings().reduce((sum, { from, to, large }) => sum + (large ? to - from : 0), 0)
  // what a runtime reserves for a memory is gigabytes
  const gained = async (options: { readonly native?: string }) => {
    const before = bytes()
    return onWasm(() => bytes() - before > 2 ** 30, { threads: 1, ...options })
  }
  expect(await gained({})).toBe(false)
  expect(await gained({ native: file })).toBe(true)
})
