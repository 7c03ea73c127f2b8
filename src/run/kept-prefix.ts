/**
 * Caches the output of the frozen blocks at the start of a forward pass. If the lowest trained weight is in block n, the
 * blocks before it give a row the same hidden states in every epoch and evaluation: those that enter block n are cached, keyed by the
 * row's content.
 *
 * A row's hidden states must have the same bits whichever rows share its batch and however far it is padded (`rowsAlone` of a device):
 * then results do not depend on the cache. At padding they are 0 here, where a forward pass has values that reach
 * neither a loss nor a gradient.
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { BatchPosition } from "../data/index.ts"
import { putRows } from "../kernels/index.ts"
import { baseLinear, type Network, type Rows, type RunBlock, type Sequences } from "../models/index.ts"
import { type PlannedPrefix, prefixText } from "../plan/index.ts"
import { notice } from "./progress.ts"

export interface PrefixOptions {
  /** number of frozen blocks, at least 1 */
  readonly blocks: number
  /** size of the cache; rows beyond it are computed each time */
  readonly bytes: number
  /** whether the rows of a batch are used again */
  readonly comesAgain: (batch: Rows) => boolean
}

/** Cached hidden states of rows, without padding. */
interface KeptRows {
  /** [positions, width], of which the first is 0 */
  readonly table: () => Tensor2D
  /** Returns the position of a row's first token; undefined if the row is not cached. */
  readonly find: (key: string) => number | undefined
  /** Caches rows while there is room. Tensor code. `at`: position of a row's first token in `hidden`. */
  readonly offer: (hidden: Tensor2D, rows: ReadonlyArray<OfferedRow>) => void
}

interface OfferedRow {
  readonly key: string
  readonly tokens: number
  readonly at: number
}

/** Caches rows in one table, so that they leave no gaps between short-lived tensors. */
const keptRows = (bytes: number, width: number): Effect.Effect<KeptRows, never, Scope.Scope> =>
  Effect.gen(function* () {
    const firsts = new Map<string, number>()
    const places = 1 + Math.floor(bytes / (width * Float32Array.BYTES_PER_ELEMENT))
    let table = tf.keep(tf.zeros<tf.Rank.R2>([places, width]))
    let usedPlaces = 1
    yield* Effect.addFinalizer(() => Effect.sync(() => table.dispose()))
    return {
      table: () => table,
      find: (key) => firsts.get(key),
      offer: (hidden, rows) => {
        const start = usedPlaces
        const copied: Array<number> = []
        for (const { key, tokens, at } of rows) {
          if (usedPlaces + tokens > places || firsts.has(key)) continue
          firsts.set(key, usedPlaces)
          usedPlaces += tokens
          for (let t = 0; t < tokens; t++) copied.push(at + t)
        }
        if (copied.length > 0) table = tf.keep(putRows(table, picked(hidden, copied), { batch: 1, at: start }))
      }
    }
  })

/** Returns some rows of a matrix. */
const picked = (x: Tensor2D, rows: ArrayLike<number>): Tensor2D =>
  tf.gather(x, tf.tensor1d(Int32Array.from(rows), "int32"))

/** Returns the model with its frozen blocks computed once per row. The cache lives as long as the scope. */
export const keepPrefix = <M extends Network>(
  model: M,
  { blocks, bytes, comesAgain }: PrefixOptions
): Effect.Effect<M, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { stack } = model
    if (stack === undefined) return model
    const cache = yield* keptRows(bytes, stack.width)
    /** Hidden states by the input of a batch; tensors of the code that puts the batch on the device. */
    const entering = new WeakMap<object, Tensor2D>()
    const withPrefix = {
      toDevice: (batch: Rows) => {
        const onDevice = model.toDevice(batch)
        const sequences = stack.sequences(batch)
        if (sequences !== undefined)
          entering.set(onDevice.input as object, enteringOf(model, sequences, blocks, cache, comesAgain(batch)))
        return onDevice
      },
      forward: (...[input, linear, weights, runBlock]: Parameters<Network["forward"]>) => {
        const hidden = entering.get(input as object)
        return model.forward(input, linear, weights, hidden === undefined ? runBlock : enter(blocks, hidden, runBlock))
      }
    }
    return { ...model, ...withPrefix }
  })

/** Returns the model of a plan with its prefix cached, and reports that. */
export const keepPlannedPrefix = <M extends Network>(model: M, prefix: PlannedPrefix) =>
  Effect.gen(function* () {
    yield* notice(prefixText(prefix))
    // only training batches have a position in the plan
    const comesAgain = (batch: Rows & Partial<BatchPosition>) => prefix.training || batch.epoch === undefined
    return yield* keepPrefix(model, { ...prefix, comesAgain })
  })

/** Runs the blocks from number `blocks` on, with `hidden` as input. */
const enter = (blocks: number, hidden: Tensor2D, runBlock: RunBlock = (run, ...inputs) => run(...inputs)): RunBlock => {
  let block = 0
  return (run, ...inputs) => {
    block++
    if (block > blocks) return runBlock(run, ...inputs)
    return block === blocks ? hidden : (inputs[0] as Tensor2D)
  }
}

/** Returns the hidden states [size·length, width] of a batch, 0 at padding. Tensor code. */
const enteringOf = (
  model: Network,
  { length, rows, some }: Sequences,
  blocks: number,
  cache: KeptRows,
  comesAgain: boolean
): Tensor2D =>
  tf.tidy(() => {
    const size = rows.length * length
    /** Sets the positions of a row's tokens in the table. */
    const setPlaces = (places: Int32Array, row: number, first: number) => {
      for (let t = 0; t < rows[row]!.tokens; t++) places[row * length + t] = first + t
    }
    const ofKept = () => {
      const places = new Int32Array(size)
      for (const [row, { key }] of rows.entries()) {
        const first = cache.find(key)
        if (first !== undefined) setPlaces(places, row, first)
      }
      return picked(cache.table(), places)
    }
    const missing = rows.flatMap(({ key }, row) => (cache.find(key) === undefined ? [row] : []))
    if (missing.length === 0) return ofKept()
    const part = some(missing)
    const hidden = computed(model, part, blocks)
    const fresh = missing.map((row, i) => ({ ...rows[row]!, row, at: i * part.length }))
    if (comesAgain) cache.offer(hidden, fresh)
    // rows that did not fit into the table follow those of the table
    const places = Int32Array.from({ length: size }, (_, at) => at)
    for (const { key, row, at } of fresh) if (cache.find(key) === undefined) setPlaces(places, row, size + at)
    const all = picked(tf.concat([ofKept(), hidden]), places)
    hidden.dispose()
    return all
  })

/** Returns the output of the first `blocks` blocks, [size·length, width]. The caller disposes it. */
const computed = (model: Network, batch: Rows, blocks: number): Tensor2D =>
  tf.tidy(() => {
    let hidden: Tensor2D | undefined
    let block = 0
    const until: RunBlock = (run, ...inputs) => {
      block++
      if (block > blocks) return inputs[0] as Tensor2D
      const after = run(...inputs)
      // kept beyond the tidy of the forward pass
      if (block === blocks) hidden = tf.keep(after)
      return after
    }
    model.forward(model.toDevice(batch).input, baseLinear(model), model.weights, until)
    return hidden!
  })
