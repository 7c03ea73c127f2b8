/** What a request brings: its body, as JSON that is bounded in bytes and in time before it is believed, and the path in its address. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { limit, overLimit } from "../../boundary/index.ts"
import { parseBoundedJson, readAnswer } from "../../files/index.ts"

/** A request that the page does not make. */
export class RequestRefused extends Schema.TaggedError<RequestRefused>()("RequestRefused", {
  status: Schema.Int,
  message: Schema.String
}) {}

const refused = (status: number, reason: string) => new RequestRefused({ status, message: reason })

const tooLarge = () => refused(413, `the body is larger than ${overLimit("studio-body-bytes")}`)

/** Plans, texts and rows with a picture; a file goes to /store. A form, and a request that asks no one, have another content type. */
export const jsonOf = (request: Request): Effect.Effect<unknown, RequestRefused> =>
  Effect.gen(function* () {
    if (!/^application\/json\s*(;|$)/i.test(request.headers.get("content-type") ?? ""))
      return yield* refused(415, "expected content-type: application/json")
    const most = limit("studio-body-bytes")
    if (Number(request.headers.get("content-length") ?? 0) > most) return yield* tooLarge()
    const bytes = yield* Effect.tryPromise({
      try: () => readAnswer(new Response(request.body), most),
      catch: () => refused(400, "the body is incomplete")
    }).pipe(
      Effect.timeoutOrElse({
        duration: 1_000 * limit("serve-body-seconds"),
        orElse: () => Effect.fail(refused(408, `the body did not arrive within ${overLimit("serve-body-seconds")}`))
      })
    )
    if (bytes === undefined) return yield* tooLarge()
    const text = yield* Effect.try({
      try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
      catch: () => refused(400, "the body is not UTF-8")
    })
    const parsed = parseBoundedJson(text)
    return "problem" in parsed ? yield* refused(400, `the body ${parsed.problem}`) : parsed.value
  })

/** Segments, each decoded by itself, none of which leads elsewhere: "runs/reviews%201" → ["runs", "reviews 1"]; undefined: not a path. */
export const segmentsOf = (path: string): ReadonlyArray<string> | undefined => {
  try {
    const segments = path.split("/").map(decodeURIComponent)
    return segments.every(isName) ? segments : undefined
  } catch {
    return undefined
  }
}

/** A name of a file in its folder, on every system. */
export const isName = (segment: string): boolean =>
  segment !== "" &&
  segment !== "." &&
  segment !== ".." &&
  segment.isWellFormed() &&
  !/[/\\\p{Cc}]/u.test(segment) &&
  segment.length <= 255
