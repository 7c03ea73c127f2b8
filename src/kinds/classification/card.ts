/**
 * A classifier's part of its adapter's model card. A head over mean pooling is in no transformers class, so its code is written out in
 * full.
 */
import type { CardParts, CardSource } from "../../output/index.ts"
import { fenced, fileName, peftReader, python } from "../../output/index.ts"
import { longestText } from "../encoder-resolve.ts"
import { exampleRow, exampleTexts } from "../encoder-words.ts"
import { classesLimits, classesPurpose } from "../labelled-run.ts"
import type { ResolvedClassificationPlan } from "./resolve.ts"

type Source = CardSource<ResolvedClassificationPlan>

export const classificationCard = (source: Source): CardParts => {
  const { resolved, report } = source
  const longest = longestText(resolved.plan, resolved.model)
  return {
    pipeline: "text-classification",
    task: "text-classification",
    alone: "A classification head",
    purpose: classesPurpose(report.labels, "text"),
    settings: [["tokens of a text at most", longest]],
    loading: loadingCode(source),
    limits: `${classesLimits(report.labels, "text")} Texts are cut at ${longest} tokens.`
  }
}

/** In Python with PEFT or transformers, and here. */
const loadingCode = (source: Source): string => {
  const { resolved, report } = source
  const where = peftReader(resolved.plan) !== null ? "In Python, with PEFT" : "In Python, with transformers"
  const here = [
    'import { loadRun } from "tfjs-lora-pro"',
    "",
    `const run = yield* loadRun(${JSON.stringify(fileName(report.directory))}) // the run folder that this adapter/ lies in`,
    `const [prediction] = yield* run.predict([${exampleRow(resolved.plan.data)}])`
  ]
  return [
    `${where}, from the folder that training was started in:`,
    fenced("python", pythonLines(source)),
    "In TypeScript, with tfjs-lora-pro (inside an Effect that provides a device):",
    fenced("ts", here)
  ].join("\n\n")
}

const pythonLines = (source: Source): ReadonlyArray<string> => {
  const { resolved, base, adapter } = source
  const trained = trainedLines(resolved)
  const { plan, model } = resolved
  const mean = model.head.pooling === "mean"
  const length = longestText(plan, model)
  return [
    "import torch",
    ...(peftReader(plan) !== null ? ["from peft import PeftModel"] : []),
    ...(mean || peftReader(plan) === null ? ["from safetensors.torch import load_file"] : []),
    `from transformers import ${mean ? "AutoModel" : "AutoModelForSequenceClassification"}, AutoTokenizer`,
    "",
    `base = ${python(base)}`,
    `adapter = ${python(adapter)}`,
    `labels = ${JSON.stringify(source.report.labels)}`,
    "tokenizer = AutoTokenizer.from_pretrained(base)",
    mean
      ? "model = AutoModel.from_pretrained(base, dtype=torch.float32)"
      : "model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=len(labels), dtype=torch.float32)",
    ...trained,
    "model.eval()",
    "",
    `batch = tokenizer(${exampleTexts(plan.data)}, padding=True, truncation=True, max_length=${length}, return_tensors="pt")`,
    "with torch.no_grad():",
    ...(mean
      ? [
          "    hidden = model(**batch).last_hidden_state",
          'mask = batch["attention_mask"].unsqueeze(-1)',
          "mean = (hidden * mask).sum(1) / mask.sum(1)",
          'head = load_file(f"{adapter}/head.safetensors")',
          'logits = mean @ head["weight"].T + head["bias"]'
        ]
      : ["    logits = model(**batch).logits"]),
    "print([labels[i] for i in logits.argmax(-1).tolist()])"
  ]
}

/** The trained tensors put into `model`; a head alone over mean pooling leaves the model as it is. */
const trainedLines = ({ plan, model, selected }: ResolvedClassificationPlan): ReadonlyArray<string> => {
  if (peftReader(plan) !== null) return ["model = PeftModel.from_pretrained(model, adapter)"]
  const other = model.head.pooling === "pooler" || selected.sites.length > 0 || selected.parameters.length > 0
  return other ? ['model.load_state_dict(load_file(f"{adapter}/trained.safetensors"), strict=False)'] : []
}
