/**
 * Who may ask: the pages that were opened by an address of the terminal. Such an address has a code that works once, in its fragment, which
 * browsers send to no server. The page exchanges it for the secret of this start (`POST /open`), keeps that in the storage of its own origin,
 * host and port, and sends it in a header. So no other server of this machine is sent anything that opens the studio, which cookies would be.
 *
 * Pictures, downloads and new tabs send no header: their addresses are signed, each for one path and for minutes.
 */
import { createHmac, randomBytes } from "node:crypto"
import { hasBearer, isSameSecret } from "../../serve/secrets.ts"

export interface Doorkeeper {
  /** The answer to a request that may not pass; undefined: it may. */
  readonly stops: (request: Request, url: URL) => Response | undefined
  /** The secret for whoever has the code of the newest address; undefined for others. */
  readonly admit: (code: string) => string | undefined
  /** The code of the newest address. */
  readonly code: () => string
  /** The path with a signature: "/files/runs/a-1/report.html?signed=…" */
  readonly signed: (pathname: string) => string
}

const REFUSED = "This page is not connected to the studio. Open the newest address shown in the terminal.\n"

/** milliseconds for which a signed address works */
const SIGNED = 10 * 60_000

/** What anyone may read, and what opens: the files of the page are those of the package. */
const isOpen = ({ method }: Request, { pathname }: URL): boolean =>
  method === "GET" ? !/^\/files(\/|$)/.test(pathname) : pathname === "/open"

/** Pages of other sites may not even ask, whatever the browser sends with it. */
const isForeign = ({ headers }: Request): boolean => {
  const site = headers.get("sec-fetch-site")
  if (site !== null && site !== "same-origin" && site !== "none") return true
  const origin = headers.get("origin")
  return origin !== null && URL.parse(origin)?.host !== headers.get("host")
}

const randomSecret = () => randomBytes(24).toString("base64url")

export const doorkeeper = (now: () => number = Date.now): Doorkeeper => {
  const secret = randomSecret()
  const key = randomBytes(32)
  let code = randomSecret()
  const signature = (pathname: string, until: string) =>
    createHmac("sha256", key).update(`${until} ${pathname}`).digest("base64url")
  const isSigned = ({ method }: Request, { pathname, searchParams }: URL): boolean => {
    const [until = "", signed = ""] = (searchParams.get("signed") ?? "").split(".")
    return method === "GET" && isSameSecret(signed, signature(pathname, until)) && Number(until) > now()
  }
  return {
    stops: (request, url) => {
      const may =
        (request.method === "GET" && isOpen(request, url)) ||
        (!isForeign(request) && (isOpen(request, url) || hasBearer(request, [secret]) || isSigned(request, url)))
      return may ? undefined : new Response(REFUSED, { status: 403 })
    },
    admit: (attempt) => {
      if (!isSameSecret(attempt, code)) return undefined
      code = randomSecret()
      return secret
    },
    code: () => code,
    signed: (pathname) => {
      const until = `${now() + SIGNED}`
      return `${pathname}?signed=${until}.${signature(pathname, until)}`
    }
  }
}
