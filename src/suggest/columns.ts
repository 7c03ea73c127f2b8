/** Columns that a user can name, with descriptions: flags of `suggest`. Each kind of run lists those that it uses. */
export const columnDescriptions = {
  text: "column that holds the text",
  textPair: "column that holds the second text, where rows are pairs of texts",
  label: "column that holds the label, or the list of labels",
  image: "column that holds an image: its path, or its bytes",
  source: "column that holds the input text, where the model learns to write another text",
  target: "column of numbers to learn, or several, comma-separated; or column that holds the text to write",
  tokens: "column that holds the words of a text as a list, where every word has a label",
  labelColumns: "columns of 0 and 1, one per label, comma-separated",
  anchor: "column that holds the query text, where rows are texts that belong together",
  positive: "column that holds the text that belongs to the query",
  negative: "column that holds a text that does not belong to the query",
  score: "column that holds the similarity of two texts, a number",
  input: "column that holds a list of numbers, for a tf.LayersModel",
  messages: "column that holds a conversation",
  prompt: "column that holds a prompt",
  completion: "column that holds the completion of the prompt",
  chosen: "column that holds the better of two answers to the prompt",
  rejected: "column that holds the worse answer"
} as const

/** Columns that may be named more than once. */
export const severalColumns: ReadonlyArray<Column> = ["target", "labelColumns"]

export type Column = keyof typeof columnDescriptions

export const columnNames = Object.keys(columnDescriptions) as ReadonlyArray<Column>

export type Columns = { readonly [name in Column]?: string }

/** Converts a column's name to its flag: "textPair" to --text-pair. */
export const flagOf = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
