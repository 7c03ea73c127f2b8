/** Error responses: a status and one sentence, in the format of OpenAI's API. */
import * as Schema from "effect/Schema"
import { type LimitName, overLimit } from "../boundary/index.ts"

/** Rejection of a request. */
export class Refusal extends Schema.TaggedError<Refusal>()("Refusal", {
  /** HTTP status code */
  status: Schema.Int,
  /** sentence that includes what to do */
  message: Schema.String,
  /** a machine-readable code; null: the status suffices */
  code: Schema.NullOr(Schema.String),
  /** the invalid field of the body, such as "messages[0].role"; null: none */
  param: Schema.NullOr(Schema.String),
  /** seconds after which the client may retry; null: unspecified */
  retryAfter: Schema.NullOr(Schema.Int)
}) {}

interface More {
  readonly code?: string
  readonly param?: string | undefined
  readonly retryAfter?: number
}

/** Creates a rejection. */
export const refusal = (status: number, reason: string, { code, param, retryAfter }: More = {}): Refusal =>
  new Refusal({ status, message: reason, code: code ?? null, param: param ?? null, retryAfter: retryAfter ?? null })

/** Returns the rejection of an invalid field of the body. */
export const wrongField = (param: string, reason: string, code?: string): Refusal =>
  refusal(400, `${param}: ${reason}`, { param, ...(code === undefined ? {} : { code }) })

/** Seconds that a client should wait before it retries. */
export const AGAIN = 1

/** Returns the rejection of a request for which there is no room. `resource`: the limited resource. */
export const overloaded = (name: LimitName, resource: string): Refusal =>
  refusal(503, `too many ${resource}: with this one they exceed ${overLimit(name)}, or your share of it; retry later`, {
    code: "overloaded",
    retryAfter: AGAIN
  })

const types: Readonly<Record<number, string>> = {
  401: "authentication_error",
  403: "permission_error",
  408: "timeout_error",
  503: "overloaded_error",
  504: "timeout_error"
}

const typeOf = (status: number): string => types[status] ?? (status < 500 ? "invalid_request_error" : "server_error")

/** Returns the response body `{"error": {…}}`. */
export const errorBody = ({ status, message, code, param }: Refusal) => ({
  error: { message, type: typeOf(status), param, code }
})

/** Rejection for an internal failure without its own message. The server's stderr has the details. */
export const bug = refusal(500, "internal server error; the server's stderr has a report", {
  code: "internal_error"
})
