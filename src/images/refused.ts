/** What keeps bytes from being an image, thrown within this room: the end of a sentence that begins with the image's file or row. */
export class Refused extends Error {
  override readonly name = "Refused"
}

/** The bytes end before what they promise. More of a file may have it. */
export class CutShort extends Refused {
  constructor() {
    super("is truncated: its data end early")
  }
}
