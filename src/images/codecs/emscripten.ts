/** Codecs that Emscripten compiled: a factory of modules, of which each has an instance and memory of its own. */
import { type Instance, Instances, lazily } from "./codec.ts"

interface Options {
  readonly instantiateWasm: (
    imports: WebAssembly.Imports,
    done: (instance: WebAssembly.Instance) => void
  ) => WebAssembly.Exports
  readonly print: (line: string) => void
  readonly printErr: (line: string) => void
}

/** What an image becomes; null: the decoder failed. It answers with an ImageData, the polyfill of which comes with the module. */
type Decode = (image: Uint8Array, ...options: ReadonlyArray<unknown>) => { readonly data: Uint8ClampedArray } | null

interface EmscriptenModule {
  readonly decode: Decode
}

export interface EmscriptenDecoder {
  readonly decode: Decode
  /** what the library wrote to its standard error since it was last asked */
  readonly remarks: () => string
}

/** Modules of a factory. Neither is loaded before the first image. */
export const emscriptenInstances = (
  factory: () => Promise<{ readonly default: unknown }>,
  binary: () => Promise<WebAssembly.Module>
): Instances<EmscriptenDecoder> => {
  const loaded = lazily(() => Promise.all([factory(), binary()]))
  return new Instances(async (): Promise<Instance<EmscriptenDecoder>> => {
    const [{ default: make }, compiled] = await loaded()
    let written: Array<string> = []
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
        if (written.length < 4) written.push(line)
      }
    }
    const module = await (make as (options: Options) => Promise<EmscriptenModule>)(options)
    const remarks = () => {
      const text = written.join("; ")
      written = []
      return text
    }
    return {
      exports: { decode: module.decode, remarks },
      bytes: () => memory?.buffer.byteLength ?? 0
    }
  })
}
