/** What a row of causal data says, before any tokenizer has seen it; and what it is after one has. */

/** Fields of a JSON object. */
export type JsonFields = Readonly<Record<string, unknown>>

/** A function that a model may call, as OpenAI and transformers describe it. */
export interface Tool {
  readonly type: "function"
  /** its name, what it does, and what it takes */
  readonly function: {
    /** letters, digits and `_.-`, as calls name it */
    readonly name: string
    /** for the model */
    readonly description?: string
    /** JSON Schema of the arguments, an object */
    readonly parameters?: JsonFields
    readonly [field: string]: unknown
  }
  readonly [field: string]: unknown
}

/** A call of a tool. */
export interface ToolCall {
  /** by which its result names it; absent: results follow their calls in order */
  readonly id?: string
  /** of the tool */
  readonly name: string
  /** a JSON object, by the names of the tool's parameters */
  readonly arguments: JsonFields
}

/** A message of a conversation. */
export interface Message {
  /** "system", "developer", "user", "assistant", "tool" or whatever else the template knows */
  readonly role: string
  /** the text; null where calls are all that there is */
  readonly content: string | null
  /** of the assistant: what it thought before it answered */
  readonly reasoning?: string
  /** of the assistant: the tools that it calls */
  readonly calls?: ReadonlyArray<ToolCall>
  /** of the assistant: 0 makes the message context, of which nothing is learned; default 1 */
  readonly weight?: 0 | 1
  /** of a tool's result: the id of its call */
  readonly call?: string
  /** of a tool's result: the tool; of others: the speaker */
  readonly name?: string
  /** fields of a row that only its template knows; they reach it unchanged */
  readonly other?: JsonFields
}

/** Messages, and the tools that the assistant may call in them. */
export interface Conversation {
  /** in the order in which they were said */
  readonly messages: ReadonlyArray<Message>
  /** default: none */
  readonly tools?: ReadonlyArray<Tool>
}

/** What a row says, of one of three kinds. `given`: so many of the first messages are a prompt, of which nothing is learned. */
export type CausalContent =
  | ({
      readonly kind: "chat"
      /** default 0: all that the assistant says is learned */
      readonly given?: number
    } & Conversation)
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
