/** The suites that `evaluate --suite` knows by name. Their rows are read from the Hugging Face Hub, or from a file given instead. */
import type { SuiteInput } from "../../schemas/index.ts"

const gsm8k = {
  description: "Word problems of grade-school mathematics, solved in steps.",
  citation: "Cobbe et al., Training Verifiers to Solve Math Word Problems, arXiv 2110.14168",
  licence: "MIT",
  rows: "hf:datasets/openai/gsm8k/main/test",
  prompt: "Question: {question}\nAnswer:",
  answer: "{answer}",
  // prompt, ends and length of lm-evaluation-harness's task gsm8k
  stop: ["Question:", "</s>", "<|im_end|>"],
  maxNewTokens: 256,
  scorer: "gsm8k"
} as const

const humaneval = {
  description: "Python functions by their signature and docstring, judged by tests.",
  citation: "Chen et al., Evaluating Large Language Models Trained on Code, arXiv 2107.03374",
  licence: "MIT",
  rows: "hf:datasets/openai/openai_humaneval/openai_humaneval/test",
  answer: "canonical_solution",
  maxNewTokens: 512,
  scorer: "python"
} as const

/** The suites, by name. */
export const suites: { readonly [name: string]: SuiteInput } = {
  gsm8k: { name: "gsm8k", ...gsm8k, shots: { rows: "hf:datasets/openai/gsm8k/main/train", count: 8 } },
  "gsm8k-zero-shot": { name: "gsm8k-zero-shot", ...gsm8k },
  // what ends a function is where something else begins
  humaneval: {
    name: "humaneval",
    ...humaneval,
    prompt: "prompt",
    stop: ["\nclass", "\ndef", "\n#", "\nif", "\nprint"]
  },
  "humaneval-instruct": {
    name: "humaneval-instruct",
    ...humaneval,
    form: "chat",
    prompt: "Complete this Python function. Answer with the whole function in one code block.\n\n```python\n{prompt}```"
  }
}
