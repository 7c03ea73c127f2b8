/** The last step of resolving a plan, for every model: number of steps, trainable parameters, memory, cached prefix. */
import {
  type Adaptable,
  countTrainable,
  type MemoryEstimate,
  machineMemory,
  memoryWarnings,
  plannedPrefix,
  type ResolvedPlan,
  stepsOf,
  type TrainableCounts,
  withPrefix
} from "../../plan/index.ts"

/** The resolved parts of a plan that its costs are computed from. */
interface Known extends Pick<ResolvedPlan, "plan" | "selected" | "data"> {
  readonly model: Adaptable & Parameters<typeof plannedPrefix>[0]["model"]
}

interface Costs {
  /** batches per epoch */
  readonly batches: number
  readonly memory: (trainable: TrainableCounts) => MemoryEstimate
  /** tokens of a training row, and whether every epoch has the same rows; null for models without a cached prefix */
  readonly rows: { readonly tokens: number; readonly sameRows: boolean } | null
  readonly warnings: ReadonlyArray<string>
}

export const withCosts = <K extends Known>(described: K, { batches, memory, rows, warnings }: Costs) => {
  const { plan, model, selected } = described
  const machine = machineMemory()
  const trainable = countTrainable(plan, model, selected)
  const withoutPrefix = { ...described, steps: stepsOf(plan, batches), trainable, memory: memory(trainable) }
  const prefix = rows === null ? null : plannedPrefix(withoutPrefix, { ...rows, machine })
  const all = withPrefix(withoutPrefix.memory, prefix)
  return {
    ...withoutPrefix,
    prefix,
    memory: all,
    warnings: [...warnings, ...memoryWarnings(all, machine, plan, rows !== null)]
  }
}
