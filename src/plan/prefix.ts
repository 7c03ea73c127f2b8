/**
 * Decides whether keeping a frozen prefix pays: blocks under the lowest trained weight, and rows that are read again, in another epoch or
 * another evaluation. The outputs of these blocks for such rows are then kept (`keepPrefix`), as far as memory allows.
 */
import type { RunPlan } from "../../schemas/index.ts"
import { byteSize, limit } from "../boundary/index.ts"
import type { Stack } from "../models/index.ts"
import { evaluationsOf } from "./evaluations.ts"
import { FLOAT, type MemoryEstimate } from "./memory.ts"
import { COMFORTABLE, FOUR_GIB, type MachineMemory } from "./memory-limits.ts"
import type { Adaptable, PlannedPrefix, ResolvedPlan, Splits } from "./resolved.ts"

/** The parts of a model's description that determine its prefix. */
type Stacked = Pick<Adaptable, "head"> & { readonly stack?: Stack | undefined }

/** Counts the blocks before the first that reads one of the `trained` parameters; 0 if one of them is outside the blocks and not in the head. */
export const frozenBlocks = ({ stack, head }: Stacked, trained: ReadonlyArray<string>): number => {
  if (stack === undefined) return 0
  const after = new Set(head.parameters.map(({ name }) => name))
  const blockOf = new Map(stack.blocks.flatMap((names, block) => names.map((name) => [name, block] as const)))
  const lowest = trained.filter((name) => !after.has(name)).map((name) => blockOf.get(name) ?? 0)
  return Math.min(stack.blocks.length, ...lowest)
}

/** Counts the blocks under all parameters that the plan trains. */
export const frozenBlocksOf = (model: Stacked, { sites, parameters }: ResolvedPlan["selected"]): number =>
  frozenBlocks(model, [...sites.map(({ site }) => `${site.name}.weight`), ...parameters])

/** Counts the rows that are evaluated more than once: before and after training, or during it. */
const evaluatedAgain = (plan: Pick<RunPlan, "training">, splits: Splits, steps: number): number => {
  const { judged, judgedRows, watched, watchedRows, every } = evaluationsOf(plan, splits, steps)
  if (every >= steps) return judgedRows
  return judged === watched ? Math.max(judgedRows, watchedRows) : judgedRows + watchedRows
}

/** Margin: the mean length comes from a sample of the training rows. */
const ROOM = 1.1

/**
 * Plans the prefix of a run. `tokens`: mean per row. `sameRows`: whether every epoch has the same rows. `memory`: estimate without the prefix.
 * Returns null if keeping the prefix does not pay.
 */
export const plannedPrefix = (
  {
    plan,
    model,
    selected,
    data,
    steps,
    memory
  }: Pick<ResolvedPlan, "plan" | "selected" | "data" | "steps" | "memory"> & {
    readonly model: Stacked
  },
  {
    tokens,
    sameRows,
    machine
  }: { readonly tokens: number; readonly sameRows: boolean; readonly machine: MachineMemory }
): PlannedPrefix | null => {
  const blocks = frozenBlocksOf(model, selected)
  if (model.stack === undefined || blocks === 0) return null
  const { splits } = data
  const { batchSize, accumulate } = plan.training
  const training = sameRows && steps * batchSize * accumulate > splits.train.rows
  const rows = (training ? splits.train.rows : 0) + evaluatedAgain(plan, splits, steps)
  const perRow = FLOAT * model.stack.width * tokens
  const wanted = Math.ceil(ROOM * perRow * rows)
  const bytes = Math.min(wanted, roomIn(memory, machine))
  return bytes === 0 || bytes < perRow ? null : { blocks, of: model.stack.blocks.length, wanted, bytes, training }
}

/** Returns the bytes that can be kept without a memory warning. */
const roomIn = ({ total, weights, trainable, activations }: MemoryEstimate, { available }: MachineMemory): number => {
  const onWasm = COMFORTABLE * FOUR_GIB - (weights + trainable + activations)
  return Math.max(0, Math.floor(Math.min(limit("prefix-bytes"), onWasm, COMFORTABLE * available - total)))
}

/** Returns the estimate with the kept outputs. */
export const withPrefix = (memory: MemoryEstimate, prefix: PlannedPrefix | null): MemoryEstimate => {
  const cachedBytes = prefix?.bytes ?? 0
  return { ...memory, kept: cachedBytes, total: memory.total + cachedBytes }
}

/** Describes the kept outputs and what they save, as a sentence without a full stop. */
export const prefixText = ({ blocks, of, wanted, bytes, training }: PlannedPrefix): string => {
  const room =
    bytes < wanted ? `, up to ${byteSize(bytes)} (all would take ${byteSize(wanted)})` : `: ${byteSize(bytes)}`
  const rows = training ? "every row" : "rows that are evaluated repeatedly"
  return `the first ${blocks} of ${of} blocks are frozen; their outputs for ${rows} are computed once and kept${room}`
}
