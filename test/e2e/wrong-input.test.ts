/** Models and data that cannot be used, and how they are refused. */
import { expect, test } from "bun:test"
import { rmSync, truncateSync } from "node:fs"
import { jsonLines, listing, onWasm, succeed, TIMEOUT, tinyRows, workspace } from "./fixtures.ts"
import { type Refusal, refuses, trainings } from "./refusal.ts"

const w = workspace()
w.model("bert")
const { training, trainingOn, data } = trainings(w)

const rows = tinyRows(8).map((row) => JSON.stringify(row))

const modelCases: ReadonlyArray<Refusal> = [
  {
    name: "a model folder that is not there",
    args: () => training({ model: { source: "brt" } }),
    says: ["config.json", "no such file", "brt", "expected a Hugging Face folder"]
  },
  {
    name: "a model without weights",
    args: () => {
      w.write("no-weights/config.json", w.read("bert/config.json"))
      return training({ model: { source: "no-weights" } })
    },
    says: ["no-weights", "model.safetensors: no such file", "model.safetensors.index.json"]
  },
  {
    name: "a model without a tokenizer",
    args: () => {
      w.model("bert", "no-tokenizer")
      rmSync(w.path("no-tokenizer/tokenizer.json"))
      return training({ model: { source: "no-tokenizer" } })
    },
    says: ["no-tokenizer", "tokenizer.json", "no such file", "expected a Hugging Face folder"]
  },
  {
    name: "weights cut short",
    args: () => {
      w.model("bert", "cut-short")
      truncateSync(w.path("cut-short/model.safetensors"), 50_000)
      return training({ model: { source: "cut-short" } })
    },
    says: ["cut-short", "model.safetensors", "98276 bytes expected, 50000 found"]
  },
  {
    name: "weights cut short within the header",
    args: () => {
      w.model("bert", "cut-shorter")
      truncateSync(w.path("cut-shorter/model.safetensors"), 100)
      return training({ model: { source: "cut-shorter" } })
    },
    says: ["cut-shorter", "model.safetensors", "100 bytes"]
  },
  {
    name: "a config that is not the weights'",
    args: () => {
      w.model("bert", "other-config")
      w.write(
        "other-config/config.json",
        w.read("bert/config.json").replace('"intermediate_size": 64', '"intermediate_size": 96')
      )
      return training({ model: { source: "other-config" } })
    },
    says: ["other-config", "encoder.layer.0.intermediate.dense.weight", "[64, 32]", "config.json says [96, 32]"]
  },
  {
    name: "a family that is not known",
    args: () => {
      w.write("gpt/config.json", { model_type: "gpt2" })
      return training({ model: { source: "gpt" } })
    },
    says: ["gpt", "model_type", '"gpt2"', "supported are", "bert"]
  },
  {
    name: "a checkpoint's head with another number of classes",
    args: () =>
      training({
        model: { source: "bert", task: { kind: "classification", pooling: "pooler" }, head: "checkpoint" },
        ...data({ labels: ["bad", "fair", "good", "superb"] })
      }),
    says: ["bert", "3 classes", "4 labels"]
  }
]

const dataCases: ReadonlyArray<Refusal> = [
  {
    name: "a line that is not JSON",
    args: () => trainingOn("broken.jsonl", `${rows[0]}\n${rows[1]}\n{"text": "the film", "label"\n${rows[2]}\n`),
    says: ["broken.jsonl:3: not JSON; write the row as one object on its line"]
  },
  {
    name: "a row without the text field",
    args: () => trainingOn("no-text.jsonl", `${rows[0]}\n{"txt": "the film", "label": "bad"}\n`),
    says: ["no-text.jsonl:2", 'no text field "text"', "found: txt, label", 'did you mean "txt"']
  },
  {
    name: "a column that the file does not have",
    args: () => {
      w.write("rows.csv", "sentence,label\nthe film is good,good\n")
      return training(data({ train: "rows.csv" }))
    },
    says: ["rows.csv:1", 'no text field "text"', "found: sentence, label"]
  },
  {
    name: "a label that is not declared",
    args: () => training(data({ labels: ["bad", "good"] })),
    says: ["train.jsonl:2", '"fair"', '"bad", "good"', "data.labels"]
  },
  {
    name: "a label of the test rows that the training rows do not have",
    args: () => {
      w.write("other.jsonl", jsonLines([{ text: "the film", label: "goood" }]))
      return training(data({ test: "other.jsonl" }))
    },
    says: ["other.jsonl:1", '"goood"', 'did you mean "good"']
  },
  {
    name: "an empty file",
    args: () => trainingOn("empty.jsonl", ""),
    says: ["empty.jsonl", "empty", "at least one row"]
  },
  { name: "a file of blank lines", args: () => trainingOn("blank.jsonl", "\n\n"), says: ["blank.jsonl", "no row"] },
  { name: "a header and no row", args: () => trainingOn("header.csv", "text,label\n"), says: ["header.csv", "no row"] },
  {
    name: "a data file that is not there",
    args: () => training(data({ train: "tarin.jsonl" })),
    says: ["tarin.jsonl", "no such file"]
  },
  {
    name: "an extension that says nothing",
    args: () => trainingOn("rows.txt", jsonLines(tinyRows(3))),
    says: ["rows.txt", ".jsonl", ".csv"]
  },
  {
    name: "a missing model and missing data, both at once",
    args: () => training({ model: { source: "brt" }, ...data({ train: "tarin.jsonl" }) }),
    says: ["brt", "tarin.jsonl"]
  }
]

refuses("model", w, modelCases)
refuses("data", w, dataCases)

test(
  "rows of one class: a warning, and the run is made",
  async () => {
    w.write("one.jsonl", jsonLines(tinyRows(24).filter(({ label }) => label === "good")))
    const { stderr } = await succeed(
      w.cli(training({ data: { format: "classification", train: "one.jsonl" } }, "--out", "one-class", ...onWasm))
    )
    expect(stderr).toMatch(/warning: train \(.*one\.jsonl\): all 8 rows have the label "good"/)
    expect(listing(w.path("one-class"))).toContain("run.json")
  },
  TIMEOUT
)
