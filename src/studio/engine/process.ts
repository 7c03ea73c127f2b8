/**
 * The engine as a process of its own: messages on stdin and stdout, a line of JSON each. Kernels compute for long in one go, and the server
 * has to answer meanwhile.
 */
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import type { Request } from "../protocol/index.ts"
import { answering } from "./answering.ts"
import { engineHandlers } from "./engine.ts"

/** Answers until stdin ends. `onBug`: what is wrong in the program itself, for stderr. */
export const engineProcess = (onBug: (text: string) => void) =>
  Effect.gen(function* () {
    const { take, end } = yield* answering(
      engineHandlers,
      (reply) => void process.stdout.write(`${JSON.stringify(reply)}\n`),
      (cause) => onBug(String(cause))
    )
    const lines = createInterface({ input: process.stdin })
    yield* Effect.callback<void>((resume) => {
      // only the server of this package writes here
      lines.on("line", (line) => take(JSON.parse(line) as Request))
      lines.on("close", () => resume(Effect.void))
    })
    yield* end
  })
