/** The command line with a bug of the kind that is named in the environment variable BUG, which shows when the program reads a file. */
import { Worker } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { main } from "../../src/bin/main.ts"
import { platform } from "../../src/platform.ts"
import { faultyFiles } from "../faulty-files.ts"

const thrown = () => {
  throw new Error("\u001b[31mpostgres://me:se/cret@host/db", { cause: new TypeError("undefined is not") })
}

const deeper = (n: number): number => 1 + deeper(n + 1)

/** `late`: it shows outside of the program's effect, while that waits. */
const bugs = {
  defect: { bug: thrown, late: false },
  stack: { bug: () => deeper(0), late: false },
  memory: { bug: () => new ArrayBuffer(2 ** 52), late: false },
  timer: { bug: () => setTimeout(thrown), late: true },
  rejection: { bug: () => void Promise.reject(new Error("a promise of nobody")), late: true },
  worker: { bug: () => new Worker("throw new Error('in a worker')", { eval: true }), late: true }
} as const

const { bug, late } = bugs[process.env["BUG"] as keyof typeof bugs]

main(
  Layer.merge(
    platform,
    faultyFiles(() => Effect.andThen(Effect.sync<unknown>(bug), late ? Effect.never : Effect.void))
  )
)
