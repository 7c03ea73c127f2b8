/** Words as tokens in windows. Each word has one output: that of its first token, in the window that shows most of the text around it. */
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import { messageOf } from "../../../boundary/index.ts"
import {
  type DataError,
  dataError,
  type EvaluationBatchOptions,
  inParts,
  lengthBatches,
  type Padding,
  padTexts,
  pooledBatches,
  type RowSource,
  stretchedBatches,
  type TrainingBatchOptions
} from "../../../data/index.ts"
import type { Tokenizer, WordEncoding } from "../../../models/index.ts"
import type { TokenRows } from "../../../tensors/index.ts"
import type { LabelledWords } from "./data.ts"

/** PyTorch's `ignore_index`: tokens without a label. */
const NO_LABEL = -100

/** The first token of a word in a window. */
interface Place {
  readonly token: number
  readonly word: number
}

/** A window with the words whose outputs it has. */
interface Window extends WordEncoding {
  readonly places: ReadonlyArray<Place>
}

/** Options for windows. */
export interface WindowOptions {
  /** most tokens of a window, special tokens included */
  readonly maxLength: number
  /** tokens that neighbours share */
  readonly stride: number
}

/** Assigns each word to a window. `windows`: of one text, as `encodeWords` returns them. */
export const withPlaces = (windows: ReadonlyArray<WordEncoding>, stride: number): ReadonlyArray<Window> => {
  const inside = windows.map(({ words }) => words.flatMap((word, token) => (word < 0 ? [] : [{ token, word }])))
  const step = (inside[0]?.length ?? 0) - stride
  const first = new Map<number, number>()
  const best = new Map<number, { readonly window: number; readonly around: number }>()
  for (const [window, tokens] of inside.entries())
    for (const [i, { word }] of tokens.entries()) {
      const at = window * step + i
      if (!first.has(word)) first.set(word, at)
      // a later window may begin in the middle of a word
      if (first.get(word) !== at) continue
      const around = Math.min(i, tokens.length - 1 - i)
      if (around > (best.get(word)?.around ?? -1)) best.set(word, { window, around })
    }
  return windows.map((encoding, window) => ({
    ...encoding,
    places: inside[window]!.filter(
      ({ word }, i) => first.get(word) === window * step + i && best.get(word)!.window === window
    )
  }))
}

/** Encodes the words of a text in windows. Fails where the tokenizer does. */
export const windowsOf = (
  tokenizer: Tokenizer,
  { words, where }: Pick<LabelledWords, "words" | "where">,
  { maxLength, stride }: WindowOptions
): Effect.Effect<ReadonlyArray<Window>, DataError> =>
  Effect.try({
    try: () => {
      if (tokenizer.encodeWords === undefined) throw new Error("the tokenizer encodes only whole texts")
      return withPlaces(tokenizer.encodeWords(words, maxLength, stride), stride)
    },
    catch: (cause) => dataError(where, `cannot be tokenized: ${messageOf(cause)}`)
  })

/** A batch of windows; labels [size · length], −100 for tokens without one. */
export interface WindowRows extends TokenRows {
  readonly counted: number
}

/** A batch of windows with the words whose outputs it has. */
export interface WindowBatch extends WindowRows {
  readonly words: ReadonlyArray<{
    /** row in the split */
    readonly row: number
    readonly word: number
    /** token of the batch, in [0, size · length) */
    readonly token: number
  }>
  /** rows whose windows are all computed after this batch, in order; `index`: in the split */
  readonly finished: ReadonlyArray<LabelledWords & { readonly index: number }>
}

interface LabelledWindow extends Window {
  /** index of each word's label */
  readonly classes: ReadonlyArray<number>
  readonly all: boolean
}

const padWindows = (windows: ReadonlyArray<LabelledWindow>, padding: Padding): WindowRows => {
  const padded = padTexts(windows, padding)
  const labels = new Int32Array(padded.size * padded.length).fill(NO_LABEL)
  for (const [i, { places, words, classes, all }] of windows.entries())
    for (const { token, word } of places) {
      labels[i * padded.length + token] = classes[word]!
      if (all)
        for (let next = token + 1; words[next] === word; next++) labels[i * padded.length + next] = classes[word]!
    }
  return { ...padded, labels, counted: labels.filter((label) => label !== NO_LABEL).length }
}

interface Reading extends WindowOptions {
  readonly tokenizer: Tokenizer
  /** labels in the order of the outputs */
  readonly labels: ReadonlyArray<string>
  /** whether all tokens of a word have its label */
  readonly all: boolean
}

const reader = (source: RowSource<LabelledWords>, { labels, all, tokenizer, ...options }: Reading) => {
  const classOf = new Map(labels.map((label, i) => [label, i]))
  return (indices: ArrayLike<number>) =>
    inParts(indices, (part) =>
      Effect.flatMap(source.read(part), (rows) =>
        Effect.forEach(rows, (row) =>
          Effect.flatMap(windowsOf(tokenizer, row, options), (windows) => {
            const classes = row.labels.map((label) => classOf.get(label) ?? NO_LABEL)
            // a window whose words are all in its neighbours teaches nothing
            const some = windows.filter(({ places }) => places.length > 0)
            if (some.length === 0) return Effect.fail(dataError(row.where, "the text has no tokens"))
            return Effect.succeed({ row, windows: some.map((window) => ({ ...window, classes, all })) })
          })
        )
      )
    )
}

/** Yields batches of rows endlessly; a long text has several windows in its batch. */
export const windowTrainingBatches = (
  source: RowSource<LabelledWords>,
  reading: Reading,
  { maxLength, padMultiple = 1, ...options }: TrainingBatchOptions
) =>
  pooledBatches(
    {
      rows: source.rows,
      read: reader(source, reading),
      lengthOf: ({ windows }) => Math.max(...windows.map(({ ids }) => ids.length)),
      pad: (rows) =>
        padWindows(
          rows.flatMap(({ windows }) => windows),
          { padId: reading.tokenizer.padId, padMultiple, maxLength }
        )
    },
    options
  )

/** Yields the windows of every row once; those of a row come together within a stretch of rows. */
export const windowBatches = (
  source: RowSource<LabelledWords>,
  reading: Reading,
  { batchSize, maxLength, rows, padMultiple = 1 }: EvaluationBatchOptions
): Stream.Stream<WindowBatch, DataError> => {
  const padding = { padId: reading.tokenizer.padId, padMultiple, maxLength }
  return stretchedBatches(
    { rows: source.rows, read: reader(source, reading) },
    { batchSize, rows },
    (items, indices) => {
      const windows = items.flatMap((item, i) => item.windows.map((window) => ({ ...window, row: indices[i]! })))
      const batches = lengthBatches(windows, ({ ids }) => ids.length, batchSize, padding)
      return batches.map((some, i) => {
        const padded = padWindows(some, padding)
        const words = some.flatMap(({ row, places }, window) =>
          places.map(({ token, word }) => ({ row, word, token: window * padded.length + token }))
        )
        const isLast = i === batches.length - 1
        const finished = isLast ? items.map(({ row }, item) => ({ ...row, index: indices[item]! })) : []
        return { ...padded, words, finished }
      })
    }
  )
}
