/**
 * Opens the `data` section of a plan over texts and targets: scans every file, prepares the splits for reading, and determines whether targets are
 * a closed set, like the labels of a classification.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Seq2SeqData } from "../../../schemas/index.ts"
import { wholeNumber } from "../../boundary/index.ts"
import { type DataError, quotedLabel } from "../data-error.ts"
import { openTextFile, plainText, type TextForm, textOf } from "../labelled-rows.ts"
import { type TextHashes, textHashBuilder } from "../row-index.ts"
import type { Scanned, ScannedSource } from "../scan.ts"
import type { Located, RowSource, TextFields } from "../source.ts"
import {
  type BySplit,
  describedSplits,
  mapSplits,
  openSplitFiles,
  repeatWarnings,
  rowsOfSplits,
  type SomeRows,
  sourceOf
} from "../splits.ts"

/** A source text, without the plan's prefix, and its target text. */
export interface SourceTarget extends TextFields, Located {
  readonly target: string
}

export type Seq2SeqSplit = RowSource<SourceTarget>

export interface OpenedSeq2Seq {
  readonly splits: BySplit<Seq2SeqSplit>
  /** distinct targets, if they are a closed set; null: a target may be any text */
  readonly targets: ReadonlyArray<string> | null
  /** most frequent target of the training rows, and its share of the rows in each split */
  readonly usual: { readonly target: string; readonly share: BySplit<number> }
  readonly warnings: ReadonlyArray<string>
  readonly describe: () => ReadonlyArray<SourceTargetSplit>
}

export interface SourceTargetSplit {
  readonly split: "train" | "validation" | "test"
  readonly where: string
  readonly rows: number
  /** rows per class, for a closed set */
  readonly classes?: ReadonlyArray<{ readonly label: string; readonly rows: number }>
}

// the tasks of GLUE have two or three; sets of intents have a hundred or more, and are listed in the plan
const MOST_TARGETS = 20

/** Opens the files until the scope closes. `seed` determines which rows a validation share holds out. Fails with all problems. */
export const openSeq2Seq = (section: Seq2SeqData, seed: number): Effect.Effect<OpenedSeq2Seq, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const files = yield* openSplitFiles(section, (path) => openTargets(path, section))
    const targets = section.targets ?? closedSet(files.train)
    const rows = yield* rowsOfSplits(section, targets === null ? mapSplits(files, unclassed) : files, seed)
    const splits = mapSplits(rows, (some): Seq2SeqSplit => sourceOf(some))
    const counts = targets === null ? undefined : mapSplits(rows, (split) => countsOf(split, targets))
    return {
      splits,
      targets,
      usual: yield* usualTarget(rows, splits),
      warnings: [...(counts === undefined ? [] : outside(rows, counts)), ...repeatWarnings(rows)],
      describe: () =>
        describedSplits(splits, (_, split) => {
          const counted = counts?.[split]?.counts
          return counted === undefined ? {} : { classes: targets!.map((label, i) => ({ label, rows: counted[i]! })) }
        })
    }
  })

interface TargetFile extends ScannedSource<SourceTarget> {
  readonly targetHashes: TextHashes
}

/** Converts numbers and booleans to text, as for labels. */
const targetForm: TextForm = {
  role: "target",
  textOf: (value) =>
    (typeof value === "number" && Number.isFinite(value)) || typeof value === "boolean"
      ? { text: String(value) }
      : plainText.textOf(value)
}

/** Stands for targets beyond the maximum number of a file. */
const OTHERS = "…"

const openTargets = (path: string, { source, target, targets = [] }: Seq2SeqData) =>
  Effect.suspend(() => {
    const hashes = textHashBuilder()
    const numbered = new Set(targets)
    const most = numbered.size + MOST_TARGETS
    const classOf = (text: string): string => {
      if (!numbered.has(text) && numbered.size <= most) numbered.add(text)
      return numbered.has(text) ? text : OTHERS
    }
    const opened = openTextFile<SourceTarget>(
      path,
      { text: source },
      {
        columns: [{ name: target, role: "target field" }],
        read: (row, reasons) => ({ target: textOf(row, target, reasons, targetForm) }),
        label: (row) => classOf(row.target),
        seen: (row) => hashes.add(row.target)
      }
    )
    return Effect.map(opened, (file): TargetFile => ({ ...file, targetHashes: hashes.finish() }))
  })

