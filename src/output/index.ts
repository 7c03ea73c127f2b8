/** Output: the run folder, metrics, and adapters that Hugging Face PEFT reads. */
export { AdapterError, restoreAdapter, saveAdapter, saveTensors } from "./adapter-folder.ts"
export { FileError } from "./atomic-file.ts"
export { type BaseIdentity, baseIdentity } from "./base-identity.ts"
export { appendMetrics, type EvaluationReport } from "./metrics.ts"
export { peftConfig } from "./peft-config.ts"
export { exportedName, storedTensors } from "./peft-layout.ts"
export { finishRun, openRun, type Run, type RunReport } from "./run.ts"
export { checkFree, type RunFolder, RunFolderExists, runFolder } from "./run-folder.ts"
