/** Reads a described model's weights onto the device, where they stay until the scope ends (`upload.ts`). */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import type { Packing } from "../numbers/index.ts"
import { forEachTensor, type StoredTensor } from "../safetensors/index.ts"
import type { TokenRows } from "../tensors/index.ts"
import { type Checkpoint, modelErrorOf, openCheckpoint } from "./checkpoint.ts"
import { type Encoder, encode } from "./encoder.ts"
import { families } from "./families.ts"
import { applyHead, newHeadParameters } from "./head.ts"
import { loadTokenizer } from "./load-tokenizer.ts"
import {
  type HeadSpec,
  type Model,
  type ModelDescription,
  ModelError,
  type TokenBatch,
  type Tokenizer
} from "./model.ts"
import { uploaded } from "./upload.ts"

export interface LoadOptions {
  /** seed of the head's new parameters */
  readonly seed: number
  /** in place of the folder's own, which is then not read */
  readonly tokenizer?: Tokenizer
  /** how weights of linear layers are held (default "f32"); everything else is float32 */
  readonly weights?: "f32" | Packing
  /** parameters that stay float32 all the same: those that will be trained themselves, which should start unrounded */
  readonly whole?: ReadonlyArray<string>
}

/** Loads tokenizer and weights. Needs an open device. */
export const load = (
  description: ModelDescription,
  { seed, tokenizer: given, weights: form = "f32", whole = [] }: LoadOptions
): Effect.Effect<Model, ModelError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const { folder, head } = description
    const tokenizer = given ?? (yield* loadTokenizer(folder, description))
    const { encoder, find } = yield* openCheckpoint(folder, families)
    const stored = yield* storedParameters(description, find)
    const { weights, packed, upload } = yield* uploaded(folder, { form, sites: description.sites, whole })
    yield* forEachTensor(stored.keys(), (tensor, found) => upload(stored.get(found)!, tensor, found.name)).pipe(
      Effect.catchTag("SafetensorsError", (error) => Effect.flip(modelErrorOf(folder, error)))
    )
    for (const [name, value] of newHeadParameters(head, seed)) yield* upload(name, value)
    return {
      ...description,
      tokenizer,
      weights,
      packed,
      toDevice: textToDevice,
      forward: forwardOf(encoder, head)
    }
  })

/** The forward pass of an encoder under a head. */
export const forwardOf =
  (encoder: Encoder, { pooling }: HeadSpec): Model["forward"] =>
  (batch, linear, weights, runBlock) =>
    tf.tidy(() => applyHead(encoder, pooling, encode(encoder, batch, linear, weights, runBlock), batch, weights))

/** Where the description's parameters lie, with their names. */
const storedParameters = (
  { folder, parameters, head }: ModelDescription,
  find: Checkpoint["find"]
): Effect.Effect<ReadonlyMap<StoredTensor, string>, ModelError> =>
  Effect.gen(function* () {
    const stored = new Map<StoredTensor, string>()
    for (const name of [...parameters.map((parameter) => parameter.name), ...head.inCheckpoint]) {
      const tensor = find(name)
      if (tensor === undefined) {
        return yield* new ModelError({ folder, problems: [`weights: ${name} is gone since the model was described`] })
      }
      stored.set(tensor, name)
    }
    return stored
  })

export const tokenTensors = ({ size, length, inputIds, tokenTypeIds, attentionMask }: TokenRows): TokenBatch => {
  const shape: [number, number] = [size, length]
  return {
    inputIds: tf.tensor2d(inputIds, shape, "int32"),
    tokenTypeIds: tf.tensor2d(tokenTypeIds, shape, "int32"),
    attentionMask: tf.tensor2d(attentionMask, shape, "float32")
  }
}

export const labelTensor = ({ labels }: Pick<TokenRows, "labels">): tf.Tensor1D => tf.tensor1d(labels, "int32")

/** A batch of tokenized texts as tensors, which the caller's tidy owns. */
export const textToDevice: Model["toDevice"] = (rows) => {
  const input = tokenTensors(rows)
  return { input, target: labelTensor(rows), mask: tf.reshape(input.attentionMask, [rows.size * rows.length]) }
}
