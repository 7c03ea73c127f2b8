/**
 * Scores of predicted entities, as seqeval has them to the last digit: an entity counts if its type, its first and its last word are right.
 */
import { cut, percent, printableLine, wholeNumber } from "../../../boundary/index.ts"
import {
  combined,
  crossEntropyMetric,
  type Evaluation,
  type Metrics,
  type RowScore,
  type RowScores,
  ratioOf,
  share
} from "../../../training/index.ts"
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

/** Metrics of labelled words. */
export const wordMetrics = {
  f1: { label: "F1", ...share, hub: { type: "f1", name: "F1" } },
  precision: { label: "precision", ...share, hub: { type: "precision", name: "Precision" } },
  recall: { label: "recall", ...share, hub: { type: "recall", name: "Recall" } },
  accuracy: { label: "accuracy", ...share, hub: { type: "accuracy", name: "Accuracy" } },
  loss: crossEntropyMetric
} satisfies Metrics

/** A row with its predicted labels, and the sum of its words' losses over those with a token. */
export interface ScoredWords {
  readonly right: ReadonlyArray<string>
  readonly predicted: ReadonlyArray<string>
  readonly loss: number
  readonly counted: number
}

/** Labels without a scheme are compared word by word: each is an entity. */
const asEntities = (labels: ReadonlyArray<string>, scheme: Scheme | undefined): ReadonlyArray<string> =>
  scheme === undefined ? labels.map((label) => `S-${label}`) : labels

/** Returns the scores of rows with predicted labels. */
export const wordScores = (rows: ReadonlyArray<ScoredWords>, scheme: Scheme | undefined): EntityScores =>
  entityScores(
    rows.map(({ right }) => asEntities(right, scheme)),
    rows.map(({ predicted }) => asEntities(predicted, scheme))
  )

/** Returns each metric as a function of the rows. */
export const wordRowScores = (rows: ReadonlyArray<ScoredWords>, scheme: Scheme | undefined): RowScores => {
  const counts = rows.map((row) => {
    const right = entitiesOf(asEntities(row.right, scheme))
    const predicted = entitiesOf(asEntities(row.predicted, scheme))
    const keys = new Set(right.map(keyOf))
    const both = predicted.filter((entity) => keys.has(keyOf(entity))).length
    return { both, right: right.length, predicted: predicted.length }
  })
  const over = (of: ReadonlyArray<number>, per: ReadonlyArray<number>): RowScore => {
    const ratio = ratioOf(of, per)
    // seqeval's 0 where nothing is to be divided by
    return { size: of.length, over: (some) => ratio.over(some) || 0 }
  }
  const both = counts.map((count) => count.both)
  const precision = over(
    both,
    counts.map((count) => count.predicted)
  )
  const recall = over(
    both,
    counts.map((count) => count.right)
  )
  return {
    f1: combined((p, r) => divide(2 * p! * r!, p! + r!), precision, recall),
    precision,
    recall,
    accuracy: over(
      rows.map(({ right, predicted }) => right.filter((label, i) => label === predicted[i]).length),
      rows.map(({ right }) => right.length)
    ),
    loss: ratioOf(
      rows.map(({ loss }) => loss),
      rows.map(({ counted }) => counted)
    )
  }
}

/** Formats the scores of every type as a table. */
export const typesText = (evaluation: Evaluation): string => {
  const { types } = evaluation as Evaluation & Pick<EntityScores, "types">
  const names = Object.keys(types).map((type) => printableLine(cut(type, 40)))
  const width = Math.max(4, ...names.map(({ length }) => length))
  const line = (cells: ReadonlyArray<string>) => cells.map((cell) => cell.padStart(9)).join("  ")
  return [
    `${"type".padEnd(width)}  ${line(["precision", "recall", "F1", "entities"])}`,
    ...Object.values(types).map(({ precision, recall, f1, support }, i) => {
      const scores = [precision, recall, f1].map((score) => percent(score))
      return `${names[i]!.padEnd(width)}  ${line([...scores, wholeNumber(support)])}`
    })
  ].join("\n")
}
