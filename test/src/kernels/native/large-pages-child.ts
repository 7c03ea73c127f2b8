/**
 * Which memories may have large pages, as JSON: in a process of its own, since a runtime may give a memory the addresses of one that is gone, with
 * what was asked for them.
 */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as tf from "@tensorflow/tfjs"
import { foreign } from "../../../../src/ffi/index.ts"
import { askForLargePages, libraryFile } from "../../../../src/kernels/native/library.ts"
import { memoryOf, wasmBackend } from "../../../../src/kernels/wasm/index.ts"
import { onWasm } from "../../device/on-wasm.ts"

const file = fileURLToPath(libraryFile())
const runtime = foreign()
if ("reason" in runtime) throw new Error(runtime.reason)
const addressOf = (buffer: ArrayBufferLike): number => runtime.addressOf(runtime.pointerTo(new Uint8Array(buffer)))

/** Is it in a mapping for which Linux was asked for large pages? */
const isLargeAt = (address: number): boolean =>
  [...readFileSync("/proc/self/smaps", "utf8").matchAll(/^([\da-f]+)-([\da-f]+) [\s\S]*?^VmFlags:(.*)$/gm)].some(
    ([, from, to, flags]) =>
      Number.parseInt(from!, 16) <= address && address < Number.parseInt(to!, 16) && flags!.split(" ").includes("hg")
  )

const ownMemory = (native: { readonly native?: string }): Promise<boolean> =>
  onWasm(() => isLargeAt(addressOf(memoryOf(wasmBackend(tf.backend()).wasm).buffer)), { threads: 1, ...native })

const wasm = await ownMemory({})
const memories = [false, true].map((shared) => {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 4096, shared })
  const before = isLargeAt(addressOf(memory.buffer))
  askForLargePages(memory)
  const asked = isLargeAt(addressOf(memory.buffer))
  memory.grow(1024)
  return { before, asked, grown: isLargeAt(addressOf(memory.buffer) + memory.buffer.byteLength - 1), memory }
})
const native = await ownMemory({ native: file })
console.log(JSON.stringify({ wasm, native, memories: memories.map(({ memory: _, ...flags }) => flags) }))
