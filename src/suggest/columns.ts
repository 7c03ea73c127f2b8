/** Columns that a user can name, with descriptions: flags of `suggest`. Each kind of run lists those that it uses. */
export const columnDescriptions = {
  text: "column that holds the text",
  textPair: "column that holds the second text, where rows are pairs of texts",
  label: "column that holds the label, or the list of labels",
  image: "column that holds an image: its path, or its bytes",
  source: "column that holds the text that is read, where another is written for it",
  target: "column of numbers to learn, or several with commas between; or the text that is to be written",
  labelColumns: "columns of 0 and 1, one a label, with commas between",
  anchor: "column that holds the text that is asked with, where rows are texts that belong together",
  positive: "column that holds the text that belongs to it",
  negative: "column that holds a text that does not",
  score: "column that holds a number that says how alike two texts are",
  input: "column that holds a list of numbers, for a tf.LayersModel",
  messages: "column that holds a conversation",
  prompt: "column that holds a prompt",
  completion: "column that holds what follows the prompt",
  chosen: "column that holds the better of two answers to the prompt",
  rejected: "column that holds the worse one"
} as const

/** Columns that may be named more than once. */
export const severalColumns: ReadonlyArray<Column> = ["target", "labelColumns"]

export type Column = keyof typeof columnDescriptions

export const columnNames = Object.keys(columnDescriptions) as ReadonlyArray<Column>

export type Columns = { readonly [name in Column]?: string }

/** Converts a column's name to its flag: "textPair" to --text-pair. */
export const flagOf = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
