/**
 * A PostgreSQL server of the test's own, on a free port, with its data in a folder that goes with it. Where there is none (Debian:
 * `postgresql`) that is announced; REQUIRE_POSTGRES=1 makes it a failure.
 */
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir, userInfo } from "node:os"
import { join } from "node:path"

/** Debian keeps its binaries by version, outside of PATH. */
const DEBIAN = "/usr/lib/postgresql"

const binary = (name: string): string | undefined => {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : []
  return [...versions.map((version) => join(DEBIAN, version, "bin", name)), Bun.which(name) ?? ""].find(existsSync)
}

const initdb = binary("initdb")
const server = binary("postgres")

export const hasPostgres = initdb !== undefined && server !== undefined
if (!hasPostgres) {
  if (process.env["REQUIRE_POSTGRES"] === "1") throw new Error("PostgreSQL is not installed, but REQUIRE_POSTGRES=1")
  console.warn(
    "PostgreSQL is not installed: studies of several machines are not tested (REQUIRE_POSTGRES=1 makes that a failure)"
  )
}

/** The server refuses to run as root, where Debian's package has made a user for it. */
const asUser = userInfo().uid === 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : []

const freePort = () =>
  new Promise<number>((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { readonly port: number }
      probe.close(() => resolve(port))
    })
  })

const idOf = (flag: "-u" | "-g"): number => Number(Bun.spawnSync(["id", flag, "postgres"]).stdout.toString())

export interface Postgres {
  /** with a password that must be right */
  readonly url: string
  readonly stop: () => Promise<void>
}

const PASSWORD = "for-this-test"

/** Starts the server and waits until it answers. */
export const startPostgres = async (): Promise<Postgres> => {
  const folder = mkdtempSync(join(tmpdir(), "tfjs-lora-pro-postgres-"))
  if (asUser.length > 0) chownSync(folder, idOf("-u"), idOf("-g"))
  await Bun.write(join(folder, "password"), PASSWORD)
  const data = join(folder, "data")
  const made = Bun.spawnSync(
    [
      ...asUser,
      initdb!,
      "-D",
      data,
      "-U",
      "study",
      "--auth=scram-sha-256",
      `--pwfile=${join(folder, "password")}`,
      "--no-sync"
    ],
    { cwd: folder }
  )
  if (made.exitCode !== 0) throw new Error(`initdb: ${made.stderr}`)
  const port = await freePort()
  const child = Bun.spawn(
    [
      ...asUser,
      server!,
      "-D",
      data,
      "-p",
      String(port),
      "-k",
      folder,
      "-c",
      "listen_addresses=127.0.0.1",
      "-c",
      "fsync=off"
    ],
    { cwd: folder, stdout: "ignore", stderr: "pipe" }
  )
  const decoder = new TextDecoder()
  let said = ""
  const reader = child.stderr.getReader()
  while (!said.includes("ready to accept connections")) {
    const { done, value } = await reader.read()
    if (done) throw new Error(`postgres ended: ${said}`)
    said += decoder.decode(value, { stream: true })
  }
  // what it says afterwards must not fill the pipe
  void (async () => {
    while (!(await reader.read()).done) {}
  })()
  return {
    url: `postgres://study:${PASSWORD}@127.0.0.1:${port}/postgres`,
    stop: async () => {
      child.kill("SIGQUIT")
      await child.exited
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
