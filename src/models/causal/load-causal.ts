/**
 * Reads a described model's weights onto the device, where they stay until the scope ends (`../upload.ts`). No more than one tensor is on
 * the host at a time.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import type { Packing } from "../../numbers/index.ts"
import type { CausalTokenizer } from "../../tensors/index.ts"
import { ModelError } from "../model-error.ts"
import { uploaded } from "../upload.ts"
import type { CausalDescription, CausalModel } from "./causal-model.ts"
import { causalTokenizer } from "./causal-tokenizer.ts"
import type { CheckpointSource } from "./checkpoint-source.ts"
import { decode } from "./decoder.ts"
import { feedCausal } from "./feed-causal.ts"

export interface LoadCausalOptions {
  /** in place of the source's own, which is then not read */
  readonly tokenizer?: CausalTokenizer
  /** how weights of the blocks' linear layers are held (default "f32"); everything else is float32 */
  readonly weights?: "f32" | Packing
  /** parameters that are float32 even so: those that will be trained themselves */
  readonly whole?: ReadonlyArray<string>
}

/** Loads tokenizer and weights of what `describeCausal` described. Needs an open device. */
export const loadCausal = (
  source: CheckpointSource,
  description: CausalDescription,
  { tokenizer: given, weights: form = "f32", whole = [] }: LoadCausalOptions = {}
): Effect.Effect<CausalModel, ModelError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const { decoder, sites, stored, parameters, fanInFanOut } = description
    const tokenizer = given ?? (yield* causalTokenizer(source, description))
    const { weights, packed, upload } = yield* uploaded(source.where, { form, sites, whole })
    const shapes = new Map(parameters.map(({ name, shape }) => [name, shape]))
    const names = new Map([...stored].map(([name, own]) => [own, name]))
    const turned = new Set(fanInFanOut ? sites.map((site) => `${site.name}.weight`) : [])
    yield* source.read([...names.keys()], (own, data) => {
      const name = names.get(own)!
      const shape = shapes.get(name)!
      const size = shape.reduce((product, n) => product * n, 1)
      if (data.length !== size) {
        const problem = `weights: ${own} has ${data.length} numbers; expected ${size}. It changed since the model was described`
        return Effect.fail(new ModelError({ folder: source.where, problems: [problem] }))
      }
      const [rows, columns] = shape as readonly [number, number]
      return upload(name, { shape, data: turned.has(name) ? transposed(data, columns, rows) : data }, own)
    })
    return {
      ...description,
      tokenizer,
      weights,
      packed,
      feed: feedCausal(decoder),
      forward: (input, linear, parametersNow, runBlock) =>
        decode(decoder, input, linear, parametersNow, runBlock === undefined ? {} : { runBlock })
    }
  })

/** [rows, columns] → [columns, rows] */
const transposed = (data: Float32Array, rows: number, columns: number): Float32Array => {
  const turned = new Float32Array(data.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) turned[j * rows + i] = data[i * columns + j]!
  return turned
}
