/** Plans over pairs of answers, from the plan to what a run leaves: trained, evaluated, and wrong ones refused. */
import { beforeAll, describe, expect, test } from "bun:test"
import { decoder, preferencePlan, tokenizerConfig, writePreferences } from "./causal-workspace.ts"
import { jsonLines, jsonObjects, onWasm, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { refuses } from "./refusal.ts"
import { metricsOf } from "./runs.ts"

const w = workspace()

beforeAll(() => {
  decoder(w, "llama")
  writePreferences(w)
})

interface Scores {
  readonly loss: number
  readonly accuracy: number
  readonly margin: number
  readonly rows: number
}
type Report = Readonly<Record<"before" | "validation" | "test", Scores>>
const reportOf = (folder: string) => w.json(`${folder}/run.json`) as never as Report

describe("a finished run", () => {
  let out: string
  beforeAll(async () => {
    // all pairs are told apart early; what is learned is seen at the end
    const sections = { training: { steps: 24, batchSize: 4 }, output: { keep: "last" } }
    w.write("plan.json", preferencePlan("llama", sections))
    const { stdout } = await succeed(w.cli(["train", "plan.json", "--out", "runs/finished", ...onWasm]))
    out = stdout
  }, TIMEOUT)

  test("prefers the better answers, from no preference at ln 2 on", () => {
    const { before, test } = reportOf("runs/finished")
    expect(before).toMatchObject({ loss: Math.LN2, accuracy: 0.5, margin: 0, rows: 9 })
    expect(test.accuracy).toBeGreaterThan(0.7)
    expect(test.loss).toBeLessThan(0.6)
    expect(test.margin).toBeGreaterThan(0.1)
    const [step] = metricsOf(w, "runs/finished").filter(({ kind }) => kind === "step") as never as [Scores]
    expect(step.loss).toBe(Math.fround(Math.LN2))
  })

  test("says what it gained and what to do next", () => {
    expect(out).toMatch(/Gained on test: reward accuracy 50\.0 % → \d+\.\d %/)
    expect(out).toContain("chat runs/finished")
    expect(w.read("runs/finished/report.html")).toContain("Reward accuracy")
    expect(w.json("runs/finished/plan.json") as object).toMatchObject({ data: { form: "messages" } })
    const card = w.read("runs/finished/adapter/README.md")
    for (const part of ["to give preferred answers", "dpo, β 0.1", "AutoModelForCausalLM"]) expect(card).toContain(part)
  })

  test(
    "evaluates as its report says, and on other rows of the same form",
    async () => {
      const of = async (...more: ReadonlyArray<string>) => {
        const { stdout } = await succeed(w.cli(["evaluate", "runs/finished", "--json", ...more, ...onWasm]))
        return jsonObjects(stdout)
      }
      const { validation, test } = reportOf("runs/finished")
      expect(await of()).toEqual([validation as never, test as never])
      const data = "preference-test.jsonl"
      expect(await of("--data", data)).toEqual([{ ...(test as object), data } as never])
    },
    TIMEOUT
  )
})

const said = (role: string, content: string) => ({ role, content })
const [asked, green, red] = [
  said("user", "what colour is the grass ?"),
  said("assistant", "green ."),
  said("assistant", "red .")
]
const training = (sections: Record<string, unknown> = {}, source = "llama") => {
  w.write("wrong.json", preferencePlan(source, sections))
  return ["train", "wrong.json", ...onWasm]
}
const trainingOn = (rows: ReadonlyArray<unknown>, more: Record<string, unknown> = {}) => {
  w.write("wrong.jsonl", jsonLines(rows))
  return training({ data: { format: "preference", train: "wrong.jsonl", ...more } })
}

refuses("preference plans", w, [
  {
    name: "broken rows, all at once",
    args: () =>
      trainingOn([
        { chosen: [asked, green], rejected: [asked, green] },
        { chosen: [asked, green] },
        { chosen: [asked, green], rejected: [] },
        { chosen: [asked, green], rejected: [said("user", "what is it ?"), red] },
        { chosen: [asked, green], rejected: 3 },
        { chosen: [asked, green], rejected: [asked, said("asistant", "red .")] },
        { chosen: [asked, green], rejected: [asked, said("user", "red ?")] },
        { chosen: "green .", rejected: " ", prompt: [asked] }
      ]),
    says: [
      "wrong.jsonl: 8 problems",
      'wrong.jsonl:1: "chosen" and "rejected" are equal, so neither is preferred',
      'wrong.jsonl:2: no column "rejected" (found: chosen)',
      'wrong.jsonl:3: "rejected" has no message',
      'wrong.jsonl:4: "chosen" and "rejected" do not begin with the same messages, so there is no prompt; expected a column "prompt"',
      'wrong.jsonl:5: "rejected" is a number, expected a list of messages',
      'wrong.jsonl:6: "rejected": message 2: unknown role "asistant"',
      'did you mean "assistant"?',
      'wrong.jsonl:7: "rejected": expected a message of the assistant after the prompt (found: user)',
      'wrong.jsonl:8: "rejected" is blank'
    ]
  },
  {
    name: "texts without a prompt",
    args: () => trainingOn([{ chosen: "green .", rejected: "red ." }]),
    says: ['wrong.jsonl:1: no column "prompt" (found: chosen, rejected)']
  },
  {
    name: "a list where texts are expected",
    args: () => trainingOn([{ prompt: "grass ?", chosen: "green .", rejected: [red] }]),
    says: ['wrong.jsonl:1: "rejected" is a list, expected a string']
  },
  {
    name: "OpenAI's form with its columns missing",
    args: () => trainingOn([{ chosen: [asked, green], rejected: [asked, red] }], { mapping: "openai" }),
    says: ['wrong.jsonl:1: no column "preferred_output" (found: chosen, rejected)']
  },
  {
    name: "pairs too long to compare",
    args: () => training({ data: { ...preferencePlan("llama")["data"], maxLength: 4 } }),
    says: ["no row has anything to learn within its first 4 tokens; raise data.maxLength"]
  },
  {
    name: "no chat template",
    args: () => {
      const { chat_template: _, ...config } = tokenizerConfig
      decoder(w, "llama", "other")
      w.write("other/tokenizer_config.json", config)
      return training({}, "other")
    },
    says: ["the checkpoint has no chat template"]
  },
  {
    name: "losses that are none",
    args: () => training({ loss: { kind: "ppo" } }),
    says: ['loss.kind: found "ppo"; expected one of "dpo", "orpo"']
  },
  {
    name: "another loss's field",
    args: () => training({ loss: { kind: "orpo", labelSmoothing: 0.1 } }),
    says: ["loss.labelSmoothing: unknown key", "allowed: kind, beta"]
  }
])
