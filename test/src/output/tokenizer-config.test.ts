/** tokenizer_config.json of exports: what transformers was given when it made the golden ids (test/golden/make/exported_tokenizers.py). Its ids: tokenizer-config.processes.ts. */
import { expect, test } from "bun:test"
import { tokenizerConfigFor } from "../../../src/output/tokenizer-config.ts"
import golden from "../../golden/tokenizers/exported.json" with { type: "json" }
import { cases } from "./tokenizer-cases.ts"

test.each(cases.map(({ name, ...one }) => [name, one] as const))("%s", (name, { tokenizer, config, use }) => {
  const { config: expected } = golden.cases[name as keyof typeof golden.cases]
  expect(tokenizerConfigFor(tokenizer, config ?? {}, use)).toEqual(expected)
})

test("a tokenizer_config.json that says all of it stays as it is", () => {
  const { tokenizer, config, use } = cases.find(({ name }) => name === "bert")!
  expect(tokenizerConfigFor(tokenizer, config!, use)).toEqual(config!)
})

test("code that is not copied is not named", () => {
  const { tokenizer, config, use } = cases.find(({ name }) => name === "bert")!
  const auto_map = { AutoTokenizer: ["own.Tokenizer", null] }
  expect(tokenizerConfigFor(tokenizer, { ...config, auto_map }, use)).toEqual(config!)
})

test("tokens at a text's ends are those of tokenizer.json", () => {
  const { tokenizer, config } = cases.find(({ name }) => name === "llama")!
  const use = { tokenTypes: 0, ends: { begins: true, finishes: false } }
  const contrary = { ...config, add_bos_token: false, add_eos_token: true }
  expect(tokenizerConfigFor(tokenizer, contrary, use)).toMatchObject({ add_bos_token: true, add_eos_token: false })
})
