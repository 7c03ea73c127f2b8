/** A program whose mapped file becomes shorter before a kernel reads it. */
import { truncateSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { dequantized } from "../../src/kernels/dequantize.ts"
import { fileMapper, mappedMatrix } from "../../src/kernels/mapped-matrix.ts"
import { libraryFile } from "../../src/kernels/native/library.ts"
import { onWasm } from "../src/device/on-wasm.ts"

const file = process.argv[2]!
await onWasm(
  async () => {
    writeFileSync(file, new Uint8Array(4 * 256 * 256))
    const { address } = fileMapper()!(file, 4 * 256 * 256)
    truncateSync(file, 4096)
    console.log(await dequantized(mappedMatrix("F32", address, [256, 256])).data())
  },
  { threads: 2, native: fileURLToPath(libraryFile()) }
)
