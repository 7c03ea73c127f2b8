/**
 * Effects as the promises that programs in tfjs's own style await. What such a program did wrong is an error whose stack shows where it was
 * done, in its own code: frames of this package and of Effect would say nothing to its reader. A bug keeps all of its frames.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"

/** Where this package lies: `src/`, or where it was built to. */
const packageFolder = new URL("..", import.meta.url).href.replace(/^file:\/\//, "")

const isInternal = (frame: string): boolean =>
  frame.includes(packageFolder) ||
  /[\\/]effect[\\/](dist|src)[\\/]/.test(frame) ||
  /\(native\)|node:internal|internal:/.test(frame)

/** The caller's frames of a stack. */
const outside = (stack: string): ReadonlyArray<string> =>
  stack.split("\n").filter((line) => /^\s+at |@/.test(line) && !isInternal(line))

/** Runs an effect; the promise rejects with its failure. */
export const promised = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => {
  const { stack: called = "" } = new Error()
  return Effect.runPromiseExit(effect).then((exit) => {
    if (Exit.isSuccess(exit)) return exit.value
    const failure = Result.getOrElse(Cause.findError(exit.cause), () => undefined)
    if (!(failure instanceof Error)) throw Cause.squash(exit.cause)
    const frames = outside(called)
    // a bundle has one file for all: there no frame is known to be the caller's
    if (frames.length > 0) failure.stack = [`${failure.name}: ${failure.message}`, ...frames].join("\n")
    throw failure
  })
}
