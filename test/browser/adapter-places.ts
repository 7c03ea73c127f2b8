/** A page that adapts a model, saves the adapter to each of tfjs's places and loads it again; what came of it is in `placesOutcome`. */
import * as tf from "@tensorflow/tfjs"
import { adapt, install, loadAdapter } from "../../src/browser.ts"
import { convnet, moved, numbers, uniform } from "../src/layers-model/networks.ts"

export interface PlacesOutcome {
  /** what `install` said, and what tfjs has then */
  readonly backends: readonly [string, string]
  readonly expected: ReadonlyArray<number>
  /** by the place's address */
  readonly loaded: Readonly<Record<string, ReadonlyArray<number>>>
  /** base64 */
  readonly files: Readonly<Record<string, string>>
  readonly folder: string
}

const run = async (): Promise<PlacesOutcome> => {
  const { backend } = await install("wasm", { wasmFolder: "wasm/", threads: 1 })
  const model = convnet()
  const x = uniform([4, 8, 8, 3], 3)
  const adapted = await adapt(model, { rank: 2, head: ["logits"] })
  moved(adapted)
  const loaded: Record<string, ReadonlyArray<number>> = {}
  const answer = async (place: string, source: Parameters<typeof loadAdapter>[1]) => {
    const other = await loadAdapter(model, source)
    loaded[place] = await numbers(other.predict(x))
    await other.dispose()
  }
  for (const place of ["indexeddb://turned", "localstorage://turned"]) {
    await adapted.save(place)
    await answer(place, place)
  }
  await adapted.save("downloads://turned")
  const files = await adapted.files()
  await answer("files", files)
  await answer("adapter/", "adapter/") // a path in a page is of the page's server
  const folder = await adapted.save("a/folder").then(
    () => "",
    (error: Error) => error.message
  )
  const base64 = (bytes: Uint8Array) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
  return {
    backends: [backend, tf.getBackend()],
    expected: await numbers(adapted.predict(x)),
    loaded,
    files: Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, base64(bytes)])),
    folder
  }
}

Object.assign(globalThis, { placesOutcome: run() })
