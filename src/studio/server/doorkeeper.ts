/**
 * Who may ask: whoever has opened the URL that the command prints, which has the token. Its first request gets a cookie, which the browser
 * then sends with calls, pictures and downloads alike; a page of elsewhere cannot make the browser send it (SameSite), and a name of elsewhere
 * that leads to this machine is refused by the listener.
 */
import { isSameSecret } from "../../serve/secrets.ts"

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
  const isToken = (given: string | undefined): boolean => given !== undefined && isSameSecret(given, token)
  return {
    stops: (request, url) => {
      const given = url.searchParams.get("token")
      if (given !== null && url.pathname === "/") {
        if (!isToken(given)) return new Response(REFUSED, { status: 403 })
        return new Response(null, {
          status: 303,
          headers: { location: "/", "set-cookie": `${name()}=${token}; HttpOnly; SameSite=Strict; Path=/` }
        })
      }
      return isForeign(request) || !isToken(cookie(request)) ? new Response(REFUSED, { status: 403 }) : undefined
    }
  }
}
