/** The command line, and beside it the process's largest resident size, written into `$PEAKS/<rank>` from time to time. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { peakResidentBytes } from "../../src/device/wasm.ts"

const file = join(process.env["PEAKS"]!, process.env["OMPI_COMM_WORLD_RANK"] ?? "0")
setInterval(() => writeFileSync(file, `${peakResidentBytes()}`), 100).unref()
await import("../../src/bin/tfjs-lora-pro.ts")
