/** However much is wrong with what comes from outside, the message is a screen, it comes at once, and it takes no memory to speak of. */
import { beforeAll, describe, expect, test } from "bun:test"
import { decodeRunPlanResult, PlanError } from "../../schemas/index.ts"
import { SafetensorsError } from "../../src/safetensors/index.ts"
import { tinyPlan, workspace } from "../e2e/fixtures.ts"

const w = workspace()
beforeAll(() => w.model("bert"))

const { adapter } = tinyPlan("bert") as unknown as { readonly adapter: Record<string, unknown> }
const withAdapter = (own: Record<string, unknown>) => tinyPlan("bert", { adapter: { ...adapter, ...own } })

/** A plan on one line, as whoever makes one by a program writes it. */
const write = (name: string, plan: unknown) => w.write(name, JSON.stringify(plan))

const many = (count: number, entry: (i: number) => readonly [string, unknown]) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => entry(i)))

describe("a plan", () => {
  test("of 120,000 unknown keys: the first twenty, each with the key that was meant", async () => {
    write("keys.json", withAdapter(many(120_000, (i) => [`rnk${i % 10}${i}`, 1])))
    const { code, stderr } = await w.cli(["validate", "keys.json"])
    expect(code).toBe(1)
    const lines = stderr.trimEnd().split("\n")
    expect(lines).toHaveLength(24)
    expect(stderr).toContain("keys.json: the first 1,000 problems\n    adapter.rnk00: unknown key")
    expect(lines.at(-1)!.trim()).toBe("and 980 more")
  })

  test("as a value: 300,000 unknown keys end after a thousand", () => {
    const found = decodeRunPlanResult(withAdapter(many(300_000, (i) => [`rank${i}`, 1])))
    if (found._tag === "Success") throw new Error("a plan with unknown keys was taken")
    expect(found.failure).toHaveLength(1_000)
    expect(new PlanError({ problems: found.failure }).message.split("\n")).toHaveLength(21)
  })

  test.each([
    ["numbers for patterns", { targets: Array.from({ length: 200_000 }, () => 1) }, "adapter.targets.0: found 1;"],
    [
      "empty overrides",
      { overrides: Array.from({ length: 100_000 }, () => ({})) },
      "adapter.overrides.0.targets: missing;"
    ]
  ])("of a list of %s", async (_, own, says) => {
    write("list.json", withAdapter(own))
    const { code, stderr } = await w.cli(["validate", "list.json"])
    expect(code).toBe(1)
    expect(stderr).toContain(says)
    expect(stderr.trimEnd().split("\n")).toHaveLength(24)
  })

  test.each([
    ["key", withAdapter({ ["r".repeat(1_900_000)]: 1 }), "rrr…: unknown key (allowed: method, from, rank,"],
    ["text", tinyPlan("m".repeat(1_900_000)), "mmm…\n"]
  ])("with a %s of two megabytes, which is read as what it is and shown in part", async (_, plan, says) => {
    write("long.json", plan)
    const { code, stderr } = await w.cli(["validate", "long.json"])
    expect(code).toBe(1)
    expect(stderr).toContain(says)
    expect(stderr.length).toBeLessThan(3_000)
  })

  test("with a word of two megabytes where a value should be", async () => {
    w.write("word.json", `{"seed": ${"a".repeat(1_900_000)}}`)
    const { stderr } = await w.cli(["validate", "word.json"])
    expect(stderr).toContain('word.json:1:10: not JSON: found "aaa')
    expect(stderr.length).toBeLessThan(400)
  })

  test("of more than two megabytes is not read", async () => {
    w.write("large.json", " ".repeat(2 ** 21 + 1))
    const { stderr } = await w.cli(["validate", "large.json"])
    expect(stderr).toContain(
      "large.json: is too large: 2,097,153 bytes, more than 2,097,152 bytes (limit plan-bytes; TFJS_LORA_PRO_LIMITS=plan-bytes=N raises it); expected a plan in JSON"
    )
  })

  test("a setting of 60,000 levels is no setting", async () => {
    write("plan.json", tinyPlan("bert"))
    const { code, stderr } = await w.cli(["validate", "plan.json", "--set", `${"a.".repeat(60_000)}b=1`])
    expect(code).toBe(1)
    expect(stderr).toContain("a.a.a.…: has a path of more than 64 levels (limit json-depth;")
    expect(stderr.length).toBeLessThan(500)
  })
})

test("a message about 500,000 tensors puts twenty of them into words", () => {
  const problems = Array.from({ length: 500_000 }, (_, i) => `tensor ${i}: ${"9,".repeat(i === 0 ? 1_000_000 : 1)}`)
  const lines = new SafetensorsError({ file: "model.safetensors", problems }).message.split("\n")
  expect(lines).toHaveLength(21)
  expect(lines[0]!.length).toBe(2_001)
  expect(lines.at(-1)).toBe("and 499,980 more")
})
