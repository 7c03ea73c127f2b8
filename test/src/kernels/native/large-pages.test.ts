/** Linux is asked for large pages for a wasm memory, from its first byte on. */
import { expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { askForLargePages, libraryFile, openLibrary } from "../../../../src/kernels/native/library.ts"

/** The flags of the mapping that an address of this process is in, as Linux prints them. */
const flagsAt = (address: number): ReadonlyArray<string> => {
  let within = false
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    const [, from, to] = /^([\da-f]+)-([\da-f]+) /.exec(line) ?? []
    if (from !== undefined) within = Number.parseInt(from, 16) <= address && address < Number.parseInt(to!, 16)
    else if (within && line.startsWith("VmFlags:")) return line.split(/\s+/)
  }
  throw new Error(`no mapping has the address ${address}`)
}

// a kernel without them refuses, and nothing changes
const hasLargePages = existsSync("/sys/kernel/mm/transparent_hugepage/enabled")

test.skipIf(!hasLargePages)(
  "a memory may have pages of 2 MiB once they are asked for, also where it has yet to grow",
  () => {
    const { addressOf } = openLibrary(fileURLToPath(libraryFile()))
    for (const shared of [false, true]) {
      const memory = new WebAssembly.Memory({ initial: 16, maximum: 4096, shared })
      expect([shared, flagsAt(addressOf(memory.buffer))]).not.toEqual([shared, expect.arrayContaining(["hg"])])
      askForLargePages(memory)
      expect([shared, flagsAt(addressOf(memory.buffer))]).toEqual([shared, expect.arrayContaining(["hg"])])
      memory.grow(1024)
      const last = addressOf(memory.buffer) + memory.buffer.byteLength - 1
      expect([shared, flagsAt(last)]).toEqual([shared, expect.arrayContaining(["hg"])])
    }
  }
)
