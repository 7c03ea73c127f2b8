/**
 * How to load what was trained: in Python with PEFT or transformers, and here. A head over mean pooling is in no transformers class,
 * so its code stands in full.
 */
import type { ResolvedCausalPlan, ResolvedClassificationPlan } from "../../plan/resolved.ts"
import { isPeftMethod } from "../peft/formats.ts"
import { type CardSource, fileName } from "./card-source.ts"
import { llamaCppCode } from "./llama-cpp.ts"
import { codeSpan } from "./markdown.ts"

// A Python string literal: JSON's escapes are Python's too. A line break in a path cannot end the code block.
const python = (text: string): string => JSON.stringify(text)

const fenced = (language: string, lines: ReadonlyArray<string>): string =>
  [`\`\`\`${language}`, ...lines, "```"].join("\n")

export const loadingCode = (source: CardSource): string => {
  const { resolved, report } = source
  if (resolved.format === "arrays") return layersCode(source, resolved.plan.model.source)
  if (resolved.format !== "classification") return causalCode(source, resolved)
  const where = isPeftMethod(resolved.plan.adapter.method) ? "In Python, with PEFT" : "In Python, with transformers"
  const here = [
    'import { loadRun } from "tfjs-lora-pro"',
    "",
    `const run = yield* loadRun(${JSON.stringify(fileName(report.directory))}) // the run folder that this adapter/ lies in`,
    'const [prediction] = yield* run.predict(["a text"])'
  ]
  return [
    `${where}, from the folder that training was started in:`,
    fenced("python", pythonLines(source, resolved)),
    "In TypeScript, with tfjs-lora-pro (inside an Effect that provides a device):",
    fenced("ts", here)
  ].join("\n\n")
}

/** A GGUF file is one that transformers reads as well, with its weights dequantised. */
const causalCode = (source: CardSource, resolved: ResolvedCausalPlan): string => {
  const { report, base, adapter } = source
  const gguf = /^(.*[\\/])?([^\\/]+\.gguf)$/.exec(base)
  const from = gguf === null ? python(base) : `${python(gguf[1] ?? ".")}, gguf_file=${python(gguf[2]!)}`
  const loaded = isPeftMethod(resolved.plan.adapter.method)
    ? [`model = PeftModel.from_pretrained(model, ${python(adapter)})`]
    : [`model.load_state_dict(load_file(${python(`${adapter}/trained.safetensors`)}), strict=False)`]
  const llamaCpp = llamaCppCode(source, resolved)
  return [
    "In Python, from the folder that training was started in:",
    fenced("python", [
      "import torch",
      isPeftMethod(resolved.plan.adapter.method)
        ? "from peft import PeftModel"
        : "from safetensors.torch import load_file",
      "from transformers import AutoModelForCausalLM, AutoTokenizer",
      "",
      `tokenizer = AutoTokenizer.from_pretrained(${from})`,
      `model = AutoModelForCausalLM.from_pretrained(${from}, dtype=torch.float32)`,
      ...loaded,
      "model.eval()",
      "",
      'batch = tokenizer("Once upon a time", return_tensors="pt")',
      "print(tokenizer.decode(model.generate(**batch, max_new_tokens=32, do_sample=False)[0]))"
    ]),
    llamaCpp.text,
    fenced("sh", llamaCpp.commands),
    "With tfjs-lora-pro:",
    fenced("sh", [`tfjs-lora-pro generate ${fileName(report.directory)} "Once upon a time"`])
  ].join("\n\n")
}

/** With the promises of `tfjs-lora-pro/layers`: the model is the reader's own, loaded as they load it. */
const layersCode = ({ adapter }: CardSource, source: string): string =>
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

const pythonLines = (source: CardSource, resolved: ResolvedClassificationPlan): ReadonlyArray<string> => {
  const { base, adapter } = source
  const trained = trainedLines(resolved)
  const { plan, model } = resolved
  const mean = model.head.pooling === "mean"
  const length = Math.min(plan.data.maxLength, model.maxLength)
  return [
    "import torch",
    ...(isPeftMethod(plan.adapter.method) ? ["from peft import PeftModel"] : []),
    ...(mean || !isPeftMethod(plan.adapter.method) ? ["from safetensors.torch import load_file"] : []),
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
    `batch = tokenizer(["a text"], padding=True, truncation=True, max_length=${length}, return_tensors="pt")`,
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
  if (isPeftMethod(plan.adapter.method)) return ["model = PeftModel.from_pretrained(model, adapter)"]
  const other = model.head.pooling === "pooler" || selected.sites.length > 0 || selected.parameters.length > 0
  return other ? ['model.load_state_dict(load_file(f"{adapter}/trained.safetensors"), strict=False)'] : []
}
