/** Training runs of one plan by several processes, on this machine or on two that a connection joins; Open MPI starts them. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Connection } from "../../src/ranks/index.ts"
import { median, minilmFolder } from "../shapes.ts"

const path = (file: string) => new URL(file, import.meta.url).pathname
const cli = path("../../src/bin/tfjs-lora-pro.ts")

/** Root has to say so. */
const asRoot = Object.fromEntries(
  ["OMPI", "PRTE"].flatMap((program) =>
    ["", "_CONFIRM"].map((confirm) => [`${program}_ALLOW_RUN_AS_ROOT${confirm}`, "1"] as const)
  )
)
const environment = process.getuid?.() === 0 ? { ...process.env, ...asRoot } : process.env

const execute = (command: ReadonlyArray<string>, more: Readonly<Record<string, string>> = {}): string => {
  const [program, ...args] = command
  const { status, stdout, stderr } = spawnSync(program!, args, {
    encoding: "utf8",
    env: { ...environment, ...more },
    maxBuffer: 1 << 26
  })
  if (status !== 0) throw new Error(`${command.join(" ")}: ${stderr || stdout}`)
  return stdout
}

export const optimizers = {
  lora: { kind: "adamw", learningRate: 1e-4 },
  "lora-pro-full": { kind: "lora-pro", form: "full", learningRate: 1e-4 }
} as const
export type Method = keyof typeof optimizers

/** A step: its micro-batches, and rows and tokens of each. */
export interface Shape {
  readonly accumulate: number
  readonly batch: number
  readonly length: number
}

/** Rows of at least 128 tokens, which fill every batch. */
const writePlan = (folder: string, method: Method, steps: number, { accumulate, batch, length }: Shape): string => {
  const rows = readFileSync(path("../../examples/data/movies/train.jsonl"), "utf8").trimEnd().split("\n")
  const texts = rows.map((row) => (JSON.parse(row) as { readonly text: string }).text)
  const long = Array.from({ length: 320 }, (_, i) => ({
    text: Array.from({ length: 24 }, (_, j) => texts[(24 * i + j) % texts.length]).join(" "),
    label: i % 2 === 0 ? "a" : "b"
  }))
  writeFileSync(join(folder, "rows.jsonl"), long.map((row) => `${JSON.stringify(row)}\n`).join(""))
  const file = join(folder, `${method}.json`)
  const plan = {
    seed: 0,
    model: { source: minilmFolder, task: { kind: "classification", pooling: "mean" } },
    data: { format: "classification", train: "rows.jsonl", text: "text", label: "label", maxLength: length },
    adapter: { method: "lora", rank: 8, alpha: 16, targets: "all-linear" },
    optimizer: optimizers[method],
    training: { steps, batchSize: batch, accumulate }
  }
  writeFileSync(file, JSON.stringify(plan))
  return file
}

export interface Run extends Shape {
  readonly device: string
  readonly method: Method
  readonly ranks: number
  /** of each rank */
  readonly threads: number
  readonly steps: number
  /** absent: all ranks on this machine, which share its memory */
  readonly link?: Link
}

export interface Ran {
  /** of the median step, without the first two */
  readonly milliseconds: number
  /** the largest resident size of each rank, bytes */
  readonly peaks: ReadonlyArray<number>
  /** the SHA-256 of the adapter */
  readonly adapter: string
}

