/** How to use a causal model's adapter in llama.cpp: by its converter for adapters, or merged where that does not take it. */
import type { ResolvedCausalPlan } from "../../plan/resolved.ts"
import { inLlamaCpp } from "../peft/llama-cpp.ts"
import { type CardSource, fileName } from "./card-source.ts"

/** As one word of a shell's command line. */
const word = (text: string): string => (/^[\w./:@+-]+$/.test(text) ? text : JSON.stringify(text))

interface LlamaCppCode {
  readonly text: string
  readonly commands: ReadonlyArray<string>
}

export const llamaCppCode = (source: CardSource, resolved: ResolvedCausalPlan): LlamaCppCode => {
  const { plan, model, selected } = resolved
  const verdict = inLlamaCpp({ model, config: plan.adapter, ...selected })
  return "reason" in verdict ? merged(source, verdict.reason) : converted(source, verdict.scale)
}

const converted = ({ base, adapter }: CardSource, scale: number): LlamaCppCode => {
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

const merged = ({ report }: CardSource, reason: string): LlamaCppCode => {
  const run = fileName(report.directory)
  return {
    text: `In llama.cpp, merged. Its converter for adapters is not for this one: ${reason}.`,
    commands: [
      `tfjs-lora-pro merge ${word(run)}`,
      `python convert_hf_to_gguf.py --outfile merged.gguf ${word(`${run}/merged`)}`,
      'llama-completion -m merged.gguf -no-cnv -p "Once upon a time"'
    ]
  }
}
