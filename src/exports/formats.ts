/** The formats that `export` writes. A format's writer is loaded when it is chosen. */
import { type ExportFormat, exportFormat } from "./format.ts"

export const formats = [
  exportFormat({
    name: "onnx",
    title: "ONNX",
    usedIn: "In a web page",
    summary: "transformers.js and onnxruntime",
    options: {
      dtype: {
        summary: "precisions of the weights, as transformers.js names them",
        values: ["fp32", "fp16", "q8", "q4"],
        usual: ["fp32", "fp16", "q8"],
        several: true
      }
    },
    writer: async () => (await import("./onnx/writer.ts")).onnxWriter
  }),
  exportFormat({
    name: "gguf",
    title: "GGUF",
    usedIn: "In Ollama or llama.cpp",
    summary: "GGUF files, which llama.cpp and Ollama read",
    options: {
      type: {
        summary:
          "files to write: the merged model in f32, f16, q8_0, q4_0 or q4_k (llama.cpp's Q4_K_M), or the adapter alone, for use with the base model's file",
        values: ["q8_0", "f16", "q4_k", "q4_0", "f32", "adapter"],
        usual: ["q8_0"],
        several: true
      }
    },
    writer: async () => (await import("./gguf/writer.ts")).ggufWriter
  }),
  exportFormat({
    name: "huggingface",
    title: "Hugging Face folder",
    usedIn: "In Python",
    summary: "a Hugging Face folder with merged weights, which transformers loads",
    options: {},
    writer: async () => (await import("./layers-model.ts")).mergedWriter("huggingface")
  }),
  exportFormat({
    name: "layers-model",
    title: "tf.LayersModel",
    usedIn: "In a web page",
    summary: "a model.json with merged weights, which tf.loadLayersModel reads",
    options: {
      weights: {
        summary: "type of the stored weights",
        values: ["float32", "float16", "int8"],
        usual: ["float32"],
        several: false
      }
    },
    writer: async () => (await import("./layers-model.ts")).layersModelWriter
  })
] as const satisfies ReadonlyArray<ExportFormat>

export type FormatName = (typeof formats)[number]["name"]

export const formatNames: ReadonlyArray<FormatName> = formats.map(({ name }) => name)

/** Returns the format that a value of `--format` names. */
export const formatNamed = (name: FormatName): ExportFormat => formats.find((format) => format.name === name)!
