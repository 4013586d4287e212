// Builds the pages into dist/: hashed names, and an index.html that holds no data. With --test, the tests alone.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";

const tests = process.argv.includes("--test");
const common = { bundle: true, target: ["es2022"], jsx: "automatic", jsxImportSource: "preact", logLevel: "warning" };

if (tests) {
  rmSync("build-test", { recursive: true, force: true });
  await build({
    ...common,
    entryPoints: readdirSync("test")
      .filter((name) => name.endsWith(".test.ts"))
      .map((name) => join("test", name)),
    outdir: "build-test",
    outExtension: { ".js": ".mjs" },
    platform: "node",
    format: "esm",
  });
} else {
  rmSync("dist", { recursive: true, force: true });
  const result = await build({
    ...common,
    entryPoints: { console: "src/main.tsx", early: "src/early.ts", icon: "src/icon.svg" },
    outdir: "dist",
    entryNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    loader: { ".svg": "copy" },
    format: "iife",
    minify: true,
    charset: "utf8",
    legalComments: "none",
    metafile: true,
  });
  const named = (start, end) =>
    Object.keys(result.metafile.outputs)
      .map((name) => basename(name))
      .find((name) => name.startsWith(`${start}-`) && name.endsWith(end));
  const page = readFileSync("src/index.html", "utf8").replaceAll(/\{\{(\w+)(\.\w+)\}\}/g, (_, start, end) => {
    const name = named(start, end);
    if (!name) throw new Error(`build: got no ${start}${end}, want one (fix: see src/index.html)`);
    return `/assets/${name}`;
  });
  writeFileSync("dist/index.html", page);
}
