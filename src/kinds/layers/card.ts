/** The part of an adapter's model card that a `tf.LayersModel` has of its own. */
import { type CardParts, type CardSource, codeSpan, fenced, fileName } from "../../output/index.ts"
import { classesLimits, classesPurpose } from "../rows/predictions.ts"
import type { ResolvedLayersPlan } from "./rows.ts"

/** What rows are called. */
export interface CalledRows {
  /** "rows of numbers" */
  readonly rows: string
  /** one of them */
  readonly row: string
  /** what the speed of a step is counted in */
  readonly unit: string
  /** the rows that a model takes: "rows of 28×28 numbers" */
  readonly shaped: (shape: string) => string
  /** what their results are of, as the Hub calls it */
  readonly task: string
}

export const layersCard =
  (called: CalledRows) =>
  ({ resolved, report, adapter }: CardSource<ResolvedLayersPlan>): CardParts => ({
    pipeline: null,
    task: called.task,
    alone: "A classification head",
    purpose: classesPurpose(report.labels, called.rows),
    settings: [],
    loading: loadingCode(adapter, resolved.plan.model.source),
    limits: classesLimits(report.labels, called.row)
  })

/** With the promises of `tfjs-lora-pro/layers`: the model is the reader's own, loaded as they load it. */
const loadingCode = (adapter: string, source: string): string =>
  [
    `In TypeScript, over the model that ${codeSpan(fileName(source))} was loaded as:`,
    fenced("ts", [
      'import { loadAdapter } from "tfjs-lora-pro/layers"',
      "",
      `const adapted = await loadAdapter(model, ${JSON.stringify(adapter)})`,
      "adapted.predict(x)",
      "const merged = await adapted.model() // a tf.LayersModel of its own"
    ])
  ].join("\n\n")
