/**
 * Started by `native.ts` in a separate process: opens a native library and computes with it. Any failure, including a crash, ends only
 * this process.
 */
import process from "node:process"
import { messageOf } from "../boundary/index.ts"
import { disagreement, openLibrary } from "../kernels/wasm/index.ts"

const answer = (): object => {
  try {
    const library = openLibrary(process.argv[2]!)
    const reason = disagreement(library)
    return reason === undefined ? { instructions: library.instructions } : { reason }
  } catch (cause) {
    return { reason: messageOf(cause) }
  }
}

process.stdout.write(JSON.stringify(answer()))
