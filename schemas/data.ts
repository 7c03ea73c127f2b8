/**
 * The `data` section: rows of labelled text and how they become batches.
 *
 *   { "format": "classification", "train": "train.jsonl", "validation": 0.1, "text": "text", "label": "label", "maxLength": 32 }
 *
 * Files by extension: .jsonl or .ndjson (one object a line), .csv (with a header row). Paths are relative to the plan.
 */
import * as Schema from "effect/Schema"
import { count, integer, listOf, share, text, withDefault } from "./fields.ts"

const file = (what: string) => text("a path to a .jsonl or .csv file", `${what} Relative to the plan file.`)

const labelsExpected = "a list of labels, each once"

export const DataSection = Schema.Struct({
  format: Schema.Literal("classification").annotate({ description: "Rows of a text and its label." }),
  train: file("Rows to train on (.jsonl, .ndjson or .csv)."),
  validation: Schema.optionalKey(
    Schema.Union([
      file("Rows to evaluate during training."),
      share("The share of the training rows held out.")
    ]).annotate({
      expected: "a path to a .jsonl or .csv file, or a fraction between 0 and 1 of the training rows",
      description:
        "Rows to evaluate during training: a file, or the share of the training rows that is held out for it."
    })
  ),
  test: Schema.optionalKey(file("Rows to evaluate at the end.")),
  text: text("the name of a column", "Column that holds the text.").pipe(withDefault("text")),
  label: text("the name of a column", "Column that holds the label.").pipe(withDefault("label")),
  labels: Schema.optionalKey(
    listOf(
      1,
      text("a label", "A label."),
      labelsExpected,
      "The labels in the order of the classes. Absent: those found in `train`, sorted."
    ).check(Schema.isUnique({ expected: labelsExpected }))
  ),
  maxLength: integer(4, 8192, "Tokens of a text at most, special tokens included; the rest is cut off.").pipe(
    withDefault(128)
  ),
  bucketPool: count(
    1,
    "Batches per pool: so many batches of shuffled rows are sorted by length, so that a batch holds texts of like length."
  ).pipe(withDefault(8))
}).annotate({ title: "Data", description: "Rows of labelled text and how they become batches." })
export type DataSection = typeof DataSection.Type
