/**
 * Parts of tfjs that the npm package includes, since installing them takes 31 MB: its layers, as `@tensorflow/tfjs-layers` exports them, and the
 * gradients of its operations, which tfjs-core has in files whose imports lack the extensions that Node and Deno require. Each is one module
 * over `@tensorflow/tfjs-core`, and contains what that does not export.
 */
import { realpathSync } from "node:fs"
import { dirname, join } from "node:path"
import * as core from "@tensorflow/tfjs-core"
import type { BunPlugin } from "bun"

const distOf = (name: string) => realpathSync(join(import.meta.dir, "..", "node_modules", "@tensorflow", name, "dist"))

const coreDist = distOf("tfjs-core")

/** Files of tfjs-core that get other contents: a process has one engine, and gradients are called with tensors only. */
const replacements: Readonly<Record<string, string>> = {
  "engine.js": 'import { engine } from "@tensorflow/tfjs-core"\nexport const ENGINE = engine()',
  "tensor_util_env.js": "export const convertToTensor = (tensor) => tensor",
  "util.js": `import { util } from "@tensorflow/tfjs-core"\nexport const { ${Object.keys(core.util).join(", ")} } = util`
}

const external = { path: "@tensorflow/tfjs-core", external: true } as const

const overTfjsCore: BunPlugin = {
  name: "over-tfjs-core",
  setup(build) {
    build.onResolve({ filter: /^@tensorflow\/tfjs-core/ }, ({ path }) => {
      const [, inside] = path.split("/dist/")
      return inside === undefined ? external : { path: join(coreDist, `${inside}.js`) }
    })
    build.onResolve({ filter: /^\.\.?\// }, async ({ path, importer }) => {
      if (!importer.startsWith(coreDist)) return undefined
      const file = join(dirname(importer), path.endsWith(".js") ? path : `${path}.js`)
      const name = file.slice(coreDist.length + 1)
      if (name in replacements) return { path: name, namespace: "replacement" }
      const exported = Object.keys(await import(file))
      const isInCore = !name.startsWith("gradients/") && exported.length > 0 && exported.every((one) => one in core)
      return isInCore ? external : { path: file }
    })
    build.onLoad({ filter: /.*/, namespace: "replacement" }, ({ path }) => ({
      contents: replacements[path]!,
      loader: "js"
    }))
  }
}

const licences = `/*!
From TensorFlow.js ${core.version_core}. Copyright Google LLC, licensed under the Apache License, Version 2.0.

Its layers are licensed under the MIT License: Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so,
subject to the following conditions: The above copyright notice and this permission notice shall be included in all copies or substantial portions of
the Software. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM,
DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR
OTHER DEALINGS IN THE SOFTWARE.
*/
`

const bundled = async (entry: string): Promise<string> => {
  const { outputs } = await Bun.build({
    entrypoints: [entry],
    minify: { whitespace: true, syntax: true, identifiers: true, keepNames: true },
    plugins: [overTfjsCore]
  })
  return `${licences}${await outputs[0]!.text()}`
}

/** Returns JavaScript by the file of the built package that it replaces. */
export const tfjsParts = async (): Promise<Readonly<Record<string, string>>> => ({
  "src/device/gradients.js": await bundled(join(coreDist, "register_all_gradients.js")),
  "src/models/layers-model/included-layers.js": await bundled(join(distOf("tfjs-layers"), "index.js"))
})
