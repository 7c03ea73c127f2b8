/**
 * Run in a process of its own, by Bun or Deno: trains the tiny run on the device of argument 1 by the methods of the rest (all of
 * them without one), prints the losses.
 */
import process from "node:process"
import * as Effect from "effect/Effect"
import { Device, type DeviceChoice } from "../../src/device/index.ts"
import { lossesOf, type MethodName, methods } from "./tiny-run.ts"

const [choice, ...names] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const losses: Record<string, ReadonlyArray<number>> = {}
  for (const method of names.length === 0 ? Object.keys(methods) : names) {
    losses[method] = yield* lossesOf(method as MethodName)
  }
  console.log(JSON.stringify({ description: (yield* Device).describe(), losses }))
})

await Effect.runPromise(program.pipe(Effect.provide(Device.layer(choice as DeviceChoice, { threads: 1 }))))
