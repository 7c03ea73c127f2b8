/** The studio's engine over files in memory, as a page has them. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { memoryFiles } from "../../../src/data/index.ts"
import { Device, type DeviceShape } from "../../../src/device/device.ts"
import { answer, ComesWith, engineHandlers, type Reported } from "../../../src/studio/engine/index.ts"
import type { CallName, Input, Output } from "../../../src/studio/protocol/index.ts"

const examples = join(import.meta.dir, "..", "..", "..", "examples")

/** The files of a folder of `examples/`, by the names that they get here. */
export const exampleFiles = (folder: string, to: string): Readonly<Record<string, Uint8Array>> =>
  Object.fromEntries(
    readdirSync(join(examples, folder)).map((name) => [`${to}/${name}`, readFileSync(join(examples, folder, name))])
  )

// what is asked of a device before anything is computed
const device = { backend: "wasm" } as DeviceShape

export interface Asking {
  /** The answer, or what was wrong with the question. */
  readonly ask: <Name extends CallName>(name: Name, input: Input<Name>) => Promise<Output<Name>>
  readonly refusal: <Name extends CallName>(name: Name, input: Input<Name>) => Promise<string>
}

export const asking = (files: Readonly<Record<string, Uint8Array | string>>): Asking => {
  const { layer } = memoryFiles(files)
  const ask = (name: CallName, input: unknown) =>
    answer(engineHandlers, name, input).pipe(
      Effect.result,
      Effect.provide(layer),
      Effect.provideService(Device, device),
      Effect.provideService(ComesWith, {
        models: ["models/minilm"],
        rows: [{ name: "films", says: "a few", source: "films/train.csv" }]
      }),
      Effect.runPromise
    )
  return {
    ask: async (name, input) => {
      const result: Result.Result<unknown, Reported> = await ask(name, input)
      if (Result.isFailure(result)) throw new Error(result.failure.message)
      return result.success as Output<typeof name>
    },
    refusal: async (name, input) => {
      const result = await ask(name, input)
      if (Result.isSuccess(result)) throw new Error(`${name} was answered`)
      return result.failure.message
    }
  }
}
