/** A language model's part of its adapter's model card: loaded in Python, in llama.cpp (by its converter for adapters, or merged), and here. */
import {
  type CardParts,
  type CardSource,
  fenced,
  fileName,
  inLlamaCpp,
  peftReader,
  python
} from "../../output/index.ts"
import type { OpenedData } from "../../plan/index.ts"
import type { LanguagePlan, ResolvedLanguagePlan } from "./resolve.ts"

type Source = CardSource<ResolvedLanguagePlan<LanguagePlan, OpenedData>>

/** `learned`: the end of a sentence, "to go on with …"; `settings`: further rows of the table. */
export const languageCard = (source: Source, learned: string, settings: CardParts["settings"] = []): CardParts => ({
  pipeline: "text-generation",
  task: "text-generation",
  // a language model has no head
  alone: "Some modules",
  purpose: learned,
  settings: [["tokens of a row at most", source.resolved.plan.data.maxLength], ...settings],
  loading: loadingCode(source),
  limits: "may say what is wrong as fluently as what is right."
})

/** A GGUF file is one that transformers reads as well, with its weights dequantised. */
const loadingCode = (source: Source): string => {
  const { resolved, report, base, adapter } = source
  const gguf = /^(?:(.*)[\\/])?([^\\/]+\.gguf)$/.exec(base)
  const from = gguf === null ? python(base) : `${python(gguf[1] ?? ".")}, gguf_file=${python(gguf[2]!)}`
  const loaded =
    peftReader(resolved.plan) !== null
      ? [`model = PeftModel.from_pretrained(model, ${python(adapter)})`]
      : [`model.load_state_dict(load_file(${python(`${adapter}/trained.safetensors`)}), strict=False)`]
  const llamaCpp = llamaCppCode(source)
  return [
    "In Python, from the folder that training was started in:",
    fenced("python", [
      "import torch",
      peftReader(resolved.plan) !== null ? "from peft import PeftModel" : "from safetensors.torch import load_file",
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

/** As one word of a shell's command line. */
const word = (text: string): string => (/^[\w./:@+-]+$/.test(text) ? text : JSON.stringify(text))

interface LlamaCppCode {
  readonly text: string
  readonly commands: ReadonlyArray<string>
}

const llamaCppCode = (source: Source): LlamaCppCode => {
  const { plan, model, selected } = source.resolved
  const verdict = inLlamaCpp({ model, config: plan.adapter, ...selected })
  return "reason" in verdict ? merged(source, verdict.reason) : converted(source, verdict.scale)
}

const converted = ({ base, adapter }: Source, scale: number): LlamaCppCode => {
  const gguf = base.endsWith(".gguf")
  const lora = scale === 1 ? "--lora adapter.gguf" : `--lora-scaled adapter.gguf:${scale}`
  const missing = "; its converter reads `lora_alpha` and no other scale, so that the command line says what is missing"
  return {
    text: `In llama.cpp, over the base as a GGUF file${scale === 1 ? "" : missing}:`,
    commands: [
      `python convert_lora_to_gguf.py --base ${word(gguf ? adapter : base)} --outfile adapter.gguf ${word(adapter)}`,
      `llama-completion -m ${gguf ? word(base) : "base.gguf"} ${lora} -no-cnv -p "Once upon a time"`
    ]
  }
}

const merged = ({ report }: Source, reason: string): LlamaCppCode => {
  const run = fileName(report.directory)
  return {
    text: `In llama.cpp, merged. Its converter for adapters is not for this one: ${reason}.`,
    commands: [
      `tfjs-lora-pro export ${word(run)} --format gguf`,
      `llama-completion -m ${word(`${run}/gguf/${run}-q8_0.gguf`)} -no-cnv -p "Once upon a time"`
    ]
  }
}
