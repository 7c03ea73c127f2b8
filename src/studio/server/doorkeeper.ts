/**
 * Who may ask: whoever has opened the URL that the command prints, which has the token. Its first request gets a cookie, which the browser
 * then sends with calls, pictures and downloads alike; a page of elsewhere cannot make the browser send it (SameSite), and a name of elsewhere
 * that leads to this machine is refused by the listener.
 */
import { createHash, timingSafeEqual } from "node:crypto"

const digest = (text: string): Uint8Array => createHash("sha256").update(text).digest()

/** In a time that says nothing of where they differ. */
const isSame = (given: string | null | undefined, expected: string): boolean =>
  given != null && timingSafeEqual(digest(given), digest(expected))

export interface Doorkeeper {
  /** The answer to a request that nothing else may answer: a cookie for whoever has the token, a refusal for others; undefined: go on. */
  readonly stops: (request: Request, url: URL) => Response | undefined
}

const REFUSED = "This studio is for whoever started it: open the address that the terminal shows, with its token.\n"

/** `port` is in the cookie's name: cookies of one host are shared by its ports, and two studios are not to take each other's. */
export const doorkeeper = (token: string, port: () => number): Doorkeeper => {
  const name = () => `studio-${port()}`
  const cookie = (request: Request): string | undefined =>
    (request.headers.get("cookie") ?? "")
      .split(/; */)
      .find((part) => part.startsWith(`${name()}=`))
      ?.slice(name().length + 1)
  /** Pages of elsewhere may not even ask, whatever the browser sends with it. Programs, which say nothing, have no cookies that are not theirs. */
  const isForeign = (request: Request) => {
    const site = request.headers.get("sec-fetch-site")
    if (site !== null && site !== "same-origin" && site !== "none") return true
    const origin = request.headers.get("origin")
    return origin !== null && URL.parse(origin)?.host !== request.headers.get("host")
  }
  return {
    stops: (request, url) => {
      const given = url.searchParams.get("token")
      if (given !== null && url.pathname === "/") {
        if (!isSame(given, token)) return new Response(REFUSED, { status: 403 })
        return new Response(null, {
          status: 303,
          headers: { location: "/", "set-cookie": `${name()}=${token}; HttpOnly; SameSite=Strict; Path=/` }
        })
      }
      return isForeign(request) || !isSame(cookie(request), token) ? new Response(REFUSED, { status: 403 }) : undefined
    }
  }
}
