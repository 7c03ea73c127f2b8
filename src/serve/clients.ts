/** Identifies the clients of requests, by key or else by address, and the amount of a limited resource that each client holds. */
import { type LimitName, limit } from "../boundary/index.ts"

/**
 * Connection of a request, as `listen`, `Deno.serve` or `Bun.serve` passes it (Bun passes its server). Without one, all requests without a key
 * count as one client.
 */
export type Connection =
  | {
      /** address of the client; undefined: unknown */
      readonly address: string | undefined
    }
  | {
      /** Deno's description of the client's end, with a `hostname` if it has an address */
      readonly remoteAddr: object
    }
  | {
      /** Bun's method that returns the client's end of a request's connection */
      readonly requestIP: (request: Request) => {
        /** address of the client */
        readonly address: string
      } | null
    }

const addressOf = (request: Request, connection: Connection | undefined): string => {
  if (connection === undefined) return ""
  if ("requestIP" in connection) return connection.requestIP(request)?.address ?? ""
  if ("address" in connection) return connection.address ?? ""
  return "hostname" in connection.remoteAddr ? String(connection.remoteAddr.hostname) : ""
}

/** Returns the network of an address. Of IPv6, the first 64 bits: one subscriber has all of the rest. */
const networkOf = (address: string): string => {
  const bare = address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "")
  if (!bare.includes(":")) return bare
  const [before = "", after] = bare.split("::")
  const [first, last] = [before, after ?? ""].map((part) => (part === "" ? [] : part.split(":")))
  const zeros = after === undefined ? [] : new Array<string>(Math.max(0, 8 - first!.length - last!.length)).fill("0")
  return [...first!, ...zeros, ...last!].slice(0, 4).join(":")
}

/** Identifies the client of a request without a key. Ignores headers that claim an origin. */
export const clientAt = (request: Request, connection: Connection | undefined): string =>
  `address ${networkOf(addressOf(request, connection))}`

/** Amounts of a limited resource that clients hold. */
export interface Holdings {
  /** Reserves an amount for a client. Returns false if there is no room. */
  readonly take: (client: string, amount: number) => boolean
  readonly give: (client: string, amount: number) => void
}

/**
 * Creates holdings in which a client may hold at most as much as remains free (half of all, if it is alone), so that other clients always find
 * room.
 */
export const holdings = (name: LimitName): Holdings => {
  const amounts = new Map<string, number>()
  let all = 0
  return {
    take: (client, amount) => {
      const amountHeld = amounts.get(client) ?? 0
      const free = limit(name) - all
      if (amount > free || (amountHeld > 0 && amountHeld + amount > free)) return false
      amounts.set(client, amountHeld + amount)
      all += amount
      return true
    },
    give: (client, amount) => {
      const rest = (amounts.get(client) ?? 0) - amount
      if (rest > 0) amounts.set(client, rest)
      else amounts.delete(client)
      all -= amount
    }
  }
}
