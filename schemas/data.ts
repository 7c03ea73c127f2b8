/**
 * The `data` section: rows, and how they become batches. Its `format` says what a row is, and with it which model a plan is for.
 *
 *   { "format": "classification", "train": "train.jsonl", "validation": 0.1, "text": "text", "label": "label", "maxLength": 32 }
 *   { "format": "arrays", "train": "train.jsonl", "validation": 0.1, "input": "pixels", "label": "digit", "scale": 0.00392156862745098 }
 *
 * Files by extension: .jsonl or .ndjson (one object a line), .csv (with a header row), each also as .gz, and .parquet. Paths are
 * relative to the plan.
 */
import * as Schema from "effect/Schema"
import { count, integer, listOf, positive, share, text, withDefault } from "./fields.ts"

/** The formats of `src/data/formats`. */
const path = "a path to a .jsonl, .csv or .parquet file"
const extensions = ".jsonl, .ndjson or .csv, these as .gz too, or .parquet"

const file = (what: string) => text(path, `${what} Relative to the plan file.`)

/** The fields of every data section. */
export const splits = {
  train: file(`Rows to train on (${extensions}).`),
  validation: Schema.optionalKey(
    Schema.Union([
      file("Rows to evaluate during training."),
      share("The share of the training rows held out.")
    ]).annotate({
      expected: `${path}, or a fraction between 0 and 1 of the training rows`,
      description:
        "Rows to evaluate during training: a file, or the share of the training rows that is held out for it."
    })
  ),
  test: Schema.optionalKey(file("Rows to evaluate at the end."))
}

const labelsExpected = "a list of labels, each once"

const classes = {
  label: text("the name of a column", "Column that holds the label.").pipe(withDefault("label")),
  labels: Schema.optionalKey(
    listOf(
      1,
      text("a label", "A label."),
      labelsExpected,
      "The labels in the order of the classes. Absent: those found in `train`, sorted."
    ).check(Schema.isUnique({ expected: labelsExpected }))
  )
}

export const DataSection = Schema.Struct({
  format: Schema.Literal("classification").annotate({ description: "Rows of a text and its label." }),
  ...splits,
  text: text("the name of a column", "Column that holds the text.").pipe(withDefault("text")),
  ...classes,
  maxLength: integer(4, 8192, "Tokens of a text at most, special tokens included; the rest is cut off.").pipe(
    withDefault(128)
  ),
  bucketPool: count(
    1,
    "Batches per pool: shuffled rows are sorted by length within a pool, so that a batch holds texts of similar length."
  ).pipe(withDefault(8))
}).annotate({ title: "Data", description: "Rows of labelled text and how they become batches." })
export type DataSection = typeof DataSection.Type

/** Rows of numbers, for a LayersModel. */
export const ArraysSection = Schema.Struct({
  format: Schema.Literal("arrays").annotate({ description: "Rows of numbers, such as an image's, and a label." }),
  ...splits,
  input: text(
    "the name of a column",
    "Column that holds the numbers of a row: a list, nested or flat, of as many as the model's input has."
  ).pipe(withDefault("input")),
  scale: positive("What every number is multiplied by: 1/255 turns bytes into grey values.").pipe(withDefault(1)),
  ...classes
}).annotate({ title: "Arrays", description: "Rows of numbers with a label, and how they become batches." })
export type ArraysSection = typeof ArraysSection.Type
