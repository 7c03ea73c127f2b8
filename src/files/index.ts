/** File access: bounded reads, atomic writes, and readable reasons for failures. */
export { readAnswer } from "./answer.ts"
export {
  FileError,
  FolderExists,
  fileError,
  inNewFolder,
  refuseLink,
  replaceFile,
  writeFileAtomic,
  writeJson
} from "./atomic-file.ts"
export { infoOf } from "./file-info.ts"
export { type FolderPlace, type GuardedFolder, guardFolder, within, writtenElsewhere } from "./guarded-folder.ts"
export { isLeftover } from "./leftovers.ts"
export { withoutLinks } from "./no-links.ts"
export { hostname, ownNumber } from "./own-process.ts"
export { platformReason } from "./platform-reason.ts"
export { isGone, isIdentified, ownerIn, ownerOf, ProcessOwner, thisProcess } from "./process-owner.ts"
export { statRegular } from "./regular-file.ts"
export { hashesWhole, sha256, wholeSha256 } from "./sha256.ts"
export { partFiles } from "./split-files.ts"
export { temporaryFor, temporaryName } from "./temporary-name.ts"
export {
  asFileError,
  isDeeperThan,
  isUrl,
  type ParsedJson,
  parseBoundedJson,
  readExactly,
  readJsonFile,
  readTextFile,
  repeatsKey,
  TextFileError
} from "./text-file.ts"
export { type Files, isThere, namesIn, withProvidedFiles } from "./there.ts"
export { userFolder } from "./user-folder.ts"
