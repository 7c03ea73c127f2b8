/**
 * Reads a described model's weights onto the device, where they stay until the scope ends. Weights of linear layers may be held in
 * fewer bits; each is packed when it is read, so that no more than one tensor is ever in float32 on the host.
 */
import type { Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import {
  LARGEST_IN_F16,
  type PackedMatrix,
  type Packing,
  packMatrix,
  tensorsOfMatrix,
  type Unstorable,
  uploadPacked
} from "../tensors/packed-matrix.ts"
import { forEachTensor, type HostTensor, type StoredTensor } from "../tensors/safetensors.ts"
import { type Checkpoint, openCheckpoint } from "./checkpoint.ts"
import { encode } from "./encoder.ts"
import { families } from "./families.ts"
import { feed } from "./feed.ts"
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
  /** how weights of linear layers are held (default "f32"); everything else is float32 */
  readonly weights?: "f32" | Packing
  /** parameters that are float32 even so: those that will be trained themselves, which should start unrounded */
  readonly whole?: ReadonlyArray<string>
}

/** Loads tokenizer and weights. Needs an open device. */
export const load = (
  description: ModelDescription,
  { seed, tokenizer: given, weights: form = "f32", whole = [] }: LoadOptions
): Effect.Effect<Model, ModelError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const { folder, head } = description
    const path = yield* Path.Path
    const tokenizer = given ?? (yield* loadTokenizer(folder, description))
    const { encoder, find } = yield* openCheckpoint(folder, families)
    const stored = yield* storedParameters(description, find)
    const tensors = new Map<string, Tensor>()
    const packed = new Map<string, PackedMatrix>()
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => tf.dispose([...tensors.values(), ...[...packed.values()].flatMap(tensorsOfMatrix)]))
    )
    const upload = (name: string, { data, shape }: HostTensor) =>
      Effect.sync(() => void tensors.set(name, tf.keep(tf.tensor(data, [...shape], "float32"))))
    const packable = packableNames(description, whole)
    yield* forEachTensor(stored.keys(), (tensor, found) => {
      const name = stored.get(found)!
      if (form === "f32" || !packable.has(name)) return upload(name, tensor)
      const failed = (problem: string) => new ModelError({ folder, problems: [`weights: ${found.name} ${problem}`] })
      return uploadAs(form, tensor).pipe(
        Effect.map((matrix) => void packed.set(name, matrix)),
        Effect.mapError(failed)
      )
    }).pipe(
      Effect.catchTag("SafetensorsError", ({ file, problems }) =>
        Effect.fail(
          new ModelError({ folder, problems: problems.map((problem) => `${path.basename(file)}: ${problem}`) })
        )
      )
    )
    for (const [name, value] of newHeadParameters(head, seed)) yield* upload(name, value)
    const weights = (name: string): Tensor => {
      const tensor = tensors.get(name)
      if (tensor !== undefined) return tensor
      throw new Error(
        packed.has(name) ? `${name} is packed: see Model.packed` : `model ${folder} has no parameter ${name}`
      )
    }
    return {
      ...description,
      tokenizer,
      weights,
      packed,
      feed,
      forward: (batch, linear, parameters, runBlock) =>
        tf.tidy(() => {
          const h = encode(encoder, batch, linear, parameters, runBlock)
          return applyHead(encoder, head.pooling, h, batch, parameters)
        })
    }
  })

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

const packableNames = ({ sites }: ModelDescription, whole: ReadonlyArray<string>): ReadonlySet<string> =>
  new Set(sites.map((site) => `${site.name}.weight`).filter((name) => !whole.includes(name)))

/** A weight packed and on the device, or what is wrong with it. */
const uploadAs = (packing: Packing, { data, shape }: HostTensor): Effect.Effect<PackedMatrix, string> =>
  Effect.suspend(() => {
    const matrix = packMatrix(packing, data, shape as PackedMatrix["shape"])
    if ("value" in matrix) return Effect.fail(unstorable(packing, matrix))
    const uploaded = uploadPacked(matrix)
    for (const tensor of tensorsOfMatrix(uploaded)) tf.keep(tensor)
    return Effect.succeed(uploaded)
  })

const unstorable = (packing: Packing, { value, row, column }: Unstorable): string =>
  `has ${value} at [${row}, ${column}]${
    Number.isFinite(value)
      ? `; "${packing}" holds numbers up to ${LARGEST_IN_F16}: set model.weights to "f32" or "int8"`
      : ", with which no model computes anything: the checkpoint is damaged, get it again"
  }`
