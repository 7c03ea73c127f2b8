/**
 * The command line on a file system with a fault, which is given as JSON in the environment variable FAULT:
 *
 *   { "operation": "write", "path": "state.safetensors", "after": 3, "full": true }    the fourth such write and later ones fail: no space
 *   { "operation": "write", "path": "state.safetensors", "milliseconds": 50 }          each takes so long; said on stderr when it begins
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { main } from "../../src/bin/main.ts"
import { platform } from "../../src/platform.ts"
import { faultyFiles, noSpace, type Operation } from "../faulty-files.ts"

export interface FaultDescription {
  readonly operation: Operation
  /** a pattern for a part of the path */
  readonly path: string
  /** so many go well before */
  readonly after?: number
  readonly full?: boolean
  readonly milliseconds?: number
}

const fault: FaultDescription = JSON.parse(process.env["FAULT"]!)
const affected = new RegExp(fault.path)
let seen = 0

main(
  Layer.merge(
    platform,
    faultyFiles((operation, path) =>
      Effect.suspend(() => {
        if (operation !== fault.operation || !affected.test(path) || ++seen <= (fault.after ?? 0)) {
          return Effect.void
        }
        process.stderr.write(`fault: ${operation} ${path}\n`)
        return fault.full === true ? Effect.fail(noSpace(path)) : Effect.sleep(fault.milliseconds ?? 0)
      })
    )
  )
)
