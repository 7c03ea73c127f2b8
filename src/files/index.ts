/** Files as a program meets them: read with a bound, written as a whole or not at all, and the reason where that fails. */
export {
  FileError,
  fileError,
  refuseLink,
  replaceFile,
  temporaryName,
  writeFileAtomic,
  writeJson
} from "./atomic-file.ts"
export { deepestJson, isDeeperThan, isRecord, type ParsedJson, parseBoundedJson } from "./bounded-json.ts"
export { platformReason } from "./platform-reason.ts"
export { largestTextFile, readExactly, readTextFile, TextFileError } from "./text-file.ts"
