/** Content of a row of causal data before tokenization, and its sequences after it. */

/** Fields of a JSON object. */
export type JsonFields = Readonly<Record<string, unknown>>

/** A function that a model may call, in the form of OpenAI and transformers. */
export interface Tool {
  readonly type: "function"
  /** name, description and parameters */
  readonly function: {
    /** letters, digits and `_.-`; calls refer to it */
    readonly name: string
    /** description for the model */
    readonly description?: string
    /** JSON Schema of the arguments, an object */
    readonly parameters?: JsonFields
    readonly [field: string]: unknown
  }
  readonly [field: string]: unknown
}

/** A call of a tool. */
export interface ToolCall {
  /** id by which its result refers to it; absent: results follow their calls in order */
  readonly id?: string
  /** name of the tool */
  readonly name: string
  /** arguments as a JSON object, by parameter name */
  readonly arguments: JsonFields
}

/** A message of a conversation. */
export interface Message {
  /** "system", "developer", "user", "assistant", "tool" or any other role of the template */
  readonly role: string
  /** text of the message; null if it consists of calls only */
  readonly content: string | null
  /** reasoning of the assistant before its answer */
  readonly reasoning?: string
  /** tool calls of the assistant */
  readonly calls?: ReadonlyArray<ToolCall>
  /** for messages of the assistant, 0 makes the message context, which is not learned; default 1 */
  readonly weight?: 0 | 1
  /** id of the call, for a tool result */
  readonly call?: string
  /** name of the tool, for a tool result; otherwise name of the speaker */
  readonly name?: string
  /** fields that only the template knows; they reach it unchanged */
  readonly other?: JsonFields
}

/** Messages, and the tools that the assistant may call in them. */
export interface Conversation {
  /** messages in order */
  readonly messages: ReadonlyArray<Message>
  /** available tools; default: none */
  readonly tools?: ReadonlyArray<Tool>
}

/** Content of a row, of one of three kinds. `given`: number of leading messages that form a prompt, which is not learned. */
export type CausalContent =
  | ({
      readonly kind: "chat"
      /** default 0: all assistant text is learned */
      readonly given?: number
    } & Conversation)
  | {
      readonly kind: "completion"
      /** not learned, unless the plan's `lossOn` includes it */
      readonly prompt: string
      /** learned */
      readonly completion: string
    }
  | {
      readonly kind: "text"
      /** learned completely */
      readonly text: string
    }

/** A row of a language model's data: a conversation, a prompt with its completion, or a text. */
export interface CausalRow {
  /** content of the row */
  readonly content: CausalContent
  /** its place for error messages: `train.jsonl:12` */
  readonly where: string
}

/** A tokenized row, not yet truncated. */
export interface Sequence {
  /** token ids, shape `[tokens]` */
  readonly ids: Int32Array
  /** target token after each position, or −100 for positions without loss; shape `[tokens]` */
  readonly labels: Int32Array
}

/** An example: a sequence that fits into a batch row, and fills it or a part of it. */
export interface CausalExample extends Sequence {
  /** index of its row in the split */
  readonly row: number
}

/** Label of a position without loss, as in PyTorch's cross-entropy. */
export const ignored = -100
