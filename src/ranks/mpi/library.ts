/**
 * The MPI library, with the constants of its interface. The standard does not specify the form of handles: Open MPI's are addresses
 * of globals, MPICH's are numbers, which those of Intel MPI, MVAPICH and Cray follow (the "MPICH ABI compatibility initiative").
 */
import { messageOf } from "../../boundary/index.ts"
import { type Calls, type Foreign, foreign, type Signature, type Unavailable } from "../../ffi/index.ts"
import type { Abi, Launch } from "./launch.ts"
import { type LoadedLibrary, openSystem, type System } from "./system.ts"

/** Environment variable with the path of the library, if it is not found automatically. */
export const LIBRARY_VARIABLE = "TFJS_LORA_PRO_MPI"

/** A handle, as it is given to a call. */
type Handle = unknown

interface Handles {
  readonly world: Handle
  readonly byte: Handle
  /** calls return their errors instead of ending the process */
  readonly errorsReturn: Handle
}

interface Layout {
  readonly label: string
  /** what a handle is as a parameter */
  readonly handle: "pointer" | "i32"
  readonly handles: (library: LoadedLibrary) => Handles
  readonly anySource: number
  /** where a status has the rank that sent, in bytes */
  readonly sourceAt: number
  /** whether it tells its launcher only at the process's exit that it has finished */
  readonly finishesAtExit: boolean
  /** by platform, most likely first */
  readonly files: Readonly<Record<string, ReadonlyArray<string>>>
  /** the packages of Debian that have it */
  readonly packages: string
}

const layouts: Readonly<Record<Abi, Layout>> = {
  openmpi: {
    label: "Open MPI",
    handle: "pointer",
    handles: ({ global }) => ({
      world: global("ompi_mpi_comm_world"),
      byte: global("ompi_mpi_byte"),
      errorsReturn: global("ompi_mpi_errors_return")
    }),
    anySource: -1,
    sourceAt: 0,
    finishesAtExit: false,
    files: {
      linux: ["libmpi.so.40"],
      darwin: ["libmpi.40.dylib", "/opt/homebrew/lib/libmpi.40.dylib", "/usr/local/lib/libmpi.40.dylib"]
    },
    packages: "openmpi-bin"
  },
  mpich: {
    label: "MPICH",
    handle: "i32",
    handles: () => ({ world: 0x44000000, byte: 0x4c00010d, errorsReturn: 0x54000001 }),
    anySource: -2,
    sourceAt: 8,
    finishesAtExit: true,
    files: {
      linux: ["libmpi.so.12", "libmpich.so.12", "libmpi_cray.so.12"],
      darwin: ["libmpi.12.dylib", "/opt/homebrew/lib/libmpi.12.dylib", "/usr/local/lib/libmpi.12.dylib"]
    },
    packages: "mpich"
  }
}

/** A function that returns its error as an int. */
const call = <const Parameters extends Signature["parameters"]>(...parameters: Parameters) =>
  ({ parameters, result: "i32" }) as const

const symbolsOf = (handle: Layout["handle"]) => ({
  MPI_Initialized: call("pointer"),
  MPI_Init: call("pointer", "pointer"),
  MPI_Finalize: call(),
  MPI_Abort: call(handle, "i32"),
  MPI_Comm_rank: call(handle, "pointer"),
  MPI_Comm_size: call(handle, "pointer"),
  MPI_Comm_set_errhandler: call(handle, handle),
  MPI_Error_string: call("i32", "pointer", "pointer"),
  MPI_Get_processor_name: call("pointer", "pointer"),
  MPI_Get_library_version: call("pointer", "pointer"),
  // sent bytes, their count and type, then room for what comes, its counts, places and type
  MPI_Iallgatherv: call("pointer", "i32", handle, "pointer", "pointer", "pointer", handle, handle, "pointer"),
  MPI_Igatherv: call("pointer", "i32", handle, "pointer", "pointer", "pointer", handle, "i32", handle, "pointer"),
  MPI_Ibcast: call("pointer", "i32", handle, "i32", handle, "pointer"),
  MPI_Ibarrier: call(handle, "pointer"),
  MPI_Test: call("pointer", "pointer", "pointer"),
  MPI_Isend: call("pointer", "i32", handle, "i32", "i32", handle, "pointer"),
  MPI_Iprobe: call("i32", "i32", handle, "pointer", "pointer"),
  MPI_Get_count: call("pointer", handle, "pointer"),
  MPI_Recv: call("pointer", "i32", handle, "i32", "i32", handle, "pointer")
})

/** An opened library, of which only the version function has been called. */
export interface MpiLibrary {
  readonly file: string
  readonly abi: Abi
  /** version, such as "Open MPI 5.0.7", as the library reports it */
  readonly version: string
  readonly call: Calls<ReturnType<typeof symbolsOf>>
  readonly handles: Handles
  readonly anySource: number
  readonly sourceAt: number
  readonly finishesAtExit: boolean
  readonly pointerTo: Foreign["pointerTo"]
  readonly system: System
}

const LONGEST_VERSION = 8192 // MPI_MAX_LIBRARY_VERSION_STRING of both

