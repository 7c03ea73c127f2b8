/** Loaded before a program: whoever asks for a connection is thrown at, and the program's end says so. */
import { Socket } from "node:net"

const refuse = (): never => {
  process.on("exit", () => {
    process.exitCode = 99
  })
  throw new Error("a connection was asked for")
}
Object.assign(globalThis, { fetch: refuse, WebSocket: refuse })
Object.assign(Socket.prototype, { connect: refuse })
Object.assign(Bun, { connect: refuse })
