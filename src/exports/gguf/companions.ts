/**
 * Companions of GGUF files: README.md, and Ollama's Modelfile with the model's path, the format of a conversation, and the texts at which an answer
 * ends.
 *
 * Ollama's templates are Go's. A chat template is Jinja, a program: its effect is found by rendering conversations and comparing them with the common
 * forms below. A template of another form is left to the user, in a comment.
 *
 * @see https://github.com/ollama/ollama/blob/main/docs/modelfile.mdx
 */
import { scientific } from "../../boundary/index.ts"
import { type Message, templateOf } from "../../data/causal/index.ts"
import { codeSpan, type compareOutputs, fenced, markdown } from "../../output/index.ts"
import type { CausalTokenizer } from "../../tensors/index.ts"

/** Text before and after a message of each role. */
interface Form {
  readonly name: string
  readonly system: readonly [before: string, after: string] | null
  readonly user: readonly [before: string, after: string]
  readonly assistant: readonly [before: string, after: string]
}

const headed = (role: string) => [`<|start_header_id|>${role}<|end_header_id|>\n\n`, "<|eot_id|>"] as const
const inChatMl = (role: string) => [`<|im_start|>${role}\n`, "<|im_end|>\n"] as const
const tagged = (role: string, end: string) => [`<|${role}|>\n`, `${end}\n`] as const

const forms: ReadonlyArray<Form> = [
  { name: "ChatML", system: inChatMl("system"), user: inChatMl("user"), assistant: inChatMl("assistant") },
  { name: "Llama 3", system: headed("system"), user: headed("user"), assistant: headed("assistant") },
  {
    name: "Gemma",
    system: null,
    user: ["<start_of_turn>user\n", "<end_of_turn>\n"],
    assistant: ["<start_of_turn>model\n", "<end_of_turn>\n"]
  },
  {
    name: "Phi-3",
    system: tagged("system", "<|end|>"),
    user: tagged("user", "<|end|>"),
    assistant: tagged("assistant", "<|end|>")
  },
  {
    name: "Zephyr",
    system: tagged("system", "</s>"),
    user: tagged("user", "</s>"),
    assistant: tagged("assistant", "</s>")
  }
]

const write = ({ system, user, assistant }: Form, messages: ReadonlyArray<Message>): string => {
  const around = { system: system ?? ["", ""], user, assistant } as Readonly<Record<string, readonly [string, string]>>
  const turns = messages.map(({ role, content }) => `${around[role]![0]}${content}${around[role]![1]}`)
  return `${turns.join("")}${assistant[0]}`
}

const question: ReadonlyArray<Message> = [{ role: "user", content: "What is it?" }]
const long: ReadonlyArray<Message> = [
  ...question,
  { role: "assistant", content: "A stone." },
  { role: "user", content: "Of what colour?" }
]
const instructed: ReadonlyArray<Message> = [{ role: "system", content: "Be brief." }, ...long]

interface MatchingForm {
  readonly form: Form
  /** system text that the template adds to a conversation without a system message; null: none */
  readonly system: string | null
}

/** Returns which of the forms above a tokenizer's chat template has; undefined: none of them. */
export const formOf = (tokenizer: CausalTokenizer): MatchingForm | undefined => {
  const template = templateOf(tokenizer)
  if (template === undefined || "broken" in template) return undefined
  const bos = tokenizer.specialTokens["bos_token"] ?? ""
  const rendered = (messages: ReadonlyArray<Message>): string => {
    const rendered = template.render({ messages }, { prompt: true })
    return "broken" in rendered ? "" : rendered.text
  }
  const [plain, longer, told] = [rendered(question), rendered(long), rendered(instructed)]
  for (const form of forms) {
    const fromForm = write(form, question)
    if (!plain.endsWith(fromForm)) continue
    const said = plain.slice(0, plain.length - fromForm.length)
    // a template may begin with the token that the tokenizer puts before every text
    for (const first of new Set(["", bos])) {
      if (!said.startsWith(first)) continue
      const system = systemIn(form, said.slice(first.length))
      if (system === undefined || longer !== said + write(form, long)) continue
      if (form.system !== null && told !== first + write(form, instructed)) continue
      return { form, system }
    }
  }
  return undefined
}

/** Returns the system text that precedes a question in a rendered conversation; null: none. */
const systemIn = ({ system }: Form, said: string): string | null | undefined => {
  if (said === "") return null
  if (system === null) return undefined
  const [before, after] = system
  const whole = said.length >= before.length + after.length && said.startsWith(before) && said.endsWith(after)
  return whole ? said.slice(before.length, said.length - after.length) : undefined
}

