/**
 * Reads a described model's weights onto the device, where they stay until the scope ends (`../upload.ts`), and batches. No more than one
 * tensor is on the host at a time.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import type { WeightForm } from "../../numbers/index.ts"
import type { CausalRows, CausalTokenizer } from "../../tensors/index.ts"
import { ModelError } from "../model.ts"
import { sharedIdentity, sharedPart } from "../shared-parts.ts"
import { uploaded } from "../upload.ts"
import type { CausalDescription, CausalModel, CheckpointSource } from "./causal-model.ts"
import { causalTokenizer } from "./causal-tokenizer.ts"
import { type Decoder, decode, tablesOf, transposed } from "./decoder.ts"

/** Options for loading a causal language model. */
export interface LoadCausalOptions {
  /** tokenizer to use instead of the source's own, which is then not read */
  readonly tokenizer?: CausalTokenizer
  /** storage format of the blocks' linear weights, and of tables (by `TABLES`); all other parameters are float32; default "f32" */
  readonly weights?: WeightForm
  /** parameters kept in float32 regardless, such as those to be trained directly; default: none */
  readonly whole?: ReadonlyArray<string>
}

/** Loads tokenizer and weights of a model described by `describeCausal`. Requires an open device. */
export const loadCausal = (
  source: CheckpointSource,
  description: CausalDescription,
  { tokenizer: givenTokenizer, weights: form = "f32", whole = [] }: LoadCausalOptions = {}
): Effect.Effect<CausalModel, ModelError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const { decoder, sites, stored, parameters, fanInFanOut } = description
    const identity = yield* sharedIdentity(source.where)
    const key = identity === undefined ? null : JSON.stringify(["causal tokenizer", identity])
    const tokenizer = givenTokenizer ?? (yield* sharedPart(key, causalTokenizer(source, description)))
    const tables = tablesOf(decoder)
    const uploadOptions = { reader: "causal", form, sites, tables, whole }
    const { weights, packed, known, upload, keep } = yield* uploaded(source.where, uploadOptions)
    const shapes = new Map(parameters.map(({ name, shape }) => [name, shape]))
    const names = new Map([...stored].map(([name, storedName]) => [storedName, name]))
    const turned = new Set(fanInFanOut ? sites.map((site) => `${site.name}.weight`) : [])
    const visit = (storedName: string, data: Float32Array) => {
      const name = names.get(storedName)!
      const shape = shapes.get(name)!
      const size = shape.reduce((product, n) => product * n, 1)
      if (data.length !== size) {
        const problem = `weights: ${storedName} has ${data.length} numbers; expected ${size}. It changed since the model was described`
        return Effect.fail(new ModelError({ folder: source.where, problems: [problem] }))
      }
      const [rows, columns] = shape as readonly [number, number]
      return upload(name, { shape, data: turned.has(name) ? transposed(data, columns, rows) : data }, storedName)
    }
    const missing = yield* Effect.filter(names, ([storedName, name]) =>
      Effect.map(known(name, turned.has(name) ? undefined : source.stored(storedName)), (is) => !is)
    )
    yield* source.read(
      missing.map(([storedName]) => storedName),
      visit,
      (storedName, packed) => keep(names.get(storedName)!, packed)
    )
    return {
      ...description,
      tokenizer,
      weights,
      packed,
      toDevice: causalToDevice(decoder),
      forward: (input, linear, parametersNow, runBlock) =>
        decode(decoder, input, linear, parametersNow, { packed, ...(runBlock === undefined ? {} : { runBlock }) })
    }
  })

/**
 * Uploads a batch of token rows; the caller's tidy owns the tensors. If the batch continues cached texts, its positions continue from the cache.
 * Throws for an id or position without a row in its table.
 */
export const causalToDevice =
  ({
    rotary,
    vocabularySize,
    maxLength
  }: Pick<Decoder, "rotary" | "vocabularySize" | "maxLength">): CausalModel["toDevice"] =>
  (batch: CausalRows) => {
    const { size, length, inputIds, labels, segments, positions } = batch
    const tokens = size * length
    // a lookup beyond a table's end reads whatever is there; wasm does not report it
    checkRows("token id", inputIds, vocabularySize)
    if (rotary.length === 0) checkRows("position", positions, maxLength)
    const lengths = textLengths(batch)
    return {
      input: {
        size,
        length,
        inputIds: tf.tensor1d(inputIds, "int32"),
        positions: tf.tensor1d(positions, "int32"),
        segments: tf.tensor1d(segments, "int32"),
        rotary: rotary.map(({ dimensions, at }) => {
          const { cos, sin } = at(positions, lengths)
          const rows = (values: Float32Array) => tf.tensor2d(values, [tokens, dimensions])
          return { cos: rows(cos), sin: rows(sin) }
        })
      },
      target: tf.tensor1d(labels, "int32"),
      mask: tf.tensor1d(Float32Array.from(segments, (segment) => (segment < 0 ? 0 : 1)))
    }
  }

/** The number of tokens in each token's text: int32 [size·length]. */
const textLengths = ({ size, length, segments, positions, textLengths: givenLengths }: CausalRows): Int32Array => {
  const lengths = new Int32Array(size * length)
  for (let row = 0; row < size; row++) {
    const end = (row + 1) * length
    for (let from = row * length; from < end; ) {
      let to = from + 1
      while (to < end && segments[to] === segments[from]) to++
      const largest = positions.subarray(from, to).reduce((most, position) => Math.max(most, position), 0)
      lengths.fill(givenLengths?.[row] ?? largest + 1, from, to)
      from = to
    }
  }
  return lengths
}

const checkRows = (what: string, values: Int32Array, rows: number): void => {
  const wrong = values.find((value) => value < 0 || value >= rows)
  if (wrong !== undefined) throw new RangeError(`${what} ${wrong} has no row: the model's table has ${rows}`)
}
