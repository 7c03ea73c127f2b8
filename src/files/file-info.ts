/** What there is to say of a file or folder that no disk has. */
import * as ByteSize from "effect/ByteSize"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"

/** `size` in bytes; `changed` in milliseconds since 1970, where that is known. */
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