const inScratch = <A>(use: (folder: string) => A): A => {
  const folder = mkdtempSync(join(tmpdir(), "bench-ranks-"))
  try {
    return use(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export const train = ({ device, method, ranks, threads, steps, link, ...shape }: Run): Ran =>
  inScratch((folder) => {
    const plan = writePlan(folder, method, steps, shape)
    const out = join(folder, "run")
    const peaks = mkdtempSync(join(folder, "peaks-"))
    const program = [process.execPath, path("watched.ts"), "train", plan, "--out", out]
    const flags = ["--device", device, "--threads", `${threads}`, "--json"]
    const launcher = ranks === 1 ? [] : link === undefined ? here(ranks) : link.launcher
    execute([...launcher, ...program, ...flags], { PEAKS: peaks })
    const times = readFileSync(join(out, "metrics.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { readonly kind: string; readonly milliseconds: number })
      .filter(({ kind }) => kind === "step")
      .map(({ milliseconds }) => milliseconds)
    const bytes = readFileSync(join(out, "adapter", "adapter_model.safetensors"))
    return {
      milliseconds: median(times.slice(2)),
      peaks: readdirSync(peaks).map((rank) => Number(readFileSync(join(peaks, rank), "utf8"))),
      adapter: new Bun.CryptoHasher("sha256").update(bytes).digest("hex")
    }
  })

const here = (ranks: number) => ["mpirun", "-n", `${ranks}`, "--oversubscribe", "--bind-to", "none"]

/** Milliseconds in which two ranks tell each other so many bytes each. */
export const gather = (link: Link, bytes: number, times: number) =>
  JSON.parse(execute([...link.launcher, process.execPath, path("gather.ts"), `${bytes}`, `${times}`]).trim()) as {
    readonly least: number
    readonly median: number
  }

/** What `validate` says of the same plan on so many ranks. */
export const predicted = (method: Method, ranks: number, shape: Shape) =>
  inScratch((folder) => {
    const plan = writePlan(folder, method, 4, shape)
    const said = execute([process.execPath, cli, "validate", plan, "--ranks", `${ranks}`, "--json"])
    const { processes } = JSON.parse(said) as {
      readonly processes: {
        readonly state: ReadonlyArray<number>
        readonly stateAlone: number
        readonly connections: ReadonlyArray<{ readonly name: string; readonly network: number }>
      }
    }
    return processes
  })

/** Two machines: namespaces of the kernel's network, each with a name of its own, that `link.py` joins. */
export interface Link {
  readonly launcher: ReadonlyArray<string>
}

const namespaces = ["ranks-a", "ranks-b"] as const
const inNamespace = (namespace: string, ...command: ReadonlyArray<string>) => [
  "ip",
  "netns",
  "exec",
  namespace,
  ...command
]

/** Large packets where there are many of them, which this program has to pass on one by one. */
const mtuOf = ({ bytesPerSecond }: Connection): number => (bytesPerSecond > 5e7 ? 9000 : 1500)

/** In the place of ssh: host and command, on the machine of that address. */
const agent = `#!/bin/sh
while [ "\${1#-}" != "$1" ]; do shift; done
case $1 in 10.77.0.1) machine=${namespaces[0]};; *) machine=${namespaces[1]};; esac
shift
exec ip netns exec $machine unshare --uts sh -c "hostname $machine; $*"
`

/** Uses the connection and takes it down. Throws with what is missing: root, network namespaces, /dev/net/tun, Python. */
export const linked = async (connection: Connection, use: (link: Link) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "bench-link-"))
  let relay: ChildProcess | undefined
  try {
    for (const namespace of namespaces) {
      execute(["ip", "netns", "add", namespace])
      execute(["ip", "-n", namespace, "link", "set", "lo", "up"])
    }
    const { bytesPerSecond, latency } = connection
    const numbers = [8 * bytesPerSecond, latency, mtuOf(connection)].map(String)
    relay = spawn(process.env["PYTHON"] ?? "python3", [path("link.py"), ...namespaces, ...numbers], {
      stdio: ["pipe", "pipe", "inherit"]
    })
    await new Promise<void>((resolve, reject) => {
      relay!.stdout!.once("data", () => resolve())
      relay!.once("exit", (code) => reject(new Error(`link.py ended with code ${code}`)))
    })
    const script = join(folder, "agent.sh")
    writeFileSync(script, agent)
    chmodSync(script, 0o755)
    const mpirun = [
      ...["mpirun", "-n", "2", "--host", "10.77.0.1:1,10.77.0.2:1", "--map-by", ":OVERSUBSCRIBE", "--bind-to", "none"],
      ...["--prtemca", "plm_ssh_agent", script, "--mca", "pml", "ob1", "--mca", "btl", "self,tcp"],
      ...["--mca", "btl_tcp_if_include", "link0"]
    ]
    const named = ["unshare", "--uts", "sh", "-c", `hostname ${namespaces[0]}; exec "$@"`, "sh"]
    await use({ launcher: inNamespace(namespaces[0], ...named, ...mpirun) })
  } finally {
    if (relay !== undefined && relay.exitCode === null) {
      const ended = new Promise((resolve) => relay!.once("exit", resolve))
      relay.stdin!.end()
      await ended
    }
    for (const namespace of namespaces) spawnSync("ip", ["netns", "delete", namespace])
    rmSync(folder, { recursive: true })
  }
}

const exchange = `
import socket, sys, time
if sys.argv[1] == "serve":
    server = socket.create_server(("10.77.0.2", 5999))
    print("ready", flush=True)
    other, _ = server.accept()
    for size in (1, int(sys.argv[2])):
        while size > 0:
            size -= len(other.recv(1 << 20))
        other.sendall(b"x")
else:
    other = socket.create_connection(("10.77.0.2", 5999))
    other.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for size in (1, int(sys.argv[2])):
        began = time.monotonic()
        other.sendall(bytes(size))
        other.recv(1)
        print(time.monotonic() - began)
`

/** Measured between the two: seconds there and back, and bits per second of a transfer that takes about two seconds. */
export const measureLink = async ({ bytesPerSecond }: Connection) => {
  const python = process.env["PYTHON"] ?? "python3"
  const size = `${Math.round(2 * bytesPerSecond)}`
  const [, ...serve] = inNamespace(namespaces[1], python, "-c", exchange, "serve", size)
  const server = spawn("ip", serve, { stdio: ["ignore", "pipe", "inherit"] })
  await new Promise<void>((resolve) => server.stdout!.once("data", () => resolve()))
  const [back, seconds] = execute(inNamespace(namespaces[0], python, "-c", exchange, "send", size))
    .trim()
    .split("\n")
    .map(Number)
  return { back: back!, bitsPerSecond: (8 * Number(size)) / (seconds! - back!) }
}
