/** SHA-256 of each compiled file of this package, written by `bun run kernels`. */
export const checksums: Readonly<Record<string, string>> = {
  "kernels-darwin-arm64.dylib": "92310be2bb37af24e7817708d6376b2bb0ebf7910fb3a7ebcbe70806d14ae4ce",
  "kernels-darwin-x64.dylib": "0dab9d1defb8d9aa83889aa33714c6d1bee173947458f466a9bb203823d12534",
  "kernels-linux-arm64.so": "8b1793d292b8ebc3eca00c07c57e8eae5445a6ff722ae2a42f26da1585f9384c",
  "kernels-linux-x64.so": "a71c7589767342894171f9c0ee90c9742388a9ea51a40054982d33240cc291a2",
  "kernels-win32-x64.dll": "3aced4204037ccc38450b1a0cb14e0f14a21b579cd97d6ccf1ba74458c0f29af",
  "kernels-fused-shared.wasm": "6412de9451904b09494613c38b34a3c273f46b8941ccf1011b0cda953b27ee65",
  "kernels-fused.wasm": "28a17c57aa2060fa2ced2159d8754c1ddae686f91a11af075b74f027f8afd13b",
  "kernels-shared.wasm": "e31670675e0b93329fbf173ad0c186ed69c3c0f7ab7fe9ff8c377bcbeb6b7fb1",
  "kernels.wasm": "e1613465ff0d03486dfbb8c5ae90e936c6441de75a2953908b42660fbad37f09"
}
