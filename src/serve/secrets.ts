/** Compares keys and tokens of requests in a time that does not reveal where they differ. */
import { createHash, timingSafeEqual } from "node:crypto"

const digest = (text: string): Uint8Array => createHash("sha256").update(text).digest()

/** Compares secrets in constant time. */
export const isSameSecret = (received: string, expected: string): boolean =>
  timingSafeEqual(digest(received), digest(expected))

/** Returns whether a request's bearer token is one of `expected`. Undefined entries never match. */
export const hasBearer = (request: Request, expected: ReadonlyArray<string | undefined>): boolean => {
  const received = /^Bearer +(.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1]
  if (received === undefined) return false
  // each is compared, whichever is right
  return expected.map((secret) => secret !== undefined && isSameSecret(received, secret)).includes(true)
}
