/**
 * `README.md` of a merged model, as the Hugging Face Hub expects it: what was merged into what, how far the result is from the
 * run it came from, and how to load it. Names and labels are the user's, so they stand in YAML and in code as JSON strings.
 */
import type { ModelDescription } from "../models/index.ts"
import type { Packing } from "../numbers/index.ts"
import type { BaseIdentity } from "./base-identity.ts"
import type { MergeCheck } from "./merge-check.ts"
import { className } from "./merged-config.ts"
import type { TensorCounts } from "./merged-tensors.ts"
import { codeSpan, markdown } from "./model-card/markdown.ts"
import { yamlString } from "./model-card/metadata.ts"
import { isPeftMethod } from "./peft/formats.ts"

export interface MergedCard {
  readonly name: string
  /** of the adapter */
  readonly method: string
  readonly model: ModelDescription
  /** how the run held the weights of linear layers */
  readonly weights: "f32" | Packing
  readonly base: BaseIdentity
  /** of the base, where its own card names one */
  readonly license: string | undefined
  /** what was trained, e.g. "LoRA of rank 8 (s = 2) in 36 linear layers" */
  readonly change: string
  readonly steps: number
  /** tokens of a text at most, in training */
  readonly maxLength: number
  readonly counts: TensorCounts
  readonly check: MergeCheck
}

export const mergedCard = (card: MergedCard): string =>
  `${[frontMatter(card), title(card), provenance(card), usage(card)].join("\n\n")}\n`

const fence = (language: string, lines: ReadonlyArray<string>): string =>
  [`\`\`\`${language}`, ...lines, "```"].join("\n")

const frontMatter = ({ license, method }: MergedCard): string =>
  [
    "---",
    "library_name: transformers",
    "pipeline_tag: text-classification",
    "tags:",
    ...(isPeftMethod(method) ? [`- ${method}`] : []),
    "- tfjs-lora-pro",
    ...(license === undefined ? [] : [`license: ${yamlString(license)}`]),
    "---"
  ].join("\n")

const title = ({ name, change, steps, model }: MergedCard): string =>
  [
    `# ${markdown(name)}, merged`,
    "",
    `A text classifier: ${change}, trained for ${steps} steps and merged into the base model. Its classes, in the order of the logits:`,
    "",
    fence("json", [JSON.stringify(model.labels)])
  ].join("\n")

/** A run's base that was held in fewer bits is here as the run computed with it. */
const packedNote = ({ weights, counts }: MergedCard): string =>
  weights === "f32"
    ? ""
    : ` The base's linear layers were held as ${weights} in training and are here what that says, under what was trained${counts.rounded === 0 ? "" : ` and in ${counts.rounded} tensors by themselves`}.`

const provenance = (card: MergedCard): string => {
  const { base, counts, check } = card
  return [
    "## What it is made of",
    "",
    `Of the base's weights ${counts.copied} tensors are as they were and ${counts.merged} carry what was trained; all floats are float32.${packedNote(card)}`,
    ...(counts.leftOut.length === 0
      ? []
      : [`Left out, since they are another head's: ${counts.leftOut.map(codeSpan).join(", ")}.`]),
    "",
    fence("json", JSON.stringify({ base: lastSegment(base.path), sha256: base.sha256 }, null, 2).split("\n")),
    "",
    "Against the unmerged model:",
    "",
    "| rows | same label | largest logit | largest difference | of the largest logit |",
    "|---|---|---|---|---|",
    `| ${check.rows} (${check.split}) | ${check.sameLabel} | ${check.largestLogit.toPrecision(4)} | ${check.largestDifference.toExponential(1)} | ${check.relativeDifference.toExponential(1)} (at most ${check.bound.toExponential(0)}) |`
  ].join("\n")
}

const usage = ({ model, maxLength }: MergedCard): string => {
  const length = Math.min(maxLength, model.maxLength)
  const own = model.head.pooling === "pooler"
  return [
    "## How to use it",
    "",
    own
      ? `It loads as transformers' \`${className(model)}\`.`
      : `It loads as transformers' \`${className(model)}\`. The head, over the mean of the last hidden states, lies beside it in \`head.safetensors\`:`,
    "",
    fence("python", own ? classifierCode(length) : headCode(length))
  ].join("\n")
}

const classifierCode = (maxLength: number): ReadonlyArray<string> => [
  "from transformers import pipeline",
  "",
  'classify = pipeline("text-classification", model="path/to/this/folder")',
  `print(classify(["your text"], truncation=True, max_length=${maxLength}))`
]

const headCode = (maxLength: number): ReadonlyArray<string> => [
  "import torch",
  "from safetensors.torch import load_file",
  "from transformers import AutoModel, AutoTokenizer",
  "",
  'folder = "path/to/this/folder"',
  "tokenizer = AutoTokenizer.from_pretrained(folder)",
  "model = AutoModel.from_pretrained(folder).eval()",
  'head = load_file(f"{folder}/head.safetensors")',
  `batch = tokenizer(["your text"], return_tensors="pt", padding=True, truncation=True, max_length=${maxLength})`,
  "with torch.no_grad():",
  "    hidden = model(**batch).last_hidden_state",
  '    mask = batch["attention_mask"].unsqueeze(-1)',
  "    pooled = (hidden * mask).sum(1) / mask.sum(1)",
  '    logits = pooled @ head["weight"].T + head["bias"]',
  "print([model.config.id2label[i] for i in logits.argmax(-1).tolist()])"
]

const lastSegment = (folder: string): string => folder.split(/[/\\]/).at(-1)!