const versionOf = ({ call, pointerTo }: Pick<MpiLibrary, "call" | "pointerTo">): string => {
  const text = new Uint8Array(LONGEST_VERSION)
  const length = new Int32Array(1)
  call.MPI_Get_library_version(pointerTo(text), pointerTo(new Uint8Array(length.buffer)))
  const whole = new TextDecoder().decode(text.subarray(0, length[0]))
  // "Open MPI v5.0.7, package: …" and "MPICH Version:      4.2.1\nMPICH Release date: …"
  const [, name, version] = /^(.*?)(?: Library)?(?: Version:)?\s+v?(\d[\w.]*)/.exec(whole) ?? []
  return name === undefined ? (whole.split("\n")[0] ?? "") : `${name} ${version}`
}

interface Openers {
  readonly pointerTo: Foreign["pointerTo"]
  readonly system: System
}

const openers = (): Openers | Unavailable => {
  const runtime = foreign()
  if ("reason" in runtime) return runtime
  try {
    return { pointerTo: runtime.pointerTo, system: openSystem(runtime) }
  } catch (cause) {
    return { reason: messageOf(cause), remedy: "run it on Linux or macOS" }
  }
}

const opened = ({ pointerTo, system }: Openers, file: string, forItsParts = true): MpiLibrary => {
  const library = system.load(file, forItsParts)
  const abi: Abi = library.global("ompi_mpi_comm_world") === null ? "mpich" : "openmpi"
  const { handle, handles, anySource, sourceAt, finishesAtExit } = layouts[abi]
  const call = library.bind(symbolsOf(handle))
  return {
    file,
    abi,
    version: versionOf({ call, pointerTo }),
    call,
    handles: handles(library),
    anySource,
    sourceAt,
    finishesAtExit,
    pointerTo,
    system
  }
}

/** What was tried, in their order: the launcher's own kind alone where it has one. */
const candidates = (abi: Abi | undefined): ReadonlyArray<string> => {
  const kinds = abi === undefined ? (["openmpi", "mpich"] as const) : [abi]
  return kinds.flatMap((kind) => layouts[kind].files[process.platform] ?? [])
}

/**
 * Opens the library that the launcher's processes use: the one named in the environment, or the launcher's kind by its usual names.
 * `abi` undefined: the first library of any kind.
 */
export const openLibrary = (abi: Abi | undefined): MpiLibrary | Unavailable => {
  const named = process.env[LIBRARY_VARIABLE]
  const files = named === undefined || named === "" ? candidates(abi) : [named]
  const way = openers()
  if ("reason" in way) return way
  const reasons: Array<string> = []
  for (const file of files) {
    const library = tried(() => opened(way, file))
    if (!(library instanceof Error)) return library
    reasons.push(library.message)
  }
  const kind = abi === undefined ? "an MPI library" : `the library of ${layouts[abi].label}`
  const packages = abi === undefined ? "openmpi-bin or mpich" : layouts[abi].packages
  return named === undefined || named === ""
    ? {
        reason: `${kind} was not found (${files.join(", ")}: ${reasons[0] ?? "none for this system"})`,
        remedy: `install it (Debian and Ubuntu: ${packages}), name its folder in LD_LIBRARY_PATH, or its file in ${LIBRARY_VARIABLE}`
      }
    : {
        reason: `${LIBRARY_VARIABLE} names ${named}, which cannot be opened as an MPI library (${reasons[0]})`,
        remedy: `name a file such as ${candidates(abi)[0] ?? "libmpi.so"}, or leave it out`
      }
}

/** Returns the libraries available on this machine, one of each kind, or why this process can open none. */
export const foundLibraries = (): ReadonlyArray<Pick<MpiLibrary, "version" | "file">> | Unavailable => {
  const way = openers()
  if ("reason" in way) return way
  const named = process.env[LIBRARY_VARIABLE]
  const kinds = named ? [[named]] : (["openmpi", "mpich"] as const).map(candidates)
  return kinds.flatMap((files) => {
    // apart from each other: their functions have the same names
    const libraries = files.map((file) => tried(() => opened(way, file, false)))
    return libraries.flatMap((library) => (library instanceof Error ? [] : [library])).slice(0, 1)
  })
}

const tried = <A>(make: () => A): A | Error => {
  try {
    return make()
  } catch (thrown) {
    return new Error(messageOf(thrown))
  }
}

/** Returns why a process is alone although its launcher started several. */
export const mismatch = (launch: Launch, library: MpiLibrary, size: number): Unavailable => {
  const other = launch.abi !== undefined && launch.abi !== library.abi
  const srun = launch.by.includes("srun")
  return {
    reason: `${launch.by} says that there are ${launch.size} processes, but its library ${library.version} (${library.file}) knows of ${size}`,
    remedy: srun
      ? `start it with srun --mpi=${library.abi === "openmpi" ? "pmix" : "pmi2"}, or with the mpirun of ${layouts[library.abi].label}`
      : other
        ? `start it with the mpirun of ${layouts[library.abi].label}, or name the other library in ${LIBRARY_VARIABLE}`
        : `start it with the mpirun that belongs to ${library.version}`
  }
}
