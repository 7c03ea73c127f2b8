/** Plans and runs of causal language models that are wrong: one message each, and nothing written. */
import { beforeAll } from "bun:test"
import { cpSync } from "node:fs"
import {
  causalData,
  causalPlan,
  decoder,
  type formats,
  tokenizerConfig,
  wordTokenizer,
  writeRows
} from "./causal-workspace.ts"
import { jsonLines, onWasm, TIMEOUT, workspace } from "./fixtures.ts"
import { refuses } from "./refusal.ts"
import { complete } from "./train-here.ts"

const w = workspace()

beforeAll(async () => {
  for (const model of ["llama", "llama-tied"] as const) decoder(w, model)
  w.write(
    "rows.jsonl",
    jsonLines([
      { text: "a", label: "b" },
      { text: "b", label: "a" }
    ])
  )
  w.model("bert")
  writeRows(w)
  const short = { training: { steps: 1, batchSize: 2 } }
  await complete(w, w.write("short.json", causalPlan("llama", "chat", short)), "runs/short")
}, TIMEOUT)

const training = (format: keyof typeof formats, sections: Record<string, unknown> = {}, source = "llama") => {
  w.write("plan.json", causalPlan(source, format, sections))
  return ["train", "plan.json", ...onWasm]
}
const trainingOn = (format: keyof typeof formats, rows: ReadonlyArray<unknown>) => {
  w.write("wrong.jsonl", jsonLines(rows))
  return training(format, { data: causalData(format, { train: "wrong.jsonl" }) })
}
/** A copy of the model with a file of its own, or without one. */
const withFile = (name: string, content: unknown) => {
  decoder(w, "llama", "other")
  w.write(`other/${name}`, content)
  return "other"
}

