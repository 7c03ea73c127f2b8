/** The body of a request: bounded in bytes and in time before it is believed, then JSON, then what a schema says. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type * as Scope from "effect/Scope"
import { cut, limit, overLimit } from "../boundary/index.ts"
import { isRecord, parseBoundedJson } from "../files/index.ts"
import { type Refusal, refusal } from "./refusal.ts"

/** Bytes of the bodies that are held now. */
export interface HeldBytes {
  now: number
}

const tooLarge = () =>
  refusal(413, `the body is larger than ${overLimit("serve-body-bytes")}`, { code: "body_too_large" })

const isJson = (type: string | null): boolean => /^application\/(json|[\w.+-]+\+json)\s*(;|$)/i.test(type ?? "")

/** The text of a body, which counts as held until the scope ends. */
const bodyText = (request: Request, held: HeldBytes): Effect.Effect<string, Refusal, Scope.Scope> =>
  Effect.gen(function* () {
    const most = limit("serve-body-bytes")
    if (Number(request.headers.get("content-length") ?? 0) > most) return yield* tooLarge()
    const own = yield* Effect.acquireRelease(Effect.succeed({ bytes: 0 }), ({ bytes }) =>
      Effect.sync(() => {
        held.now -= bytes
      })
    )
    if (request.body === null) return ""
    const reader = (request.body as ReadableStream<Uint8Array>).getReader()
    const decoder = new TextDecoder("utf-8", { fatal: true })
    const decoded = (chunk?: Uint8Array) =>
      Effect.try({
        try: () => (chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true })),
        catch: () => refusal(400, "the body is not UTF-8", { code: "invalid_json" })
      })
    const read = Effect.gen(function* () {
      let text = ""
      while (true) {
        const { done, value } = yield* Effect.tryPromise({
          try: () => reader.read(),
          catch: () => refusal(400, "the body did not arrive whole")
        })
        if (done) return text + (yield* decoded())
        own.bytes += value.byteLength
        held.now += value.byteLength
        if (own.bytes > most) return yield* tooLarge()
        if (held.now > limit("serve-waiting-bytes")) {
          const reason = `requests that wait have more than ${overLimit("serve-waiting-bytes")} together`
          return yield* refusal(503, reason, { code: "overloaded", retryAfter: 1 })
        }
        text += yield* decoded(value)
      }
    })
    return yield* read.pipe(
      Effect.timeoutOrElse({
        duration: 1000 * limit("serve-body-seconds"),
        orElse: () =>
          Effect.fail(
            refusal(408, `the body did not arrive within ${overLimit("serve-body-seconds")}`, { code: "slow_body" })
          )
      }),
      // what is left of it is not waited for
      Effect.onError(() => Effect.sync(() => void reader.cancel().catch(() => {})))
    )
  })

/** "messages[0].role" */
const pathOf = (path: ReadonlyArray<PropertyKey>): string =>
  path.map((key, i) => (typeof key === "number" ? `[${key}]` : i === 0 ? String(key) : `.${String(key)}`)).join("")

type Issue = ReturnType<ReturnType<typeof SchemaIssue.makeFormatterStandardSchemaV1>>["issues"][number]

const keyOf = (segment: PropertyKey | { readonly key: PropertyKey }): PropertyKey =>
  typeof segment === "object" ? segment.key : segment

/** The first thing that is wrong, in a sentence that names the field. */
const wrong = (issues: ReadonlyArray<Issue>): Refusal => {
  const { message, path = [] } = issues[0]!
  const param = pathOf(path.map(keyOf))
  const reason = /excess property|^Unexpected key/i.test(message)
    ? "there is no such field here"
    : /^Missing key/.test(message)
      ? "is missing"
      : `${message.charAt(0).toLowerCase()}${message.slice(1)}`
  return param === ""
    ? refusal(400, `the body: ${cut(reason, 500)}`)
    : refusal(400, `${param}: ${cut(reason, 500)}`, { param })
}

/** Clients of OpenAI send null for what they do not say. */
const withoutNulls = (value: unknown): unknown =>
  isRecord(value) ? Object.fromEntries(Object.entries(value).filter(([, own]) => own !== null)) : value

/** The body as a schema has it; null fields are absent. What the schema does not know is refused, by its name. */
export const decodedBody = <A, I>(
  request: Request,
  schema: Schema.Codec<A, I>,
  held: HeldBytes
): Effect.Effect<A, Refusal, Scope.Scope> =>
  Effect.gen(function* () {
    if (!isJson(request.headers.get("content-type"))) {
      // a page elsewhere may send other types without being asked whether it may
      return yield* refusal(415, "expected content-type: application/json (curl --json sends it)")
    }
    const parsed = parseBoundedJson(yield* bodyText(request, held))
    if ("problem" in parsed) return yield* refusal(400, `the body ${parsed.problem}`, { code: "invalid_json" })
    return yield* Schema.decodeUnknownEffect(schema, { onExcessProperty: "error" })(withoutNulls(parsed.value)).pipe(
      Effect.mapError(({ issue }) => wrong(SchemaIssue.makeFormatterStandardSchemaV1()(issue).issues))
    )
  })
