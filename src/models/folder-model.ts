/**
 * Models whose parameters have the names of a Hugging Face folder, or old names for the same: where each is in the files, and their weights
 * on the device. What is computed with them, each family says.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import type { WeightForm } from "../numbers/index.ts"
import { forEachTensor, type HostTensor, type StoredTensor } from "../safetensors/index.ts"
import { modelErrorOf, readHeaders, shapeProblems } from "./checkpoint.ts"
import { newHeadParameters } from "./head.ts"
import { type ExportedModel, type HeadSpec, ModelError, type Network, type ParameterSpec } from "./model.ts"
import { uploaded } from "./upload.ts"

/** Parameters that are trained directly, and their initialization. */
export type NewHead = Pick<HeadSpec, "parameters" | "inCheckpoint" | "start">

/** No head. */
export const noHead: NewHead = { parameters: [], inCheckpoint: new Set(), start: "normal" }

/** Description of such a model; no weights are read. */
export interface FolderDescription extends ExportedModel {
  /** local folder */
  readonly folder: string
  /** frozen parameters of the forward pass, without the head's */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** parameters that are trained directly; empty for some families */
  readonly head: NewHead
  /** prefix of the names in the checkpoint's class; "" for none */
  readonly prefix: string
  /** stored name of each parameter, and of the head's parameters that the checkpoint has */
  readonly stored: ReadonlyMap<string, string>
  /** stored tensors that are not read */
  readonly unusedTensors: ReadonlyArray<string>
}

/**
 * Locates parameters in a folder, each under the first of its names that a file has. Fails with all missing or wrongly shaped parameters.
 * `mayLack`: optional parameters.
 */
export const storedIn = (
  folder: string,
  parameters: ReadonlyArray<ParameterSpec>,
  namesOf: (name: string) => ReadonlyArray<string> = (name) => [name],
  mayLack: ReadonlySet<string> = new Set()
): Effect.Effect<Pick<FolderDescription, "stored" | "unusedTensors">, ModelError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const headers = yield* readHeaders(folder)
    const storedNameOf = (name: string) => namesOf(name).find((candidate) => headers.has(candidate))
    const expected = parameters.filter(({ name }) => !mayLack.has(name) || storedNameOf(name) !== undefined)
    const problems = shapeProblems(headers, expected, (name) => {
      const storedName = storedNameOf(name)
      return storedName === undefined
        ? { name: namesOf(name)[0]! }
        : { name: storedName, shape: headers.get(storedName)!.shape }
    })
    if (problems.length > 0) return yield* new ModelError({ folder, problems })
    const stored = new Map(expected.map(({ name }) => [name, storedNameOf(name) ?? namesOf(name)[0]!]))
    const used = new Set(stored.values())
    return { stored, unusedTensors: [...headers.keys()].filter((name) => !used.has(name)) }
  })

/** Options for loading a model from a Hugging Face folder. */
export interface LoadFolderOptions {
  /** seed of the head's new parameters */
  readonly seed: number
  /** storage format of linear-layer weights, default "f32"; all other parameters are float32 */
  readonly weights?: WeightForm
  /** parameters kept in float32 regardless: those to be trained directly, which should start unrounded; default: none */
  readonly whole?: ReadonlyArray<string>
}

/** Loads the parameters to the device for the lifetime of the scope. `computed`: further tensors that the forward pass reads. */
export const loadFolder = (
  { folder, sites, head, stored }: Pick<FolderDescription, "folder" | "sites" | "head" | "stored">,
  { seed, weights: form = "f32", whole = [] }: LoadFolderOptions,
  computed: ReadonlyMap<string, HostTensor> = new Map()
): Effect.Effect<
  Required<Pick<Network, "weights" | "packed">>,
  ModelError,
  FileSystem.FileSystem | Path.Path | Scope.Scope
> =>
  Effect.gen(function* () {
    const headers = yield* readHeaders(folder)
    const tensors = new Map<StoredTensor, string>()
    for (const [name, storedName] of stored) {
      const tensor = headers.get(storedName)
      if (tensor === undefined) {
        return yield* new ModelError({
          folder,
          problems: [`weights: ${storedName} was removed after the model was described`]
        })
      }
      tensors.set(tensor, name)
    }
    const { weights, packed, known, upload } = yield* uploaded(folder, { reader: "folder", form, sites, whole })
    const missing = yield* Effect.filter(tensors, ([stored, name]) =>
      Effect.map(known(name, { ...stored, type: stored.dtype }), (is) => !is)
    )
    yield* forEachTensor(
      missing.map(([stored]) => stored),
      (tensor, storedTensor) => upload(tensors.get(storedTensor)!, tensor, storedTensor.name)
    ).pipe(Effect.catchTag("SafetensorsError", (error) => Effect.flip(modelErrorOf(folder, error))))
    for (const [name, value] of [...newHeadParameters(head, seed), ...computed]) yield* upload(name, value)
    return { weights, packed }
  })
