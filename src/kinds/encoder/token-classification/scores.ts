/**
 * Scores of predicted entities, as seqeval has them to the last digit: an entity counts if its type, its first and its last word are right.
 */
import { type Entity, entitiesOf, type Scheme, strictEntitiesOf } from "./schemes.ts"

/** Precision, recall and F1; 0 where nothing is to be divided by. */
export interface EntityScore {
  readonly precision: number
  readonly recall: number
  readonly f1: number
  /** number of entities in the rows */
  readonly support: number
}

/** Scores over all entities together (micro) and by type, in the order of their names. */
export interface EntityScores extends EntityScore {
  readonly types: Readonly<Record<string, EntityScore>>
  /** fraction of words whose label is right */
  readonly accuracy: number
}

interface Counts {
  both: number
  predicted: number
  right: number
}

const divide = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)

const scoreOf = ({ both, predicted, right }: Counts): EntityScore => {
  const [precision, recall] = [divide(both, predicted), divide(both, right)]
  // in seqeval's order, which decides the last digit
  return { precision, recall, f1: divide(2 * precision * recall, precision + recall), support: right }
}

const keyOf = ({ type, start, end }: Entity): string => `${start} ${end} ${type}`

/** Returns the scores of predicted labels, row by row. `strict`: only entities that are possible in this scheme count. */
export const entityScores = (
  right: ReadonlyArray<ReadonlyArray<string>>,
  predicted: ReadonlyArray<ReadonlyArray<string>>,
  strict?: Scheme
): EntityScores => {
  const entities = strict === undefined ? entitiesOf : (row: ReadonlyArray<string>) => strictEntitiesOf(row, strict)
  const [total, types] = [{ both: 0, predicted: 0, right: 0 }, new Map<string, Counts>()]
  const count = (list: ReadonlyArray<Entity>, name: keyof Counts) => {
    for (const { type } of list) {
      const counts = types.get(type) ?? { both: 0, predicted: 0, right: 0 }
      types.set(type, counts)
      counts[name]++
      total[name]++
    }
  }
  let [words, same] = [0, 0]
  for (const [i, row] of right.entries()) {
    const found = predicted[i]!
    words += row.length
    same += row.filter((label, at) => label === found[at]).length
    const known = entities(row)
    const [guesses, keys] = [entities(found), new Set(known.map(keyOf))]
    count(known, "right")
    count(guesses, "predicted")
    count(
      guesses.filter((entity) => keys.has(keyOf(entity))),
      "both"
    )
  }
  const inOrder = [...types].sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    ...scoreOf(total),
    types: Object.fromEntries(inOrder.map(([type, counts]) => [type, scoreOf(counts)])),
    accuracy: divide(same, words)
  }
}
