/**
 * Compiles our wasm kernels, `src/kernels/wasm/assembly`, into the binaries that are committed beside it:
 *
 *   bun run assembly
 *
 * Four: a module says whether the memory it imports is shared, that is, whether there are several threads; and one with fused
 * multiply-adds (relaxed SIMD) is refused by engines that lack them. A test compares the committed bytes with fresh ones.
 */
import { main } from "assemblyscript/asc"

const root = new URL("../", import.meta.url).pathname
const source = "src/kernels/wasm/assembly/index.ts"

const fused = ["--enable", "relaxed-simd"]
const shared = ["--sharedMemory"]

/** File name → what the compiler is told beyond the common options. */
export const binaries = {
  "src/kernels/wasm/kernels.wasm": [],
  "src/kernels/wasm/kernels-shared.wasm": shared,
  "src/kernels/wasm/kernels-fused.wasm": fused,
  "src/kernels/wasm/kernels-fused-shared.wasm": [...fused, ...shared]
} satisfies Record<string, ReadonlyArray<string>>

/** The bytes of a binary. Fails with the compiler's message. */
export const compile = async (options: ReadonlyArray<string>): Promise<Uint8Array> => {
  let binary: Uint8Array | undefined
  const common = [
    ...["--baseDir", root, "--outFile", "kernels.wasm", "--runtime", "stub", "-O3", "--noAssert"],
    ...["--importMemory", "--initialMemory", "1", "--maximumMemory", "65536", "--enable", "simd", "--enable", "threads"]
  ]
  const { error, stderr } = await main([source, ...common, ...options], {
    writeFile: (_name, contents) => {
      if (typeof contents !== "string") binary = contents
    }
  })
  if (error !== null || binary === undefined) throw new Error(`${error?.message ?? "no output"}\n${stderr.toString()}`)
  return binary
}

if (import.meta.main) {
  for (const [file, options] of Object.entries(binaries)) {
    const bytes = await compile(options)
    await Bun.write(`${root}${file}`, bytes)
    console.log(`${file}: ${bytes.length} bytes`)
  }
}
