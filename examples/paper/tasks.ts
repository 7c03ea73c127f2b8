/** Rows of the paper's data sets as the plans beside this read them: texts with targets as T5 was trained, instructions with answers. */

type Row = Readonly<Record<string, unknown>>

export interface Task {
  /** the data set on the Hub, owner/name with its configuration */
  readonly from: string
  /** tokens that a row has fewer than; absent: rows are cut by the plan */
  readonly tokens?: number
  /** rows that are taken, the first ones; absent: all */
  readonly rows?: number
  /** null: a row that is left out */
  readonly row: (row: Row) => Row | null
}

const said = (row: Row, column: string): string => {
  const value = row[column]
  if (typeof value !== "string") throw new Error(`${column}: expected a text, found ${JSON.stringify(value)}`)
  return value
}

/** A data set of GLUE: texts by their columns in T5's order, and what T5 writes for each label. */
const glue = (name: string, columns: ReadonlyArray<string>, targets: ReadonlyArray<string>): Task => ({
  from: `nyu-mll/glue, ${name}`,
  row: (row) => {
    const target = targets[Number(row["label"])]
    if (target === undefined) return null
    return { source: [name, ...columns.map((column) => `${column}: ${said(row, column)}`)].join(" "), target }
  }
})

const instruction = (text: string): string =>
  `Below is an instruction that describes a task. Write a response that appropriately completes the request.

### Instruction:
${text}

### Response:
`

const answered = (question: string, answer: string): Row => ({
  prompt: instruction(question),
  completion: ` ${answer}`
})

/** As the paper's code makes them (mrflogs/LoRA-Pro, peta/tasks, commit fe26027). */
export const tasks = {
  mnli: glue("mnli", ["hypothesis", "premise"], ["entailment", "neutral", "contradiction"]),
  sst2: glue("sst2", ["sentence"], ["negative", "positive"]),
  cola: glue("cola", ["sentence"], ["unacceptable", "acceptable"]),
  qnli: glue("qnli", ["question", "sentence"], ["entailment", "not_entailment"]),
  mrpc: glue("mrpc", ["sentence1", "sentence2"], ["not_equivalent", "equivalent"]),
  dialogue: {
    from: "silk-road/Wizard-LM-Chinese-instruct-evol",
    tokens: 1024,
    rows: 52_000,
    row: (row) => {
      const answer = said(row, "output")
      return /sorry|as an ai/i.test(answer) ? null : answered(said(row, "instruction"), answer)
    }
  },
  math: {
    from: "meta-math/MetaMathQA",
    tokens: 512,
    rows: 100_000,
    row: (row) => (said(row, "type").includes("GSM") ? answered(said(row, "query"), said(row, "response")) : null)
  },
  code: {
    from: "m-a-p/CodeFeedback-Filtered-Instruction",
    tokens: 1024,
    rows: 100_000,
    row: (row) => {
      // the first block of code, and what is before it
      const parts = said(row, "answer").split("```")
      return parts.length < 2 ? null : answered(said(row, "query"), `${parts.slice(0, 2).join("```")}\`\`\``)
    }
  }
} satisfies Readonly<Record<string, Task>>
