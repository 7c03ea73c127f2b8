/** Functions of the operating system that runs in several processes need, and libraries whose own parts see their symbols. */
import { fstatSync } from "node:fs"
import process from "node:process"
import { type Calls, type Foreign, openSystemLibrary, type Pointer, type Symbols } from "../../ffi/index.ts"

/** Functions of the operating system. */
export interface System {
  /** Returns whether an open file of this process is a connection. */
  readonly isSocket: (file: number) => boolean
  /** Returns the number of bytes written to an open file of this process that its reader has not read yet; 0 if it is not a pipe. */
  readonly unread: (file: number) => number
  /** Discards everything that this process prints from now on. */
  readonly silence: () => void
  /**
   * Exits the process like a C program, running the exit handlers of libraries: Bun skips them, and only then does MPICH report
   * that it has finished.
   */
  readonly exit: (code: number) => void
  /**
   * Opens a library. `forItsParts`: makes its symbols visible to the libraries that it loads and to those opened later. Throws
   * with the system's reason.
   */
  readonly load: (file: string, forItsParts: boolean) => LoadedLibrary
}

export interface LoadedLibrary {
  /** Returns the address of a global, or null if the library has none of this name. */
  readonly global: (name: string) => Pointer
  readonly bind: <const S extends Symbols>(symbols: S) => Calls<S>
}

const isPipe = (file: number): boolean => {
  try {
    return fstatSync(file).isFIFO()
  } catch {
    return false
  }
}

const O_WRONLY = 1
const FIONREAD: Readonly<Record<string, number>> = { linux: 0x541b, darwin: 0x4004_667f }
const RTLD_NOW = 2
/** A variable that the user has set stays as it is. */
const KEEP = 0
const RTLD_GLOBAL: Readonly<Record<string, number>> = { linux: 0x100, darwin: 0x8 }

/** Opens the C library. Throws on a platform without one. */
export const openSystem = (foreign: Foreign): System => {
  const { open, pointerTo, text } = foreign
  const system = openSystemLibrary(foreign, {
    dlopen: { parameters: ["pointer", "i32"], result: "pointer" },
    dlsym: { parameters: ["pointer", "pointer"], result: "pointer" },
    dlerror: { parameters: [], result: "pointer" },
    open: { parameters: ["pointer", "i32"], result: "i32" },
    dup2: { parameters: ["i32", "i32"], result: "i32" },
    getsockname: { parameters: ["i32", "pointer", "pointer"], result: "i32" },
    // it is variadic: its value is the third argument, but for Apple's arm64 the first one on the stack, which is the ninth
    ioctl: {
      parameters: ["i32", "i32", "pointer", "pointer", "pointer", "pointer", "pointer", "pointer", "pointer"],
      result: "i32"
    },
    setenv: { parameters: ["pointer", "pointer", "i32"], result: "i32" },
    exit: { parameters: ["i32"], result: "void" }
  })
  const withText = <A>(value: string, use: (pointer: Pointer) => A): A => {
    const bytes = new TextEncoder().encode(`${value}\0`)
    return use(pointerTo(bytes))
  }
  // Both libraries may load UCX, which patches the C library's mmap, munmap and sbrk to follow registered memory, while garbage
  // collectors call them on other threads. It then tries sbrk(page) and sbrk(-page): if the heap grew in between, its last page is lost.
  withText("UCX_MEM_EVENTS", (name) => withText("no", (value) => system.setenv(name, value, KEEP)))
  return {
    isSocket: (file) => {
      const room = new Uint8Array(128)
      const length = new Uint8Array(Int32Array.of(room.length).buffer)
      return system.getsockname(file, pointerTo(room), pointerTo(length)) === 0
    },
    unread: (file) => {
      if (!isPipe(file)) return 0
      const bytes = Int32Array.of(0)
      const at = pointerTo(new Uint8Array(bytes.buffer))
      const code = system.ioctl(file, FIONREAD[process.platform]!, at, null, null, null, null, null, at)
      return code === 0 ? bytes[0]! : 0
    },
    silence: () => {
      const nowhere = withText("/dev/null", (name) => system.open(name, O_WRONLY))
      for (const stream of [1, 2]) system.dup2(nowhere, stream)
    },
    exit: (code) => void system.exit(code),
    load: (file, forItsParts) => {
      const flags = RTLD_NOW | (forItsParts ? RTLD_GLOBAL[process.platform]! : 0)
      const handle = withText(file, (name) => system.dlopen(name, flags))
      if (handle === null) throw new Error(text(system.dlerror()))
      return {
        global: (name) => withText(name, (symbol) => system.dlsym(handle, symbol)),
        bind: (symbols) => open(file, symbols)
      }
    }
  }
}
