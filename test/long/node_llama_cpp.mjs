/**
 * Logits of GGUF files as llama.cpp computes them, by npm's node-llama-cpp: prebuilt, so that nothing is compiled.
 *
 *   node test/long/node_llama_cpp.mjs FOLDER < cases.json        FOLDER has node_modules/node-llama-cpp
 *
 * Cases are {model, adapter?, ids, texts?, generate?: {ids, tokens}}; printed is a list of {logits [texts, tokens, vocabulary], encoded,
 * generated: ids} or {error}, as JSON. Keys and values in float32, one thread.
 */
import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const require = createRequire(join(process.argv[2], "package.json"))
const { getLlama } = await import(pathToFileURL(require.resolve("node-llama-cpp")).href)
const chunks = []
for await (const chunk of process.stdin) chunks.push(chunk)
const cases = JSON.parse(Buffer.concat(chunks).toString())

let said = []
const logger = (_, message) => said.push(message)
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error", logger, maxThreads: 1 })

const answer = async ({ model: modelPath, adapter, ids, texts = [], generate }) => {
  const model = await llama.loadModel({ modelPath, defaultContextFlashAttention: false, useMmap: false })
  try {
    const context = await model.createContext({
      contextSize: 256,
      threads: 1,
      flashAttention: false,
      experimentalKvCacheKeyType: "F32",
      experimentalKvCacheValueType: "F32",
      ...(adapter === undefined ? {} : { lora: { adapters: [{ filePath: adapter, scale: 1 }] } })
    })
    const sequence = context.getSequence()
    const logits = []
    for (const own of ids) {
      await sequence.clearHistory()
      const asked = own.map((token) => [token, { generateNext: { logits: true, options: { temperature: 0 } } }])
      const found = await sequence.controlledEvaluate(asked)
      logits.push(found.map(({ next }) => {
        const row = new Array(next.logits.size)
        for (const [token, logit] of next.logits) row[token] = logit
        return row
      }))
    }
    const generated = []
    if (generate !== undefined) {
      await sequence.clearHistory()
      for await (const token of sequence.evaluate(generate.ids, { temperature: 0 })) {
        generated.push(token)
        if (generated.length >= generate.tokens) break
      }
    }
    await context.dispose()
    return { logits, encoded: texts.map((text) => model.tokenize(text)), generated }
  } finally {
    await model.dispose()
  }
}

const answers = []
for (const one of cases) {
  said = []
  try {
    answers.push(await answer(one))
  } catch (error) {
    answers.push({ error: [String(error), ...said].join("\n") })
  }
}
// llama.cpp's threads keep the process alive
process.stdout.write(`${JSON.stringify(answers)}\n`, () => process.exit(0))
