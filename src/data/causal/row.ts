/** What a row of causal data says, before any tokenizer has seen it; and what it is after one has. */

/** A message as chat templates take it; its other fields (tool calls, a name) go to the template as they are. */
export interface Message {
  /** "system", "user", "assistant" or whatever else the template knows */
  readonly role: string
  /** what was said; null where other fields say it (tool calls) */
  readonly content: string | null
  readonly [field: string]: unknown
}

/** What a row says, of one of three kinds. `given`: so many of the first messages are a prompt, of which nothing is learned. */
export type CausalContent =
  | {
      readonly kind: "chat"
      /** in the order in which they were said */
      readonly messages: ReadonlyArray<Message>
      /** default 0: all that the assistant says is learned */
      readonly given?: number
    }
  | {
      readonly kind: "completion"
      /** of which nothing is learned unless the plan's `lossOn` says so */
      readonly prompt: string
      /** what is learned */
      readonly completion: string
    }
  | {
      readonly kind: "text"
      /** all of which is learned */
      readonly text: string
    }

/** A row of a language model's data: a conversation, a prompt with its completion, or a text. */
export interface CausalRow {
  /** the row without its place */
  readonly content: CausalContent
  /** its place for error messages: `train.jsonl:12` */
  readonly where: string
}

/** A row as tokens. Nothing is cut off yet. */
export interface Sequence {
  /** `[tokens]` */
  readonly ids: Int32Array
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
