/** Tokenizers and config.json that do not fit the model, ask for too much, or leave out what transformers leaves out. */
import { describe, expect, test } from "bun:test"
import { decoder } from "../e2e/causal-workspace.ts"
import { onWasm, succeed, TIMEOUT, tinyPlan, workspace } from "../e2e/fixtures.ts"
import { type Refusal, refuses } from "../e2e/refusal.ts"

const w = workspace()

type Json = Readonly<Record<string, unknown>>

/** Validates a plan over a golden model whose tokenizer.json has some parts replaced. */
const withTokenizer =
  (replace: (own: Json) => Json, model: "bert" | "distilbert" = "bert"): Refusal["args"] =>
  () => {
    w.model(model, "other")
    w.write("other/tokenizer.json", replace(w.json("other/tokenizer.json")))
    w.write("plan.json", tinyPlan("other"))
    return ["validate", "plan.json"]
  }

const postProcessor = (...single: ReadonlyArray<object>) => ({ type: "TemplateProcessing", single, pair: [] })
const text = (type_id: number) => ({ Sequence: { id: "A", type_id } })

const mark = { SpecialToken: { id: "[CLS]", type_id: 0 } }
const replace = { type: "Replace", pattern: { Regex: "." }, content: "ab" }

refuses("tokenizers", w, [
  {
    name: "a post-processor of 5,000 pieces",
    args: withTokenizer((own) => ({
      ...own,
      post_processor: postProcessor(text(0), ...Array.from({ length: 5_000 }, () => mark))
    })),
    says: ["tokenizer.json: has 5,001 parts, more than 64 entries", "TFJS_LORA_PRO_LIMITS=tokenizer-parts=N raises it"]
  },
  {
    name: "fifty replacements of a character by two",
    args: withTokenizer((own) => ({
      ...own,
      normalizer: { type: "Sequence", normalizers: Array.from({ length: 50 }, () => replace) }
    })),
    says: ["tokenizer.json: cannot be used: the tokenizer's parts make a text longer by more than 20 times"]
  },
  {
    name: "words of a billion characters",
    args: withTokenizer((own) => ({ ...own, model: { ...(own["model"] as Json), max_input_chars_per_word: 1e9 } })),
    says: ["model.max_input_chars_per_word is 1000000000; expected an integer of at most 256 characters"]
  },
  {
    name: "a type that the model has no row for",
    args: withTokenizer((own) => ({ ...own, post_processor: postProcessor(text(7)) })),
    says: [
      "tokenizer.json: post_processor gives tokens the type 7, the model has types 0 to 1 (type_vocab_size in config.json)"
    ]
  }
])

test(
  "a model without types takes any",
  async () => {
    const args = withTokenizer((own) => ({ ...own, post_processor: postProcessor(text(7)) }), "distilbert")()
    expect(await w.cli(args)).toMatchObject({ code: 0 })
  },
  TIMEOUT
)

test(
  "a classifier whose config.json names no classes has transformers' names",
  async () => {
    w.model("distilbert", "unnamed")
    const { id2label: _, label2id: __, ...config } = w.json("unnamed/config.json")
    w.write("unnamed/config.json", config)
    const model = { source: "unnamed", task: { kind: "classification", pooling: "pooler", headInit: "checkpoint" } }
    const validated = async (sections: Json) => {
      w.write("plan.json", tinyPlan("unnamed", { model, ...sections }))
      const { code, stderr } = await w.cli(["validate", "plan.json"])
      expect(code).toBe(1)
      return stderr
    }
    // it has four; of data that cannot be read the labels are not known, which is no problem of the model
    const data = { format: "classification", train: "missing.jsonl", maxLength: 16 }
    expect(await validated({ data })).not.toContain("classes")
    expect(await validated({})).toContain(
      "4 classes (LABEL_0, LABEL_1, LABEL_2, LABEL_3), 3 labels are given (bad, fair, good)"
    )
  },
  TIMEOUT
)

describe("a text that a tokenizer takes too much for is a sentence, not a bug", () => {
  // nothing that a tokenizer is tried with has the letter
  const growing = (own: Json) => ({
    ...own,
    normalizer: { type: "Replace", pattern: { String: "q" }, content: "x".repeat(60) }
  })
  const says = /cannot be tokenized: the tokenizer's parts make a text longer by more than 20 times/

  test(
    "in predict",
    async () => {
      w.model("bert", "growing")
      w.write("growing/tokenizer.json", growing(w.json("growing/tokenizer.json")))
      w.write("growing.json", tinyPlan("growing", { training: { steps: 1, batchSize: 4 } }))
      await succeed(w.cli(["train", "growing.json", "--out", "grown", ...onWasm]))
      const { code, stdout, stderr } = await w.cli(["predict", "grown", "q".repeat(400), ...onWasm])
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
      expect(stderr).toMatch(says)
      expect(stderr).toContain('the text "qqqq')
    },
    TIMEOUT
  )

  test(
    "in generate and chat",
    async () => {
      decoder(w, "llama-tied", "growing-decoder")
      const file = "growing-decoder/tokenizer.json"
      w.write(file, growing(w.json(file)))
      for (const [args, stdin] of [
        [["generate", "growing-decoder", "q".repeat(400)], undefined],
        [["chat", "growing-decoder"], `${"q".repeat(400)}\n`]
      ] as const) {
        const { code, stderr } = await w.cli([...args, "--max-tokens", "2", ...onWasm], stdin)
        expect(code).not.toBe(70)
        expect(stderr).toMatch(says)
      }
    },
    TIMEOUT
  )
})
