/** The process's largest resident size, as the system counts it: tfjs' own numbers know nothing of the wasm heap. */
import process from "node:process"

/** Bytes; the system tells kibibytes. */
export const peakResidentBytes = (): number => 1024 * process.resourceUsage().maxRSS
