/**
 * The YAML front matter. Every value that is not a word of this package is a double-quoted scalar, which JSON's strings are (YAML
 * 1.2, section 1.3), so no label or path can add a key.
 */
import { methodOf } from "../../../adapters/index.ts"
import { factsOfOptimizer } from "../../../schemas/index.ts"
import { type Metrics, scoreOf } from "../../training/index.ts"
import { hubNameOf } from "../base-name.ts"
import type { EvaluationReport } from "../run.ts"
import { type CardParts, type CardSource, fileName } from "./card-source.ts"

/** Returns a YAML double-quoted scalar: JSON that also escapes what YAML does not allow, such as DEL and the C1 controls. */
export const yamlString = (text: string): string =>
  JSON.stringify(text).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

export const metadata = (source: CardSource, metrics: Metrics, { pipeline, task }: CardParts): string => {
  const { resolved, base, baseCard } = source
  const hubName = hubNameOf(resolved.base)
  const { adapter, optimizer } = resolved.plan
  const { layout } = methodOf(adapter).peft
  const tags = [
    ...(layout?.tags ?? []),
    ...(factsOfOptimizer(optimizer).needs === "nothing" ? [] : [optimizer.kind]),
    "tfjs-lora-pro"
  ]
  const optional = (key: string, value: string | undefined) =>
    value === undefined ? [] : [`${key}: ${yamlString(value)}`]
  const [language, ...more] = baseCard.languages ?? []
  return [
    "---",
    // of a local folder nothing here can tell what the Hub calls it; `push` leaves both lines out
    ...(hubName === undefined ? ["# before uploading, name the base as the Hub does: owner/name"] : []),
    `base_model: ${yamlString(hubName ?? base)}`,
    `library_name: ${layout !== null ? "peft" : "transformers"}`,
    ...(pipeline === null ? [] : [`pipeline_tag: ${pipeline}`]),
    ...optional("license", baseCard.license),
    ...optional("license_name", baseCard.licenseName),
    ...optional("license_link", baseCard.licenseLink),
    ...(more.length === 0
      ? optional("language", language)
      : ["language:", ...baseCard.languages!.map((language) => `- ${yamlString(language)}`)]),
    "tags:",
    ...tags.map((tag) => `- ${tag}`),
    "metrics:",
    ...onHub(metrics).flatMap(([name, { type }]) => (name === "loss" ? [] : [`- ${type}`])),
    ...modelIndex(source, metrics, task),
    "---"
  ].join("\n")
}

/** Returns the metrics that the Hub supports, the loss last. */
const onHub = ({ loss, ...scores }: Metrics) =>
  Object.entries({ ...scores, ...(loss === undefined ? {} : { loss }) }).flatMap(([name, { hub }]) =>
    hub === undefined ? [] : [[name, hub] as const]
  )

const modelIndex = ({ report }: CardSource, metrics: Metrics, task: string): ReadonlyArray<string> => {
  const evaluations = [report.validation, report.test].filter((evaluation) => evaluation !== null)
  if (evaluations.length === 0) return []
  const results = evaluations.flatMap((evaluation) =>
    result(task, metrics, evaluation, fileOf(evaluation, report.data))
  )
  return ["model-index:", `- name: ${yamlString(report.name)}`, "  results:", ...results]
}

const fileOf = ({ split }: EvaluationReport, data: CardSource["report"]["data"]): string =>
  fileName(data.find((part) => part.split === split)?.where ?? split)

const result = (task: string, metrics: Metrics, evaluation: EvaluationReport, file: string): ReadonlyArray<string> => [
  "  - task:",
  `      type: ${task}`,
  "    dataset:",
  `      name: ${yamlString(file)}`,
  `      type: ${/\.csv\b/i.test(file) ? "csv" : "json"}`,
  `      split: ${evaluation.split}`,
  "    metrics:",
  ...onHub(metrics).flatMap(([name, { type, name: hubName }]) => {
    const value = scoreOf(evaluation, name)
    // YAML has no number for what is not finite; such a metric is left out
    return value === null ? [] : [`    - type: ${type}`, `      name: ${hubName}`, `      value: ${value}`]
  })
]
