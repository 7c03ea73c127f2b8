/**
 * What an end-to-end test of tools starts from: a golden decoder with a tokenizer of ASCII bytes and the words of calls, a template in Hermes'
 * form, and rows that teach it to switch a light.
 */
import { cpSync } from "node:fs"
import { join } from "node:path"
import { causalPlan, tokenizerConfig, wordTokenizer } from "./causal-workspace.ts"
import { jsonLines, type Plan, repository, type Workspace } from "./fixtures.ts"

const special = ["<pad>", "<s>", "</s>", "<unk>", "<user>", "<assistant>", "<system>"]
/** Whole words, so that conversations are short. */
const words = [
  "<tool_call>\n",
  "\n</tool_call>",
  '{"name": ',
  '"arguments": ',
  '"set_light"',
  '{"on": ',
  "light ",
  "hello",
  "done",
  "true",
  "false"
]
const printable = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i))
/** As GPT-2 writes the bytes of a space and a line feed. */
const written = (character: string) => (character === " " ? "\u0120" : character)

const tokenizer = () => {
  const pieces = [...special, ...printable.map(written), "\u010a", ...words]
  const added = (content: string, isSpecial: boolean) => ({
    id: pieces.indexOf(content),
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: isSpecial
  })
  return {
    ...wordTokenizer(),
    added_tokens: [...special.map((one) => added(one, true)), ...words.map((one) => added(one, false))],
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    model: {
      type: "BPE",
      unk_token: null,
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
      merges: []
    }
  }
}

/** Tools by name, calls as Hermes writes them; a result is a message of the user. */
export const template = [
  "<s>{% if tools %}<system>{% for tool in tools %}{{ tool.function.name }} {% endfor %}</s>{% endif %}",
  "{% for m in messages %}<{{ 'user' if m.role == 'tool' else m.role }}>{{ m.content or '' }}",
  "{% for call in m.tool_calls or [] %}<tool_call>\n",
  '{"name": {{ call.function.name | tojson }}, "arguments": {{ call.function.arguments | tojson }}}',
  "\n</tool_call>{% endfor %}</s>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
].join("")

export const tools = [
  {
    type: "function",
    function: {
      name: "set_light",
      description: "Switches the light.",
      parameters: { type: "object", properties: { on: { type: "boolean" } }, required: ["on"] }
    }
  }
] as const

const call = (on: boolean) => ({
  role: "assistant",
  content: null,
  tool_calls: [
    { id: "c00000001", type: "function", function: { name: "set_light", arguments: JSON.stringify({ on }) } }
  ]
})
const user = (content: string) => ({ role: "user", content })
const result = { role: "tool", tool_call_id: "c00000001", content: "ok" }

/** Switching on, switching off, a greeting that needs no call, and a whole exchange. */
export const toolRows = [
  { messages: [user("light on"), call(true)], tools },
  { messages: [user("light off"), call(false)], tools },
  { messages: [user("hi"), { role: "assistant", content: "hello" }], tools },
  { messages: [user("light on"), call(true), result, { role: "assistant", content: "done" }], tools }
]

/** Writes the model without a template of its own, the rows, the template, the list of tools and a plan that learns the rows by heart. */
export const writeTools = (w: Workspace): Plan => {
  const golden = join(repository, "test", "golden", "models", "llama")
  for (const file of ["config.json", "model.safetensors"]) cpSync(join(golden, file), w.path(join("calling", file)))
  const { chat_template: _, ...config } = tokenizerConfig
  w.write("calling/tokenizer.json", tokenizer())
  w.write("calling/tokenizer_config.json", config)
  w.write("tool-rows.jsonl", jsonLines(toolRows))
  w.write("hermes.jinja", template)
  w.write("tools.json", tools)
  const data = {
    format: "chat",
    train: "tool-rows.jsonl",
    validation: "tool-rows.jsonl",
    chatTemplate: "hermes.jinja",
    maxLength: 128
  }
  return causalPlan("calling", "chat", {
    data,
    optimizer: { kind: "lora-pro", learningRate: 5e-3 },
    adapter: { method: "lora", rank: 8, alpha: 16 },
    training: { steps: 120, batchSize: 4 }
  })
}
