/** Forms of chat templates: those that TRL ships, with what transformers writes with them, and shortened ones of other families. */
import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { type CallFormName, callFormOf, callForms } from "../../../src/calls/index.ts"
import { type ChatTemplate, chatTemplate, type Tool } from "../../../src/data/causal/index.ts"

const folder = join(import.meta.dir, "../../golden/chat-templates")

interface Turn {
  readonly message: number
  readonly full: string | number | { readonly error: string }
  readonly prompt?: string | number | { readonly error: string }
}
type Case = { readonly error: string } | { readonly text: string; readonly turns: ReadonlyArray<Turn> }
const golden = JSON.parse(gunzipSync(readFileSync(join(folder, "texts.json.gz"))).toString()) as {
  readonly specialTokens: Readonly<Record<string, string>>
  readonly templates: Readonly<Record<string, { readonly cases: Readonly<Record<string, Case>> }>>
}
const conversations = JSON.parse(readFileSync(join(folder, "conversations.json"), "utf8")) as ReadonlyArray<{
  readonly name: string
  readonly tools?: ReadonlyArray<Tool>
  readonly messages: ReadonlyArray<{
    readonly tool_calls?: ReadonlyArray<{ readonly function: { readonly name: string; readonly arguments: object } }>
  }>
}>

const compiled = (source: string): ChatTemplate => {
  const template = chatTemplate(source, { specialTokens: golden.specialTokens })
  if ("broken" in template) throw new Error(template.broken)
  return template
}

/** The templates of TRL by form; those that are not here write no calls, or reject arguments that are objects. */
const trl: Readonly<Partial<Record<CallFormName, RegExp>>> = {
  hermes: /^qwen(2_5|3|3_instruct_2507)(_training)?$/,
  "qwen-xml": /^(qwen3_(5_nothink|5_think|6|8)|nemotron_.*?)(_training)?$/,
  glm: /^glm4moe(_training)?$/,
  gemma4: /^(gemma4.*|diffusion_gemma)(_training)?$/,
  lfm2: /^lfm2_(v2|2_5|2_5_v2)(_training)?$/,
  "llama-json": /^llama3_[12]$/,
  deepseek: /^deepseekv3_training$/
}

describe("the templates of TRL", () => {
  const names = Object.keys(golden.templates)

  test("write calls in these forms", () => {
    const found = names.map((name) => {
      const source = readFileSync(join(folder, "templates", `${name}.jinja`), "utf8")
      return [name, callFormOf(compiled(source))?.name ?? null] as const
    })
    const expected = names.map((name) => [name, Object.entries(trl).find(([, files]) => files.test(name))?.[0] ?? null])
    expect(found).toEqual(expected as unknown as typeof found)
    expect(found.filter(([, form]) => form !== null).length).toBeGreaterThan(30)
  })

  /** LFM2.5's templates write texts between apostrophes unchanged, so one with an apostrophe in it cannot be read. */
  const ambiguous = ["lfm2_2_5: text", "lfm2_2_5_v2: text"]

  test("write what the form reads, by transformers", () => {
    const differences: Array<string> = []
    let read = 0
    for (const [form, files] of Object.entries(trl) as ReadonlyArray<readonly [CallFormName, RegExp]>) {
      for (const name of names.filter((template) => files.test(template))) {
        for (const conversation of conversations) {
          const written = golden.templates[name]!.cases[conversation.name]!
          for (const { message, full, prompt = "" } of "turns" in written ? written.turns : []) {
            const calls = conversation.messages[message]!.tool_calls ?? []
            if (typeof full === "object" || typeof prompt === "object") continue
            const whole = typeof full === "number" ? (written as { text: string }).text.slice(0, full) : full
            const before = typeof prompt === "number" ? whole.slice(0, prompt) : prompt
            if (!whole.startsWith(before)) continue
            const answer = callForms[form].parse(whole.slice(before.length), conversation.tools)
            const expected = calls.map((call) => ({ name: call.function.name, arguments: call.function.arguments }))
            if (Bun.deepEquals(answer.calls, expected)) read += expected.length
            else differences.push(`${name}: ${conversation.name}`)
          }
        }
      }
    }
    expect(differences).toEqual(ambiguous)
    expect(read).toBeGreaterThan(300)
  })
})

