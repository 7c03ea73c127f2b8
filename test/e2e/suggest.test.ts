/**
 * `suggest` for questions and answers: what it prints is validated and trained as it is; and what is wrong with rows of any kind is
 * one message. The other kinds' plans are trained in suggest.processes.ts.
 */
import { decoder } from "./causal-workspace.ts"
import { jsonLines, workspace } from "./fixtures.ts"
import { refuses } from "./refusal.ts"
import { digits, quick, testSuggested, writeRowsOfEveryKind } from "./suggested-runs.ts"

const w = workspace()
writeRowsOfEveryKind(w)

testSuggested(w, quick)

const of = (model: string, rows: string, ...more: ReadonlyArray<string>) => [
  "suggest",
  ...["--model", model, "--data", rows],
  ...more
]

refuses("suggest", w, [
  {
    name: "a file of no rows",
    args: () => of("llama", w.write("empty.jsonl", "\n")),
    says: ["empty.jsonl: the file has no rows; at least one is needed"]
  },
  {
    name: "a file that is no data",
    args: () => of("llama", w.write("notes.txt", "not data")),
    says: [
      "notes.txt: the extension .txt does not say which format the file has",
      "expected .jsonl, .ndjson (one object per line), .json (a list of objects), .csv, .tsv, .conll"
    ]
  },
  {
    name: "lines that are no objects",
    args: () => of("llama", w.write("lines.jsonl", "not JSON\n")),
    says: ["lines.jsonl:1: not JSON"]
  },
  {
    name: "columns of no known form",
    args: () => of("llama", w.write("pairs.jsonl", jsonLines([{ left: "a", right: "b" }]))),
    says: ["pairs.jsonl: cannot infer what to learn from its rows (columns: left, right)", "--messages", "--prompt"]
  },
  {
    name: "a column that is not there",
    args: () => of("llama", "questions.csv", "--prompt", "qestion", "--completion", "answer"),
    says: ['no column "qestion" (found: question, answer; did you mean "question"?)']
  },
  {
    name: "a column of another kind",
    args: () => of("llama", "texts.jsonl", "--label", "label"),
    says: ['texts.jsonl: found --label for this model and these rows, whose data.format is "text"', "expected --text"]
  },
  {
    name: "a language model and rows that are both missing",
    args: () => of("nowhere.gguf", "nowhere.jsonl"),
    says: ["model nowhere.gguf: no such file", "\n  nowhere.jsonl: no such file"]
  },
  {
    name: "a folder that is no model",
    args: () => {
      w.write("folder/notes.txt", "")
      return of("folder", "labelled.csv")
    },
    says: ["folder/config.json", "expected a Hugging Face folder"]
  },
  {
    name: "a GGUF file that is none",
    args: () => of(w.write("nonsense.gguf", "nonsense"), "chats.jsonl"),
    says: ["nonsense.gguf", "not a GGUF file"]
  },
  {
    name: "a model of another kind",
    args: () => {
      decoder(w, "llama", "other")
      w.write("other/config.json", { model_type: "bart" })
      return of("other", "chats.jsonl")
    },
    says: ['config.json: model_type "bart"', "supported are llama"]
  },
  {
    name: "a config.json that says no model",
    args: () => of(w.write("none/config.json", {}).replace("/config.json", ""), "chats.jsonl"),
    says: ["none: model.safetensors: no such file"]
  },
  {
    name: "a model.json that is none",
    args: () => of(w.write("broken/model.json", {}), "pictures.jsonl"),
    says: ["found no modelTopology and weightsManifest"]
  },
  {
    name: "rows of numbers without numbers",
    args: () => of(digits, "chats.jsonl"),
    says: ["chats.jsonl: the rows teach how to answer: chats in `messages`", "cannot learn", "--model hf:"]
  },
  {
    name: "rows of numbers in CSV",
    args: () => of(digits, "labelled.csv"),
    says: ["labelled.csv: the rows teach a label for each text", "this needs an encoder, such as --model hf:"]
  },
  {
    name: "numbers of another size",
    args: () => of(digits, w.write("small.jsonl", jsonLines([{ pixels: [1, 2], digit: 3 }]))),
    says: ['small.jsonl:1: the input "pixels" has 2 numbers, expected 784']
  },
  {
    name: "conversations for an encoder",
    args: () => of("bert", "chats.jsonl"),
    says: ["chats.jsonl: the rows teach how to answer: chats in `messages`, which the model bert cannot learn"]
  }
])
