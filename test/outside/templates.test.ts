/** Chat templates, which come with a checkpoint and are programs: none runs for ever or fills the memory. */
import { beforeAll } from "bun:test"
import { causalPlan, decoder, tokenizerConfig, writeRows } from "../e2e/causal-workspace.ts"
import { TIMEOUT, workspace } from "../e2e/fixtures.ts"
import { refuses } from "../e2e/refusal.ts"

const w = workspace()

beforeAll(() => {
  decoder(w, "llama")
  writeRows(w)
  w.write("plan.json", causalPlan("llama", "chat"))
}, TIMEOUT)

const validating = (template: string) => () => {
  w.write("llama/tokenizer_config.json", { ...tokenizerConfig, chat_template: template })
  return ["validate", "plan.json"]
}
const steps = ["the chat template takes more than 10,000 steps", "TFJS_LORA_PRO_LIMITS=template-steps=N raises it"]
const own = tokenizerConfig.chat_template

refuses("chat templates", w, [
  {
    name: "a macro that calls itself",
    args: validating("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
    says: ["nests deeper than 500 levels", "template-depth=N"]
  },
  { name: "range(1e9)", args: validating("{% for i in range(1000000000) %}{% endfor %}"), says: steps },
  {
    name: "a text that doubles sixty times",
    args: validating(
      "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}"
    ),
    says: steps
  },
  {
    name: "a line indented by a billion spaces",
    args: validating("{{ 'a\\nb'|indent(1000000000) }}"),
    says: ["produces a text of more than 4,194,304 characters", "template-characters=N"]
  },
  {
    name: "lists in lists, written out 2⁶⁰ times",
    args: validating(
      "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}"
    ),
    says: steps
  },
  {
    name: "a hundred thousand parentheses",
    args: validating(`{{ ${"(".repeat(100_000)}`),
    says: ["nests deeper than 500 levels"]
  },
  {
    name: "a hundred thousand spaces",
    args: validating(`${own}${" ".repeat(100_000)}`),
    says: ["has more spaces in a row than 4,096 characters", "template-spaces=N"]
  },
  {
    name: "a block that is never closed",
    args: validating("{% if messages %}"),
    says: ["is not valid Jinja: it ends within a tag or a block"]
  }
])
