/**
 * The YAML front matter. Every value that is not a word of this package is a double-quoted scalar, which JSON's strings are (YAML
 * 1.2, section 1.3), so no label or path can add a key.
 */
import { isResolvedCausal } from "../../plan/resolved.ts"
import type { EvaluationReport } from "../metrics.ts"
import { isPeftMethod } from "../peft/formats.ts"
import { type CardSource, fileName } from "./card-source.ts"

/** A YAML double-quoted scalar. JSON leaves DEL and the C1 controls as they are; YAML does not allow them. */
export const yamlString = (text: string): string =>
  JSON.stringify(text).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

/** Tasks as the Hub calls them. */
const pipelines: { readonly [F in CardSource["resolved"]["format"]]?: string } = {
  classification: "text-classification",
  chat: "text-generation",
  completion: "text-generation",
  text: "text-generation"
}

export const metadata = (source: CardSource): string => {
  const { resolved, report, base, baseCard } = source
  const { method } = resolved.plan.adapter
  const peft = isPeftMethod(method)
  const tags = [
    ...(peft ? [...new Set(["lora", method])] : []),
    ...(resolved.plan.optimizer.kind === "lora-pro" ? ["lora-pro"] : []),
    "tfjs-lora-pro"
  ]
  const optional = (key: string, value: string | undefined) =>
    value === undefined ? [] : [`${key}: ${yamlString(value)}`]
  return [
    "---",
    // a base is a local folder, which the Hub does not know; nothing here can tell what it is called there
    "# before uploading, name the base as the Hub does: owner/name",
    `base_model: ${yamlString(base)}`,
    `library_name: ${peft ? "peft" : "transformers"}`,
    ...(pipelines[resolved.format] === undefined ? [] : [`pipeline_tag: ${pipelines[resolved.format]}`]),
    ...optional("license", baseCard.license),
    ...optional("license_name", baseCard.licenseName),
    ...optional("license_link", baseCard.licenseLink),
    ...optional("language", baseCard.language),
    "tags:",
    ...tags.map((tag) => `- ${tag}`),
    "metrics:",
    ...(isResolvedCausal(resolved) ? ["- perplexity"] : ["- accuracy", "- f1"]),
    ...modelIndex(report.name, source),
    "---"
  ].join("\n")
}

const modelIndex = (name: string, { resolved, report }: CardSource): ReadonlyArray<string> => {
  const evaluations = [report.validation, report.test].filter((evaluation) => evaluation !== null)
  if (evaluations.length === 0) return []
  const results = evaluations.flatMap((evaluation) =>
    result(taskOf(resolved), evaluation, fileOf(evaluation, report.data))
  )
  return ["model-index:", `- name: ${yamlString(name)}`, "  results:", ...results]
}

const fileOf = ({ split }: EvaluationReport, data: CardSource["report"]["data"]): string =>
  fileName(data.find((part) => part.split === split)?.where ?? split)

const taskOf = ({ format }: CardSource["resolved"]): string => pipelines[format] ?? "tabular-classification"

const result = (task: string, evaluation: EvaluationReport, file: string): ReadonlyArray<string> => [
  "  - task:",
  `      type: ${task}`,
  "    dataset:",
  `      name: ${yamlString(file)}`,
  `      type: ${/\.csv\b/i.test(file) ? "csv" : "json"}`,
  `      split: ${evaluation.split}`,
  "    metrics:",
  ...("perplexity" in evaluation
    ? metric("perplexity", "Perplexity", evaluation.perplexity)
    : [...metric("accuracy", "Accuracy", evaluation.accuracy), ...metric("f1", "Macro F1", evaluation.macroF1)]),
  ...metric("loss", "Cross-entropy", evaluation.loss)
]

// YAML has no number for what is not finite; such a metric is left out
const metric = (type: string, name: string, value: number): ReadonlyArray<string> =>
  Number.isFinite(value) ? [`    - type: ${type}`, `      name: ${name}`, `      value: ${value}`] : []
