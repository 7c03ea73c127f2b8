/**
 * The part of a model card that says how an encoder under a head is loaded. A head over mean pooling is in no transformers class, so its
 * code is written out in full.
 */
import type { TextColumns } from "../../data/index.ts"
import type { CardSource } from "../../output/index.ts"
import { fenced, inTypeScript, peftReader, python } from "../../output/index.ts"
import type { OpenedData } from "../../plan/index.ts"
import type { EncoderPlan, ResolvedEncoderPlan } from "./resolve.ts"
import { longestText } from "./resolve.ts"
import { exampleRow, exampleTexts } from "./words.ts"

type Source = CardSource<ResolvedEncoderPlan<EncoderPlan & { readonly data: TextColumns }, OpenedData>>

/** What is made of outputs in Python: `logits` [rows, outputs], named by `labels`. */
export interface PythonAnswer {
  /** the outputs' names */
  readonly names: ReadonlyArray<string>
  readonly imports?: ReadonlyArray<string>
  readonly answer: ReadonlyArray<string>
}

/** In Python with PEFT or transformers, and here. */
export const loadingCode = (source: Source, answer: PythonAnswer): string => {
  const { resolved } = source
  const where = peftReader(resolved.plan) !== null ? "In Python, with PEFT" : "In Python, with transformers"
  return [
    `${where}, from the folder that training was started in:`,
    fenced("python", pythonLines(source, answer)),
    inTypeScript(source, `predict([${exampleRow(resolved.plan.data)}])`)
  ].join("\n\n")
}

const pythonLines = (source: Source, { names, imports = [], answer }: PythonAnswer): ReadonlyArray<string> => {
  const { resolved, base, adapter } = source
  const trained = trainedLines(resolved)
  const { plan, model } = resolved
  const mean = model.head.pooling === "mean"
  const length = longestText(plan, model)
  return [
    ...imports,
    "import torch",
    ...(peftReader(plan) !== null ? ["from peft import PeftModel"] : []),
    ...(mean || peftReader(plan) === null ? ["from safetensors.torch import load_file"] : []),
    `from transformers import ${mean ? "AutoModel" : "AutoModelForSequenceClassification"}, AutoTokenizer`,
    "",
    `base = ${python(base)}`,
    `adapter = ${python(adapter)}`,
    `labels = ${JSON.stringify(names)}`,
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
    ...answer
  ]
}

/** The trained tensors put into `model`; a head alone over mean pooling leaves the model as it is. */
const trainedLines = ({ plan, model, selected }: Source["resolved"]): ReadonlyArray<string> => {
  if (peftReader(plan) !== null) return ["model = PeftModel.from_pretrained(model, adapter)"]
  const other = model.head.pooling === "pooler" || selected.sites.length > 0 || selected.parameters.length > 0
  return other ? ['model.load_state_dict(load_file(f"{adapter}/trained.safetensors"), strict=False)'] : []
}