/** A template whose assistant writes a content and then, for calls, what is given; `calls` is their list. */
const template = (calls: string, prompt = "<|assistant|>") =>
  compiled(
    `{%- if tools %}<|tools|>{{ tools | tojson }}{% endif -%}
{%- for message in messages -%}
{%- if message.role == "assistant" -%}
<|assistant|>{% if message.content %}{{ message.content }}{% endif %}
{%- if message.tool_calls %}{% set calls = message.tool_calls %}${calls}{% endif -%}<|end|>
{%- else -%}<|{{ message.role }}|>{{ message.content }}<|end|>{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}${prompt}{% endif -%}`
  )

const each = (call: string, between = "", rest = "") =>
  `{%- for call in calls -%}{%- set f = call.function -%}${call}{%- if not loop.last %}{{ "${between}" }}{% endif -%}${rest}{%- endfor -%}`
const json = (key: string) => `{{ '{"name": "' + f.name + '", "${key}": ' + (f.arguments | tojson) + '}' }}`
const keywords = each(
  `{{ f.name }}({% for key, value in f.arguments.items() %}{{ key }}={{ value | tojson }}{% if not loop.last %}, {% endif %}{% endfor %})`,
  ", "
)
const escaped = `{% for key, value in f.arguments | dictsort %}{{ key }}:{% if value is string %}<escape>{{ value }}<escape>{% else %}{{ value }}{% endif %}{% if not loop.last %},{% endif %}{% endfor %}`

/** What other families write, after the templates of their checkpoints, without what no call needs. */
const families: ReadonlyArray<readonly [string, CallFormName | null, ChatTemplate]> = [
  ["Hermes 2 Pro", "hermes", template(each(`{{ "<tool_call>\n" }}${json("arguments")}{{ "\n</tool_call>" }}`, "\n"))],
  [
    "Mistral 7B v0.3",
    "mistral",
    template(
      `[TOOL_CALLS] [${each(
        `{%- if call.id | length != 9 %}{{ raise_exception("Tool call IDs should be alphanumeric strings with length 9!") }}{% endif -%}
{{ (f | tojson)[:-1] }}, "id": "{{ call.id }}"}`,
        ", "
      )}]`,
      ""
    )
  ],
  [
    "Mistral Small 3.2",
    "mistral-args",
    template(each(`[TOOL_CALLS]{{ f.name }}[CALL_ID]{{ call.id }}[ARGS]{{ f.arguments | tojson }}`), "")
  ],
  ["Ministral 3", "mistral-args", template(each(`[TOOL_CALLS]{{ f.name }}[ARGS]{{ f.arguments | tojson }}`), "")],
  ["Phi-4-mini", "phi", template(`<|tool_call|>[${each(json("arguments"), ", ")}]<|/tool_call|>`)],
  ["Phi-4-mini in vLLM's words", "functools", template(`functools[${each(json("arguments"), ", ")}]`)],
  [
    "FunctionGemma",
    "gemma",
    template(each(`<start_function_call>call:{{ f.name }}{{ "{" }}${escaped}{{ "}" }}<end_function_call>`))
  ],
  ["Gemma 3", "tool-code", template(`{{ "\`\`\`tool_code\n" }}[${keywords}]{{ "\n\`\`\`" }}`)],
  ["Llama 3.2, with functions", "pythonic", template(`[${keywords}]`)],
  ["Llama 4", "pythonic", template(`<|python_start|>[${keywords}]<|python_end|>`)],
  ["Llama 3.1", "llama-json", template(each(json("parameters"), "; "))],
  [
    "a prompt that begins a thought",
    "hermes",
    template(each(`<tool_call>${json("arguments")}</tool_call>`), "<|assistant|><think>")
  ],
  ["calls that are lost", null, template("")],
  ["a form that is not known", null, template(each("<call>{{ f.name }}</call>"))],
  ["arguments that are lost", null, template(each(`<tool_call>{"name": "{{ f.name }}", "arguments": {}}</tool_call>`))],
  ["a template that rejects calls", null, template(`{{ raise_exception("no tools") }}`)]
]

test.each(families)("%s: %s", (_, name, written) => {
  expect(callFormOf(written)?.name ?? null).toBe(name)
})
