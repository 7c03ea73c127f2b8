/** What a row of causal data says, before any tokenizer has seen it; and what it is after one has. */

/** A message as chat templates take it; its other fields (tool calls, a name) go to the template as they are. */
export interface Message {
  readonly role: string
  readonly content: string | null
  readonly [field: string]: unknown
}

/** What a row says, of one of three kinds. `given`: so many of the first messages are a prompt, of which nothing is learned. */
export type CausalContent =
  | { readonly kind: "chat"; readonly messages: ReadonlyArray<Message>; readonly given?: number }
  | { readonly kind: "completion"; readonly prompt: string; readonly completion: string }
  | { readonly kind: "text"; readonly text: string }

/** A row of a language model's data: a conversation, a prompt with its completion, or a text. */
export interface CausalRow {
  readonly content: CausalContent
  /** its place for error messages: `train.jsonl:12` */
  readonly where: string
}

/** A row as tokens. Nothing is cut off yet. */
export interface Sequence {
  readonly ids: Int32Array // [tokens]
  /** `[tokens]`: the token that should follow each one, or −100 where none is asked for */
  readonly labels: Int32Array
}

/** What fills one row of a batch, or a part of it: a sequence that is short enough. */
export interface CausalExample extends Sequence {
  /** the row of the split that it comes from */
  readonly row: number
}

/** The label of a token after which nothing is asked for, as in PyTorch's cross-entropy. */
export const ignored = -100
