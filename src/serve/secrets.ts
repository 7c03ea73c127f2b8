/** Compares keys and tokens of requests in a time that does not reveal where they differ. */
import { createHash, timingSafeEqual } from "node:crypto"

const digest = (text: string): Uint8Array => createHash("sha256").update(text).digest()

/** Compares secrets in constant time. */
export const isSameSecret = (given: string, expected: string): boolean =>
  timingSafeEqual(digest(given), digest(expected))

/** Returns whether a request's bearer token is one of `expected`. Undefined entries never match. */
export const hasBearer = (request: Request, expected: ReadonlyArray<string | undefined>): boolean => {
  const given = /^Bearer +(.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1]
  if (given === undefined) return false
  // each is compared, whichever is right
  return expected.map((own) => own !== undefined && isSameSecret(given, own)).includes(true)
}
