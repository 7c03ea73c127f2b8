/** Modelfiles of chat templates in use. */
import { expect, test } from "bun:test"
import { formOf, modelfile } from "../../../../src/exports/gguf/companions.ts"
import type { CausalTokenizer } from "../../../../src/tensors/index.ts"

const tokenizer = (chatTemplate: string | null, bos = "<s>"): CausalTokenizer => ({
  encode: () => [],
  decode: (ids) => ids.map((id) => `<${id}>`).join(""),
  bosId: 1,
  eosId: 2,
  padId: 0,
  vocabularySize: 8,
  specialIds: new Set(),
  bytesOf: () => null,
  chatTemplate,
  specialTokens: { bos_token: bos }
})

const chatMl =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
// SmolLM2's: instructions of its own, and a first token that is also ChatML's
const smol = `{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are Smol<|im_end|>\\n' }}{% endif %}${chatMl}`
const llama3 =
  "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
const gemma =
  "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}"

test.each([
  ["ChatML", chatMl, "<s>", null],
  ["ChatML", smol, "<|im_start|>", "You are Smol"],
  ["Llama 3", llama3, "<|begin_of_text|>", null],
  ["Gemma", gemma, "<bos>", null]
])("%s is found by what it writes", (name, template, bos, system) => {
  const found = formOf(tokenizer(template, bos))
  expect([found?.form.name, found?.system]).toEqual([name, system])
})

test.each([
  ["another form", "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant] "],
  // drops what was said before
  ["ChatML of the last message alone", chatMl.replace("in messages %}", "in messages[-1:] %}")],
  ["no template of Jinja", "{% for"]
])("%s is none", (_, template) => expect(formOf(tokenizer(template))).toBeUndefined())

test("a Modelfile says where the files are, the template and the stops", () => {
  const text = modelfile({
    from: "a-q8_0.gguf",
    adapter: null,
    tokenizer: tokenizer(smol, "<|im_start|>"),
    eosIds: [2, 7]
  })
  expect(text).toBe(
    [
      "FROM ./a-q8_0.gguf",
      'TEMPLATE """{{ if .System }}<|im_start|>system',
      "{{ .System }}<|im_end|>",
      "{{ end }}{{ if .Prompt }}<|im_start|>user",
      "{{ .Prompt }}<|im_end|>",
      "{{ end }}<|im_start|>assistant",
      "{{ .Response }}<|im_end|>",
      '"""',
      'SYSTEM """You are Smol"""',
      'PARAMETER stop "<2>"',
      'PARAMETER stop "<7>"',
      ""
    ].join("\n")
  )
  const over = modelfile({ from: "base.gguf", note: "here", adapter: "a.gguf", tokenizer: tokenizer(null), eosIds: [] })
  expect(over).toBe('# here\nFROM ./base.gguf\nADAPTER ./a.gguf\nTEMPLATE """{{ .Prompt }}"""\nPARAMETER stop "<2>"\n')
})
