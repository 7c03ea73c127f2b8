/** How a kernel over rows goes through each of them: the sums decide the passes. */
import { type Expression, type Operation, ordered } from "./expression.ts"

/** Returns whether an expression has one result per value of a row; otherwise the row has one result. */
export const perNumber = (expression: Expression): boolean =>
  "leaf" in expression
    ? expression.leaf === "buffer" || expression.leaf === "column"
    : expression.overRow === undefined && expression.operands.some(perNumber)

/** A number and the buffer where it is at its place. */
type At = readonly [buffer: string, number: Expression]

/** A pass over a row. */
export interface Pass {
  /** values that the row has once and the pass needs, in order */
  readonly before: ReadonlyArray<Operation>
  readonly loads: ReadonlyArray<At>
  /** values that the pass computes at each position, in order */
  readonly each: ReadonlyArray<Operation>
  readonly stores: ReadonlyArray<At>
  /** sums over the row that the pass accumulates; the last pass has none */
  readonly sums: ReadonlyArray<Operation>
}

/**
 * Divides the computation of a row into passes. A sum is computed in the first pass that has its terms, and its dependents in a later one. The
 * first possible pass stores an output, and a value `keptIn` the output's memory until then: later passes read it there.
 */
export const passesOf = (outputs: Readonly<Record<string, Expression>>): ReadonlyArray<Pass> => {
  const { operations } = ordered(Object.values(outputs))
  const stages = new Map<Expression, number>()
  const stageOf = (expression: Expression): number => stages.get(expression) ?? 0
  for (const operation of operations) {
    const terms = Math.max(0, ...operation.operands.map(stageOf))
    stages.set(operation, operation.overRow === undefined ? terms : terms + 1)
  }
  const last = Math.max(0, ...stages.values())
  const stored: ReadonlyArray<At> = [
    ...operations.flatMap(
      (operation): ReadonlyArray<At> => (operation.keptIn === undefined ? [] : [[operation.keptIn, operation]])
    ),
    ...Object.entries(outputs).filter(([, output]) => perNumber(output))
  ]
  const there = new Map<Expression, string>()
  return Array.from({ length: last + 1 }, (_, stage) => {
    const sums = operations.filter((operation) => operation.overRow !== undefined && stageOf(operation) === stage + 1)
    const stores = stored.filter(([, operation]) => stageOf(operation) === stage)
    const roots = [...sums.flatMap(({ operands }) => operands), ...stores.map(([, operation]) => operation)]
    const loads: Array<At> = []
    const { operations: needed, leaves } = ordered(roots, (operation) => {
      const buffer = there.get(operation)
      if (buffer !== undefined && !loads.some(([, known]) => known === operation)) loads.push([buffer, operation])
      return buffer !== undefined || !perNumber(operation)
    })
    for (const [buffer, operation] of stores) there.set(operation, buffer)
    return {
      before: operations.filter(
        (operation) => operation.overRow === undefined && !perNumber(operation) && stageOf(operation) === stage
      ),
      loads: [...leaves.map((leaf): At => [leaf.name!, leaf]), ...loads],
      each: needed,
      stores,
      sums
    }
  })
}