const goTemplate = ({ system, user, assistant }: Form): string => {
  const first = system === null ? "" : `{{ if .System }}${system[0]}{{ .System }}${system[1]}{{ end }}`
  // where the form has no place for instructions they begin the question
  const question = system === null ? "{{ if .System }}{{ .System }}\n\n{{ end }}{{ .Prompt }}" : "{{ .Prompt }}"
  return `${first}{{ if .Prompt }}${user[0]}${question}${user[1]}{{ end }}${assistant[0]}{{ .Response }}${assistant[1]}`
}

const quotedText = (text: string): string => `"""${text}"""`

interface ModelfileFacts {
  /** the model's file */
  readonly from: string
  /** a comment on it */
  readonly note?: string
  /** the adapter's file; null: the model is merged */
  readonly adapter: string | null
  readonly tokenizer: CausalTokenizer
  /** tokens that end a text */
  readonly eosIds: ReadonlyArray<number>
}

export const modelfile = ({ from, note, adapter, tokenizer, eosIds }: ModelfileFacts): string => {
  const form = formOf(tokenizer)
  const stops = [...new Set([...eosIds, ...(tokenizer.eosId === null ? [] : [tokenizer.eosId])])]
    .map((id) => tokenizer.decode([id], { special: true }))
    .filter((text) => text.trim() !== "")
  const unknown =
    tokenizer.chatTemplate === null
      ? [`TEMPLATE ${quotedText("{{ .Prompt }}")}`]
      : ["# the model's chat template has an unknown form: write it as a TEMPLATE for Ollama"]
  const lines = [
    ...(note === undefined ? [] : [`# ${note}`]),
    `FROM ./${from}`,
    ...(adapter === null ? [] : [`ADAPTER ./${adapter}`]),
    ...(form === undefined ? unknown : [`TEMPLATE ${quotedText(goTemplate(form.form))}`]),
    ...(form?.system == null ? [] : [`SYSTEM ${quotedText(form.system)}`]),
    ...stops.map((text) => `PARAMETER stop ${JSON.stringify(text)}`)
  ]
  return `${lines.join("\n")}\n`
}

export interface FileCard {
  readonly type: string
  readonly file: string
  /** llama.cpp's name of its type */
  readonly label: string
  /** comparison with the run; null: an adapter, which needs the base's file */
  readonly check: ReturnType<typeof compareOutputs> | null
}

interface GgufCard {
  /** name of the run */
  readonly name: string
  /** name of the base model */
  readonly base: string
  readonly files: ReadonlyArray<FileCard>
  readonly writes: "chat" | "text"
  /** sentences */
  readonly notes: ReadonlyArray<string>
}

/** Returns the README.md of the folder. */
export const ggufCard = ({ name, base, files, writes, notes }: GgufCard): string => {
  const first = files.find(({ check }) => check !== null)
  const adapter = files.find(({ check }) => check === null)
  const prompt = writes === "chat" ? "" : ' -no-cnv -p "Once upon a time"'
  const commands = [
    ...(first === undefined ? [] : [`llama-cli -m ${JSON.stringify(first.file)}${prompt}`]),
    ...(adapter === undefined
      ? []
      : [
          `llama-cli -m ${JSON.stringify(base.endsWith(".gguf") ? base : "base.gguf")} --lora ${JSON.stringify(adapter.file)}${prompt}`
        ])
  ]
  return `${[
    ["---", "library_name: gguf", "pipeline_tag: text-generation", "tags:", "- gguf", "- tfjs-lora-pro", "---"].join(
      "\n"
    ),
    `# ${markdown(name)} as GGUF`,
    `Trained with tfjs-lora-pro over ${codeSpan(base)}.`,
    table(files),
    "The last columns compare the file, read back by tfjs-lora-pro, with the run on three short texts.",
    ...notes,
    "With llama.cpp:",
    fenced("sh", commands),
    "With Ollama, in this folder:",
    fenced("sh", ["ollama create my-model -f Modelfile", "ollama run my-model"])
  ].join("\n\n")}\n`
}

const table = (files: ReadonlyArray<FileCard>): string =>
  [
    "| file | type | largest difference of logits, relative to the largest logit | same next tokens |",
    "|---|---|---|---|",
    ...files.map(({ file, label, check }) =>
      check === null
        ? `| ${codeSpan(file)} | ${label} | | |`
        : `| ${codeSpan(file)} | ${label} | ${scientific(check.relativeDifference, 2)} | ${check.sameLabel} of ${check.rows} |`
    )
  ].join("\n")
