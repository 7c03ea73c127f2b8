/** File information for files and folders that are not on a disk. */
import * as ByteSize from "effect/ByteSize"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"

/** Creates file information. `size`: bytes; `changed`: milliseconds since 1970, if known. */
export const infoOf = (type: FileSystem.File.Type, size: number, changed?: number): FileSystem.File.Info => ({
  type,
  size: ByteSize.bytes(size),
  mtime: changed === undefined ? Option.none() : Option.some(new Date(changed)),
  atime: Option.none(),
  birthtime: Option.none(),
  dev: 0n,
  ino: Option.none(),
  mode: 0o644,
  nlink: Option.none(),
  uid: Option.none(),
  gid: Option.none(),
  rdev: Option.none(),
  blksize: Option.none(),
  blocks: Option.none()
})
