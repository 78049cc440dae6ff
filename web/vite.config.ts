import { defineConfig } from "vite";

// Names carry a hash of the content, so that the gateway may let browsers keep them for ever. No inlined data: the
// content security policy allows files of the gateway only.
export default defineConfig({
  base: "/",
  publicDir: false,
  build: {
    outDir: "dist",
    target: "es2022",
    cssTarget: "chrome123",
    assetsDir: "assets",
    assetsInlineLimit: 0,
    modulePreload: false,
    sourcemap: false,
    rollupOptions: { output: { entryFileNames: "assets/[name]-[hash].js", assetFileNames: "assets/[name]-[hash][extname]" } },
  },
});
