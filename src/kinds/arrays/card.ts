/** The part of an adapter's model card that a `tf.LayersModel` has of its own. */
import { type CardParts, type CardSource, codeSpan, fenced, fileName } from "../../output/index.ts"
import { classesLimits, classesPurpose } from "../labelled-run.ts"
import type { ResolvedArraysPlan } from "./resolve.ts"

export const arraysCard = ({ resolved, report, adapter }: CardSource<ResolvedArraysPlan>): CardParts => ({
  pipeline: null,
  task: "tabular-classification",
  alone: "A classification head",
  purpose: classesPurpose(report.labels, "rows of numbers"),
  settings: [],
  loading: loadingCode(adapter, resolved.plan.model.source),
  limits: classesLimits(report.labels, "row")
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
