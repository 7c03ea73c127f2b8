/**
 * What the frozen blocks at the start of a forward pass make of a row, computed once. Where the lowest trained weight lies in block n, the
 * blocks before it give a row the same hidden states in every epoch and every evaluation: those that enter block n are kept, by what the
 * row consists of.
 *
 * A row's hidden states have to be the same bits whichever rows share its batch and however far it is padded (`rowsAlone` of a device):
 * then nothing shows whether they were kept or computed now. At padding they are 0 here, where a forward pass has numbers that reach
 * neither a loss nor a gradient.
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { putRows } from "../kernels/index.ts"
import { baseLinear } from "./base-layer.ts"
import { type Network, type Rows, type RunBlock, runOnce, type Stack, toDevice } from "./model.ts"

/** Blocks before the first that reads one of the `trained` parameters; 0 where one of them lies outside the blocks and is no head's. */
export const frozenBlocks = (
  { stack, head }: Pick<Network, "stack" | "head">,
  trained: ReadonlyArray<string>
): number => {
  if (stack === undefined) return 0
  const after = new Set(head.parameters.map(({ name }) => name))
  const blockOf = new Map(stack.blocks.flatMap((names, block) => names.map((name) => [name, block] as const)))
  const lowest = trained.filter((name) => !after.has(name)).map((name) => blockOf.get(name) ?? 0)
  return Math.min(stack.blocks.length, ...lowest)
}

export interface PrefixOptions {
  /** how many blocks are frozen, 1 or more */
  readonly blocks: number
  /** of what is kept; rows for which there is no room are computed each time */
  readonly bytes: number
  /** whether the rows of a batch come again */
  readonly comesAgain: (batch: Rows) => boolean
}

/** Hidden states of rows, their padding left away. Tensor code. */
interface KeptRows {
  readonly has: (key: string) => boolean
  /** [tokens, width] of a row that is there */
  readonly find: (key: string) => Tensor2D
  /** Keeps a copy, where there is room. */
  readonly offer: (key: string, hidden: Tensor2D) => void
}

/** In one table, so that rows which stay leave no gaps between all that comes and goes. */
const keptRows = (bytes: number, width: number): Effect.Effect<KeptRows, never, Scope.Scope> =>
  Effect.gen(function* () {
    const places = new Map<string, readonly [first: number, tokens: number]>()
    const size = Math.floor(bytes / (width * Float32Array.BYTES_PER_ELEMENT))
    let table = tf.keep(tf.zeros<tf.Rank.R2>([size, width]))
    let used = 0
    yield* Effect.addFinalizer(() => Effect.sync(() => table.dispose()))
    return {
      has: (key) => places.has(key),
      find: (key) => {
        const [first, tokens] = places.get(key)!
        return tf.slice(table, [first, 0], [tokens, width])
      },
      offer: (key, hidden) => {
        const tokens = hidden.shape[0]
        if (used + tokens > size || places.has(key)) return
        table = tf.keep(putRows(table, hidden, { batch: 1, at: used }))
        places.set(key, [used, tokens])
        used += tokens
      }
    }
  })

/** The model with its frozen blocks computed once a row. What is kept lives as long as the scope. */
export const keepPrefix = <M extends Network>(
  model: M,
  { blocks, bytes, comesAgain }: PrefixOptions
): Effect.Effect<M, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { stack } = model
    if (stack === undefined) return model
    const kept = yield* keptRows(bytes, stack.width)
    /** by a batch's input; tensors of whoever put the batch on the device */
    const entering = new WeakMap<object, Tensor2D>()
    const own = {
      toDevice: (batch: Rows) => {
        const onDevice = model.toDevice(batch)
        entering.set(onDevice.input as object, enteringOf(model, stack, batch, blocks, kept, comesAgain(batch)))
        return onDevice
      },
      forward: (...[input, linear, weights, runBlock]: Parameters<Network["forward"]>) => {
        const hidden = entering.get(input as object)
        return model.forward(input, linear, weights, hidden === undefined ? runBlock : enter(blocks, hidden, runBlock))
      }
    }
    return { ...model, ...own }
  })

/** Runs blocks from number `blocks` on, which `hidden` enters. */
const enter = (blocks: number, hidden: Tensor2D, runBlock: RunBlock = runOnce): RunBlock => {
  let block = 0
  return (run, ...inputs) => {
    block++
    if (block > blocks) return runBlock(run, ...inputs)
    return block === blocks ? hidden : (inputs[0] as Tensor2D)
  }
}

/** Hidden states [size·length, width] of a batch, 0 at padding. Tensor code. */
const enteringOf = (
  model: Network,
  stack: Stack,
  batch: Rows,
  blocks: number,
  kept: KeptRows,
  comesAgain: boolean
): Tensor2D =>
  tf.tidy(() => {
    const { length, rows, some } = stack.sequences(batch)
    const missing = rows.flatMap(({ key }, row) => (kept.has(key) ? [] : [row]))
    const fresh = new Map<number, Tensor2D>()
    if (missing.length > 0) {
      const part = some(missing)
      const hidden = computed(model, part, blocks)
      for (const [i, row] of missing.entries()) {
        const { key, tokens } = rows[row]!
        const own = tf.slice(hidden, [i * part.length, 0], [tokens, stack.width])
        fresh.set(row, own)
        if (comesAgain) kept.offer(key, own)
      }
      hidden.dispose()
    }
    const padded = rows.flatMap(({ key, tokens }, row) => {
      const own = fresh.get(row) ?? kept.find(key)
      return tokens === length ? [own] : [own, tf.zeros<tf.Rank.R2>([length - tokens, stack.width])]
    })
    return padded.length === 1 ? tf.clone(padded[0]!) : tf.concat(padded)
  })

/** What leaves the first `blocks` blocks: [size·length, width]. The caller disposes it. */
const computed = (model: Network, batch: Rows, blocks: number): Tensor2D =>
  tf.tidy(() => {
    let hidden: Tensor2D | undefined
    let block = 0
    const until: RunBlock = (run, ...inputs) => {
      block++
      if (block > blocks) return inputs[0] as Tensor2D
      const after = run(...inputs)
      // out of the pass's own tidy
      if (block === blocks) hidden = tf.keep(after)
      return after
    }
    model.forward(toDevice(model, batch).input, baseLinear(model), model.weights, until)
    return hidden!
  })
