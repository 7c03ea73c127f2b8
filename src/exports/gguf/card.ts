/** README.md of a folder of GGUF files. */
import { codeSpan, type compareOutputs, fenced, markdown } from "../../output/index.ts"

export interface FileCard {
  readonly type: string
  readonly file: string
  /** what llama.cpp calls its type */
  readonly label: string
  /** against the run; null: an adapter, which the base's file is needed for */
  readonly check: ReturnType<typeof compareOutputs> | null
}

export interface GgufCard {
  /** of the run */
  readonly name: string
  /** of the base */
  readonly base: string
  readonly files: ReadonlyArray<FileCard>
  readonly writes: "chat" | "text"
  /** sentences */
  readonly notes: ReadonlyArray<string>
}

export const ggufCard = ({ name, base, files, writes, notes }: GgufCard): string => {
  const first = files.find(({ check }) => check !== null)
  const adapter = files.find(({ check }) => check === null)
  const prompt = writes === "chat" ? "" : ' -no-cnv -p "Once upon a time"'
  const commands = [
    ...(first === undefined ? [] : [`llama-cli -m ${JSON.stringify(first.file)}${prompt}`]),
    ...(adapter === undefined
      ? []
      : [
          `llama-cli -m ${JSON.stringify(base.endsWith(".gguf") ? base : "base.gguf")} --lora ${JSON.stringify(adapter.file)}${prompt}`
        ])
  ]
  return `${[
    ["---", "library_name: gguf", "pipeline_tag: text-generation", "tags:", "- gguf", "- tfjs-lora-pro", "---"].join(
      "\n"
    ),
    `# ${markdown(name)} as GGUF`,
    `Trained with tfjs-lora-pro over ${codeSpan(base)}.`,
    table(files),
    "Logits and next tokens are those of three short texts, the file read again by tfjs-lora-pro against the run.",
    ...notes,
    "With llama.cpp:",
    fenced("sh", commands),
    "With Ollama, in this folder:",
    fenced("sh", ["ollama create my-model -f Modelfile", "ollama run my-model"])
  ].join("\n\n")}\n`
}

const table = (files: ReadonlyArray<FileCard>): string =>
  [
    "| file | type | largest difference of a logit, of the largest logit | same next tokens |",
    "|---|---|---|---|",
    ...files.map(({ file, label, check }) =>
      check === null
        ? `| ${codeSpan(file)} | ${label} | | |`
        : `| ${codeSpan(file)} | ${label} | ${check.relativeDifference.toExponential(1)} | ${check.sameLabel} of ${check.rows} |`
    )
  ].join("\n")
