/** Internal exception for bytes that are not a readable image. The message is the end of a sentence that begins with the image's file or row. */
export class Refused extends Error {
  override readonly name = "Refused"
}

/** The bytes end early. More bytes of a file may contain the rest. */
export class CutShort extends Refused {
  constructor() {
    super("is truncated: its data end early")
  }
}