/** Returns the targets of the training rows, sorted by code unit, if there are few. */
const closedSet = ({ index }: Scanned): ReadonlyArray<string> | null =>
  index.labels.length > MOST_TARGETS ? null : index.labels.map(({ label }) => label).sort()

/** Removes the classes of rows with arbitrary targets. */
const unclassed = (file: TargetFile): TargetFile => {
  const { index } = file
  return { ...file, index: { ...index, label: () => 0, labels: [{ label: "", rows: index.rows, firstRow: 0 }] } }
}

type Rows = SomeRows<TargetFile>

const numbersOf = ({ file, rows }: Rows): Iterable<number> => rows ?? Array(file.rows).keys()

interface Counts {
  /** rows of each target */
  readonly counts: ReadonlyArray<number>
  /** rows with other targets, and the first of those */
  readonly otherTargets: number
  readonly first: number
}

const countsOf = (split: Rows, targets: ReadonlyArray<string>): Counts => {
  const { index } = split.file
  const numberOf = new Map(targets.map((target, i) => [target, i]))
  const targetOf = index.labels.map(({ label }) => numberOf.get(label) ?? -1)
  const counts = targets.map(() => 0)
  let [otherTargets, first] = [0, -1]
  for (const row of numbersOf(split)) {
    const target = targetOf[index.label(row)]!
    if (target >= 0) counts[target]!++
    else if (otherTargets++ === 0) first = row
  }
  return { counts, otherTargets, first }
}

/** Warns of rows whose targets are outside of the closed set: an output for them can be correct, but their class has no F1. */
const outside = (rows: BySplit<Rows>, counts: BySplit<Counts>): ReadonlyArray<string> =>
  Object.entries(counts).flatMap(([name, { counts: each, otherTargets, first }]) => {
    if (otherTargets === 0) return []
    const { file } = rows[name as keyof BySplit<Rows>]!
    const all = each.reduce((sum, count) => sum + count, otherTargets)
    const like = `${file.where}:${file.index.line(first)}: ${quotedLabel(file.index.labels[file.index.label(first)]!.label)}`
    return [
      `${name} (${file.where}): ${wholeNumber(otherTargets)} of ${wholeNumber(all)} rows have a target outside data.targets (${like}); their evaluations have no macro-F1`
    ]
  })

// frequent targets appear early, and a table of all may not fit into memory
const COUNTED = 100_000

const usualTarget = (rows: BySplit<Rows>, splits: BySplit<Seq2SeqSplit>) =>
  Effect.gen(function* () {
    const words = ({ file: { targetHashes } }: Rows) => targetHashes.words
    const trainWords = words(rows.train)
    const repeats = new Map<number, { count: number; readonly index: number; readonly row: number }>()
    let index = 0
    for (const row of numbersOf(rows.train)) {
      if (index === COUNTED) break
      const key = (trainWords[2 * row]! >>> 0) * 2 ** 21 + (trainWords[2 * row + 1]! >>> 11)
      const repeat = repeats.get(key)
      if (repeat === undefined) repeats.set(key, { count: 1, index, row })
      else repeat.count++
      index++
    }
    const most = [...repeats.values()].reduce((best, repeat) => (repeat.count > best.count ? repeat : best))
    const [example] = yield* splits.train.read([most.index])
    const [high, low] = [trainWords[2 * most.row], trainWords[2 * most.row + 1]]
    const share = mapSplits(rows, (split) => {
      const hashes = words(split)
      let [same, all] = [0, 0]
      for (const row of numbersOf(split)) {
        if (hashes[2 * row] === high && hashes[2 * row + 1] === low) same++
        all++
      }
      return same / all
    })
    return { target: example!.target, share }
  })
