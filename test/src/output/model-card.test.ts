/** The model card as the Hub reads it: its YAML by a YAML parser, its prose for what must be in it and what must not. */
import { beforeAll, describe, expect, test } from "bun:test"
import { parseBaseCard } from "../../../src/models/base-card.ts"
import { codeSpan, markdown } from "../../../src/output/model-card/card-source.ts"
import { yamlString } from "../../../src/output/model-card/metadata.ts"
import { tinyPlan, workspace } from "../../e2e/fixtures.ts"
import { writeHostileRows } from "./hostile-run.ts"
import { trainTiny } from "./tiny-run.ts"

const w = workspace()
const baseCard = `---
language: en
license: "apache-2.0" # as upstream
base_model: someone/original
tags: [bert]
---
# A base
`
const fullPlan = { adapter: { method: "full" }, optimizer: { kind: "adamw", learningRate: 1e-3 } }

beforeAll(async () => {
  w.model("bert")
  w.write("bert/README.md", baseCard)
  w.model("minilm")
  await trainTiny(w, "plain", "bert")
  await trainTiny(w, "full", "minilm", fullPlan)
  const { validation: _, test: __, ...blind } = tinyPlan("bert").data
  await trainTiny(w, "blind", "bert", { data: blind })
  await trainTiny(w, "packed", "bert", { weights: "int8" })
  writeHostileRows(w)
  w.model("bert", 'base `|` "quoted" <b>')
  await trainTiny(w, "hostile", 'base `|` "quoted" <b>')
})

const cardOf = (run: string) => w.read(`runs/${run}/adapter/README.md`)
const bodyOf = (run: string) => cardOf(run).split("\n---\n").slice(1).join("\n---\n")
const metadataOf = (run: string) =>
  Bun.YAML.parse(/^---\n([\s\S]*?)\n---\n/.exec(cardOf(run))![1]!) as Record<string, unknown>

test("a base that was held in fewer bits is told, no other", () => {
  expect(bodyOf("packed")).toContain("used linear weights rounded to int8")
  expect(bodyOf("plain")).not.toContain("linear weights rounded")
})

describe("metadata", () => {
  test("names base, library, licence, tags and the results", () => {
    const run = w.json("runs/plain/run.json") as Record<string, { accuracy: number; macroF1: number; loss: number }>
    const result = (split: "validation" | "test") => ({
      task: { type: "text-classification" },
      dataset: { name: `${split}.jsonl`, type: "json", split },
      metrics: [
        { type: "accuracy", name: "Accuracy", value: run[split]!.accuracy },
        { type: "f1", name: "Macro F1", value: run[split]!.macroF1 },
        { type: "loss", name: "Cross-entropy", value: run[split]!.loss }
      ]
    })
    expect(metadataOf("plain")).toEqual({
      base_model: "bert",
      library_name: "peft",
      pipeline_tag: "text-classification",
      license: "apache-2.0",
      language: "en",
      tags: ["lora", "lora-pro", "tfjs-lora-pro"],
      metrics: ["accuracy", "f1"],
      "model-index": [{ name: "plain", results: [result("validation"), result("test")] }]
    })
  })

  test("claims nothing that is not known", () => {
    const full = metadataOf("full")
    expect(full).toMatchObject({ library_name: "transformers", tags: ["tfjs-lora-pro"] })
    expect(Object.keys(full)).not.toContainAnyValues(["license", "language", "datasets"])
    expect(Object.keys(metadataOf("blind"))).not.toContain("model-index")
    expect(bodyOf("blind")).toContain("its quality is unknown")
  })

  test("a hostile name adds no key and no element", () => {
    const keys = ["base_model", "library_name", "pipeline_tag", "tags", "metrics", "model-index"]
    expect(Object.keys(metadataOf("hostile"))).toEqual(keys)
    expect(metadataOf("hostile")["base_model"]).toBe('base `|` "quoted" <b>')
    const prose = bodyOf("hostile")
      .replace(/```[\s\S]*?```/g, "")
      .replace(/(`+)[^`][\s\S]*?\1/g, "")
    expect(prose).not.toMatch(/<(?!\s)/)
    expect(prose).toContain("&lt;/script&gt;&lt;script&gt;alert(1)")
  })

  test("any text survives YAML", () => {
    for (const text of [
      "",
      "a: b # c",
      "\"'\\",
      "\n---\n",
      "\u0000\u0007\u007f\u0085\u2028\ufeff",
      "é 漢 😀",
      "yes",
      "- x"
    ]) {
      expect(Bun.YAML.parse(`key: ${yamlString(text)}`)).toEqual({ key: text })
    }
    // what YAML 1.2 calls not printable is written as an escape
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(yamlString("\u0007\u007f\u0085\u009f\u2028\ufeff")).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\ufeff]/)
  })
})

