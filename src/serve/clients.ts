/** Who asks: a key, or else an address; and what of something bounded each client holds. */
import { type LimitName, limit } from "../boundary/index.ts"

/**
 * What a server says of a connection: that of `listen`, of `Deno.serve`, or the server that `Bun.serve` passes. Without one all requests
 * without a key are of one client.
 */
export type Connection =
  | {
      /** of the client; undefined: not known */
      readonly address: string | undefined
    }
  | {
      /** as Deno describes the client's end: with a `hostname` where it has an address */
      readonly remoteAddr: object
    }
  | {
      /** Bun's own: the client's end of a request's connection */
      readonly requestIP: (request: Request) => {
        /** of the client */
        readonly address: string
      } | null
    }

const addressOf = (request: Request, connection: Connection | undefined): string => {
  if (connection === undefined) return ""
  if ("requestIP" in connection) return connection.requestIP(request)?.address ?? ""
  if ("address" in connection) return connection.address ?? ""
  return "hostname" in connection.remoteAddr ? String(connection.remoteAddr.hostname) : ""
}

/** Of IPv6 the first 64 bits: a subscriber has all of the rest. */
const networkOf = (address: string): string => {
  const bare = address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "")
  if (!bare.includes(":")) return bare
  const [before = "", after] = bare.split("::")
  const [first, last] = [before, after ?? ""].map((part) => (part === "" ? [] : part.split(":")))
  const zeros = after === undefined ? [] : new Array<string>(Math.max(0, 8 - first!.length - last!.length)).fill("0")
  return [...first!, ...zeros, ...last!].slice(0, 4).join(":")
}

/** The client of a request without a key. Headers that say where it came from are not believed. */
export const clientAt = (request: Request, connection: Connection | undefined): string =>
  `address ${networkOf(addressOf(request, connection))}`

/** What clients hold of something that has a limit. */
export interface Holdings {
  /** Takes an amount for a client; false if there is no room for it. */
  readonly take: (client: string, amount: number) => boolean
  readonly give: (client: string, amount: number) => void
}

/** A client may hold as much as it leaves free: alone half of all, and however much a few hold, others find room. */
export const holdings = (name: LimitName): Holdings => {
  const held = new Map<string, number>()
  let all = 0
  return {
    take: (client, amount) => {
      const own = held.get(client) ?? 0
      const free = limit(name) - all
      if (amount > free || (own > 0 && own + amount > free)) return false
      held.set(client, own + amount)
      all += amount
      return true
    },
    give: (client, amount) => {
      const own = (held.get(client) ?? 0) - amount
      if (own > 0) held.set(client, own)
      else held.delete(client)
      all -= amount
    }
  }
}