refuses("causal plans", w, [
  {
    name: "no chat template",
    args: () => {
      const { chat_template: _, ...config } = tokenizerConfig
      return training("chat", {}, withFile("tokenizer_config.json", config))
    },
    says: ["the checkpoint has no chat template", 'set data.format to "completion"']
  },
  {
    name: "a template that never ends the assistant's turn",
    args: () => {
      const config = { ...tokenizerConfig, chat_template: "{% for m in messages %}{{ m.content }} {% endfor %}" }
      return training("chat", {}, withFile("tokenizer_config.json", config))
    },
    says: ['found " " after it', "the model would never learn to stop"]
  },
  {
    name: "no end-of-text token",
    args: () => {
      const { eos_token: _, ...config } = tokenizerConfig
      return training("completion", {}, withFile("tokenizer_config.json", config))
    },
    says: ["it has no end-of-text token (eos_token)", "never learn to stop"]
  },
  {
    name: "broken rows, all at once",
    args: () =>
      trainingOn("chat", [
        { messages: [{ role: "user", content: "what is it ?" }] },
        { messages: [{ role: "usr", content: "what ?" }] },
        { message: [] },
        { messages: "what is it ?" }
      ]),
    says: [
      "wrong.jsonl: 4 problems",
      "wrong.jsonl:1: the conversation has no message of the assistant",
      'unknown role "usr"',
      'did you mean "user"?',
      'wrong.jsonl:3: no column "messages" (found: message',
      'wrong.jsonl:4: "messages" is not JSON'
    ]
  },
  {
    name: "columns of another format",
    args: () => {
      return training("text", { data: causalData("text", { train: "chat-train.jsonl" }) })
    },
    says: ["24 problems, 10 of them", 'no column "text" (found: messages)']
  },
  {
    name: "a conversation too long to learn anything of",
    args: () => training("chat", { data: causalData("chat", { maxLength: 4 }) }),
    says: [
      "3 problems",
      "chat-test.jsonl: no row has anything to learn within its first 4 tokens; raise data.maxLength"
    ]
  },
  {
    name: "more tokens than any model takes",
    args: () => training("chat", { data: causalData("chat", { maxLength: 131_073 }) }),
    says: ["data.maxLength: found 131073; expected an integer from 4 to 131072"]
  },
  {
    name: "a source that is not there",
    args: () => training("chat", {}, "nowhere"),
    says: ["nowhere/config.json", "no such file", "expected a Hugging Face folder"]
  },
  {
    name: "a GGUF file that is not there",
    args: () => training("chat", {}, "nowhere.gguf"),
    says: ["nowhere.gguf", "no such file"]
  },
  {
    name: "a GGUF file that is none",
    args: () => {
      w.write("nonsense.gguf", "nonsense")
      return training("chat", {}, "nonsense.gguf")
    },
    says: ["nonsense.gguf", "not a GGUF file"]
  },
  {
    name: "an encoder",
    args: () => training("chat", {}, "bert"),
    says: ['config.json: model_type "bert"', "supported are llama"]
  },
  {
    name: "a decoder to classify with",
    args: () => training("text", { data: { format: "classification", train: "rows.jsonl" } }),
    says: ['config.json: model_type "llama"', "supported are bert"]
  },
  {
    name: "a GGUF file to classify with",
    args: () => training("text", { data: { format: "classification", train: "rows.jsonl" } }, "x.gguf"),
    says: ['found "classification" with model.source "x.gguf"', "set model.source to the folder of an encoder"]
  },
  {
    name: "nothing to train",
    args: () => training("chat", { adapter: { method: "none" } }),
    says: ["plan.json: 2 problems", 'adapter.method: found "none"', "for a causal language model, which has no head"]
  },
  {
    name: "an output layer that is the embedding",
    args: () => training("chat", { adapter: { method: "lora", modulesToSave: ["lm_head"] } }, "llama-tied"),
    says: ['adapter.modulesToSave.0: found "lm_head"', "which matches no module", "embed_tokens"]
  },
  {
    name: "targets of another family",
    args: () => training("chat", { adapter: { method: "lora", targets: ["c_attn", "q_prj"] } }),
    says: [
      'adapter.targets.0: found "c_attn"',
      'adapter.targets.1: found "q_prj"',
      "nearest: layers.0.self_attn.q_proj"
    ]
  },
  {
    name: "a task",
    args: () => training("chat", { model: { source: "llama", task: { kind: "classification" } } }),
    says: ["model.task: unknown key"]
  },
  {
    name: "a folder without a tokenizer",
    args: () => {
      w.write("bare/config.json", w.json("llama/config.json"))
      cpSync(w.path("llama/model.safetensors"), w.path("bare/model.safetensors"))
      return training("text", {}, "bare")
    },
    says: ["tokenizer.json: no such file"]
  },
  {
    name: "another model's tokenizer",
    args: () => {
      const { model, ...rest } = wordTokenizer()
      return training(
        "text",
        {},
        withFile("tokenizer.json", { ...rest, model: { ...model, vocab: { ...model.vocab, far: 5000 } } })
      )
    },
    says: ["has ids up to 5000", "only 128 rows", "another model"]
  },
  {
    name: "a config of another size",
    args: () =>
      training("text", {}, withFile("config.json", { ...w.json("llama/config.json"), intermediate_size: 48 })),
    says: ["gate_proj.weight has shape [64, 32]", "config.json says [48, 32]", "down_proj.weight has shape [32, 64]"]
  }
])

refuses("uses of a causal run", w, [
  {
    name: "labels of a language model",
    args: () => ["predict", "runs/short", "what is it ?", ...onWasm],
    says: ["no labels to predict", "generate"]
  },
  {
    name: "rows of another format",
    args: () => ["evaluate", "runs/short", "--data", "text-test.jsonl", ...onWasm],
    says: ["text-test.jsonl: 9 problems", 'no column "messages" (found: text)']
  },
  {
    name: "another base",
    args: () => {
      decoder(w, "llama-tied", "other")
      return ["evaluate", "runs/short", "--base", "other", ...onWasm]
    },
    says: ["model/model.safetensors: trained with SHA-256", "is not the base model of this run", "--base"]
  },
  {
    name: "a plan that is not its own, resumed",
    args: () => ["train", "--resume", "runs/short/adapter", ...onWasm],
    says: ["runs/short/adapter is not a run folder", "plan.json"]
  }
])