describe("prose", () => {
  test("says what was trained on what, with which result", () => {
    const body = bodyOf("plain")
    const { test: result, base } = w.json("runs/plain/run.json") as unknown as {
      test: { accuracy: number; macroF1: number; loss: number }
      base: { sha256: Record<string, string> }
    }
    const { accuracy, macroF1, loss } = result
    const row = `| after | test | 9 | ${(100 * accuracy).toFixed(1)} % | ${(100 * macroF1).toFixed(1)} % | ${loss.toFixed(3)} |`
    for (const fact of [
      row,
      base.sha256["model.safetensors"]!,
      "made from `someone/original`",
      "| train | train.jsonl | 24 | bad 8, fair 8, good 8 |",
      "| adapter.rank | 4 |",
      "| optimizer | lora-pro |",
      "| steps | 3 |",
      "bad, fair, good.",
      "## Limitations"
    ]) {
      expect(body).toContain(fact)
    }
  })

  test("names no folder of the machine", () => {
    for (const run of ["plain", "full", "blind", "hostile"]) {
      expect(cardOf(run)).not.toContain(w.directory)
      expect(cardOf(run)).not.toMatch(/undefined|null|NaN|\[object/)
    }
  })

  test("Markdown shows a user's string as it is", () => {
    expect(markdown("a|b *c* [d](e)\n<f> `g`")).toBe("a\\|b \\*c\\* \\[d\\](e) &lt;f&gt; \\`g\\`")
    expect(codeSpan("a`b``c")).toBe("``` a`b``c ```")
    expect(codeSpan("a|b")).not.toContain("|")
  })
})

describe("the base's own card", () => {
  test("scalar lines are read, with or without quotes and comments", () => {
    expect(parseBaseCard(baseCard)).toEqual({ license: "apache-2.0", languages: ["en"], baseModel: "someone/original" })
    expect(
      parseBaseCard("---\r\nlicense: other\r\nlicense_name: 'my licence'\r\nlicense_link: LICENSE\r\n---\r\n")
    ).toEqual({
      license: "other",
      licenseName: "my licence",
      licenseLink: "LICENSE"
    })
  })

  test("languages are one, a list in a line, or a line each", () => {
    const languages = (lines: string) => parseBaseCard(`---\n${lines}\nlicense: mit\n---\n`).languages
    expect(languages("language: 'de'")).toEqual(["de"])
    expect(languages('language: [en, "fr"] # both')).toEqual(["en", "fr"])
    expect(languages("language:\n- en\n  - no # Norwegian\ntags:\n- bert")).toEqual(["en", "no"])
    expect(languages("language: {a: b}")).toBeUndefined()
    expect(languages("tags:\n- bert")).toBeUndefined()
  })

  test("lists, maps and text without front matter give nothing", () => {
    expect(parseBaseCard("---\nlicense: [mit]\nbase_model: {a: b}\n---\n")).toEqual({})
    expect(parseBaseCard("# license: mit\n---\nlicense: mit\n---\n")).toEqual({})
    expect(parseBaseCard("")).toEqual({})
  })

  test("a value with a hundred thousand spaces, in no time", () => {
    const spaces = " ".repeat(100_000)
    const before = performance.now()
    expect(parseBaseCard(`---\nlicense: "a"${spaces}b\nlanguage: en${spaces}# as upstream\n---\n`)).toEqual({
      license: `"a"${spaces}b`,
      languages: ["en"]
    })
    expect(performance.now() - before).toBeLessThan(2_000)
  })
})
