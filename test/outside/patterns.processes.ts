/** Patterns from outside: regular expressions of tokenizer.json, and globs of a plan. None makes a command run for ever. */
import { expect, test } from "bun:test"
import { causalPlan, decoder, tokenizerConfig, writeRows } from "../e2e/causal-workspace.ts"
import { cli, jsonLines, onWasm, run, TIMEOUT, tinyPlan, tinyRows, workspace } from "../e2e/fixtures.ts"

const w = workspace()

/** A process of its own: one that never ends is killed, and could not be told to end in any other way. */
const command = (...args: ReadonlyArray<string>) => run([process.execPath, cli, ...args], { cwd: w.directory })

test(
  "a target of 300 stars matches nothing, and says so at once",
  async () => {
    w.model("bert")
    const pattern = `${"*".repeat(300)}x`
    w.write(
      "plan.json",
      tinyPlan("bert", { adapter: { method: "lora", targets: [pattern, "query"], exclude: [pattern] } })
    )
    const { code, stderr } = await command("validate", "plan.json")
    expect(stderr).toContain("which matches no linear layer of the model")
    expect(stderr).toContain("which matches no targeted layer of the model")
    expect(code).toBe(1)
  },
  TIMEOUT
)

// 2⁶⁰ steps each in an engine that backtracks; Bun's gives up after 2 s, and says that nothing matches
const long = Array.from({ length: 100 }, (_, i) => ({ text: `${"a".repeat(60 + i)}b`, label: "good" }))
const hostile = { Regex: "(a+)+$" }

const withTokenizer = (parts: object) => {
  w.model("bert")
  w.write("bert/tokenizer.json", { ...w.json("bert/tokenizer.json"), ...parts })
  w.write("train.jsonl", jsonLines([...tinyRows(24), ...long]))
  w.write("plan.json", tinyPlan("bert", { training: { steps: 1, batchSize: 4 } }))
}

test(
  "a tokenizer that splits at (a+)+$",
  async () => {
    withTokenizer({ pre_tokenizer: { type: "Split", pattern: hostile, behavior: "Isolated", invert: false } })
    const { code, stderr } = await command("train", "plan.json", ...onWasm)
    expect({ code, stderr }).toEqual({ code: 0, stderr })
  },
  TIMEOUT
)

test(
  "a tokenizer that replaces (a+)+$",
  async () => {
    withTokenizer({ normalizer: { type: "Replace", pattern: hostile, content: "b" } })
    const { code, stderr } = await command("validate", "plan.json")
    expect({ code, stderr }).toEqual({ code: 0, stderr })
  },
  TIMEOUT
)

test(
  "a tokenizer with a pattern that has no bound",
  async () => {
    withTokenizer({ normalizer: { type: "Replace", pattern: { Regex: "(a+)\\1" }, content: "b" } })
    const { code, stderr } = await command("validate", "plan.json")
    expect(stderr).toContain(
      'tokenizer.json: cannot be used: the pattern "(a+)\\\\1" refers back to a group, and the time of that has no bound'
    )
    expect(code).toBe(1)
  },
  TIMEOUT
)

test(
  "a chat template with a hundred thousand quotes that are escaped",
  async () => {
    decoder(w, "llama")
    writeRows(w)
    const chat_template = `{# '${"\\'".repeat(120_000)} #}${tokenizerConfig.chat_template}`
    w.write("llama/tokenizer_config.json", { ...tokenizerConfig, chat_template })
    w.write("chat.json", causalPlan("llama", "chat"))
    const before = performance.now()
    const { code, stderr } = await command("validate", "chat.json")
    expect({ code, stderr }).toEqual({ code: 0, stderr })
    // a process takes one, on a busy machine three
    expect(performance.now() - before).toBeLessThan(7_000)
  },
  TIMEOUT
)
