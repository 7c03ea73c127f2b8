/**
 * Whether a plan has a frozen prefix that pays: blocks under the lowest trained weight, and rows that come again, in another epoch or
 * another evaluation. What these blocks make of such rows is then kept (`keepPrefix`), as far as there is room.
 */
import type { RunPlan } from "../../schemas/index.ts"
import { limit } from "../boundary/index.ts"
import type { Stack } from "../models/index.ts"
import { evaluationsOf } from "./evaluations.ts"
import { FLOAT, type MemoryEstimate } from "./memory.ts"
import { COMFORTABLE, FOUR_GIB, type MachineMemory } from "./memory-limits.ts"
import type { Adaptable, PlannedPrefix, ResolvedPlan, Splits } from "./resolved.ts"

/** A model's description, as far as it bears on its prefix. */
type Stacked = Pick<Adaptable, "head"> & { readonly stack?: Stack | undefined }

/** Blocks before the first that reads one of the `trained` parameters; 0 where one of them is outside the blocks and is no head's. */
export const frozenBlocks = ({ stack, head }: Stacked, trained: ReadonlyArray<string>): number => {
  if (stack === undefined) return 0
  const after = new Set(head.parameters.map(({ name }) => name))
  const blockOf = new Map(stack.blocks.flatMap((names, block) => names.map((name) => [name, block] as const)))
  const lowest = trained.filter((name) => !after.has(name)).map((name) => blockOf.get(name) ?? 0)
  return Math.min(stack.blocks.length, ...lowest)
}

/** Blocks under whatever the plan trains. */
export const frozenBlocksOf = (model: Stacked, { sites, parameters }: ResolvedPlan["selected"]): number =>
  frozenBlocks(model, [...sites.map(({ site }) => `${site.name}.weight`), ...parameters])

/** Rows that are evaluated more than once, before and after, or on the way. */
const evaluatedAgain = (plan: Pick<RunPlan, "training">, splits: Splits, steps: number): number => {
  const { judged, judgedRows, watched, watchedRows, every } = evaluationsOf(plan, splits, steps)
  if (every >= steps) return judgedRows
  return judged === watched ? Math.max(judgedRows, watchedRows) : judgedRows + watchedRows
}

/** The mean is a sample's, and of training's rows. */
const ROOM = 1.1

/**
 * `tokens`: of a row, on average. `sameRows`: whether an epoch's rows are those of the last. `memory`: of the plan without it; null: the
 * plan has no prefix that pays.
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

/** Bytes that can be kept without a warning about memory. */
const roomIn = ({ total, weights, trainable, activations }: MemoryEstimate, { available }: MachineMemory): number => {
  const onWasm = COMFORTABLE * FOUR_GIB - (weights + trainable + activations)
  return Math.max(0, Math.floor(Math.min(limit("prefix-bytes"), onWasm, COMFORTABLE * available - total)))
}

/** The estimate with what is kept. */
export const withPrefix = (memory: MemoryEstimate, prefix: PlannedPrefix | null): MemoryEstimate => {
  const kept = prefix?.bytes ?? 0
  return { ...memory, kept, total: memory.total + kept }
}

const megabytes = (bytes: number): string => `${Math.max(1, Math.round(bytes / 1e6)).toLocaleString("en")} MB`

/** What is kept and what that saves, in a sentence without its end. */
export const prefixText = ({ blocks, of, wanted, bytes, training }: PlannedPrefix): string => {
  const room =
    bytes < wanted
      ? `, as far as ${megabytes(bytes)} go (all would take ${megabytes(wanted)})`
      : `: ${megabytes(bytes)}`
  const rows = training ? "every row" : "the rows that are evaluated again"
  return `the first ${blocks} of ${of} blocks are frozen; what they make of ${rows} is computed once and kept${room}`
}
