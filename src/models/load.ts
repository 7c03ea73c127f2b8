/** Reads a described model's weights onto the device, where they stay until the scope ends. */
import type { Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import { forEachTensor, type HostTensor, type StoredTensor } from "../tensors/safetensors.ts"
import { openCheckpoint } from "./checkpoint.ts"
import { encode } from "./encoder.ts"
import { families } from "./families.ts"
import { applyHead, newHeadParameters } from "./head.ts"
import { loadTokenizer } from "./load-tokenizer.ts"
import type { Model, ModelDescription } from "./model.ts"
import { ModelError } from "./model-error.ts"
import type { Tokenizer } from "./tokenizer.ts"

export interface LoadOptions {
  /** seed of the head's new parameters */
  readonly seed: number
  /** in place of the folder's own, which is then not read */
  readonly tokenizer?: Tokenizer
}

/** Loads tokenizer and weights, as float32. Needs an open device. */
export const load = (
  description: ModelDescription,
  { seed, tokenizer: given }: LoadOptions
): Effect.Effect<Model, ModelError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const { folder, head } = description
    const path = yield* Path.Path
    const tokenizer = given ?? (yield* loadTokenizer(folder, description))
    const { encoder, find } = yield* openCheckpoint(folder, families)
    const stored = new Map<StoredTensor, string>()
    for (const name of [...description.parameters.map((parameter) => parameter.name), ...head.inCheckpoint]) {
      const tensor = find(name)
      if (tensor === undefined) {
        return yield* new ModelError({ folder, problems: [`weights: ${name} is gone since the model was described`] })
      }
      stored.set(tensor, name)
    }
    const tensors = new Map<string, Tensor>()
    yield* Effect.addFinalizer(() => Effect.sync(() => tf.dispose([...tensors.values()])))
    const upload = (name: string, { data, shape }: HostTensor) =>
      Effect.sync(() => void tensors.set(name, tf.keep(tf.tensor(data, [...shape], "float32"))))
    yield* forEachTensor(stored.keys(), (tensor, place) => upload(stored.get(place)!, tensor)).pipe(
      Effect.catchTag("SafetensorsError", ({ file, problems }) =>
        Effect.fail(
          new ModelError({ folder, problems: problems.map((problem) => `${path.basename(file)}: ${problem}`) })
        )
      )
    )
    for (const [name, value] of newHeadParameters(head, seed)) yield* upload(name, value)
    const weights = (name: string): Tensor => {
      const tensor = tensors.get(name)
      if (tensor === undefined) throw new Error(`model ${folder} has no parameter ${name}`)
      return tensor
    }
    return {
      ...description,
      tokenizer,
      weights,
      forward: (batch, linear, parameters, runBlock) =>
        tf.tidy(() => {
          const h = encode(encoder, batch, linear, parameters, runBlock)
          return applyHead(encoder, head.pooling, h, batch, parameters)
        })
    }
  })
