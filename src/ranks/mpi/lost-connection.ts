/**
 * MPICH's launcher hands each process a connection as an open file. A program in between, such as `bun run`, closes it, and the library
 * then ends the process in pages of its own words.
 */
import process from "node:process"
import type { Unavailable } from "../../ffi/index.ts"
import type { MpiLibrary } from "./library.ts"

export const lostConnection = ({ abi, system }: MpiLibrary): Unavailable | undefined => {
  const file = process.env["PMI_FD"]
  if (abi !== "mpich" || file === undefined || system.isSocket(Number(file))) return undefined
  return {
    reason: "the launcher's connection to this process was closed by a program between them, as bun run and npx do",
    remedy:
      "start the program itself (mpirun -n 4 bun src/bin/tfjs-lora-pro.ts train …, or bun node_modules/tfjs-lora-pro/…), or give MPICH's mpirun -pmi-port"
  }
}
