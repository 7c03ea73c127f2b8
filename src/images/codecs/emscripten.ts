/** Codecs compiled by Emscripten: factories of modules, each with its own instance and memory. */
import { type Instance, Instances, lazily } from "./codec.ts"

interface Options {
  readonly instantiateWasm: (
    imports: WebAssembly.Imports,
    done: (instance: WebAssembly.Instance) => void
  ) => WebAssembly.Exports
  readonly print: (line: string) => void
  readonly printErr: (line: string) => void
}

/** Decodes an image; null: the decoder failed. Returns an ImageData, whose polyfill comes with the module. */
type Decode = (image: Uint8Array, ...options: ReadonlyArray<unknown>) => { readonly data: Uint8ClampedArray } | null

interface EmscriptenModule {
  readonly decode: Decode
}

export interface EmscriptenDecoder {
  readonly decode: Decode
  /** Returns what the library has written to its standard error since the last call. */
  readonly remarks: () => string
}

/**
 * Starts a module without the `location` that it defines in Bun, Deno and Node if there is none: with an empty address, against which a program
 * could no longer resolve absolute URLs either.
 */
const withoutLocation = <A>(start: () => A): A => {
  const hadLocation = "location" in globalThis
  const started = start()
  if (!hadLocation) Reflect.deleteProperty(globalThis, "location")
  return started
}

/** Creates instances from a factory. Neither is loaded before the first image. */
export const emscriptenInstances = (
  factory: () => Promise<{ readonly default: unknown }>,
  binary: () => Promise<WebAssembly.Module>
): Instances<EmscriptenDecoder> => {
  const loaded = lazily(() => Promise.all([factory(), binary()]))
  return new Instances(async (): Promise<Instance<EmscriptenDecoder>> => {
    const [{ default: make }, compiled] = await loaded()
    let lines: Array<string> = []
    let memory: WebAssembly.Memory | undefined
    const options: Options = {
      instantiateWasm: (imports, done) => {
        const instance = new WebAssembly.Instance(compiled, imports)
        memory = Object.values(instance.exports).find((value) => value instanceof WebAssembly.Memory)
        done(instance)
        return instance.exports
      },
      print: () => undefined,
      printErr: (line) => {
        if (lines.length < 4) lines.push(line)
      }
    }
    const module = await withoutLocation(() => (make as (options: Options) => Promise<EmscriptenModule>)(options))
    const remarks = () => {
      const text = lines.join("; ")
      lines = []
      return text
    }
    return {
      exports: { decode: module.decode, remarks },
      bytes: () => memory?.buffer.byteLength ?? 0
    }
  })
}
