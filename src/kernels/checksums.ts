/** SHA-256 of each compiled file of this package, written by `bun run kernels`. */
export const checksums: Readonly<Record<string, string>> = {
  "kernels-darwin-arm64.dylib": "73cb9a4678eccde002a2c3beb1014aa4458ff7535493e8d39f69320e7b0e2e83",
  "kernels-darwin-x64.dylib": "80e8676e6a9d68132a4210c04499823d4e78a1f6cee3bc4092f42a2f0853925f",
  "kernels-linux-arm64.so": "4db518229fd9e1e2fd27402f3a70f41cfa024640e6e68e6a40e6b8aec54f82e5",
  "kernels-linux-x64.so": "0814af39ff01fa27ebaa31412ff6f03554a8fbf540a66835422e4200d890e203",
  "kernels-win32-x64.dll": "00936ec422e902997c7fbb887e264c537d6384707fdda95386e4b99b141c71f6",
  "kernels-fused-shared.wasm": "fcbaee706c459a6873cf01843ec965301780938cab3b29386f213b66a289bcaf",
  "kernels-fused.wasm": "a367f2e80b9be380d7b3085c70ad0291bd3d290c73f97b618e693106d03f14d4",
  "kernels-shared.wasm": "c05e26cff15d98e34a5df273d0e5b787ac9be98fe5fb5ce4b8bab5177aed3979",
  "kernels.wasm": "0ebf35308886616fdcc3657b3cae4d8235c07ae7aab59d4450b098c0930ba4a9"
}
