/** Data sections with every default, and what tests open with them. */
import * as Schema from "effect/Schema"
import { CausalData, ChatData, CompletionData, TextData } from "../../../../schemas/index.ts"

export const chatSection = Schema.decodeSync(ChatData)({ format: "chat", train: "train.jsonl" })
export const completionSection = Schema.decodeSync(CompletionData)({ format: "completion", train: "train.jsonl" })
export const textSection = Schema.decodeSync(TextData)({ format: "text", train: "train.jsonl" })

/** Any section out of what a plan says. */
export const section = (input: typeof CausalData.Encoded): CausalData => Schema.decodeSync(CausalData)(input)
